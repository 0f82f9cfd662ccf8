#![allow(clippy::unwrap_used, reason = "tests")]

use std::fmt::Write as _;

use obhut_format::Kid;

use super::*;
use crate::{Appointment, CallerFacts, Deputyship};

const NOW_US: u64 = 1_000;
const ME: PersonId = PersonId([1; 16]);
const SOMEBODY: PersonId = PersonId([2; 16]);
const UNIT: UnitId = UnitId([10; 16]);
const OTHER_UNIT: UnitId = UnitId([11; 16]);
const CASE: CaseId = CaseId([20; 16]);

fn caller(appointments: &[(Role, Option<UnitId>, Option<u64>)]) -> Caller {
    let appointments = appointments
        .iter()
        .map(|&(role, unit, until_us)| Appointment {
            role,
            unit,
            until_us,
        })
        .collect();
    Caller::new(facts_of_caller(appointments), NOW_US).unwrap()
}

fn facts_of_caller(appointments: Vec<Appointment>) -> CallerFacts {
    CallerFacts {
        person: ME,
        device: DeviceKid([3; 32]),
        device_owner: Some(ME),
        device_revoked: false,
        kid: Some(Kid([4; 32])),
        kid_epoch: 1,
        citizen: false,
        appointments,
        deputyships: vec![],
    }
}

fn act(kind: ActKind, role: Role) -> Act {
    Act {
        vault: obhut_format::VaultId([9; 16]),
        card_version: 1,
        shard: "vault.example/access/std/2026q4".into(),
        kind,
        person: ME,
        device: DeviceKid([3; 32]),
        unit: (role == Role::CaseWorker).then_some(UNIT),
        role,
        on_behalf_of: None,
        case: None,
        objects_root: [0; 32],
        object_count: 1,
        reason_commitment: [0; 32],
        epk_hash: [0; 32],
        nonce: [0; 16],
        time_us: NOW_US,
        expires_us: NOW_US + 1,
        pinned: None,
        payload_hash: None,
        persons: vec![],
    }
}

fn agency_case(unit: UnitId) -> CaseFacts {
    CaseFacts {
        case: CASE,
        kind: CaseKind::Agency,
        unit,
        owner: None,
        state: CaseState::Open,
    }
}

fn own_case(owner: PersonId) -> CaseFacts {
    CaseFacts {
        kind: CaseKind::Own,
        owner: Some(owner),
        ..agency_case(UNIT)
    }
}

fn facts(kind: ActKind, case: CaseFacts) -> Facts {
    let change = match kind {
        ActKind::FileDocuments => Some(Change::File(CASE)),
        ActKind::CreateCase => Some(Change::CreateCase(CASE)),
        ActKind::ChangeCase => Some(Change::Case(CASE, CaseStep::Write)),
        ActKind::EnrolPerson => Some(Change::Enrol {
            person: SOMEBODY,
            citizen: true,
        }),
        ActKind::ManageIdentity => Some(Change::OwnKeys(ME)),
        ActKind::Appoint => Some(Change::Appoint),
        ActKind::ManageUnit => Some(Change::Unit),
        ActKind::Grant => Some(Change::Grant {
            case: CASE,
            to_self: false,
        }),
        ActKind::Recover => Some(Change::Recovery),
        ActKind::RevokeGrant => Some(Change::RevokeGrant(CASE)),
        _ => None,
    };
    Facts {
        cases: vec![case],
        unknown_objects: false,
        all_granted: false,
        documents_only: matches!(
            kind,
            ActKind::ListDocuments | ActKind::OpenDocument | ActKind::ExportCase
        ),
        object_count: 1,
        changes: change.into_iter().collect(),
    }
}

