//! Records about persons, their keys, devices and roles.

use std::sync::Arc;

use obhut_format::person::{KeyBundle, device_kid};
use obhut_format::statement::{
    Appointed, AppointmentEnded, BundleRotated, DeviceAdded, DeviceRevoked, PersonEnrolled,
    PersonInvited, ROTATION_PROOF_LABEL, Role,
};
use obhut_format::{DeviceKid, Kid, PersonId, UnitId};
use obhut_suite::{DevicePublic, Label};

use super::authority::{Author, MAX_SKEW_US, verify_hybrid};
use super::directory::Directory;
use super::error::ReplayError;
use super::state::{Appointment, Device, Person, PersonKey};

/// Longest life of an invitation by the inviter's clock, microseconds: 14 days.
pub const INVITATION_US: u64 = 14 * 86_400 * 1_000_000;
/// An activation begun in time may arrive this much later, microseconds.
const ACTIVATION_GRACE_US: u64 = 600 * 1_000_000;

impl Directory {
    pub(super) fn person_enrolled(
        &mut self,
        event: &PersonEnrolled,
        author: Author,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        self.require_enroller(author, event.citizen, time_us)?;
        if self.persons.contains_key(&event.person) {
            return Err(ReplayError::PersonExists);
        }
        if self.has_share(event.share_id) {
            return Err(ReplayError::ShareExists);
        }
        // Two persons with one λ would have the same labels.
        if self.lambda_hashes.contains(&event.lambda_hash) {
            return Err(ReplayError::LabelSecretExists);
        }
        let mut keys = Vec::new();
        match (&event.bundle, event.invited_until_us) {
            (None, None) => {}
            (Some(bundle), Some(until_us)) => {
                check_invitation(until_us, time_us)?;
                keys.push(self.new_key(bundle, 0, time_us)?);
            }
            // Final at once: nobody but the root can vouch that only the person knows it.
            (Some(bundle), None) if author == Author::Root => {
                keys.push(self.new_key(bundle, 1, time_us)?);
            }
            (Some(_), None) => return Err(ReplayError::NotAuthorised),
            (None, Some(_)) => return Err(ReplayError::NotSensible),
        }
        for key in &keys {
            self.kids.insert_mut(key.kid, event.person);
        }
        self.shares.insert_mut(event.share_id);
        self.lambda_hashes.insert_mut(event.lambda_hash);
        let person = Person {
            person: event.person,
            lambda_hash: event.lambda_hash,
            share_id: event.share_id,
            citizen: event.citizen,
            keys,
            invited_until_us: event.invited_until_us,
            devices: Vec::new(),
            appointments: Vec::new(),
            record: self.size,
            enrolled_in: self.units_of_caseworker(author, time_us),
        };
        self.persons.insert_mut(event.person, Arc::new(person));
        Ok(())
    }

    pub(super) fn person_invited(
        &mut self,
        event: &PersonInvited,
        author: Author,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        let person = self
            .person(event.person)
            .ok_or(ReplayError::PersonUnknown)?;
        self.require_inviter(author, person, time_us)?;
        if person.is_activated() {
            return Err(ReplayError::PersonActivated);
        }
        check_invitation(event.invited_until_us, time_us)?;
        let key = self.new_key(&event.bundle, 0, time_us)?;
        self.kids.insert_mut(key.kid, event.person);
        self.change_person(event.person, |person| {
            person.keys.push(key);
            person.invited_until_us = Some(event.invited_until_us);
        });
        Ok(())
    }

    pub(super) fn bundle_rotated(
        &mut self,
        event: &BundleRotated,
        author: Author,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        if author != Author::Person(event.person) {
            return Err(ReplayError::NotAuthorised);
        }
        let person = self
            .person(event.person)
            .ok_or(ReplayError::PersonUnknown)?;
        let current = person.current().ok_or(ReplayError::KidSuperseded)?;
        if current.kid != event.from {
            return Err(ReplayError::KidSuperseded);
        }
        let until_us = person.invited_until_us.unwrap_or(0);
        if current.epoch == 0 && time_us > until_us.saturating_add(ACTIVATION_GRACE_US) {
            return Err(ReplayError::InvitationExpired);
        }
        let key = self.new_key(&event.bundle, current.epoch + 1, time_us)?;
        let label = Label::new(ROTATION_PROOF_LABEL);
        let message = event.proof_message(self.vault);
        verify_hybrid(&event.bundle, label, message.as_bytes(), &event.proof)?;
        let devices = person.devices.clone();
        self.kids.insert_mut(key.kid, event.person);
        self.change_person(event.person, |person| {
            person.keys.push(key);
            person.invited_until_us = None;
        });
        self.void_devices(&devices, time_us);
        Ok(())
    }

    /// Whoever had the replaced keys could state devices: those that the new keys do not state again are void.
    fn void_devices(&mut self, devices: &[DeviceKid], time_us: u64) {
        for kid in devices {
            if let Some(device) = self
                .device(*kid)
                .filter(|device| device.revoked_us.is_none())
            {
                let mut device = device.clone();
                device.revoked_us = Some(time_us);
                self.devices.insert_mut(*kid, Arc::new(device));
            }
        }
    }

