//! Under which labels a record stands: a function of the record and of what came before it.

use obhut_format::batch::{RecordPayload, RegisterItem};
use obhut_format::statement::{Event, Statement};
use obhut_format::{Cbor, PersonId};

use super::directory::Directory;
use super::error::ReplayError;
use crate::label::{Label, LabelKind};

/// Most persons a case can be about: each of its entries, in either log, stands under all of them
/// beside actor, case and document, and a leaf carries at most 64 labels.
pub const MAX_PERSON_LABELS: usize = 60;

/// One label of a record, by what it stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordLabel {
    /// What kind of thing or person.
    pub kind: LabelKind,
    /// Its id; the vault's for `Vault` and `Shards`.
    pub id: [u8; 16],
}

impl RecordLabel {
    fn new(kind: LabelKind, id: [u8; 16]) -> Self {
        Self { kind, id }
    }

    /// A case's.
    pub fn of_case(case: obhut_format::CaseId) -> Self {
        Self::new(LabelKind::Case, case.0)
    }

    /// The label in the log `origin`; none for persons, whose λ only the gatekeeper and they know.
    pub fn label(&self, origin: &str) -> Option<Label> {
        Some(match self.kind {
            LabelKind::Unit => Label::of_unit(origin, &self.id),
            LabelKind::Case => Label::of_case(origin, &self.id),
            LabelKind::Document => Label::of_document(origin, &self.id),
            LabelKind::Class => Label::of_class(origin, &self.id),
            LabelKind::Vault => Label::of_vault(origin, &self.id),
            LabelKind::Shards => Label::of_shards(origin, &self.id),
            LabelKind::Person | LabelKind::Subject | LabelKind::Actor => return None,
        })
    }

    /// The person, if it stands for one.
    pub fn person(&self) -> Option<PersonId> {
        matches!(
            self.kind,
            LabelKind::Person | LabelKind::Subject | LabelKind::Actor
        )
        .then_some(PersonId(self.id))
    }
}

/// The labels of a record, in leaf order. `directory` is the state before it.
pub fn record_labels(
    payload: &RecordPayload,
    directory: &Directory,
) -> Result<Vec<RecordLabel>, ReplayError> {
    match payload {
        RecordPayload::Statement(signed) => {
            let statement = Statement::from_bytes(&signed.statement.0)?;
            Ok(event_labels(&statement.event, directory))
        }
        RecordPayload::Batch(signed) => {
            let header = signed.parse_header()?;
            Ok(vec![RecordLabel::new(LabelKind::Case, header.case.0)])
        }
        RecordPayload::Document(item) => {
            let manifest = RegisterItem::from_bytes(&item.item.0)?.parse_manifest()?;
            Ok(vec![
                RecordLabel::new(LabelKind::Document, manifest.document.0),
                RecordLabel::new(LabelKind::Case, manifest.case.0),
            ])
        }
    }
}

fn event_labels(event: &Event, directory: &Directory) -> Vec<RecordLabel> {
    let vault = RecordLabel::new(LabelKind::Vault, directory.vault().0);
    let person = |id: PersonId| RecordLabel::new(LabelKind::Person, id.0);
    let case = |id: obhut_format::CaseId| RecordLabel::new(LabelKind::Case, id.0);
    let with_unit = |id: PersonId, unit: Option<obhut_format::UnitId>| -> Vec<RecordLabel> {
        let unit = unit.map(|unit| RecordLabel::new(LabelKind::Unit, unit.0));
        std::iter::once(person(id)).chain(unit).collect()
    };
    match event {
        Event::Card(_)
        | Event::GateHead(_)
        | Event::RecoveryPolicy(_)
        | Event::RecoveryRequested(_)
        | Event::RecoveryApproved(_)
        | Event::RecoveryFinished(_)
        | Event::RecoveryWithdrawn(_)
        | Event::RecoveryDrilled(_) => vec![vault],
        Event::DeputyAppointed(event) => {
            let mut labels = with_unit(event.deputy, Some(event.unit));
            labels.push(person(event.on_behalf_of));
            labels
        }
        Event::DeputyEnded(event) => {
            let mut labels = with_unit(event.deputy, Some(event.unit));
            labels.push(person(event.on_behalf_of));
            labels
        }
        Event::ShardOpened(_) => {
            vec![
                vault,
                RecordLabel::new(LabelKind::Shards, directory.vault().0),
            ]
        }
        Event::PersonEnrolled(event) => vec![person(event.person)],
        Event::PersonInvited(event) => vec![person(event.person)],
        Event::BundleRotated(event) => vec![person(event.person)],
        Event::DeviceAdded(event) => vec![person(event.person)],
        Event::DeviceRevoked(event) => vec![person(event.person)],
        Event::Appointed(event) => with_unit(event.person, event.unit),
        Event::AppointmentEnded(event) => with_unit(event.person, event.unit),
        Event::UnitEpoch(event) => vec![RecordLabel::new(LabelKind::Unit, event.unit.0)],
        Event::CaseCreated(event) => {
            let unit = RecordLabel::new(LabelKind::Unit, event.unit.0);
            let mut labels = vec![case(event.case), unit];
            for id in event.owner.iter().chain(&event.subjects) {
                if !labels.contains(&person(*id)) {
                    labels.push(person(*id));
                }
            }
            labels
        }
        Event::CaseRekeyed(event) => vec![case(event.case)],
        Event::SubjectAdded(event) => vec![case(event.case), person(event.person)],
        Event::CaseClosed(event) => vec![case(event.case)],
        Event::CaseReopened(event) => vec![case(event.case)],
        Event::GrantRevoked(event) => vec![case(event.case)],
        Event::CardAmended(event) => {
            let document = RecordLabel::new(LabelKind::Document, event.document.0);
            vec![document, case(event.case)]
        }
    }
}
