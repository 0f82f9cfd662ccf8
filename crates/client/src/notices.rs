//! What a person has to know at the next start: a device they did not add, keys that have to be renewed, trustees
//! who are asked.

use std::collections::BTreeSet;

use obhut_format::statement::Role;
use obhut_format::{DeviceKid, UnitId};

use crate::ClientError;
use crate::clock::{now_us, utc_text};
use crate::vault::Vault;

/// One's own devices as of the last start, 32 bytes each.
const KNOWN: &str = "known-devices";
const KID_BYTES: usize = 32;

impl Vault {
    /// What happened since the last start, each thing told once or until it is settled.
    pub fn take_notices(&self) -> Result<Vec<String>, ClientError> {
        let mut notices = self.new_devices()?;
        self.remember_devices()?;
        notices.extend(self.stale_units().into_iter().map(|unit| {
            format!(
                "Keys of a member of {unit} have changed: give it a new key with `obhut unit renew {unit}`."
            )
        }));
        notices.extend(self.waiting_requests());
        Ok(notices)
    }

    /// Devices of this person that were not there at the last start and were not made here.
    fn new_devices(&self) -> Result<Vec<String>, ClientError> {
        let Some(known) = self.profile().find(KNOWN)? else {
            return Ok(Vec::new());
        };
        let known: BTreeSet<&[u8]> = known.chunks(KID_BYTES).collect();
        let added = self.own_devices().into_iter();
        let added = added.filter(|device| !known.contains(device.0.as_slice()));
        Ok(added
            .map(|device| {
                format!(
                    "A device was added for you: {device}. If that was not you, revoke it now with \
                     `obhut devices revoke {device} --lost`."
                )
            })
            .collect())
    }

    /// Takes the devices there are as known.
    pub(crate) fn remember_devices(&self) -> Result<(), ClientError> {
        let bytes: Vec<u8> = self
            .own_devices()
            .into_iter()
            .flat_map(|device| device.0)
            .collect();
        if self.profile().find(KNOWN)?.as_deref() == Some(bytes.as_slice()) {
            return Ok(());
        }
        self.profile().save(KNOWN, &bytes)
    }

    fn own_devices(&self) -> Vec<DeviceKid> {
        let known = self.directory().person(self.person());
        known.map(|known| known.devices.clone()).unwrap_or_default()
    }

    /// Units of which this registrar is a member and whose key is sealed to keys that were replaced.
    fn stale_units(&self) -> Vec<UnitId> {
        let directory = self.directory();
        if !directory.holds_role(self.person(), Role::Registrar, None, now_us()) {
            return Vec::new();
        }
        let recovery = directory
            .recovery_policy()
            .map(|known| known.policy.bundle.kid());
        let kids: Vec<_> = self
            .unlocked()
            .identities()
            .iter()
            .map(|own| own.kid())
            .collect();
        let units = directory.units().filter(|unit| {
            let members = unit.current().map(|epoch| epoch.members.as_slice());
            let members = members.unwrap_or_default();
            members.iter().any(|kid| kids.contains(kid))
                && members.iter().any(|kid| {
                    Some(*kid) != recovery
                        && directory.person_of(*kid).is_some()
                        && directory.current_holder(*kid).is_none()
                })
        });
        let mut units: Vec<UnitId> = units.map(|unit| unit.unit).collect();
        units.sort_unstable();
        units
    }

    /// Requests for recovery that wait for this trustee.
    fn waiting_requests(&self) -> Vec<String> {
        let directory = self.directory();
        let (me, now) = (self.person(), now_us());
        let waiting = directory.recovery_requests().iter().filter(|known| {
            let policy = directory.find_recovery_set(&known.asked.set);
            let mine = policy.is_some_and(|known| {
                let mut trustees = known.policy.trustees.iter();
                trustees.any(|trustee| trustee.person == me)
            });
            let answered = known.handovers.iter().any(|given| given.trustee == me);
            mine && !answered && known.requester != me && known.is_open(now)
        });
        waiting
            .map(|known| {
                format!(
                    "{} asks for recovery (until {}). Approve only with the code they tell you themselves: \
                     `obhut recovery approve CODE`.",
                    known.requester,
                    utc_text(known.asked.expires_us)
                )
            })
            .collect()
    }
}
