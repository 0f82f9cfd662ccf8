//! Records about case files.

use std::sync::Arc;

use obhut_format::statement::{
    CardAmended, CaseClosed, CaseCreated, CaseKey, CaseKind, CaseRekeyed, CaseReopened,
    GrantRevoked, SubjectAdded,
};
use obhut_format::{CaseId, PersonId};
use rpds::VectorSync;

use super::authority::Author;
use super::directory::Directory;
use super::error::ReplayError;
use super::labels::MAX_PERSON_LABELS;
use super::state::Case;
use crate::state::{CaseState, DocumentState, DocumentStatus};

/// What stands in the grants tree for a revoked grant.
pub(super) const REVOKED: [u8; 32] = [0xff; 32];

impl Directory {
    pub(super) fn case_created(
        &mut self,
        event: &CaseCreated,
        author: Author,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        self.require_caseworker(author, Some(event.unit), time_us)?;
        if self.cases.contains_key(&event.case) {
            return Err(ReplayError::CaseExists);
        }
        self.check_subjects(&event.subjects)?;
        match event.kind {
            CaseKind::Agency => self.check_agency_case(event)?,
            CaseKind::Own => check_own_case(event)?,
        }
        self.shares = event
            .share_id
            .iter()
            .fold(self.shares.clone(), |shares, share| shares.insert(*share));
        let case = Case {
            case: event.case,
            kind: event.kind,
            unit: event.unit,
            owner: event.owner,
            class: event.class,
            share_id: event.share_id,
            register_hash: event.register_hash,
            keys: event.key.iter().cloned().collect(),
            subjects: event.subjects.clone(),
            closed_on: None,
            record: self.size,
        };
        self.case_documents
            .insert_mut(event.case, VectorSync::new_sync());
        self.states.insert_mut(event.case, CaseState::new());
        self.set_case(case);
        Ok(())
    }

    fn check_agency_case(&self, event: &CaseCreated) -> Result<(), ReplayError> {
        let (Some(key), Some(share), Some(_), None) =
            (&event.key, event.share_id, event.register_hash, event.owner)
        else {
            return Err(ReplayError::NotSensible);
        };
        if self.has_share(share) {
            return Err(ReplayError::ShareExists);
        }
        self.check_case_key(key, 1, event.unit)
    }

    /// The key is the expected epoch and granted to the unit's key in force.
    fn check_case_key(
        &self,
        key: &CaseKey,
        epoch: u32,
        unit: obhut_format::UnitId,
    ) -> Result<(), ReplayError> {
        let unit = self.unit(unit).ok_or(ReplayError::UnitUnknown)?;
        if key.epoch != epoch || key.unit_epoch != unit.epoch() {
            return Err(ReplayError::EpochStale);
        }
        if key.link_hash.is_some() != (epoch > 1) {
            return Err(ReplayError::NotSensible);
        }
        Ok(())
    }

    fn check_subjects(&self, subjects: &[PersonId]) -> Result<(), ReplayError> {
        if subjects.len() > MAX_PERSON_LABELS {
            return Err(ReplayError::NotSensible);
        }
        let mut sorted = subjects.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() != subjects.len() {
            return Err(ReplayError::SubjectExists);
        }
        if sorted.iter().any(|person| self.person(*person).is_none()) {
            return Err(ReplayError::PersonUnknown);
        }
        Ok(())
    }

    pub(super) fn case_rekeyed(
        &mut self,
        event: &CaseRekeyed,
        author: Author,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        let mut case = self.changeable_case(event.case, author, time_us)?;
        self.check_case_key(&event.key, case.epoch() + 1, case.unit)?;
        case.keys.push(event.key.clone());
        self.set_case(case);
        Ok(())
    }

    pub(super) fn subject_added(
        &mut self,
        event: &SubjectAdded,
        author: Author,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        let mut case = self.changeable_case(event.case, author, time_us)?;
        if self.person(event.person).is_none() {
            return Err(ReplayError::PersonUnknown);
        }
        if case.subjects.contains(&event.person) {
            return Err(ReplayError::SubjectExists);
        }
        if case.subjects.len() >= MAX_PERSON_LABELS {
            return Err(ReplayError::NotSensible);
        }
        case.subjects.push(event.person);
        self.set_case(case);
        Ok(())
    }

    pub(super) fn case_closed(
        &mut self,
        event: &CaseClosed,
        author: Author,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        let mut case = self.changeable_case(event.case, author, time_us)?;
        if !is_civil_date(&event.on) {
            return Err(ReplayError::NotSensible);
        }
        case.closed_on = Some(event.on.clone());
        self.set_case(case);
        Ok(())
    }

