//! Records about deputies: who stands in for whom, in which unit, from when until when.

use std::sync::Arc;

use obhut_format::statement::{DeputyAppointed, DeputyEnded, Role};
use obhut_format::{PersonId, UnitId, record};

use super::authority::Author;
use super::directory::Directory;
use super::error::ReplayError;

/// Longest time of a deputy, microseconds: a year.
const MAX_DEPUTY_US: u64 = 366 * 86_400 * 1_000_000;

record! {
    /// Somebody who stands in, or did.
    Deputy {
        /// Who.
        1 => deputy: PersonId,
        /// For whom.
        2 => on_behalf_of: PersonId,
        /// In which unit.
        3 => unit: UnitId,
        /// From when, microseconds UTC.
        4 => from_us: u64,
        /// Until when, microseconds UTC.
        5 => until_us: u64,
        /// When it was ended early, microseconds UTC.
        6 => ended_us: Option<u64>,
    }
}

impl Deputy {
    /// Whether it holds at this time (microseconds UTC).
    pub fn holds(&self, at_us: u64) -> bool {
        self.from_us <= at_us && !self.is_over(at_us)
    }

    /// Whether its time has run out or was ended.
    pub fn is_over(&self, at_us: u64) -> bool {
        at_us >= self.until_us || self.ended_us.is_some_and(|ended| at_us >= ended)
    }
}

impl Directory {
    /// Deputies, ended ones included, oldest first.
    pub fn deputies(&self) -> &[Deputy] {
        &self.deputies
    }

    /// Whether somebody stands in for this caseworker of the unit now: the deputy's time runs, and the
    /// caseworker is one still.
    pub fn stands_in(
        &self,
        deputy: PersonId,
        on_behalf_of: PersonId,
        unit: UnitId,
        at_us: u64,
    ) -> bool {
        self.holds_role(on_behalf_of, Role::CaseWorker, Some(unit), at_us)
            && self.deputies.iter().any(|known| {
                (known.deputy, known.on_behalf_of, known.unit) == (deputy, on_behalf_of, unit)
                    && known.holds(at_us)
            })
    }

    /// Whether somebody stands in for any caseworker of the unit now, or of any unit.
    pub fn is_deputy(&self, deputy: PersonId, unit: Option<UnitId>, at_us: u64) -> bool {
        let mut known = self.deputies.iter();
        known.any(|known| {
            known.deputy == deputy
                && unit.is_none_or(|unit| unit == known.unit)
                && self.stands_in(deputy, known.on_behalf_of, known.unit, at_us)
        })
    }

    /// Whether somebody will stand in, or does: such a person may be given the unit's key ahead.
    pub(super) fn is_deputy_to_be(&self, deputy: PersonId, unit: UnitId, at_us: u64) -> bool {
        let mut known = self.deputies.iter();
        known.any(|known| (known.deputy, known.unit) == (deputy, unit) && !known.is_over(at_us))
    }

    /// Whether somebody stood in for a caseworker of the unit and does no longer.
    pub(super) fn was_deputy(&self, deputy: PersonId, unit: UnitId, at_us: u64) -> bool {
        let mut known = self.deputies.iter();
        let of_unit = known.any(|known| (known.deputy, known.unit) == (deputy, unit));
        of_unit && !self.is_deputy_to_be(deputy, unit, at_us)
    }

    pub(super) fn deputy_appointed(
        &mut self,
        event: &DeputyAppointed,
        author: Author,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        if author != Author::Person(event.on_behalf_of) {
            self.require_registrar(author, time_us)?;
        }
        let represented = event.on_behalf_of;
        if !self.holds_role(represented, Role::CaseWorker, Some(event.unit), time_us) {
            return Err(ReplayError::AppointmentUnknown);
        }
        let latest = time_us.saturating_add(MAX_DEPUTY_US);
        let in_time =
            event.from_us < event.until_us && event.until_us > time_us && event.until_us <= latest;
        if !in_time || event.deputy == represented {
            return Err(ReplayError::NotSensible);
        }
        let deputy = self.person(event.deputy);
        let deputy = deputy.ok_or(ReplayError::PersonUnknown)?;
        if !deputy.is_activated() {
            return Err(ReplayError::PersonNotActivated);
        }
        // Staff only: whoever holds an office here already.
        if deputy.citizen || deputy.appointments_at(time_us).next().is_none() {
            return Err(ReplayError::MemberRefused);
        }
        let made = Deputy {
            deputy: event.deputy,
            on_behalf_of: represented,
            unit: event.unit,
            from_us: event.from_us,
            until_us: event.until_us,
            ended_us: None,
        };
        Arc::make_mut(&mut self.deputies).push(made);
        Ok(())
    }

    pub(super) fn deputy_ended(
        &mut self,
        event: &DeputyEnded,
        author: Author,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        let own = [event.on_behalf_of, event.deputy].map(Author::Person);
        if !own.contains(&author) {
            self.require_registrar(author, time_us)?;
        }
        let same = |known: &Deputy| {
            (known.deputy, known.on_behalf_of, known.unit)
                == (event.deputy, event.on_behalf_of, event.unit)
                && !known.is_over(time_us)
        };
        if !self.deputies.iter().any(same) {
            return Err(ReplayError::AppointmentUnknown);
        }
        let deputies = Arc::make_mut(&mut self.deputies).iter_mut();
        for deputy in deputies.filter(|known| same(known)) {
            deputy.ended_us = Some(time_us);
        }
        Ok(())
    }
}
