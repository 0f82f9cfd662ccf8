//! Devices: who may act for a person, adding one, and ending one that was given back or lost.

use obhut_crypto::Identity;
use obhut_format::act::ActKind;
use obhut_format::mutation::{Mutation, MutationRecord};
use obhut_format::statement::{
    DeviceAdded, DeviceRevoked, Event, PersonSigner, RevocationReason, Role, Signer,
};
use obhut_format::{DeviceKid, PersonId, UnitId};
use obhut_log::replay::Device;
use zeroize::Zeroizing;

use crate::ClientError;
use crate::act::ActDraft;
use crate::clock::system_rng;
use crate::founding_records::sign;
use crate::rotation::rotate;
use crate::transport::MutationRoute;
use crate::unit_epoch::make_unit_epoch;
use crate::vault::Vault;

/// A further device, not there yet: what it is made with.
pub struct AddedDevice {
    /// The sealed file for the new device.
    pub file: Vec<u8>,
    /// The code that opens it; goes another way than the file.
    pub code: Zeroizing<String>,
}

/// What revoking a device did.
pub struct Revoked {
    /// Whose it was.
    pub person: PersonId,
    /// The person's keys were replaced: sheet and other devices have to be made anew.
    pub rotated: bool,
    /// Units that got a new key.
    pub renewed: Vec<UnitId>,
    /// Units of the person that need a new key by another registrar.
    pub stale: Vec<UnitId>,
}

impl Vault {
    /// Devices of a person, revoked ones included, oldest first.
    pub fn devices(&self, person: PersonId) -> Result<Vec<&Device>, ClientError> {
        let known = self.directory().person(person);
        let known =
            known.ok_or_else(|| ClientError::NotFound(format!("there is no person {person}")))?;
        let devices = known.devices.iter();
        Ok(devices
            .filter_map(|device| self.directory().device(*device))
            .collect())
    }

    /// What a second device of this person is made with: their identity, sealed under a code.
    pub fn hand_to_device(&self) -> Result<AddedDevice, ClientError> {
        let (file, code) = self.sheet().seal_for_device()?;
        Ok(AddedDevice { file, code })
    }

    /// Revokes a device for good: one's own, or anybody's as a registrar. If it was lost the keys on it are taken as
    /// known to others: one's own are replaced; somebody else's get no unit key any more.
    pub async fn revoke_device(
        &mut self,
        device: DeviceKid,
        reason: RevocationReason,
    ) -> Result<Revoked, ClientError> {
        let known = self.directory().device(device);
        let person = known
            .filter(|known| known.revoked_us.is_none())
            .map(|known| known.person)
            .ok_or_else(|| {
                ClientError::NotFound(format!("there is no device {device} that is not revoked"))
            })?;
        let event = DeviceRevoked {
            person,
            device,
            reason,
        };
        if person != self.person() {
            return self.revoke_of_another(event).await;
        }
        let this = device == self.unlocked().device_kid();
        match reason {
            RevocationReason::Lost if this => Err(ClientError::Usage(
                "this device is not lost; revoke it without --lost, or revoke the lost one from here".into(),
            )),
            RevocationReason::Lost => self.replace_keys(event).await,
            RevocationReason::Retired => self.retire(event, this).await,
        }
    }

    async fn retire(&mut self, event: DeviceRevoked, this: bool) -> Result<Revoked, ClientError> {
        let person = event.person;
        let mutation = Mutation::of(vec![self.state(Event::DeviceRevoked(event), None)?]);
        let draft = ActDraft::new(ActKind::ManageIdentity, Role::Citizen).about(vec![person]);
        if this {
            // Afterwards this device may not even read the log: the commit's answer is the last it gets.
            let request = self.sign_mutation(draft, &mutation)?;
            self.endpoint()
                .mutate(MutationRoute::Identity, &request, &mutation)
                .await?;
        } else {
            self.submit(MutationRoute::Identity, draft, &mutation)
                .await?;
        }
        Ok(Revoked {
            person,
            rotated: false,
            renewed: Vec::new(),
            stale: Vec::new(),
        })
    }

