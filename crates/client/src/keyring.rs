//! Keys of units and cases, opened from what is sealed to this person, each checked against the log.

use std::collections::{BTreeMap, BTreeSet};

use obhut_crypto::{
    CaseEpochRef, CaseFileKey, CryptoError, Identity, RegisterKey, UnitKey, open_case_grant,
    unwrap_earlier_case_key,
};
use obhut_format::context::sha256;
use obhut_format::key::Membership;
use obhut_format::mutation::UnitLink;
use obhut_format::reading::OwnKeys;
use obhut_format::release::ReleasedCase;
use obhut_format::statement::{CaseKey, UnitEpoch};
use obhut_format::{CaseId, Cbor, UnitId, VaultId};
use obhut_log::replay::{Case, Directory};

use crate::ClientError;
use crate::vault::Vault;

/// Unit keys this person holds, by unit and epoch, with the rows they came from.
pub struct Keyring {
    units: BTreeMap<(UnitId, u32), UnitKey>,
    /// Epochs in force that the log names this person for, and whose key the vault did not send.
    kept_back: BTreeSet<(UnitId, u32)>,
    own: OwnKeys,
}

impl Keyring {
    /// Opens every membership of these identities and walks the chain links down to epoch 1.
    pub fn open(
        own: OwnKeys,
        identities: &[&Identity],
        directory: &Directory,
    ) -> Result<Self, ClientError> {
        let mut units = BTreeMap::new();
        for membership in &own.memberships {
            // Rows of other bundles may linger; they are of no use.
            let mut holders = identities.iter();
            let Some(identity) = holders.find(|own| own.kid() == membership.member) else {
                continue;
            };
            let key = open_membership(membership, identity, directory)?;
            units.insert((membership.unit, membership.epoch), key);
        }
        let mut links: Vec<&UnitLink> = own.unit_links.iter().collect();
        links.sort_by_key(|link| std::cmp::Reverse((link.unit, link.epoch)));
        for link in links {
            if units.contains_key(&(link.unit, link.epoch)) {
                continue;
            }
            if let Some(key) = open_link(link, &units, directory)? {
                units.insert((link.unit, link.epoch), key);
            }
        }
        let kept_back = identities
            .iter()
            .flat_map(|identity| directory.units_open_to(identity.kid()))
            .filter_map(|unit| Some((unit.unit, unit.current()?.epoch)))
            .filter(|epoch| !units.contains_key(epoch))
            .collect();
        Ok(Self {
            units,
            kept_back,
            own,
        })
    }

    /// The rows as the vault sent them.
    pub fn own(&self) -> &OwnKeys {
        &self.own
    }

    /// The key of a unit's epoch.
    pub fn find_unit(&self, unit: UnitId, epoch: u32) -> Option<&UnitKey> {
        self.units.get(&(unit, epoch))
    }

    /// The key of a unit's epoch, or why this person cannot have it.
    pub fn unit(&self, unit: UnitId, epoch: u32) -> Result<&UnitKey, ClientError> {
        self.find_unit(unit, epoch).ok_or_else(|| {
            if self.kept_back.contains(&(unit, epoch)) {
                ClientError::integrity("the vault keeps the key of a unit back from its member")
            } else {
                CryptoError::NotARecipient.into()
            }
        })
    }

    /// All keys of a unit, the latest epoch first.
    pub fn epochs_of(&self, unit: UnitId) -> impl Iterator<Item = &UnitKey> {
        self.units
            .range((unit, 0)..=(unit, u32::MAX))
            .rev()
            .map(|(_, key)| key)
    }

    /// Units with at least one key.
    pub fn units(&self) -> Vec<UnitId> {
        let mut units: Vec<_> = self.units.keys().map(|(unit, _)| *unit).collect();
        units.dedup();
        units
    }

    /// The register key of a unit's epoch.
    pub fn register_key(&self, unit: UnitId, epoch: u32) -> Result<RegisterKey, ClientError> {
        Ok(self.unit(unit, epoch)?.register_key())
    }

    /// The key of one epoch of a case, from the unit's grant or down the chain from a later epoch.
    pub fn case_key(
        &self,
        vault: VaultId,
        case: &Case,
        released: &ReleasedCase,
        epoch: u32,
    ) -> Result<CaseFileKey, ClientError> {
        let stated = find_case_key(case, epoch)?;
        if let Some(key) = self.open_grant(vault, case, released, stated)? {
            return Ok(key);
        }
        if epoch >= case.epoch() {
            let _held = self.unit(case.unit, stated.unit_epoch)?;
            return Err(ClientError::integrity(
                "the vault keeps the key of a case back from a member of its unit",
            ));
        }
        let later = self.case_key(vault, case, released, epoch + 1)?;
        let link = find_link(case, released, epoch)?;
        let opened = unwrap_earlier_case_key(&later, vault, case.case, epoch, &stated.ck_id, link)?;
        Ok(opened)
    }

