//! Units: the key of each epoch, who holds it, and what is derived from it.

use obhut_format::content::{
    PersonEntry, RegisterEntry, SealedKind, UnitEntry, normalised_reference,
};
use obhut_format::context::{Context, sha256};
use obhut_format::key::{Membership, unit_link_context};
use obhut_format::statement::UnitEpoch;
use obhut_format::tree::root_of;
use obhut_format::{CaseId, Cbor, Hash, PersonId, UnitId, VaultId};
use obhut_suite::{
    Secret, XwingPublic, XwingSeed, hkdf_expand_secret, hkdf_extract_sha512, hmac_sha256,
    hpke_open, hpke_seal,
};
use rand_core::CryptoRng;

use crate::key::{key_id, subkey};
use crate::sealed::{open_record, seal_record};
use crate::wrap::{unwrap_secret, wrap_secret};
use crate::{CaseShare, CryptoError, Identity, PublicIdentity};

/// One epoch of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnitRef {
    /// The vault.
    pub vault: VaultId,
    /// The unit.
    pub unit: UnitId,
    /// The epoch of its key, from 1.
    pub epoch: u32,
}

/// UK: the key of one epoch of a unit. Case keys are granted to it; names are sealed under it.
pub struct UnitKey {
    at: UnitRef,
    seed: XwingSeed,
}

impl UnitKey {
    /// A fresh key for a new epoch.
    pub fn generate(at: UnitRef, rng: &mut impl CryptoRng) -> Self {
        let seed = XwingSeed::generate(rng);
        Self { at, seed }
    }

    /// The epoch.
    pub fn at(&self) -> &UnitRef {
        &self.at
    }

    /// `uk_id`, the commitment in the unit's statement and the recipient named in case grants.
    pub fn id(&self) -> Hash {
        key_id("obhut/uk-id/v1", self.seed.secret())
    }

    /// To grant case keys to the unit.
    pub fn public(&self) -> XwingPublic {
        self.seed.public()
    }

    /// Opens case grants to the unit.
    pub fn xwing(&self) -> &XwingSeed {
        &self.seed
    }

    /// Seals the key to a member.
    pub fn seal_membership(
        &self,
        member: &PublicIdentity,
        rng: &mut impl CryptoRng,
    ) -> Result<Membership, CryptoError> {
        let mut membership = Membership {
            vault: self.at.vault,
            unit: self.at.unit,
            epoch: self.at.epoch,
            member: member.kid(),
            uk_id: self.id(),
            sealed: Vec::new().into(),
        };
        let info = membership.info();
        // EXPOSE: sealed to the member.
        let seed = self.seed.secret().expose();
        let sealed = hpke_seal(
            member.xwing(),
            info.as_bytes(),
            &membership.uk_id,
            seed,
            rng,
        )?;
        membership.sealed = sealed.into();
        Ok(membership)
    }

    /// Opens one's own membership in the epoch of a statement whose signature and place in the log
    /// were checked. [`CryptoError::NotARecipient`] if it is somebody else's; refuses a key that is
    /// not the one the statement commits to.
    pub fn open_membership(
        vault: VaultId,
        epoch: &UnitEpoch,
        membership: &Membership,
        member: &Identity,
    ) -> Result<Self, CryptoError> {
        if membership.member != member.kid() {
            return Err(CryptoError::NotARecipient);
        }
        let belongs = membership.vault == vault
            && membership.unit == epoch.unit
            && membership.epoch == epoch.epoch
            && membership.uk_id == epoch.uk_id
            && epoch.members.contains(&membership.member);
        if !belongs {
            return Err(CryptoError::Damaged);
        }
        let (info, aad) = (membership.info(), &membership.uk_id);
        let seed = hpke_open(member.xwing(), info.as_bytes(), aad, &membership.sealed.0)?;
        Self::from_secret(vault, epoch, seed.into_secret()?)
    }

