//! Units and offices: who holds which key, who was given which role.

use obhut_format::act::ActKind;
use obhut_format::mutation::{Mutation, MutationRecord};
use obhut_format::person::KeyBundle;
use obhut_format::statement::{Appointed, AppointmentEnded, Event, Role};
use obhut_format::{PersonId, UnitId};
use obhut_log::replay::Person;

use crate::ClientError;
use crate::act::ActDraft;
use crate::clock::{now_us, random_bytes};
use crate::transport::MutationRoute;
use crate::unit_epoch::{NewUnitEpoch, make_unit_epoch};
use crate::vault::Vault;

/// Longest name of a unit in bytes.
const MAX_NAME_BYTES: usize = 200;

impl Vault {
    /// Makes a unit whose key these persons and the registrar hold, and appoints the persons its caseworkers.
    pub async fn create_unit(
        &mut self,
        name: &str,
        members: &[PersonId],
    ) -> Result<UnitId, ClientError> {
        self.require_registrar()?;
        if name.trim().is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(ClientError::Usage(
                "a unit's name has 1 to 200 bytes".into(),
            ));
        }
        let unit = UnitId(random_bytes());
        let mut persons = vec![self.person()];
        persons.extend(members.iter().filter(|member| **member != self.person()));
        let bundles = self.bundles_with_recovery(&persons)?;
        let epoch = make_unit_epoch(self.id(), unit, name, &bundles, None)?;
        let appointments = members
            .iter()
            .map(|person| self.appointment(*person, Role::CaseWorker, Some(unit), None));
        let appointments = appointments.collect::<Result<Vec<_>, _>>()?;
        let draft = ActDraft::new(ActKind::ManageUnit, Role::Registrar).about(members.to_vec());
        self.publish_epoch(MutationRoute::Units, draft, epoch, Vec::new(), appointments)
            .await?;
        Ok(unit)
    }

    /// Appoints a person a caseworker of the unit and gives the unit a new key that they hold as well.
    pub async fn add_to_unit(
        &mut self,
        unit: UnitId,
        person: PersonId,
        until_us: Option<u64>,
    ) -> Result<u32, ClientError> {
        self.require_registrar()?;
        let mut members = self.remaining_members(unit)?;
        if !members.contains(&person) {
            members.push(person);
        }
        let appointed = self.appointment(person, Role::CaseWorker, Some(unit), until_us)?;
        let draft = ActDraft::new(ActKind::ManageUnit, Role::Registrar).about(vec![person]);
        self.next_epoch(MutationRoute::Units, draft, unit, &members, vec![appointed])
            .await
    }

    /// Takes the person's appointment back and gives the unit a new key that they do not hold. What they could
    /// read before stays readable to whoever read it; everything new is sealed under the new key.
    pub async fn remove_from_unit(
        &mut self,
        unit: UnitId,
        person: PersonId,
    ) -> Result<u32, ClientError> {
        self.require_registrar()?;
        let mut members = self.remaining_members(unit)?;
        members.retain(|member| *member != person);
        let role = Role::CaseWorker;
        let holds = self
            .directory()
            .holds_role(person, role, Some(unit), now_us());
        let ended = if holds || !self.members(unit)?.contains(&person) {
            vec![self.ended(person, role, Some(unit))?]
        } else {
            // The appointment ran out or ended without a new epoch; only the key is left to take away.
            Vec::new()
        };
        let draft = ActDraft::new(ActKind::ManageUnit, Role::Registrar).about(vec![person]);
        self.next_epoch(MutationRoute::Units, draft, unit, &members, ended)
            .await
    }

    /// Gives a role of the whole agency. Registrars and data protection officers also get the agency's key, under
    /// which the names of staff are sealed; they must have joined first.
    pub async fn appoint(
        &mut self,
        person: PersonId,
        role: Role,
        until_us: Option<u64>,
    ) -> Result<(), ClientError> {
        self.require_registrar()?;
        let appointed = self.appointment(person, role, None, until_us)?;
        self.change_office(person, role, appointed, true).await
    }

    /// Takes a role of the whole agency back.
    pub async fn dismiss(&mut self, person: PersonId, role: Role) -> Result<(), ClientError> {
        self.require_registrar()?;
        if person == self.person() && role == Role::Registrar {
            return Err(ClientError::Refused(
                "nobody ends their own office as registrar; another registrar does".into(),
            ));
        }
        let ended = self.ended(person, role, None)?;
        self.change_office(person, role, ended, false).await
    }

    async fn change_office(
        &mut self,
        person: PersonId,
        role: Role,
        record: MutationRecord,
        joins: bool,
    ) -> Result<(), ClientError> {
        let draft = ActDraft::new(ActKind::Appoint, Role::Registrar).about(vec![person]);
        if !matches!(role, Role::Registrar | Role::Dpo) {
            let mutation = Mutation::of(vec![record]);
            self.submit(MutationRoute::Appointments, draft, &mutation)
                .await?;
            return Ok(());
        }
        let agency = self.agency_unit();
        let mut members = self.remaining_members(agency)?;
        let keeps = joins || self.holds_other_office(person, role);
        members.retain(|member| *member != person);
        if keeps {
            members.push(person);
        }
        self.next_epoch(
            MutationRoute::Appointments,
            draft,
            agency,
            &members,
            vec![record],
        )
        .await?;
        Ok(())
    }

    fn holds_other_office(&self, person: PersonId, than: Role) -> bool {
        let directory = self.directory();
        [Role::Registrar, Role::Dpo]
            .into_iter()
            .filter(|role| *role != than)
            .any(|role| directory.holds_role(person, role, None, now_us()))
    }

    fn appointment(
        &self,
        person: PersonId,
        role: Role,
        unit: Option<UnitId>,
        until_us: Option<u64>,
    ) -> Result<MutationRecord, ClientError> {
        let event = Appointed {
            person,
            role,
            unit,
            until_us,
        };
        self.state(Event::Appointed(event), None)
    }

    fn ended(
        &self,
        person: PersonId,
        role: Role,
        unit: Option<UnitId>,
    ) -> Result<MutationRecord, ClientError> {
        if !self.directory().holds_role(person, role, unit, now_us()) {
            return Err(ClientError::NotFound(format!(
                "{person} holds no such appointment"
            )));
        }
        let event = AppointmentEnded { person, role, unit };
        self.state(Event::AppointmentEnded(event), None)
    }

    /// The persons whose keys hold the unit's epoch in force.
    pub fn members(&self, unit: UnitId) -> Result<Vec<PersonId>, ClientError> {
        let known = self.directory().unit(unit).and_then(|unit| unit.current());
        let current =
            known.ok_or_else(|| ClientError::NotFound(format!("there is no unit {unit}")))?;
        let holders = current
            .members
            .iter()
            .filter_map(|kid| self.directory().person_of(*kid));
        Ok(holders.map(|person| person.person).collect())
    }

    /// The members who may hold the next epoch: without those whose appointment has ended meanwhile.
    pub(crate) fn remaining_members(&self, unit: UnitId) -> Result<Vec<PersonId>, ClientError> {
        let mut members = self.members(unit)?;
        members.retain(|member| self.directory().may_join_unit(*member, unit, now_us()));
        Ok(members)
    }

    /// Fails while a key that has no place in the unit any more would open what is sealed to the unit now.
    pub fn require_no_former_member(&self, unit: UnitId) -> Result<(), ClientError> {
        let former = self.directory().former_members(unit, now_us());
        let Some(kid) = former.first() else {
            return Ok(());
        };
        let person = self.directory().person_of(*kid);
        let who = person.map_or_else(|| kid.to_string(), |person| person.person.to_string());
        Err(ClientError::Refused(format!(
            "{who} still holds the key of {unit}, but that appointment or that key has ended: the unit needs a new \
             key epoch before anything is filed. A registrar makes it with `obhut unit renew {unit}`, or with \
             `obhut unit add {unit} {who}` to keep the person"
        )))
    }

    pub(crate) async fn next_epoch(
        &mut self,
        route: MutationRoute,
        draft: ActDraft,
        unit: UnitId,
        members: &[PersonId],
        appointments: Vec<MutationRecord>,
    ) -> Result<u32, ClientError> {
        let name = self.find_unit_name(unit).await?;
        let name = name.ok_or_else(|| {
            ClientError::Refused(
                "you do not hold this unit's key; ask the registrar who made it".into(),
            )
        })?;
        let epoch = self.unit_epoch(unit)?;
        let bundles = self.bundles_with_recovery(members)?;
        let earlier = self.keyring()?.unit(unit, epoch)?;
        let next = make_unit_epoch(self.id(), unit, &name, &bundles, Some(earlier))?;
        self.publish_epoch(route, draft, next, appointments, Vec::new())
            .await?;
        Ok(epoch + 1)
    }

    /// `first` stands before the epoch (an ended appointment must not linger), `then` after it (a new unit has to
    /// exist before anybody is appointed to it).
    async fn publish_epoch(
        &mut self,
        route: MutationRoute,
        draft: ActDraft,
        epoch: NewUnitEpoch,
        first: Vec<MutationRecord>,
        then: Vec<MutationRecord>,
    ) -> Result<(), ClientError> {
        let mut records = first;
        records.push(self.state(Event::UnitEpoch(epoch.event), Some(epoch.sealed_entry))?);
        records.extend(then);
        let mutation = Mutation {
            memberships: epoch.memberships,
            unit_links: epoch.link.into_iter().collect(),
            ..Mutation::of(records)
        };
        self.submit(route, draft, &mutation).await?;
        self.forget_keys();
        Ok(())
    }

    /// Gives a unit a new key for those who are in office still and have a device, for example after
    /// somebody's keys changed.
    pub async fn renew_unit_key(&mut self, unit: UnitId) -> Result<u32, ClientError> {
        self.require_registrar()?;
        let members = self.keepers(unit)?;
        let draft = ActDraft::new(ActKind::ManageUnit, Role::Registrar);
        self.next_epoch(MutationRoute::Units, draft, unit, &members, Vec::new())
            .await
    }

    /// Bundles of members, and the recovery bundle that this profile's person has confirmed.
    pub(crate) fn bundles_with_recovery(
        &self,
        persons: &[PersonId],
    ) -> Result<Vec<&KeyBundle>, ClientError> {
        let mut bundles = self.bundles(persons)?;
        bundles.extend(self.confirmed_recovery()?);
        Ok(bundles)
    }

    /// Current bundles of persons who have joined; keys nobody else ever knew.
    pub(crate) fn bundles(&self, persons: &[PersonId]) -> Result<Vec<&KeyBundle>, ClientError> {
        let bundle = |person: &PersonId| {
            let known = self.directory().person(*person);
            let known = known
                .ok_or_else(|| ClientError::NotFound(format!("there is no person {person}")))?;
            known
                .current()
                .filter(|_| Person::is_activated(known))
                .map(|key| &key.bundle)
                .ok_or_else(|| {
                    ClientError::Refused(format!("{person} has not joined yet (`obhut join`)"))
                })
        };
        persons.iter().map(bundle).collect()
    }
}
