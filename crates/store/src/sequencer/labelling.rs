//! Which log each piece of work goes to, under which labels, and where their chains stand.

use std::collections::{BTreeMap, BTreeSet};

use obhut_format::tree::TreeBuilder;
use obhut_format::{Hash, PersonId};
use obhut_log::Label;
use obhut_log::replay::{Directory, RecordLabel};

use super::commit::read_heads;
use super::log_state::LogState;
use super::parts::Part;
use super::plan::{Plan, PlannedRecord};
use super::work::Work;
use super::writer::{Setback, Writer};
use crate::StoreError;

/// A label and the state root that stands under it.
pub(super) type RootedLabel = (Label, Option<Hash>);

/// A plan with all its labels.
pub(super) struct Resolved {
    pub(super) position: usize,
    pub(super) records: Vec<(PlannedRecord, Vec<RootedLabel>)>,
    pub(super) parts: Vec<(Part, Vec<Label>)>,
    closing: Vec<Label>,
}

impl Resolved {
    /// Its labels in the log at this position.
    fn labels_in(&self, position: usize) -> Vec<Label> {
        let mut labels = Vec::new();
        if position == 0 {
            let records = self.records.iter().flat_map(|(_, labels)| labels);
            labels.extend(records.map(|(label, _)| *label));
        }
        if position == self.position {
            labels.extend(self.parts.iter().flat_map(|(_, labels)| labels));
            labels.extend(&self.closing);
        }
        labels
    }
}

impl Writer {
    /// Position of the log each piece of work goes to; shards that are new get a state of their own.
    pub(super) fn find_logs(
        &mut self,
        works: &[Work],
        trial: &Directory,
    ) -> Result<Vec<usize>, Setback> {
        let mut positions = Vec::with_capacity(works.len());
        for (number, work) in works.iter().enumerate() {
            let shard = match work {
                Work::Statement(_) => {
                    positions.push(0);
                    continue;
                }
                Work::Close(work) => work.shard.as_str(),
                work => work.act().map_or("", |act| act.act().shard.as_str()),
            };
            let known = self.logs.iter().position(|log| log.origin == shard);
            let position = match known {
                Some(position) if position > 0 => position,
                _ if trial.find_shard(shard).is_some() => {
                    let tree = TreeBuilder::new();
                    let log = LogState::new(None, shard.to_owned(), false, tree, 0);
                    self.logs.push(log);
                    self.logs.len() - 1
                }
                _ => {
                    let reason = "the act names an unknown shard of the access log";
                    let error = StoreError::rejected("shard-unknown", reason);
                    return Err(Setback::One(number, error));
                }
            };
            positions.push(position);
        }
        Ok(positions)
    }

    pub(super) async fn resolve_labels(
        &mut self,
        plans: Vec<Plan>,
        works: &[Work],
        positions: &[usize],
    ) -> Result<Vec<Resolved>, Setback> {
        self.ask_labels_of_all(&plans, positions).await;
        let mut resolved = Vec::with_capacity(plans.len());
        for (number, ((plan, work), position)) in
            plans.into_iter().zip(works).zip(positions).enumerate()
        {
            let one = |error| Setback::One(number, error);
            self.ask_labels(&plan, *position).await.map_err(one)?;
            let closing = match work {
                Work::Close(work) => work.labels.clone(),
                _ => Vec::new(),
            };
            resolved.push(self.resolve(plan, *position, closing).map_err(one)?);
        }
        Ok(resolved)
    }

    /// One question a log for the whole batch. What it does not answer is asked once more for each piece of work, which
    /// then fails alone.
    async fn ask_labels_of_all(&mut self, plans: &[Plan], positions: &[usize]) {
        let mut missing: BTreeMap<String, BTreeSet<PersonId>> = BTreeMap::new();
        for (plan, position) in plans.iter().zip(positions) {
            for (origin, persons) in self.missing_labels(plan, *position) {
                missing.entry(origin).or_default().extend(persons);
            }
        }
        for (origin, persons) in missing {
            let persons: Vec<PersonId> = persons.into_iter().collect();
            let asked = self.labels.ask(&self.notary, self.vault, &origin, &persons);
            if asked.await.is_err() {
                return;
            }
        }
    }

    async fn ask_labels(&mut self, plan: &Plan, position: usize) -> Result<(), StoreError> {
        for (origin, persons) in self.missing_labels(plan, position) {
            self.labels
                .ask(&self.notary, self.vault, &origin, &persons)
                .await?;
        }
        let records = self.logs.first().map_or("", |log| log.origin.as_str());
        let enrolled = plan.records.iter().flat_map(|record| &record.enrolled);
        for event in enrolled {
            self.labels.check_enrolment(records, event)?;
        }
        Ok(())
    }

    fn missing_labels(&self, plan: &Plan, position: usize) -> Vec<(String, Vec<PersonId>)> {
        let records = plan.records.iter().flat_map(|record| &record.labels);
        let in_records: Vec<RecordLabel> = records.map(|(label, _)| *label).collect();
        let in_shard: Vec<RecordLabel> = plan.parts.iter().flat_map(Part::labels).collect();
        let mut missing = Vec::new();
        for (position, labels) in [(0, in_records), (position, in_shard)] {
            if let Some(log) = self.logs.get(position) {
                let persons = self.labels.missing(&log.origin, labels.iter());
                missing.push((log.origin.clone(), persons));
            }
        }
        missing.retain(|(_, persons)| !persons.is_empty());
        missing
    }

    fn resolve(
        &self,
        plan: Plan,
        position: usize,
        closing: Vec<Label>,
    ) -> Result<Resolved, StoreError> {
        let missing = || StoreError::Damaged("a label is missing");
        let origin = |position: usize| {
            let log = self.logs.get(position).ok_or_else(missing)?;
            Ok::<&str, StoreError>(&log.origin)
        };
        let mut records = Vec::with_capacity(plan.records.len());
        for record in plan.records {
            let labels: Option<Vec<_>> = record
                .labels
                .iter()
                .map(|(label, root)| Some((self.labels.find(origin(0).ok()?, label)?, *root)))
                .collect();
            records.push((record, labels.ok_or_else(missing)?));
        }
        let mut parts = Vec::with_capacity(plan.parts.len());
        for part in plan.parts {
            let shard = origin(position)?;
            let labels = part.labels();
            let labels = labels.iter().map(|label| self.labels.find(shard, label));
            let labels: Option<Vec<Label>> = labels.collect();
            parts.push((part, labels.ok_or_else(missing)?));
        }
        Ok(Resolved {
            position,
            records,
            parts,
            closing,
        })
    }

    pub(super) async fn load_heads(&mut self, resolved: &[Resolved]) -> Result<(), StoreError> {
        for (position, log) in self.logs.iter_mut().enumerate() {
            let labels = resolved.iter().flat_map(|work| work.labels_in(position));
            let unknown = log.unknown_heads(labels);
            if unknown.is_empty() {
                continue;
            }
            let found = match log.log {
                Some(number) => read_heads(&self.db, number, &unknown).await?,
                None => Vec::new(),
            };
            log.learn(&unknown, found);
        }
        Ok(())
    }
}