    /// One's own lost device held one's identity: a new identity takes its place in the same transaction.
    async fn replace_keys(&mut self, event: DeviceRevoked) -> Result<Revoked, ClientError> {
        let person = event.person;
        let next = Identity::generate(&mut system_rng())?;
        self.unlocked().keep_next(self.profile(), &next)?;
        let own = self.endpoint().own_keys().await?;
        let kid = next.kid();
        let signer = Signer::Person(PersonSigner { person, kid });
        let event = Event::DeviceRevoked(event);
        let revoked = sign(self.card(), signer, &next, event, None)?;
        let old = &self.unlocked().identity;
        // Other devices of this person do not have the new keys yet: they are added again, like new ones.
        let records = vec![revoked, state_device(self, &next)?];
        let mutation = rotate(self, old, &next, &own, records)?;
        let draft = ActDraft::new(ActKind::ManageIdentity, Role::Citizen).about(vec![person]);
        self.submit(MutationRoute::Identity, draft, &mutation)
            .await?;
        self.adopt_next_identity()?;
        Ok(Revoked {
            person,
            rotated: true,
            renewed: Vec::new(),
            stale: self.units_of(person),
        })
    }

    /// A registrar, without the person: after a loss the units the registrar keeps get keys that the person's
    /// bundle does not open.
    async fn revoke_of_another(&mut self, event: DeviceRevoked) -> Result<Revoked, ClientError> {
        self.require_registrar()?;
        let (person, lost) = (event.person, event.reason == RevocationReason::Lost);
        let mut mutation = Mutation::of(vec![self.state(Event::DeviceRevoked(event), None)?]);
        let (mut renewed, mut stale) = (Vec::new(), Vec::new());
        // The device ends at once, even while a recovery policy waits for somebody.
        let can_renew = self.confirmed_recovery().is_ok();
        if lost {
            for unit in self.units_of(person) {
                if !can_renew {
                    stale.push(unit);
                    continue;
                }
                let Some(epoch) = self.epoch_without(unit, person).await? else {
                    stale.push(unit);
                    continue;
                };
                let record = self.state(Event::UnitEpoch(epoch.event), Some(epoch.sealed_entry))?;
                mutation.records.push(record);
                mutation.memberships.extend(epoch.memberships);
                mutation.unit_links.extend(epoch.link);
                renewed.push(unit);
            }
        }
        let draft = ActDraft::new(ActKind::ManageIdentity, Role::Registrar).about(vec![person]);
        self.submit(MutationRoute::Identity, draft, &mutation)
            .await?;
        self.forget_keys();
        Ok(Revoked {
            person,
            rotated: false,
            renewed,
            stale,
        })
    }

    async fn epoch_without(
        &mut self,
        unit: UnitId,
        person: PersonId,
    ) -> Result<Option<crate::unit_epoch::NewUnitEpoch>, ClientError> {
        let Some(name) = self.find_unit_name(unit).await? else {
            return Ok(None);
        };
        let epoch = self.unit_epoch(unit)?;
        let mut members = self.keepers(unit)?;
        members.retain(|member| *member != person);
        let Some(earlier) = self.keyring()?.find_unit(unit, epoch) else {
            return Ok(None);
        };
        let bundles = self.bundles_with_recovery(&members)?;
        if bundles.is_empty() {
            return Ok(None);
        }
        let next = make_unit_epoch(self.id(), unit, &name, &bundles, Some(earlier))?;
        Ok(Some(next))
    }

    /// Units whose key in force is sealed to any bundle of this person.
    fn units_of(&self, person: PersonId) -> Vec<UnitId> {
        let directory = self.directory();
        let known = directory.person(person);
        let keys = known.map(|known| known.keys.as_slice()).unwrap_or_default();
        let units = directory.units().filter(|unit| {
            let members = unit.current().map(|epoch| epoch.members.as_slice());
            let members = members.unwrap_or_default();
            keys.iter().any(|key| members.contains(&key.kid))
        });
        let mut units: Vec<UnitId> = units.map(|unit| unit.unit).collect();
        units.sort_unstable();
        units
    }
}

/// This device, stated by an identity of its person.
pub(crate) fn state_device(
    vault: &Vault,
    identity: &Identity,
) -> Result<MutationRecord, ClientError> {
    let (person, kid) = (vault.person(), identity.kid());
    let public = *vault.unlocked().device.public().as_bytes();
    let event = Event::DeviceAdded(DeviceAdded { person, public });
    let signer = Signer::Person(PersonSigner { person, kid });
    sign(vault.card(), signer, identity, event, None)
}