    /// Wraps the key of the epoch before under this one.
    pub fn wrap_earlier(
        &self,
        earlier: &Self,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, CryptoError> {
        let context = earlier.link_context();
        wrap_secret(&self.link_key(), &context, earlier.seed.secret(), rng)
    }

    /// Unwraps the key of the epoch before; `earlier` is that epoch's statement.
    pub fn unwrap_earlier(&self, earlier: &UnitEpoch, link: &[u8]) -> Result<Self, CryptoError> {
        if earlier.unit != self.at.unit || earlier.epoch.checked_add(1) != Some(self.at.epoch) {
            return Err(CryptoError::Damaged);
        }
        let (vault, unit) = (self.at.vault, self.at.unit);
        let context = unit_link_context(vault, unit, earlier.epoch, &earlier.uk_id);
        let seed = unwrap_secret(&self.link_key(), &context, link)?;
        Self::from_secret(vault, earlier, seed)
    }

    /// The key under which names are sealed.
    pub fn register_key(&self) -> RegisterKey {
        RegisterKey {
            at: self.at,
            key: self.derive("obhut/unit-register/v1"),
        }
    }

    /// The blind index tag of a file reference in this epoch: equal references, equal tags.
    pub fn blind_index(&self, file_reference: &str) -> Hash {
        let label = Context::new("obhut/blind-index/v1");
        let reference = normalised_reference(file_reference);
        let key = self.derive("obhut/unit-search/v1");
        // EXPOSE: keyed hash.
        hmac_sha256(key.expose(), &[label.as_bytes(), reference.as_bytes()])
    }

    fn from_secret(
        vault: VaultId,
        epoch: &UnitEpoch,
        seed: Secret<32>,
    ) -> Result<Self, CryptoError> {
        let at = UnitRef {
            vault,
            unit: epoch.unit,
            epoch: epoch.epoch,
        };
        let key = Self {
            at,
            seed: XwingSeed::from_secret(seed),
        };
        if key.id() == epoch.uk_id && key.public().as_bytes().as_slice() == epoch.public.0 {
            Ok(key)
        } else {
            Err(CryptoError::Damaged)
        }
    }

    fn link_context(&self) -> Context {
        unit_link_context(self.at.vault, self.at.unit, self.at.epoch, &self.id())
    }

    fn link_key(&self) -> Secret<32> {
        self.derive("obhut/unit-link-key/v1")
    }

    fn derive(&self, label: &str) -> Secret<32> {
        let context = Context::new(label)
            .field(&self.at.vault.0)
            .field(&self.at.unit.0)
            .number(u64::from(self.at.epoch));
        subkey(self.seed.secret(), &context)
    }
}

/// Checks that these are the memberships of the epoch, all of them and in order: nobody was added,
/// stripped or exchanged after the registrar signed.
pub fn check_memberships(epoch: &UnitEpoch, memberships: &[Membership]) -> Result<(), CryptoError> {
    let members = memberships.iter().map(|membership| &membership.member);
    let complete = members.eq(epoch.members.iter())
        && root_of(memberships.iter().map(Cbor::to_bytes)) == epoch.memberships_root;
    if complete {
        Ok(())
    } else {
        Err(CryptoError::Damaged)
    }
}

/// Seals what cases, persons and the unit are called, for the members of one unit epoch.
pub struct RegisterKey {
    at: UnitRef,
    key: Secret<32>,
}

impl RegisterKey {
    /// Seals a register entry; also needs the case's share, so nobody reads a file reference
    /// without a release. Changes are new numbers.
    pub fn seal_case(
        &self,
        case: CaseId,
        entry_no: u64,
        share: &CaseShare,
        entry: &RegisterEntry,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, CryptoError> {
        let key = self.case_key(case, entry_no, share);
        let context = SealedKind::register_context(self.at.vault, case, entry_no);
        seal_record(&key, &context, entry, rng)
    }

    /// Opens a register entry whose hash stands in a signed statement.
    pub fn open_case(
        &self,
        case: CaseId,
        entry_no: u64,
        share: &CaseShare,
        register_hash: &Hash,
        sealed: &[u8],
    ) -> Result<RegisterEntry, CryptoError> {
        check_hash(sealed, register_hash)?;
        let key = self.case_key(case, entry_no, share);
        let context = SealedKind::register_context(self.at.vault, case, entry_no);
        open_record(&key, &context, sealed)
    }

    /// Seals what a person id stands for.
    pub fn seal_person(
        &self,
        person: PersonId,
        entry: &PersonEntry,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, CryptoError> {
        seal_record(&self.entry_key(), &self.person_context(person), entry, rng)
    }

    /// Opens what a person id stands for. The records log fixes the bytes.
    pub fn open_person(&self, person: PersonId, sealed: &[u8]) -> Result<PersonEntry, CryptoError> {
        open_record(&self.entry_key(), &self.person_context(person), sealed)
    }

    /// Seals the unit's name.
    pub fn seal_unit(
        &self,
        entry: &UnitEntry,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<u8>, CryptoError> {
        seal_record(&self.entry_key(), &self.unit_context(), entry, rng)
    }

    /// Opens the unit's name, whose hash stands in the epoch's statement.
    pub fn open_unit(&self, entry_hash: &Hash, sealed: &[u8]) -> Result<UnitEntry, CryptoError> {
        check_hash(sealed, entry_hash)?;
        open_record(&self.entry_key(), &self.unit_context(), sealed)
    }

    fn case_key(&self, case: CaseId, entry_no: u64, share: &CaseShare) -> Secret<32> {
        let context = Context::new("obhut/register/v1")
            .field(&self.at.vault.0)
            .field(&case.0)
            .number(entry_no);
        // EXPOSE: both halves into the derivation of a key.
        let prk = hkdf_extract_sha512(share.secret().expose(), self.key.expose());
        // EXPOSE: as above.
        hkdf_expand_secret(prk.expose(), &[context.as_bytes()])
    }

    fn entry_key(&self) -> Secret<32> {
        subkey(&self.key, &Context::new("obhut/unit-entry-key/v1"))
    }

    fn person_context(&self, person: PersonId) -> Context {
        SealedKind::person_context(self.at.vault, self.at.unit, self.at.epoch, person)
    }

    fn unit_context(&self) -> Context {
        SealedKind::unit_context(self.at.vault, self.at.unit, self.at.epoch)
    }
}

fn check_hash(sealed: &[u8], hash: &Hash) -> Result<(), CryptoError> {
    if sha256(&[sealed]) == *hash {
        Ok(())
    } else {
        Err(CryptoError::Damaged)
    }
}