    pub(super) fn case_reopened(
        &mut self,
        event: &CaseReopened,
        author: Author,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        let mut case = self.agency_case(event.case, author, time_us)?;
        if !case.is_closed() {
            return Err(ReplayError::CaseOpen);
        }
        case.closed_on = None;
        self.set_case(case);
        Ok(())
    }

    pub(super) fn grant_revoked(
        &mut self,
        event: &GrantRevoked,
        author: Author,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        let case = self.case(event.case).ok_or(ReplayError::CaseUnknown)?;
        match case.kind {
            CaseKind::Agency => self.require_caseworker(author, Some(case.unit), time_us)?,
            // Against the owner nobody takes anything back.
            CaseKind::Own if case.owner.map(Author::Person) == Some(author) => {}
            CaseKind::Own => return Err(ReplayError::NotAuthorised),
        }
        if self.is_grant_revoked(event.case, &event.grant_hash) {
            return Err(ReplayError::GrantVoid);
        }
        self.revoked_grants
            .insert_mut((event.case, event.grant_hash));
        self.change_state(event.case, |state| {
            state.set_grant(event.grant_hash, REVOKED);
        });
        Ok(())
    }

    pub(super) fn card_amended(
        &mut self,
        event: &CardAmended,
        author: Author,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        let case = self.agency_case(event.case, author, time_us)?;
        let found = self
            .document(event.document)
            .filter(|d| d.case == event.case);
        let mut document = found.ok_or(ReplayError::DocumentUnknown)?.clone();
        let number = event.revision;
        let latest = document.latest().is_some_and(|r| r.revision == number);
        let revision = document.revisions.iter_mut().find(|r| r.revision == number);
        let revision = revision.ok_or(ReplayError::DocumentUnknown)?;
        if event.card_no != revision.card_no + 1 {
            return Err(ReplayError::CardNumberSkipped);
        }
        revision.card_no = event.card_no;
        revision.card_hash = event.card_hash;
        let state = DocumentState {
            document: event.document,
            revision: number,
            manifest_hash: revision.manifest_hash,
            card_hash: event.card_hash,
            class: case.class,
            status: DocumentStatus::Living,
        };
        self.documents
            .insert_mut(event.document, Arc::new(document));
        if latest {
            self.change_state(event.case, |case| case.set_document(&state));
        }
        Ok(())
    }

    /// An agency's case of a unit the author is a caseworker of.
    fn agency_case(&self, case: CaseId, author: Author, time_us: u64) -> Result<Case, ReplayError> {
        let case = self.case(case).ok_or(ReplayError::CaseUnknown)?;
        if case.kind != CaseKind::Agency {
            return Err(ReplayError::NotAuthorised);
        }
        self.require_caseworker(author, Some(case.unit), time_us)?;
        Ok(case.clone())
    }

    fn changeable_case(
        &self,
        case: CaseId,
        author: Author,
        time_us: u64,
    ) -> Result<Case, ReplayError> {
        let case = self.agency_case(case, author, time_us)?;
        if case.is_closed() {
            Err(ReplayError::CaseClosed)
        } else {
            Ok(case)
        }
    }

    fn set_case(&mut self, case: Case) {
        self.change_state(case.case, |state| {
            state.set_epoch(u64::from(case.epoch()));
            state.set_subjects(case.subjects.iter().copied());
        });
        self.cases.insert_mut(case.case, Arc::new(case));
    }

    pub(super) fn change_state(&mut self, case: CaseId, change: impl FnOnce(&mut CaseState)) {
        if let Some(state) = self.states.get_mut(&case) {
            change(state);
        }
    }
}

fn check_own_case(event: &CaseCreated) -> Result<(), ReplayError> {
    let owner = event.owner.ok_or(ReplayError::NotSensible)?;
    let bare = event.key.is_none() && event.share_id.is_none() && event.register_hash.is_none();
    if bare && event.subjects == [owner] {
        Ok(())
    } else {
        Err(ReplayError::NotSensible)
    }
}

/// `2026-11-23`; whether the day exists in its month is the writer's business.
fn is_civil_date(text: &str) -> bool {
    let numbers: Vec<u16> = text
        .split('-')
        .filter_map(|part| part.parse().ok())
        .collect();
    let digits = text.bytes().enumerate().all(|(at, byte)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    });
    let in_range = match numbers.as_slice() {
        [_, month, day] => (1..=12).contains(month) && (1..=31).contains(day),
        _ => false,
    };
    text.len() == 10 && digits && in_range
}
