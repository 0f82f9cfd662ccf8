//! From the replayed records to the facts the policy decides on.

use obhut_format::act::ObjectRef;
use obhut_format::batch::{BatchKind, RecordPayload};
use obhut_format::mutation::Mutation;
use obhut_format::statement::{Event, Role, Statement};
use obhut_format::{CaseId, Cbor, DeviceKid, Kid, PersonId};
use obhut_log::replay::{Case, Directory, Person};
use obhut_model::{
    Appointment, CallerFacts, CaseFacts, CaseState, CaseStep, Change, Deputyship, Facts,
};

/// Facts about a person who speaks through a device.
pub(crate) fn caller_facts(
    directory: &Directory,
    person: PersonId,
    device: DeviceKid,
) -> CallerFacts {
    let known = directory.person(person);
    let spoke = directory.device(device);
    let given = known.map(|known| known.appointments.as_slice());
    CallerFacts {
        person,
        device,
        device_owner: spoke.map(|device| device.person),
        device_revoked: spoke.is_some_and(|device| device.revoked_us.is_some()),
        kid: known.and_then(|known| known.current()).map(|key| key.kid),
        kid_epoch: known.and_then(Person::epoch).unwrap_or(0),
        citizen: known.is_some_and(|known| known.citizen),
        appointments: given
            .unwrap_or_default()
            .iter()
            .map(|given| Appointment {
                role: given.role,
                unit: given.unit,
                until_us: match (given.until_us, given.ended_us) {
                    (Some(until), Some(ended)) => Some(until.min(ended)),
                    (until, ended) => until.or(ended),
                },
            })
            .collect(),
        deputyships: deputyships(directory, person),
    }
}

/// When somebody stands in, cut to the appointment of the one they stand in for.
fn deputyships(directory: &Directory, deputy: PersonId) -> Vec<Deputyship> {
    let known = directory.deputies().iter();
    let known = known.filter(|known| known.deputy == deputy);
    let windows = known.flat_map(|known| {
        let represented = directory.person(known.on_behalf_of);
        let given = represented.map(|person| person.appointments.as_slice());
        let given = given.unwrap_or_default().iter();
        let of_unit =
            given.filter(|given| given.role == Role::CaseWorker && given.unit == Some(known.unit));
        of_unit.map(|given| {
            let ends = [known.ended_us, given.until_us, given.ended_us];
            let until_us = ends.into_iter().flatten().fold(known.until_us, u64::min);
            Deputyship {
                on_behalf_of: known.on_behalf_of,
                unit: known.unit,
                from_us: known.from_us.max(given.from_us),
                until_us,
            }
        })
    });
    windows.collect()
}

/// Facts about the objects of a reading act. `all_granted` comes from the grants table.
pub(crate) fn release_facts(
    directory: &Directory,
    objects: &[ObjectRef],
    all_granted: bool,
) -> Facts {
    let mut facts = Facts {
        all_granted,
        documents_only: objects.iter().all(|object| object.document.is_some()),
        object_count: objects.len() as u64,
        unknown_objects: !objects.iter().all(|object| exists(directory, object)),
        ..Facts::default()
    };
    for object in objects {
        push_case(&mut facts, directory, directory, object.case);
    }
    facts
}

/// Facts about a mutation: cases as they are before it, created ones as they will be.
pub(crate) fn mutation_facts(
    before: &Directory,
    after: &Directory,
    mutation: &Mutation,
    caller: Kid,
) -> Facts {
    let mut facts = Facts::default();
    for record in &mutation.records {
        let Some(change) = change_of(before, mutation, &record.payload, caller) else {
            continue;
        };
        if let Some(case) = case_of(change) {
            push_case(&mut facts, before, after, case);
        }
        facts.changes.push(change);
    }
    facts
}

fn exists(directory: &Directory, object: &ObjectRef) -> bool {
    match object.document {
        None => directory.case(object.case).is_some(),
        Some(document) => directory.document(document).is_some_and(|found| {
            found.case == object.case && found.find_revision(object.revision).is_some()
        }),
    }
}

