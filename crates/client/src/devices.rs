//! Devices: who may act for a person, and ending it.

use obhut_format::act::ActKind;
use obhut_format::mutation::Mutation;
use obhut_format::statement::{DeviceRevoked, Event, RevocationReason, Role};
use obhut_format::{DeviceKid, PersonId};
use obhut_log::replay::Device;

use crate::ClientError;
use crate::act::ActDraft;
use crate::transport::MutationRoute;
use crate::vault::Vault;

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

    /// Revokes a device for good: one's own, or anybody's as a registrar. Returns whose it was.
    pub async fn revoke_device(
        &mut self,
        device: DeviceKid,
        reason: RevocationReason,
    ) -> Result<PersonId, ClientError> {
        let known = self.directory().device(device);
        let person = known
            .filter(|known| known.revoked_us.is_none())
            .map(|known| known.person)
            .ok_or_else(|| {
                ClientError::NotFound(format!("there is no device {device} that is not revoked"))
            })?;
        let role = if person == self.person() {
            Role::Citizen
        } else {
            self.require_registrar()?;
            Role::Registrar
        };
        let event = DeviceRevoked {
            person,
            device,
            reason,
        };
        let mutation = Mutation::of(vec![self.state(Event::DeviceRevoked(event), None)?]);
        let draft = ActDraft::new(ActKind::ManageIdentity, role).about(vec![person]);
        if device == self.unlocked().device_kid() {
            // Afterwards this device may not even read the log: the commit's answer is the last it gets.
            let request = self.sign_mutation(draft, &mutation)?;
            self.endpoint()
                .mutate(MutationRoute::Identity, &request, &mutation)
                .await?;
            return Ok(person);
        }
        self.submit(MutationRoute::Identity, draft, &mutation)
            .await?;
        Ok(person)
    }
}
