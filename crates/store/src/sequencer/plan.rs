//! What a piece of work writes, decided on a trial copy of the directory.

use obhut_format::act::ActKind;
use obhut_format::batch::RecordPayload;
use obhut_format::mutation::Mutation;
use obhut_format::statement::{
    Event, PersonEnrolled, STATEMENT_LABEL, SignedStatement, Signer, Statement,
};
use obhut_format::{Blob, CaseId, Cbor, Hash, UnitId, VaultId};
use obhut_log::LabelKind;
use obhut_log::replay::{Directory, RecordLabel, record_labels};
use obhut_model::Refusal;
use obhut_suite::{DeviceKey, Label};

use super::parts::{Part, split};
use super::work::{EntryWork, MutationWork};
use crate::StoreError;
use crate::act::VerifiedAct;
use crate::checks::check_rows;
use crate::proposal::refused_record;

/// Work with everything decided but labels of persons and chain heads.
pub(crate) struct Plan {
    /// Records, in order.
    pub(crate) records: Vec<PlannedRecord>,
    /// Parts of the access entry; none for the vault's own statements.
    pub(crate) parts: Vec<Part>,
}

/// A record to be written.
pub(crate) struct PlannedRecord {
    /// Canonical P.
    pub(crate) payload: Vec<u8>,
    /// Q, empty where there is none.
    pub(crate) sealed: Vec<u8>,
    /// Labels with the state root each carries.
    pub(crate) labels: Vec<(RecordLabel, Option<Hash>)>,
    /// Whose members may have Q.
    pub(crate) reader_unit: Option<UnitId>,
    /// The enrolment it is; its λ has to be the deposited one.
    pub(crate) enrolled: Option<PersonEnrolled>,
}

/// An entry: its parts, from the directory as it is.
pub(crate) fn plan_entry(work: &EntryWork, directory: &Directory) -> Result<Plan, StoreError> {
    if work.refusal.is_none() && !is_spoken_by_a_living_device(&work.act, directory) {
        return Err(Refusal::DeviceRevoked.into());
    }
    Ok(Plan {
        records: Vec::new(),
        parts: split_act(&work.act, &work.about, directory)?,
    })
}

/// A mutation: applied to the trial directory, which is spoiled when this fails.
pub(crate) fn plan_mutation(
    work: &MutationWork,
    trial: &mut Directory,
    time_us: u64,
) -> Result<Plan, StoreError> {
    let mutation = &work.proposal.mutation;
    let moved_on = trial.size() != work.proposal.before.size();
    let living = is_spoken_by_a_living_device(&work.act, trial);
    let mut records = Vec::with_capacity(mutation.records.len());
    for (number, record) in mutation.records.iter().enumerate() {
        let planned = plan_record(trial, &record.payload, time_us)
            .map_err(|error| refused_record(number, &error))?;
        let reader_unit = reader_unit(trial, &record.payload, &work.act);
        let sealed = record.sealed.as_ref().map(|sealed| sealed.0.clone());
        records.push(PlannedRecord {
            sealed: sealed.unwrap_or_default(),
            reader_unit,
            ..planned
        });
    }
    if trial.is_within_batch() {
        return Err(StoreError::rejected(
            "batch-incomplete",
            "a batch is not complete",
        ));
    }
    // A device may come into being with the mutation, or be revoked by it.
    if !living && !is_spoken_by_a_living_device(&work.act, trial) {
        return Err(Refusal::DeviceRevoked.into());
    }
    // What the rows were checked against has changed in between.
    if moved_on {
        check_rows(mutation, trial)?;
    }
    let about = records.iter().flat_map(|record| &record.labels);
    let about: Vec<RecordLabel> = about.map(|(label, _)| *label).collect();
    Ok(Plan {
        parts: split_act(&work.act, &about, trial)?,
        records,
    })
}

/// A statement by the vault.
pub(crate) fn plan_statement(
    vault: VaultId,
    event: &Event,
    key: &DeviceKey,
    nonce: [u8; 16],
    trial: &mut Directory,
    time_us: u64,
) -> Result<Plan, StoreError> {
    let statement = Statement {
        vault,
        signer: Signer::Vault(vault),
        time_us,
        nonce,
        event: event.clone(),
    };
    let bytes = statement.to_bytes();
    let signature = key.sign(Label::new(STATEMENT_LABEL), &bytes);
    let payload = RecordPayload::Statement(SignedStatement {
        statement: Blob(bytes),
        signature: Blob(signature.as_bytes().to_vec()),
    });
    let record =
        plan_record(trial, &payload, time_us).map_err(|error| refused_record(0, &error))?;
    Ok(Plan {
        records: vec![record],
        parts: Vec::new(),
    })
}

fn plan_record(
    trial: &mut Directory,
    payload: &RecordPayload,
    time_us: u64,
) -> Result<PlannedRecord, obhut_log::replay::ReplayError> {
    let labels = record_labels(payload, trial)?;
    trial.apply(payload, time_us)?;
    let with_state = |label: RecordLabel| {
        let is_case = label.kind == LabelKind::Case;
        let root = is_case.then(|| trial.case_state_root(CaseId(label.id)));
        (label, root.flatten())
    };
    Ok(PlannedRecord {
        payload: payload.to_bytes(),
        sealed: Vec::new(),
        labels: labels.into_iter().map(with_state).collect(),
        reader_unit: None,
        enrolled: enrolment(payload),
    })
}

fn enrolment(payload: &RecordPayload) -> Option<PersonEnrolled> {
    let RecordPayload::Statement(signed) = payload else {
        return None;
    };
    match Statement::from_bytes(&signed.statement.0).ok()?.event {
        Event::PersonEnrolled(event) => Some(event),
        _ => None,
    }
}

/// Between the decision and the commit a device may have been revoked: what is committed first counts.
fn is_spoken_by_a_living_device(act: &VerifiedAct, directory: &Directory) -> bool {
    let act = act.act();
    directory
        .find_active_device(act.device, act.person)
        .is_some()
}

/// Refused acts, too, stand under the labels of what they named and what exists.
fn split_act(
    act: &VerifiedAct,
    about: &[RecordLabel],
    directory: &Directory,
) -> Result<Vec<Part>, StoreError> {
    split(act.act(), act.objects(), about, directory)
}

/// What the records of a mutation that is not written are about.
pub(crate) fn mutation_labels(mutation: &Mutation, directory: &Directory) -> Vec<RecordLabel> {
    let records = mutation.records.iter();
    records
        .filter_map(|record| record_labels(&record.payload, directory).ok())
        .flatten()
        .collect()
}

/// Members of the case's unit read register entries and cards; whoever enrolled a person, and a
/// unit's members, read those names. The agency unit holds the names of staff.
fn reader_unit(
    directory: &Directory,
    payload: &RecordPayload,
    act: &VerifiedAct,
) -> Option<UnitId> {
    let RecordPayload::Statement(signed) = payload else {
        return None;
    };
    let statement = Statement::from_bytes(&signed.statement.0).ok()?;
    let agency = UnitId(directory.vault().0);
    match statement.event {
        Event::CaseCreated(event) => Some(event.unit),
        Event::CardAmended(event) => directory.case(event.case).map(|case| case.unit),
        Event::UnitEpoch(event) => Some(event.unit),
        Event::PersonEnrolled(_) | Event::PersonInvited(_) => match act.act().kind {
            ActKind::EnrolPerson => Some(act.act().unit.unwrap_or(agency)),
            _ => Some(agency),
        },
        _ => None,
    }
}