fn push_case(facts: &mut Facts, before: &Directory, after: &Directory, case: CaseId) {
    if facts.cases.last().is_some_and(|last| last.case == case)
        || facts.cases.iter().any(|known| known.case == case)
    {
        return;
    }
    match before.case(case).or_else(|| after.case(case)) {
        Some(case) => facts.cases.push(case_facts(case)),
        None => facts.unknown_objects = true,
    }
}

fn case_facts(case: &Case) -> CaseFacts {
    CaseFacts {
        case: case.case,
        kind: case.kind,
        unit: case.unit,
        owner: case.owner,
        state: if case.is_closed() {
            CaseState::Closed
        } else {
            CaseState::Open
        },
    }
}

fn case_of(change: Change) -> Option<CaseId> {
    match change {
        Change::CreateCase(case)
        | Change::Case(case, _)
        | Change::File(case)
        | Change::Grant { case, .. }
        | Change::RevokeGrant(case) => Some(case),
        _ => None,
    }
}

/// What a record changes; `None` for the documents of a batch, which its header stands for.
fn change_of(
    before: &Directory,
    mutation: &Mutation,
    payload: &RecordPayload,
    caller: Kid,
) -> Option<Change> {
    match payload {
        RecordPayload::Document(_) => None,
        RecordPayload::Batch(signed) => {
            let header = signed.parse_header().ok()?;
            Some(match header.kind {
                BatchKind::Documents => Change::File(header.case),
                BatchKind::Grants => Change::Grant {
                    case: header.case,
                    to_self: mutation
                        .grants
                        .iter()
                        .all(|grant| grant.recipient == caller),
                },
            })
        }
        RecordPayload::Statement(signed) => {
            let statement = Statement::from_bytes(&signed.statement.0).ok()?;
            Some(change_of_event(before, &statement.event))
        }
    }
}

fn change_of_event(before: &Directory, event: &Event) -> Change {
    let enrol = |person: PersonId, citizen: bool| Change::Enrol { person, citizen };
    match event {
        Event::Card(_) => Change::Card,
        Event::PersonEnrolled(event) => enrol(event.person, event.citizen),
        Event::PersonInvited(event) => {
            let known = before.person(event.person);
            enrol(event.person, known.is_some_and(|person| person.citizen))
        }
        Event::BundleRotated(event) => Change::OwnKeys(event.person),
        Event::DeviceAdded(event) => Change::OwnKeys(event.person),
        Event::DeviceRevoked(event) => Change::RevokeDevice(event.person),
        Event::Appointed(_) | Event::AppointmentEnded(_) => Change::Appoint,
        Event::UnitEpoch(_) => Change::Unit,
        Event::CaseCreated(event) => Change::CreateCase(event.case),
        Event::CaseRekeyed(event) => Change::Case(event.case, CaseStep::Write),
        Event::SubjectAdded(event) => Change::Case(event.case, CaseStep::Write),
        Event::CaseClosed(event) => Change::Case(event.case, CaseStep::Close),
        Event::CaseReopened(event) => Change::Case(event.case, CaseStep::Reopen),
        Event::GrantRevoked(event) => Change::RevokeGrant(event.case),
        Event::CardAmended(event) => Change::File(event.case),
        Event::ShardOpened(_) | Event::GateHead(_) => Change::Vault,
        Event::RecoveryPolicy(_)
        | Event::RecoveryRequested(_)
        | Event::RecoveryFinished(_)
        | Event::RecoveryWithdrawn(_) => Change::Recovery,
        Event::RecoveryApproved(_) | Event::RecoveryDrilled(_) => Change::OwnShare,
        Event::DeputyAppointed(event) => Change::Deputy {
            on_behalf_of: event.on_behalf_of,
            deputy: None,
        },
        Event::DeputyEnded(event) => Change::Deputy {
            on_behalf_of: event.on_behalf_of,
            deputy: Some(event.deputy),
        },
    }
}
