//! Agency recovery: an identity whose seed is split among trustees, each share bound to its trustee,
//! its set and its place, and committed to in the signed policy.

use obhut_format::context::Context;
use obhut_format::recovery::{
    MAX_TRUSTEES, RecoveryApproved, RecoveryPolicy, RecoveryRequested, RecoveryTrustee,
};
use obhut_format::{Blob, Hash, Kid, PersonId, VaultId};
use obhut_suite::{
    Secret, SecretPart, XwingPublic, XwingSeed, combine_parts, hkdf_expand_sha512, hpke_open,
    hpke_seal, split_secret,
};
use rand_core::CryptoRng;

use crate::{CryptoError, Identity, PublicIdentity};

/// What a new set of shares is about.
pub struct RecoveryTerms<'a> {
    /// The vault.
    pub vault: VaultId,
    /// Names the set; 16 random bytes.
    pub set: [u8; 16],
    /// Number of the policy.
    pub number: u64,
    /// How many shares give the seed.
    pub threshold: u8,
    /// Who keeps a share each.
    pub trustees: &'a [(PersonId, PublicIdentity)],
}

/// Makes a recovery identity, splits its seed and forgets it: what is left are the public bundle and
/// the shares, each sealed to its trustee. Before that it checks that the shares give the seed back.
/// [`CryptoError::Damaged`] for a threshold below 2 or above the number of trustees.
pub fn make_recovery_policy(
    terms: &RecoveryTerms<'_>,
    rng: &mut impl CryptoRng,
) -> Result<RecoveryPolicy, CryptoError> {
    if terms.trustees.len() > MAX_TRUSTEES {
        return Err(CryptoError::TooLarge);
    }
    let count = u8::try_from(terms.trustees.len()).map_err(|_| CryptoError::TooLarge)?;
    let identity = Identity::generate(rng)?;
    let parts = split_secret(identity.master(), terms.threshold, count, rng)?;
    let mut policy = RecoveryPolicy {
        set: terms.set,
        number: terms.number,
        threshold: terms.threshold.into(),
        bundle: identity.bundle().clone(),
        trustees: Vec::with_capacity(parts.len()),
    };
    let mut shares = Vec::with_capacity(parts.len());
    for (part, (person, public)) in parts.into_iter().zip(terms.trustees) {
        let mut trustee = RecoveryTrustee {
            person: *person,
            kid: public.kid(),
            number: part.number().into(),
            share_hash: [0; 32],
            sealed: Blob(Vec::new()),
        };
        trustee.share_hash = share_hash(&policy, terms.vault, &trustee, part.value());
        let info = policy.share_info(terms.vault, &trustee);
        // EXPOSE: sealed to the trustee.
        let value = part.value().expose();
        let sealed = hpke_seal(
            public.xwing(),
            info.as_bytes(),
            &trustee.share_hash,
            value,
            rng,
        )?;
        trustee.sealed = sealed.into();
        policy.trustees.push(trustee);
        shares.push(RecoveryShare {
            set: terms.set,
            part,
        });
    }
    combine_recovery(&policy, &shares)?;
    Ok(policy)
}

/// One share that is the one the policy commits to.
pub struct RecoveryShare {
    set: [u8; 16],
    part: SecretPart,
}

impl RecoveryShare {
    /// A share from its bytes; [`CryptoError::Damaged`] unless the policy commits to exactly it.
    pub fn check(
        policy: &RecoveryPolicy,
        vault: VaultId,
        number: u64,
        value: Secret<32>,
    ) -> Result<Self, CryptoError> {
        let trustee = policy.find_number(number).ok_or(CryptoError::Damaged)?;
        if share_hash(policy, vault, trustee, &value) != trustee.share_hash {
            return Err(CryptoError::Damaged);
        }
        let number = u8::try_from(number).map_err(|_| CryptoError::Damaged)?;
        let part = SecretPart::new(number, value)?;
        Ok(Self {
            set: policy.set,
            part,
        })
    }

    /// Number of the share.
    pub fn number(&self) -> u64 {
        self.part.number().into()
    }

    /// The value.
    pub fn value(&self) -> &Secret<32> {
        self.part.value()
    }
}

/// A trustee opens their own share. [`CryptoError::NotARecipient`] for somebody who keeps none;
/// [`CryptoError::Damaged`] for a share of another trustee, set, number or value than the policy names.
pub fn open_recovery_share(
    policy: &RecoveryPolicy,
    vault: VaultId,
    trustee: &Identity,
) -> Result<RecoveryShare, CryptoError> {
    let named = policy.find_trustee(trustee.kid());
    let named = named.ok_or(CryptoError::NotARecipient)?;
    let info = policy.share_info(vault, named);
    let opened = hpke_open(
        trustee.xwing(),
        info.as_bytes(),
        &named.share_hash,
        &named.sealed.0,
    )?;
    RecoveryShare::check(policy, vault, named.number, opened.into_secret()?)
}

