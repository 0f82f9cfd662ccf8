//! Labels of persons: only the gatekeeper can make them; asked once a person and log.

use std::collections::HashMap;

use obhut_format::release::{GateRequest, GateResponse, LabelQuery};
use obhut_format::{PersonId, VaultId};
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
    /// As data subject (or person, in the records log) and as actor.
    known: HashMap<(String, PersonId), (Label, Label)>,
}

impl PersonLabels {
    /// The label, if it needs no asking or was asked for.
    pub(crate) fn find(&self, origin: &str, label: &RecordLabel) -> Option<Label> {
        let Some(person) = label.person() else {
            return label.label(origin);
        };
        let (subject, actor) = self.known.get(&(origin.to_owned(), person))?;
        Some(match label.kind {
            LabelKind::Actor => *actor,
            _ => *subject,
        })
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
                let pair = (
                    Label::from_bytes(labels.subject),
                    Label::from_bytes(labels.actor),
                );
                self.known.insert((origin.to_owned(), labels.person), pair);
            }
        }
        Ok(())
    }
}