fn decision(caller: &Caller, act: &Act, facts: &Facts) -> Result<(), Refusal> {
    let hash = [7; 32];
    if Release::covers(act.kind) {
        decide(caller, &Request::<Release>::new(act, hash, facts)).map(drop)
    } else if ReadLog::covers(act.kind) {
        decide(caller, &Request::<ReadLog>::new(act, hash, facts)).map(drop)
    } else {
        decide(caller, &Request::<Mutate>::new(act, hash, facts)).map(drop)
    }
}

#[test]
fn authorisation_matrix() {
    let appointments = |role| match role {
        Role::CaseWorker => vec![(role, Some(UNIT), None)],
        Role::Citizen => vec![],
        _ => vec![(role, None, None)],
    };
    let mut table = String::new();
    for (title, case, granted, persons) in [
        ("agency case of one's unit", agency_case(UNIT), false, ME),
        (
            "agency case of another unit",
            agency_case(OTHER_UNIT),
            false,
            SOMEBODY,
        ),
        (
            "agency document granted to the caller",
            agency_case(OTHER_UNIT),
            true,
            ME,
        ),
        ("own case of the caller", own_case(ME), true, ME),
        (
            "own case of somebody else",
            own_case(SOMEBODY),
            false,
            SOMEBODY,
        ),
    ] {
        writeln!(table, "## {title}").unwrap();
        for kind in ActKind::ALL {
            write!(table, "{kind:16}").unwrap();
            for role in Role::ALL {
                let caller = caller(&appointments(*role));
                let mut act = act(*kind, *role);
                if *kind == ActKind::ReadLog {
                    act.persons = vec![persons];
                }
                let mut facts = facts(*kind, case);
                facts.all_granted = granted;
                let word = match decision(&caller, &act, &facts) {
                    Ok(()) => "allowed",
                    Err(refusal) => refusal.as_str(),
                };
                write!(table, " | {role}: {word}").unwrap();
            }
            table.push('\n');
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn refuses_roles_that_are_not_held_or_have_run_out() {
    let open = act(ActKind::OpenDocument, Role::CaseWorker);
    let facts = facts(ActKind::OpenDocument, agency_case(UNIT));
    assert_eq!(
        decision(&caller(&[]), &open, &facts),
        Err(Refusal::NoAppointment)
    );
    let elsewhere = caller(&[(Role::CaseWorker, Some(OTHER_UNIT), None)]);
    assert_eq!(
        decision(&elsewhere, &open, &facts),
        Err(Refusal::NoAppointment)
    );
    let ended = caller(&[(Role::CaseWorker, Some(UNIT), Some(NOW_US))]);
    assert_eq!(
        decision(&ended, &open, &facts),
        Err(Refusal::AppointmentEnded)
    );
    let live = caller(&[(Role::CaseWorker, Some(UNIT), Some(NOW_US + 1))]);
    assert_eq!(decision(&live, &open, &facts), Ok(()));
}

#[test]
fn f05_refuses_revoked_and_unknown_devices_and_unused_invitations() {
    let facts = || facts_of_caller(vec![]);
    let revoked = CallerFacts {
        device_revoked: true,
        ..facts()
    };
    let invented = CallerFacts {
        device_owner: None,
        ..facts()
    };
    let stolen = CallerFacts {
        device_owner: Some(SOMEBODY),
        ..facts()
    };
    let invited = CallerFacts {
        kid_epoch: 0,
        ..facts()
    };
    for (facts, refusal) in [
        (revoked, Refusal::DeviceRevoked),
        (invented, Refusal::DeviceUnknown),
        (stolen, Refusal::DeviceUnknown),
        (invited, Refusal::InvitationOnly),
    ] {
        assert_eq!(Caller::new(facts, NOW_US).err(), Some(refusal));
    }
}

#[test]
fn an_act_speaks_for_its_person_and_device_only() {
    let caller = caller(&[(Role::CaseWorker, Some(UNIT), None)]);
    let facts = facts(ActKind::OpenDocument, agency_case(UNIT));
    let mut other = act(ActKind::OpenDocument, Role::CaseWorker);
    other.person = SOMEBODY;
    assert_eq!(decision(&caller, &other, &facts), Err(Refusal::NotYourself));
    let mut deputy = act(ActKind::OpenDocument, Role::CaseWorker);
    deputy.on_behalf_of = Some(SOMEBODY);
    assert_eq!(
        decision(&caller, &deputy, &facts),
        Err(Refusal::DeputyUnknown)
    );
}

#[test]
fn a_deputy_acts_in_the_unit_and_time_stood_in_for_and_never_in_another_role() {
    let deputyship = |from_us, until_us| Deputyship {
        on_behalf_of: SOMEBODY,
        unit: UNIT,
        from_us,
        until_us,
    };
    let with = |known: Vec<Deputyship>| {
        let facts = CallerFacts {
            deputyships: known,
            ..facts_of_caller(vec![])
        };
        Caller::new(facts, NOW_US).unwrap()
    };
    let facts = facts(ActKind::OpenDocument, agency_case(UNIT));
    let mut act = act(ActKind::OpenDocument, Role::CaseWorker);
    act.on_behalf_of = Some(SOMEBODY);
    let now = with(vec![deputyship(NOW_US, NOW_US + 1)]);
    assert!(now.works_in(UNIT) && !now.works_in(OTHER_UNIT));
    assert_eq!(decision(&now, &act, &facts), Ok(()));
    for known in [
        deputyship(NOW_US - 2, NOW_US),
        deputyship(NOW_US + 1, NOW_US + 2),
    ] {
        let refused = decision(&with(vec![known]), &act, &facts);
        assert_eq!(refused, Err(Refusal::DeputyEnded));
    }
    let mut elsewhere = act.clone();
    elsewhere.unit = Some(OTHER_UNIT);
    let refused = decision(&now, &elsewhere, &facts);
    assert_eq!(refused, Err(Refusal::DeputyUnknown));
    let mut silent = act.clone();
    silent.on_behalf_of = None;
    let refused = decision(&now, &silent, &facts);
    assert_eq!(
        refused,
        Err(Refusal::NoAppointment),
        "a deputy says for whom"
    );
    act.role = Role::Dpo;
    let refused = decision(&now, &act, &facts);
    assert_eq!(refused, Err(Refusal::DeputyUnknown));
}

#[test]
fn a_case_share_is_not_released_for_a_document_act_nor_the_other_way_round() {
    let caller = caller(&[(Role::CaseWorker, Some(UNIT), None)]);
    let mut facts = facts(ActKind::OpenDocument, agency_case(UNIT));
    facts.documents_only = false;
    let open = act(ActKind::OpenDocument, Role::CaseWorker);
    assert_eq!(decision(&caller, &open, &facts), Err(Refusal::ObjectsUnfit));
    facts.documents_only = true;
    let list = act(ActKind::ListCases, Role::CaseWorker);
    assert_eq!(decision(&caller, &list, &facts), Err(Refusal::ObjectsUnfit));
    let mut with_person = act(ActKind::OpenDocument, Role::CaseWorker);
    with_person.persons = vec![SOMEBODY];
    let refused = decision(&caller, &with_person, &facts);
    assert_eq!(
        refused,
        Err(Refusal::ObjectsUnfit),
        "its subjects are the case's"
    );
}

#[test]
fn nothing_is_filed_in_a_closed_case() {
    let caller = caller(&[(Role::CaseWorker, Some(UNIT), None)]);
    let mut facts = facts(ActKind::FileDocuments, agency_case(UNIT));
    facts.cases[0].state = CaseState::Closed;
    let filing = act(ActKind::FileDocuments, Role::CaseWorker);
    assert_eq!(decision(&caller, &filing, &facts), Err(Refusal::CaseClosed));
}

#[test]
fn a_mutation_holds_only_what_its_act_names() {
    let registrar = caller(&[(Role::Registrar, None, None)]);
    let mut facts = facts(ActKind::Appoint, agency_case(UNIT));
    facts.changes.push(Change::Enrol {
        person: SOMEBODY,
        citizen: false,
    });
    let appoint = act(ActKind::Appoint, Role::Registrar);
    assert_eq!(
        decision(&registrar, &appoint, &facts),
        Err(Refusal::ChangeNotOfThisAct)
    );
    for forbidden in [Change::Card, Change::Vault] {
        for kind in ActKind::ALL {
            assert!(!forbidden.belongs_to(*kind));
        }
    }
}

#[test]
fn a_caseworker_enrols_citizens_and_nobody_else() {
    let caller = caller(&[(Role::CaseWorker, Some(UNIT), None)]);
    let mut facts = facts(ActKind::EnrolPerson, agency_case(UNIT));
    let enrol = act(ActKind::EnrolPerson, Role::CaseWorker);
    assert_eq!(decision(&caller, &enrol, &facts), Ok(()));
    facts.changes = vec![Change::Enrol {
        person: SOMEBODY,
        citizen: false,
    }];
    assert_eq!(
        decision(&caller, &enrol, &facts),
        Err(Refusal::NotForThisRole)
    );
}

#[test]
fn founding_begins_with_a_card_and_is_done_by_a_registrar() {
    let mut facts = facts(ActKind::ManageIdentity, agency_case(UNIT));
    let found = act(ActKind::ManageIdentity, Role::Registrar);
    let registrar = caller(&[(Role::Registrar, None, None)]);
    let decide = |caller: &Caller, facts: &Facts| {
        decide_founding(caller, &Request::new(&found, [7; 32], facts)).map(|grant| grant.act())
    };
    assert_eq!(decide(&registrar, &facts), Err(Refusal::ChangeNotOfThisAct));
    facts.changes.insert(0, Change::Card);
    assert_eq!(decide(&registrar, &facts), Ok([7; 32]));
    assert_eq!(decide(&caller(&[]), &facts), Err(Refusal::NoAppointment));
}

#[test]
fn f01_an_act_does_not_name_another_case_than_it_changes() {
    let caller = caller(&[(Role::CaseWorker, Some(UNIT), None)]);
    for kind in [
        ActKind::ChangeCase,
        ActKind::FileDocuments,
        ActKind::Grant,
        ActKind::RevokeGrant,
        ActKind::CreateCase,
    ] {
        let facts = facts(kind, agency_case(UNIT));
        let mut act = act(kind, Role::CaseWorker);
        for named in [None, Some(CASE)] {
            act.case = named;
            assert_eq!(decision(&caller, &act, &facts), Ok(()), "{kind}");
        }
        act.case = Some(CaseId([0x77; 16]));
        let refused = decision(&caller, &act, &facts);
        assert_eq!(refused, Err(Refusal::ChangeNotOfThisAct), "{kind}");
    }
}

#[test]
fn a_search_is_a_caseworkers_and_about_nothing_else() {
    let searching = |caller: &Caller, act: &Act| {
        let facts = Facts::default();
        let request = Request::<Lookup>::new(act, [7; 32], &facts);
        decide_lookup(caller, &request).map(drop)
    };
    let worker = caller(&[(Role::CaseWorker, Some(UNIT), None)]);
    let mut act = act(ActKind::FindCase, Role::CaseWorker);
    assert_eq!(searching(&worker, &act), Err(Refusal::ObjectsUnfit));
    act.object_count = 0;
    assert_eq!(searching(&worker, &act), Ok(()));
    act.unit = Some(OTHER_UNIT);
    assert_eq!(searching(&worker, &act), Err(Refusal::NoAppointment));
    act.role = Role::Citizen;
    assert_eq!(searching(&worker, &act), Err(Refusal::NotForThisRole));
    act.kind = ActKind::ListCases;
    let refused = searching(&worker, &act);
    assert_eq!(refused, Err(Refusal::KindNotOfThisAction));
}
