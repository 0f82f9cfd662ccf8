#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use obhut_format::act::{ActKind, SignedAct};
use obhut_format::entry::Decision;
use obhut_format::statement::Role;
use obhut_format::{CaseId, DeviceKid};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::*;

const ORIGIN: &str = "vault.example/access/std/2026q4";
const DAY: u64 = 20_780;

fn draft(subjects: u8) -> EntryDraft {
    EntryDraft {
        a1: GroupA1 {
            kind: ActKind::OpenDocument,
            unit: None,
            role: Role::CaseWorker,
            on_behalf: false,
            decision: Decision::Allowed,
            part: 1,
            parts: 1,
        },
        a2: GroupA2 {
            person: PersonId([200; 16]),
            device: DeviceKid([201; 32]),
            on_behalf_of: None,
        },
        subjects: (1..=subjects).map(|n| PersonId([n; 16])).collect(),
        d: GroupD {
            case: Some(CaseId([9; 16])),
            class: Some("ALG-10".parse().unwrap()),
            objects: vec![],
            objects_root: [1; 32],
            object_count: 0,
        },
        w: Reason {
            purpose: "Test purpose".into(),
            legal_basis: "Test basis".into(),
            justification: None,
        },
        w_salt: [5; 32],
        r: GroupR {
            signed: SignedAct {
                act: Blob(vec![1]),
                signature: [0; 64],
            },
            decision: Decision::Allowed,
            refusal: None,
            policy_version: 1,
        },
    }
}

fn sealed(subjects: u8, rng: &mut ChaCha20Rng) -> SealedEntry {
    let time_ms = DAY * crate::logkey::DAY_MS;
    draft(subjects)
        .seal(ORIGIN, time_ms, Flags::NONE, rng)
        .unwrap()
}

#[test]
fn f04_citizen_and_officer_read_openings_of_one_commitment() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let entry = sealed(3, &mut rng);
    let key = DayKey::generate(ORIGIN, DAY - 3, &mut rng);
    let mut today = key.duplicate();
    today.advance_to(DAY).unwrap();
    let officers = entry.wrap_for_dpo(&today, &mut rng).unwrap();
    let whole = open_as_dpo(&entry.core, &entry.payload, &officers, &key).unwrap();
    let written = draft(3);
    assert_eq!(whole.subjects, written.subjects);
    assert_eq!((&whole.a1, &whole.a2), (&written.a1, &written.a2));
    assert_eq!(
        (&whole.d, &whole.reason, &whole.r),
        (&written.d, &written.w, &written.r)
    );
    for position in 0..3 {
        let wrap = entry.wrap_for_subject(position, &today, &mut rng).unwrap();
        let mine = open_as_subject(&entry.core, &entry.payload, &wrap, &key).unwrap();
        assert_eq!(mine.subject, written.subjects[position]);
        assert_eq!(
            (mine.a1, mine.reason),
            (whole.a1.clone(), whole.reason.clone())
        );
        assert_eq!(mine.class, written.d.class);
    }
}

#[test]
fn f03_a_subjects_key_opens_neither_the_officers_part_nor_another_line() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let entry = sealed(2, &mut rng);
    let key = DayKey::generate(ORIGIN, DAY, &mut rng);
    let wrap = entry.wrap_for_subject(0, &key, &mut rng).unwrap();
    assert_eq!(
        open_as_dpo(&entry.core, &entry.payload, &wrap, &key).err(),
        Some(LogError::CannotOpen)
    );
    let plain = open_wrap(&key, SealedKind::SubjectWrap, &wrap).unwrap();
    let held = SubjectWrap::from_bytes(plain.expose()).unwrap();
    let ciphertext = EntryCiphertext::from_bytes(&entry.payload).unwrap();
    let with_subject_key: Result<DpoView, _> = open_view(
        &Secret::new(*held.key.expose()),
        SealedKind::DpoEntry,
        ORIGIN,
        &ciphertext.dpo.0,
    );
    assert_eq!(with_subject_key.err(), Some(LogError::CannotOpen));
    // Everything the subject can reach holds nobody else's id.
    let view: SubjectView = open_view(
        &Secret::new(*held.key.expose()),
        SealedKind::SubjectEntry,
        ORIGIN,
        &ciphertext.subject.0,
    )
    .unwrap();
    let reachable = [view.to_bytes(), held.to_bytes()].concat();
    for hidden in [[2; 16], [200; 16], [9; 16]] {
        assert!(!reachable.windows(16).any(|part| part == hidden));
    }
    assert!(reachable.windows(16).any(|part| part == [1; 16]));
}

#[test]
fn refuses_swapped_payloads_changed_cores_and_anothers_wrap() {
    let mut rng = ChaCha20Rng::seed_from_u64(3);
    let one = sealed(1, &mut rng);
    let two = sealed(1, &mut rng);
    let key = DayKey::generate(ORIGIN, DAY, &mut rng);
    let wrap = one.wrap_for_subject(0, &key, &mut rng).unwrap();
    let swapped = open_as_subject(&one.core, &two.payload, &wrap, &key);
    assert_eq!(swapped.err(), Some(LogError::CommitmentMismatch));
    let mut dated_off = one.core;
    dated_off.time_ms += 1;
    let dated_off = open_as_subject(&dated_off, &one.payload, &wrap, &key);
    assert_eq!(dated_off.err(), Some(LogError::CommitmentMismatch));
    let mut recommitted = one.core;
    recommitted.commitment = two.core.commitment;
    let recommitted = open_as_subject(&recommitted, &one.payload, &wrap, &key);
    assert_eq!(recommitted.err(), Some(LogError::CommitmentMismatch));
    let other = DayKey::generate(ORIGIN, DAY, &mut rng);
    let foreign = open_as_subject(&one.core, &one.payload, &wrap, &other);
    assert_eq!(foreign.err(), Some(LogError::CannotOpen));
    let of_two = open_as_subject(&two.core, &two.payload, &wrap, &key);
    assert_eq!(of_two.err(), Some(LogError::CannotOpen));
}

#[test]
fn f24_the_reason_is_the_one_the_act_commits_to() {
    let mut rng = ChaCha20Rng::seed_from_u64(4);
    let entry = sealed(1, &mut rng);
    let written = draft(1);
    assert_eq!(
        entry.openings.w_commitment,
        reason_commitment(&written.w, &written.w_salt)
    );
    let mut other = written.w.clone();
    other.purpose.push('x');
    assert_ne!(
        entry.openings.w_commitment,
        reason_commitment(&other, &written.w_salt)
    );
}

#[test]
fn the_gatekeepers_openings_lead_to_the_core_without_w() {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let entry = sealed(2, &mut rng);
    let o = &entry.openings;
    let commitments = AccessCommitments {
        a1: committed(Group::A1, &o.a1),
        a2: committed(Group::A2, &o.a2),
        s: SubjectCommitments::new(o.subject_commitments.clone())
            .unwrap()
            .commitment(),
        d: committed(Group::D, &o.d),
        w: o.w_commitment,
        r: committed(Group::R, &o.r),
    };
    assert_eq!(commitments.commitment(), entry.core.commitment);
}
