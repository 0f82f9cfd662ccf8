//! Labels of persons: only the gatekeeper can make them; asked once a person and log.

use std::collections::HashMap;

use obhut_format::release::{GateRequest, GateResponse, LabelQuery};
use obhut_format::statement::PersonEnrolled;
use obhut_format::{Hash, PersonId, ShareId, VaultId};
use obhut_log::replay::RecordLabel;
use obhut_log::{Label, LabelKind};

use crate::{Notary, StoreError};

/// Most labels kept; a vault's busiest persons fit many times over.
const MAX_KEPT: usize = 200_000;
/// Persons asked for in one message.
const ASK_AT_ONCE: usize = 1_024;

/// Labels known so far.
#[derive(Default)]
pub(crate) struct PersonLabels {
    known: HashMap<(String, PersonId), Known>,
}

/// What the gatekeeper says of a person in one log.
struct Known {
    /// As data subject (or person, in the records log).
    subject: Label,
    actor: Label,
    /// Of the λ that was deposited, and the name of its share.
    deposited: (Hash, ShareId),
}

impl PersonLabels {
    /// The label, if it needs no asking or was asked for.
    pub(crate) fn find(&self, origin: &str, label: &RecordLabel) -> Option<Label> {
        let Some(person) = label.person() else {
            return label.label(origin);
        };
        let known = self.known.get(&(origin.to_owned(), person))?;
        Some(match label.kind {
            LabelKind::Actor => known.actor,
            _ => known.subject,
        })
    }

    /// Whether an enrolment in the log `origin` names the λ that was deposited. The gatekeeper
    /// follows no log in which one does not: such a record must never be committed.
    pub(crate) fn check_enrolment(
        &self,
        origin: &str,
        event: &PersonEnrolled,
    ) -> Result<(), StoreError> {
        let known = self.known.get(&(origin.to_owned(), event.person));
        if known.map(|known| known.deposited) == Some((event.lambda_hash, event.share_id)) {
            return Ok(());
        }
        let reason = "the enrolment names another label secret than the one deposited";
        Err(StoreError::rejected("person-share-differs", reason))
    }

    /// Persons of `labels` that must be asked for.
    pub(crate) fn missing<'a>(
        &self,
        origin: &str,
        labels: impl Iterator<Item = &'a RecordLabel>,
    ) -> Vec<PersonId> {
        let mut persons: Vec<PersonId> = labels
            .filter_map(RecordLabel::person)
            .filter(|person| !self.known.contains_key(&(origin.to_owned(), *person)))
            .collect();
        persons.sort_unstable();
        persons.dedup();
        persons
    }

    /// Asks the gatekeeper.
    pub(crate) async fn ask(
        &mut self,
        notary: &Notary,
        vault: VaultId,
        origin: &str,
        persons: &[PersonId],
    ) -> Result<(), StoreError> {
        if self.known.len() > MAX_KEPT {
            self.known.clear();
        }
        for persons in persons.chunks(ASK_AT_ONCE) {
            let query = LabelQuery {
                vault,
                origin: origin.to_owned(),
                persons: persons.to_vec(),
            };
            let GateResponse::Labels(labels) = notary.ask(&GateRequest::Labels(query)).await?
            else {
                return Err(StoreError::GateUnavailable);
            };
            let asked = labels.iter().map(|labels| labels.person);
            if !asked.eq(persons.iter().copied()) {
                return Err(StoreError::GateUnavailable);
            }
            for labels in labels {
                let known = Known {
                    subject: Label::from_bytes(labels.subject),
                    actor: Label::from_bytes(labels.actor),
                    deposited: (labels.lambda_hash, labels.share_id),
                };
                self.known.insert((origin.to_owned(), labels.person), known);
            }
        }
        Ok(())
    }
}
