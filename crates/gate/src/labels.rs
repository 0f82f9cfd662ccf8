//! Labels of persons: whoever has λ can make them, and only the gatekeeper has it for good.

use obhut_format::PersonId;
use obhut_format::context::sha256;
use obhut_format::release::{LabelQuery, PersonLabels};
use obhut_log::Label;

use crate::replay::VaultState;
use crate::{Gate, Refusal, keys, stores};

impl Gate {
    /// Labels for a log of this vault, in the order asked.
    pub(crate) async fn answer_labels(
        &self,
        state: &mut VaultState,
        query: &LabelQuery,
    ) -> Result<Vec<PersonLabels>, Refusal> {
        if !state.is_own_origin(&query.origin) {
            return Err(Refusal::ShardUnknown);
        }
        let mut labels = Vec::with_capacity(query.persons.len());
        for person in &query.persons {
            labels.push(self.load_labels(state, &query.origin, *person).await?);
        }
        Ok(labels)
    }

    /// Labels of one person in one log, computed once.
    pub(crate) async fn load_labels(
        &self,
        state: &mut VaultState,
        origin: &str,
        person: PersonId,
    ) -> Result<PersonLabels, Refusal> {
        if let Some(known) = state.find_labels(origin, person) {
            return Ok(known.clone());
        }
        let share = stores::find_person_share(&self.stores.first, state.vault, &person.0)
            .await?
            .ok_or(Refusal::LabelsUnknown)?;
        let context = keys::share_context(state.vault, share.share_id);
        let lambda = self
            .storage
            .open(share.key_number, &context, &share.sealed)?;
        let lambda = lambda
            .into_secret::<32>()
            .map_err(|_| Refusal::StorageKey)?;
        // EXPOSE: into the labels and the hash that the enrolment names.
        let lambda = lambda.expose();
        let (subject, actor) = if origin == state.records_origin() {
            let label = Label::of_person(origin, lambda);
            (label, label)
        } else {
            (
                Label::of_subject(origin, lambda),
                Label::of_actor(origin, lambda),
            )
        };
        let labels = PersonLabels {
            person,
            subject: *subject.as_bytes(),
            actor: *actor.as_bytes(),
            lambda_hash: sha256(&[lambda]),
            share_id: share.share_id,
        };
        // Only logs that exist: anybody could name others without end.
        if origin == state.records_origin() || state.directory().find_shard(origin).is_some() {
            state.keep_labels(origin, labels.clone());
        }
        Ok(labels)
    }
}