/// A request as trustees see it.
pub struct RecoveryRequest<'a> {
    /// The vault.
    pub vault: VaultId,
    /// [`RecoveryRequested::hash`].
    pub hash: Hash,
    /// What was asked.
    pub asked: &'a RecoveryRequested,
}

impl RecoveryRequest<'_> {
    /// Seals a share to the request's session key, for this request alone.
    pub fn hand_over(
        &self,
        share: &RecoveryShare,
        rng: &mut impl CryptoRng,
    ) -> Result<RecoveryApproved, CryptoError> {
        if share.set != self.asked.set {
            return Err(CryptoError::Damaged);
        }
        let session = XwingPublic::parse(&self.asked.session.0)?;
        let number = share.number();
        let info = RecoveryApproved::handover_info(self.vault, &self.asked.set, &self.hash, number);
        // EXPOSE: sealed to the session key.
        let value = share.value().expose();
        let sealed = hpke_seal(&session, info.as_bytes(), &[], value, rng)?;
        Ok(RecoveryApproved {
            request: self.asked.request,
            request_hash: self.hash,
            number,
            sealed: sealed.into(),
        })
    }

    /// Opens what a trustee handed over. Who handed over anything else than their share is named by
    /// the number in `approved`.
    pub fn receive(
        &self,
        policy: &RecoveryPolicy,
        approved: &RecoveryApproved,
        session: &XwingSeed,
    ) -> Result<RecoveryShare, CryptoError> {
        let belongs = approved.request == self.asked.request
            && approved.request_hash == self.hash
            && policy.set == self.asked.set;
        if !belongs {
            return Err(CryptoError::Damaged);
        }
        let info = RecoveryApproved::handover_info(
            self.vault,
            &self.asked.set,
            &self.hash,
            approved.number,
        );
        let opened = hpke_open(session, info.as_bytes(), &[], &approved.sealed.0)?;
        RecoveryShare::check(policy, self.vault, approved.number, opened.into_secret()?)
    }
}

/// The recovery identity from as many shares as the policy asks for. [`CryptoError::Damaged`] for
/// too few, repeated or mixed shares, and for any result that is not the identity of the policy.
pub fn combine_recovery(
    policy: &RecoveryPolicy,
    shares: &[RecoveryShare],
) -> Result<Identity, CryptoError> {
    let enough = u64::try_from(shares.len()).is_ok_and(|count| count >= policy.threshold);
    if !enough || shares.iter().any(|share| share.set != policy.set) {
        return Err(CryptoError::Damaged);
    }
    let parts: Vec<&SecretPart> = shares.iter().map(|share| &share.part).collect();
    let identity = Identity::from_master(combine_parts(&parts)?)?;
    if identity.kid() == policy.bundle.kid() {
        Ok(identity)
    } else {
        Err(CryptoError::Damaged)
    }
}

/// Seals the reason of a request to a trustee.
pub fn seal_recovery_note(
    vault: VaultId,
    request: &[u8; 16],
    trustee: &PublicIdentity,
    reason: &str,
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, CryptoError> {
    let info = RecoveryRequested::note_info(vault, request, trustee.kid());
    let padded = obhut_format::content::pad(reason.as_bytes());
    Ok(hpke_seal(
        trustee.xwing(),
        info.as_bytes(),
        &[],
        &padded,
        rng,
    )?)
}

/// Opens the reason of a request as a trustee.
pub fn open_recovery_note(
    vault: VaultId,
    request: &[u8; 16],
    trustee: &Identity,
    sealed: &[u8],
) -> Result<String, CryptoError> {
    let info = RecoveryRequested::note_info(vault, request, trustee.kid());
    let opened = hpke_open(trustee.xwing(), info.as_bytes(), &[], sealed)?;
    // EXPOSE: the reason is shown to the trustee.
    let reason = obhut_format::content::unpad(opened.expose())?;
    String::from_utf8(reason.to_vec()).map_err(|_| CryptoError::Damaged)
}

/// Commits to a share without showing it: the share itself keys the hash.
fn share_hash(
    policy: &RecoveryPolicy,
    vault: VaultId,
    trustee: &RecoveryTrustee,
    value: &Secret<32>,
) -> Hash {
    let kid: Kid = trustee.kid;
    let context = Context::new("obhut/recovery-share-id/v1")
        .field(&vault.0)
        .field(&policy.set)
        .number(policy.threshold)
        .number(trustee.number)
        .field(&trustee.person.0)
        .field(&kid.0);
    // EXPOSE: into a one-way commitment; the value has full entropy.
    hkdf_expand_sha512(value.expose(), &[context.as_bytes()])
}