    pub(super) fn device_added(
        &mut self,
        event: &DeviceAdded,
        author: Author,
    ) -> Result<(), ReplayError> {
        if author != Author::Person(event.person) {
            return Err(ReplayError::NotAuthorised);
        }
        DevicePublic::parse(&event.public).map_err(|_| ReplayError::KeyRefused)?;
        let device = device_kid(&event.public);
        let known = self.device(device);
        if known.is_some_and(|known| !(known.person == event.person && known.is_void())) {
            return Err(ReplayError::DeviceExists);
        }
        let is_new = known.is_none();
        let state = Device {
            device,
            person: event.person,
            public: event.public,
            revoked_us: None,
            reason: None,
        };
        self.devices.insert_mut(device, Arc::new(state));
        if is_new {
            self.change_person(event.person, |person| person.devices.push(device));
        }
        Ok(())
    }

    pub(super) fn device_revoked(
        &mut self,
        event: &DeviceRevoked,
        author: Author,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        if author != Author::Person(event.person) {
            self.require_registrar(author, time_us)?;
        }
        let found = self.device(event.device).filter(|device| {
            device.person == event.person && (device.revoked_us.is_none() || device.is_void())
        });
        let mut device = found.ok_or(ReplayError::DeviceUnknown)?.clone();
        device.revoked_us = Some(time_us);
        device.reason = Some(event.reason);
        self.devices.insert_mut(event.device, Arc::new(device));
        Ok(())
    }

    pub(super) fn appointed(
        &mut self,
        event: &Appointed,
        author: Author,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        self.require_registrar(author, time_us)?;
        let person = self
            .person(event.person)
            .ok_or(ReplayError::PersonUnknown)?;
        let caseworker = event.role == Role::CaseWorker;
        if matches!(event.role, Role::Citizen | Role::Root) || person.citizen {
            return Err(ReplayError::NotSensible);
        }
        if caseworker != event.unit.is_some() || event.until_us.is_some_and(|t| t <= time_us) {
            return Err(ReplayError::NotSensible);
        }
        if caseworker && !person.is_activated() {
            return Err(ReplayError::PersonNotActivated);
        }
        if event.unit.is_some_and(|unit| self.unit(unit).is_none()) {
            return Err(ReplayError::UnitUnknown);
        }
        self.change_person(event.person, |person| {
            end_appointment(person, event.role, event.unit, time_us);
            person.appointments.push(Appointment::new(event, time_us));
        });
        Ok(())
    }

    pub(super) fn appointment_ended(
        &mut self,
        event: &AppointmentEnded,
        author: Author,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        self.require_registrar(author, time_us)?;
        let person = self
            .person(event.person)
            .ok_or(ReplayError::PersonUnknown)?;
        let holds = person
            .appointments_at(time_us)
            .any(|a| a.role == event.role && a.unit == event.unit);
        if !holds {
            return Err(ReplayError::AppointmentUnknown);
        }
        self.change_person(event.person, |person| {
            end_appointment(person, event.role, event.unit, time_us);
        });
        Ok(())
    }

    /// Registrars and the root enrol anybody, caseworkers enrol citizens.
    fn require_enroller(
        &self,
        author: Author,
        citizen: bool,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        let registrar = self.require_registrar(author, time_us);
        if registrar.is_err() && citizen {
            return self.require_caseworker(author, None, time_us);
        }
        registrar
    }

    /// A new invitation replaces the one before, and whoever holds it activates as the person: only
    /// registrars and the units of whoever enrolled them may make one.
    fn require_inviter(
        &self,
        author: Author,
        person: &Person,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        let of_unit = |unit: &UnitId| {
            let caseworker = self.require_caseworker(author, Some(*unit), time_us);
            person.citizen && caseworker.is_ok()
        };
        if person.enrolled_in.iter().any(of_unit) {
            return Ok(());
        }
        self.require_registrar(author, time_us)
    }

    /// Units in which the author acts as a caseworker, a deputy's included.
    fn units_of_caseworker(&self, author: Author, time_us: u64) -> Vec<UnitId> {
        let units = self.units().map(|unit| unit.unit);
        let mut units: Vec<UnitId> = units
            .filter(|unit| {
                self.require_caseworker(author, Some(*unit), time_us)
                    .is_ok()
            })
            .collect();
        units.sort_unstable();
        units
    }

    fn new_key(
        &self,
        bundle: &KeyBundle,
        epoch: u64,
        since_us: u64,
    ) -> Result<PersonKey, ReplayError> {
        let kid: Kid = bundle.kid();
        obhut_suite::KeyBundle::parse(bundle.as_bytes()).map_err(|_| ReplayError::KeyRefused)?;
        if self.kids.contains_key(&kid) {
            return Err(ReplayError::KidExists);
        }
        let bundle = bundle.clone();
        let record = self.size;
        Ok(PersonKey {
            kid,
            bundle,
            epoch,
            record,
            since_us,
        })
    }

    fn change_person(&mut self, id: PersonId, change: impl FnOnce(&mut Person)) {
        if let Some(found) = self.person(id) {
            let mut person = found.clone();
            change(&mut person);
            self.persons.insert_mut(id, Arc::new(person));
        }
    }
}

fn end_appointment(person: &mut Person, role: Role, unit: Option<UnitId>, time_us: u64) {
    let open = |a: &&mut Appointment| a.role == role && a.unit == unit && a.ended_us.is_none();
    for appointment in person.appointments.iter_mut().filter(open) {
        appointment.ended_us = Some(time_us);
    }
}

fn check_invitation(until_us: u64, time_us: u64) -> Result<(), ReplayError> {
    if until_us <= time_us || until_us > time_us.saturating_add(INVITATION_US + MAX_SKEW_US) {
        return Err(ReplayError::InvitationExpired);
    }
    Ok(())
}
