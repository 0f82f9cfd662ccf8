//! Records about units and their keys.

use std::sync::Arc;

use obhut_format::statement::{Role, UnitEpoch};
use obhut_format::{Kid, PersonId, UnitId};
use obhut_suite::XwingPublic;

use super::authority::Author;
use super::directory::Directory;
use super::error::ReplayError;
use super::state::Unit;

impl Directory {
    pub(super) fn unit_epoch(
        &mut self,
        event: &UnitEpoch,
        author: Author,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        self.require_registrar(author, time_us)?;
        let known = self.unit(event.unit);
        if event.epoch != known.map_or(0, Unit::epoch) + 1 {
            return Err(ReplayError::EpochStale);
        }
        if event.link_hash.is_some() != (event.epoch > 1) || event.members.is_empty() {
            return Err(ReplayError::NotSensible);
        }
        XwingPublic::parse(&event.public.0).map_err(|_| ReplayError::KeyRefused)?;
        self.check_members(event, time_us)?;
        let mut unit = known.cloned().unwrap_or(Unit {
            unit: event.unit,
            epochs: Vec::new(),
        });
        unit.epochs.push(event.clone());
        self.units.insert_mut(event.unit, Arc::new(unit));
        Ok(())
    }

    fn check_members(&self, event: &UnitEpoch, time_us: u64) -> Result<(), ReplayError> {
        let mut kids: Vec<Kid> = event.members.clone();
        kids.sort_unstable();
        kids.dedup();
        if kids.len() != event.members.len() {
            return Err(ReplayError::NotSensible);
        }
        let recovery = self.check_recovery_member(&kids)?;
        for kid in kids.into_iter().filter(|kid| Some(*kid) != recovery) {
            let member = self.activated_holder(kid)?;
            self.check_member(member, event.unit, time_us)?;
        }
        Ok(())
    }

    fn check_member(
        &self,
        member: PersonId,
        unit: UnitId,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        let person = self.person(member).ok_or(ReplayError::PersonUnknown)?;
        // Who was taken out of the unit comes back by a new appointment only.
        let kept_out = self.has_left(member, unit, time_us)
            && !self.is_deputy_to_be(member, unit, time_us)
            && !person.holds(Role::Registrar, None, time_us);
        if person.citizen || kept_out {
            return Err(ReplayError::MemberRefused);
        }
        Ok(())
    }

    /// Keys that hold the unit's epoch in force and have no place in its next one: replaced by their owner, or of
    /// somebody whose appointment has ended. Writers MUST NOT seal to that epoch while there are any.
    pub fn former_members(&self, unit: UnitId, at_us: u64) -> Vec<Kid> {
        let members = self.unit(unit).and_then(Unit::current);
        let members = members.into_iter().flat_map(|epoch| epoch.members.iter());
        members
            .copied()
            .filter(|kid| match self.activated_holder(*kid) {
                Ok(member) => !self.may_join_unit(member, unit, at_us),
                Err(_) => !self.is_recovery_bundle(*kid),
            })
            .collect()
    }

    /// Whether this person's keys may hold the unit's next epoch.
    pub fn may_join_unit(&self, person: PersonId, unit: UnitId, at_us: u64) -> bool {
        self.check_member(person, unit, at_us).is_ok()
    }

    fn has_left(&self, member: PersonId, unit: UnitId, time_us: u64) -> bool {
        let Some(person) = self.person(member) else {
            return true;
        };
        // The agency unit has no appointments of its own: any office will do.
        let agency = unit.0 == self.vault.0;
        let of_unit = |a: &&super::state::Appointment| {
            if agency {
                a.unit.is_none()
            } else {
                a.unit == Some(unit)
            }
        };
        let mut appointments = person.appointments.iter().filter(of_unit).peekable();
        if appointments.peek().is_none() {
            return self.was_deputy(member, unit, time_us);
        }
        !appointments.any(|a| a.holds(time_us))
    }
}
