//! Deputies: who stands in for a caseworker, from when until when.

use obhut_format::act::ActKind;
use obhut_format::mutation::{Mutation, MutationRecord};
use obhut_format::statement::{DeputyAppointed, DeputyEnded, Event, Role};
use obhut_format::{PersonId, UnitId};

use crate::ClientError;
use crate::act::ActDraft;
use crate::clock::now_us;
use crate::transport::MutationRoute;
use crate::vault::Vault;

/// Who is to stand in for whom.
#[derive(Clone, Copy, Debug)]
pub struct DeputyTerms {
    /// Who.
    pub deputy: PersonId,
    /// For whom.
    pub on_behalf_of: PersonId,
    /// In which unit.
    pub unit: UnitId,
    /// From when, microseconds UTC.
    pub from_us: u64,
    /// Until when, microseconds UTC.
    pub until_us: u64,
}

impl Vault {
    /// Makes a deputy. A registrar gives one from another unit the unit's key as well; a caseworker can name a
    /// colleague of their own unit.
    pub async fn add_deputy(&mut self, terms: &DeputyTerms) -> Result<(), ClientError> {
        let event = DeputyAppointed {
            deputy: terms.deputy,
            on_behalf_of: terms.on_behalf_of,
            unit: terms.unit,
            from_us: terms.from_us,
            until_us: terms.until_us,
        };
        let mut members = self.keepers(terms.unit)?;
        let holds_key = members.contains(&terms.deputy);
        if !holds_key {
            members.push(terms.deputy);
        }
        let record = self.state(Event::DeputyAppointed(event), None)?;
        self.change_deputy(terms, record, !holds_key, &members)
            .await
    }

    /// Ends a deputy early. Whoever has no appointment in the unit does not hold its next key.
    pub async fn end_deputy(
        &mut self,
        deputy: PersonId,
        on_behalf_of: PersonId,
        unit: UnitId,
    ) -> Result<(), ClientError> {
        let now = now_us();
        let mut known = self.directory().deputies().iter();
        let found = known.find(|known| {
            (known.deputy, known.on_behalf_of, known.unit) == (deputy, on_behalf_of, unit)
                && !known.is_over(now)
        });
        let terms = found.map(|known| DeputyTerms {
            deputy,
            on_behalf_of,
            unit,
            from_us: known.from_us,
            until_us: known.until_us,
        });
        let terms = terms.ok_or_else(|| {
            ClientError::NotFound(format!(
                "{deputy} does not stand in for {on_behalf_of} there"
            ))
        })?;
        let event = DeputyEnded {
            deputy,
            on_behalf_of,
            unit,
        };
        let mut members = self.keepers(unit)?;
        let directory = self.directory();
        let stays = directory.holds_role(deputy, Role::CaseWorker, Some(unit), now)
            || directory.holds_role(deputy, Role::Registrar, None, now);
        if !stays {
            members.retain(|member| *member != deputy);
        }
        let record = self.state(Event::DeputyEnded(event), None)?;
        self.change_deputy(&terms, record, !stays, &members).await
    }

    /// The statement, with a new unit key where who holds it changes; only a registrar can make one.
    async fn change_deputy(
        &mut self,
        terms: &DeputyTerms,
        record: MutationRecord,
        rekey: bool,
        members: &[PersonId],
    ) -> Result<(), ClientError> {
        let about = vec![terms.deputy, terms.on_behalf_of];
        let registrar = self.require_registrar();
        if rekey && registrar.is_ok() {
            let draft = ActDraft::new(ActKind::ManageUnit, Role::Registrar).about(about);
            let first = vec![record];
            self.next_epoch(MutationRoute::Units, draft, terms.unit, members, first)
                .await?;
            return Ok(());
        }
        let concerned = [terms.deputy, terms.on_behalf_of].contains(&self.person());
        let ends = self
            .directory()
            .is_deputy(terms.deputy, Some(terms.unit), now_us());
        if registrar.is_err() && (!concerned || (rekey && !ends)) {
            return Err(ClientError::Refused(
                "the deputy does not hold the unit's key: a registrar has to make them one".into(),
            ));
        }
        let role = if registrar.is_ok() {
            Role::Registrar
        } else {
            Role::Citizen
        };
        let draft = ActDraft::new(ActKind::Appoint, role).about(about);
        let mutation = Mutation::of(vec![record]);
        self.submit(MutationRoute::Appointments, draft, &mutation)
            .await?;
        Ok(())
    }

    /// Units in which this person stands in for somebody now and is no caseworker themselves.
    pub(crate) fn stands_in(&self) -> Vec<(UnitId, PersonId)> {
        let (directory, me, now) = (self.directory(), self.person(), now_us());
        let mut units: Vec<(UnitId, PersonId)> = Vec::new();
        for known in directory.deputies().iter().rev() {
            let (unit, represented) = (known.unit, known.on_behalf_of);
            let own = directory.holds_role(me, Role::CaseWorker, Some(unit), now);
            let running = known.deputy == me && directory.stands_in(me, represented, unit, now);
            if running && !own && units.iter().all(|(other, _)| *other != unit) {
                units.push((unit, represented));
            }
        }
        units
    }
}