    fn open_grant(
        &self,
        vault: VaultId,
        case: &Case,
        released: &ReleasedCase,
        stated: &CaseKey,
    ) -> Result<Option<CaseFileKey>, ClientError> {
        let Some(unit) = self.find_unit(case.unit, stated.unit_epoch) else {
            return Ok(None);
        };
        let mut grants = released.keys.iter();
        let Some(grant) = grants.find(|grant| grant.number == u64::from(stated.epoch)) else {
            return Ok(None);
        };
        if sha256(&[&grant.to_bytes()]) != stated.grant_hash {
            return Err(ClientError::integrity(
                "the case key's grant is not the one its statement names",
            ));
        }
        let at = CaseEpochRef {
            vault,
            case: case.case,
            epoch: stated.epoch,
        };
        Ok(Some(open_case_grant(grant, &at, &stated.ck_id, unit)?))
    }
}

/// The vault gives keys of what a quorum stands behind, which may be more than was replayed a moment ago.
fn is_ahead(own: &OwnKeys, directory: &Directory) -> bool {
    let mut rows = own.memberships.iter();
    rows.any(|row| find_epoch(directory, row).is_none())
}

/// The epoch whose key a membership holds, as the log has it.
fn find_epoch<'a>(directory: &'a Directory, membership: &Membership) -> Option<&'a UnitEpoch> {
    let unit = directory.unit(membership.unit)?;
    unit.find_epoch(membership.epoch)
}

fn open_membership(
    membership: &Membership,
    identity: &Identity,
    directory: &Directory,
) -> Result<UnitKey, ClientError> {
    let epoch = find_epoch(directory, membership).ok_or_else(|| {
        ClientError::integrity("the vault sent a membership of a unit epoch that is not logged")
    })?;
    let vault = directory.vault();
    Ok(UnitKey::open_membership(
        vault, epoch, membership, identity,
    )?)
}

fn open_link(
    link: &UnitLink,
    units: &BTreeMap<(UnitId, u32), UnitKey>,
    directory: &Directory,
) -> Result<Option<UnitKey>, ClientError> {
    let Some(later) = units.get(&(link.unit, link.epoch + 1)) else {
        return Ok(None);
    };
    let unit = directory.unit(link.unit);
    let stated = unit.and_then(|unit| {
        unit.find_epoch(link.epoch)
            .zip(unit.find_epoch(link.epoch + 1))
    });
    let (earlier, next) = stated.ok_or_else(|| {
        ClientError::integrity("the vault sent a chain link of a unit epoch that is not logged")
    })?;
    if next.link_hash != Some(sha256(&[&link.sealed.0])) {
        return Err(ClientError::integrity(
            "a unit's chain link is not the one its statement names",
        ));
    }
    Ok(Some(later.unwrap_earlier(earlier, &link.sealed.0)?))
}

fn find_case_key(case: &Case, epoch: u32) -> Result<&CaseKey, ClientError> {
    let mut keys = case.keys.iter();
    keys.find(|key| key.epoch == epoch)
        .ok_or_else(|| ClientError::integrity("the case has no key of this epoch in the log"))
}

/// The link that wraps the key of `epoch` under the next one; links stand in order from epoch 1.
fn find_link<'a>(
    case: &Case,
    released: &'a ReleasedCase,
    epoch: u32,
) -> Result<&'a [u8], ClientError> {
    let at = usize::try_from(epoch.saturating_sub(1)).unwrap_or(usize::MAX);
    let link = released.links.get(at);
    let link = link.ok_or(ClientError::Crypto(CryptoError::NotARecipient))?;
    if find_case_key(case, epoch + 1)?.link_hash != Some(sha256(&[&link.0])) {
        return Err(ClientError::integrity(
            "a case's chain link is not the one its statement names",
        ));
    }
    Ok(&link.0)
}

impl Vault {
    /// The keys sealed to this person; fetched once and again after [`Self::forget_keys`].
    pub async fn load_keyring(&mut self) -> Result<&Keyring, ClientError> {
        if self.keyring.is_none() {
            let own = self.endpoint().own_keys().await?;
            if is_ahead(&own, self.directory()) {
                self.sync().await?;
            }
            let keyring = Keyring::open(own, &self.unlocked().identities(), self.directory())?;
            self.keyring = Some(keyring);
        }
        self.keyring()
    }

    /// The keys loaded before.
    pub fn keyring(&self) -> Result<&Keyring, ClientError> {
        self.keyring
            .as_ref()
            .ok_or(ClientError::Crypto(CryptoError::NotARecipient))
    }

    /// Drops the keys, for example after a unit got a new epoch.
    pub fn forget_keys(&mut self) {
        self.keyring = None;
    }

    /// A case of the log.
    pub fn case(&self, case: CaseId) -> Result<&Case, ClientError> {
        self.directory()
            .case(case)
            .ok_or_else(|| ClientError::NotFound(format!("there is no case {case}")))
    }

    /// The key of the case's epoch in force, for writing. The vault may not choose it: the log does.
    pub async fn load_case_key(&mut self, case: CaseId) -> Result<CaseFileKey, ClientError> {
        self.load_keyring().await?;
        let released = self.endpoint().case_keys(case).await?;
        let found = self.case(case)?;
        let epoch = found.epoch();
        self.keyring()?.case_key(self.id(), found, &released, epoch)
    }
}
