//! Feeds: what a lying vault can send, and keeping what was replayed.

use obhut_format::batch::RecordPayload;
use obhut_format::entry::LeafType;
use obhut_format::release::{Feed, FeedEntry};
use obhut_format::statement::{CaseClosed, Event, GrantRevoked};
use obhut_format::{Blob, Cbor, PersonId, VaultId};
use obhut_suite::{NoteKey, Secret};

use std::sync::LazyLock;

use proptest::prelude::*;

use super::world::{Actor, CASE, ORIGIN, VAULT, World, document_grant, person_label};
use crate::leaf::{Core, Flags, Recs};
use crate::note::{NoteKeyType, NoteSigner};
use crate::replay::{AccessReplayer, LogTail, ReplayError, Replayer, claimed_head};
use crate::{Label, LogError, SignedCheckpoint};

fn world() -> World {
    let mut world = World::with_case();
    let worker = Actor::new(20);
    world.register(&worker, &[1, 2]).unwrap();
    world
}

fn replay(feed: &Feed) -> Result<Replayer, ReplayError> {
    let mut replayer = World::replayer();
    replayer.apply_feed(feed, person_label)?;
    Ok(replayer)
}

/// A feed whose last entry was changed, under a head the vault signed for just that.
fn with_last(change: impl FnOnce(&mut FeedEntry)) -> Result<(), ReplayError> {
    let world = world();
    let mut replayer = World::replayer();
    let mut feed = world.feed(0);
    let mut last = feed.entries.pop().unwrap();
    feed.checkpoint = head_over(&feed.entries).to_string();
    replayer.apply_feed(&feed, person_label).unwrap();
    change(&mut last);
    let mut entries = feed.entries.clone();
    entries.push(last.clone());
    let lie = Feed {
        first: feed.entries.len() as u64,
        entries: vec![last],
        checkpoint: head_over(&entries).to_string(),
        ..feed
    };
    let before = replayer.to_bytes();
    let outcome = replayer.apply_feed(&lie, person_label);
    if outcome.is_err() {
        assert_eq!(
            replayer.to_bytes(),
            before,
            "a refused feed changes nothing"
        );
    }
    outcome
}

/// The head of a log of exactly these entries, chains not checked.
fn head_over(entries: &[FeedEntry]) -> SignedCheckpoint {
    let mut tree = obhut_format::tree::TreeBuilder::new();
    for entry in entries {
        let core = Core::parse(&entry.core.0).unwrap();
        let recs = Recs::from_records(&entry.labels).unwrap();
        tree.append(crate::Leaf::new(core, &recs).hash());
    }
    let head = crate::Checkpoint {
        origin: ORIGIN.to_owned(),
        size: tree.size(),
        root: tree.root(),
    };
    let key = super::world::records_note();
    let signer = NoteSigner::new(ORIGIN, NoteKeyType::Log, key).unwrap();
    SignedCheckpoint::sign(head, &signer).unwrap()
}

#[test]
fn an_honest_feed_leads_to_the_writers_directory() {
    let world = world();
    let replayer = replay(&world.feed(0)).unwrap();
    assert_eq!(replayer.size(), world.directory.size());
    assert_eq!(replayer.tail().checkpoint(), world.tail.checkpoint());
    assert_eq!(
        replayer.directory().case_state_root(CASE),
        world.directory.case_state_root(CASE)
    );
    assert_eq!(replayer.directory().documents_of_case(CASE).count(), 2);
    assert_eq!(claimed_head(&world.feed(0)), Ok(world.tail.checkpoint()));
    assert!(with_last(|_| {}).is_ok());
}

#[test]
fn feeds_may_overlap_but_not_leave_a_gap() {
    let world = world();
    let mut replayer = replay(&world.feed(0)).unwrap();
    assert_eq!(replayer.apply_feed(&world.feed(3), person_label), Ok(()));
    let mut empty = world.feed(0);
    empty.first = world.tail.size();
    empty.entries.clear();
    assert_eq!(replayer.apply_feed(&empty, person_label), Ok(()));
    let gap = replay(&world.feed(2)).map(|_| ());
    assert_eq!(gap, Err(ReplayError::Log(LogError::Gap)));
}

#[test]
fn e07_a_dropped_repeated_or_reordered_entry_is_noticed() {
    let world = world();
    let count = world.entries.len();
    let honest = world.feed(0);
    let mut dropped = honest.clone();
    dropped.entries.remove(count - 1);
    assert_eq!(
        replay(&dropped).map(|_| ()),
        Err(ReplayError::Log(LogError::HeadMismatch))
    );
    let mut missing = honest.clone();
    missing.entries.remove(4);
    assert!(replay(&missing).is_err());
    let mut repeated = honest.clone();
    repeated.entries.insert(5, repeated.entries[4].clone());
    assert!(replay(&repeated).is_err());
    let mut reordered = honest;
    reordered.entries.swap(count - 1, count - 2);
    assert!(replay(&reordered).is_err());
}

#[test]
fn c04_a_rewritten_log_does_not_follow_what_was_replayed() {
    let world = world();
    let mut replayer = replay(&world.feed(0)).unwrap();
    let mut fork = World::with_case();
    let worker = Actor::new(20);
    fork.register(&worker, &[3, 4]).unwrap();
    fork.register(&worker, &[5]).unwrap();
    let first = usize::try_from(world.tail.size()).unwrap();
    let refused = replayer.apply_feed(&fork.feed(first), person_label);
    assert!(refused.is_err());
    assert_eq!(replayer.size(), world.tail.size());
}

#[test]
fn c03_a_head_signed_by_another_key_or_for_another_log_is_refused() {
    let world = world();
    let mut feed = world.feed(0);
    let signer = |name: &str| {
        NoteSigner::new(
            name,
            NoteKeyType::Log,
            NoteKey::from_seed(&Secret::new([9; 32])),
        )
        .unwrap()
    };
    let head = world.tail.checkpoint();
    feed.checkpoint = SignedCheckpoint::sign(head, &signer(ORIGIN))
        .unwrap()
        .to_string();
    assert_eq!(
        replay(&feed).map(|_| ()),
        Err(ReplayError::Log(LogError::NotSigned))
    );
    let mut other = world.feed(0);
    other.origin = "other.example/records".to_owned();
    assert_eq!(replay(&other).map(|_| ()), Err(ReplayError::VaultMismatch));
    let other = Feed {
        vault: VaultId([1; 16]),
        ..world.feed(0)
    };
    assert_eq!(replay(&other).map(|_| ()), Err(ReplayError::VaultMismatch));
}

#[test]
fn e07_a_changed_payload_is_not_what_the_leaf_commits_to() {
    let mismatch = Err(ReplayError::Log(LogError::CommitmentMismatch));
    assert_eq!(
        with_last(|entry| entry.payload = Some(Blob(vec![1]))),
        mismatch
    );
    assert_eq!(with_last(|entry| entry.payload = None), mismatch);
    assert_eq!(with_last(|entry| entry.salt = Some([0; 32])), mismatch);
    assert_eq!(
        with_last(|entry| entry.q_commitment = Some([0; 32])),
        mismatch
    );
}

#[test]
fn e03_a_missing_foreign_or_wrong_label_or_state_root_is_noticed() {
    let missing = with_last(|entry| {
        entry.labels.pop();
    });
    assert_eq!(missing, Err(ReplayError::LabelMismatch));
    let foreign = with_last(|entry| entry.labels[0].label = [1; 32]);
    assert_eq!(foreign, Err(ReplayError::LabelMismatch));
    let skipped = with_last(|entry| entry.labels[1].seq += 1);
    assert_eq!(skipped, Err(ReplayError::Log(LogError::SeqSkipped)));
    let rewritten = with_last(|entry| entry.labels[1].head = [1; 32]);
    assert_eq!(rewritten, Err(ReplayError::Log(LogError::ChainMismatch)));
    let hidden = with_last(|entry| entry.labels[1].state_root = None);
    assert_eq!(hidden, Err(ReplayError::StateMismatch));
    let wrong = with_last(|entry| entry.labels[1].state_root = Some([1; 32]));
    assert_eq!(wrong, Err(ReplayError::StateMismatch));
    let extra = with_last(|entry| entry.labels[0].state_root = Some([1; 32]));
    assert_eq!(extra, Err(ReplayError::StateMismatch));
}

#[test]
fn f01_whoever_knows_lambda_notices_another_persons_label() {
    let world = World::with_case();
    let swapped = |person: PersonId| {
        if person == PersonId([30; 16]) {
            Some(Label::of_person(ORIGIN, &[0xee; 32]))
        } else {
            person_label(person)
        }
    };
    let mut replayer = World::replayer();
    let refused = replayer.apply_feed(&world.feed(0), swapped);
    assert_eq!(refused, Err(ReplayError::LabelMismatch));
    assert_eq!(replayer.apply_feed(&world.feed(0), |_| None), Ok(()));
}

#[test]
fn time_never_runs_backwards_and_kinds_are_not_mixed() {
    let back = with_last(|entry| {
        let mut core = Core::parse(&entry.core.0).unwrap();
        core.time_ms -= 5_000;
        entry.core = Blob(core.to_bytes().to_vec());
    });
    assert_eq!(back, Err(ReplayError::TimeBackwards));
    let kind = with_last(|entry| {
        let mut core = Core::parse(&entry.core.0).unwrap();
        core.kind = u8::try_from(LeafType::Access.code()).unwrap();
        entry.core = Blob(core.to_bytes().to_vec());
    });
    assert_eq!(kind, Err(ReplayError::VaultMismatch));
}

#[test]
fn an_unauthorised_record_in_the_log_stops_the_replay() {
    let mut world = world();
    let worker = Actor::new(20);
    let payloads = {
        let manifest = world.manifest(&worker, 7);
        world.documents(&worker, &[manifest])
    };
    world.log(&payloads[0]).unwrap();
    world.log(&payloads[1]).unwrap();
    // The vault exchanges the signed header for one it made up, and fits the leaf to it.
    let RecordPayload::Batch(mut forged) = payloads[0].clone() else {
        unreachable!()
    };
    *forged.signature.0.first_mut().unwrap() ^= 1;
    let mut feed = world.feed(0);
    let at = feed.entries.len() - 2;
    let entry = &mut feed.entries[at];
    let payload = RecordPayload::Batch(forged).to_bytes();
    let mut core = Core::parse(&entry.core.0).unwrap();
    let p = crate::group_commitment(crate::Group::P, &entry.salt.unwrap(), &payload);
    let q = entry.q_commitment.unwrap();
    core.commitment = crate::RecordCommitments { p, q }.commitment();
    entry.core = Blob(core.to_bytes().to_vec());
    entry.payload = Some(Blob(payload));
    feed.checkpoint = head_over(&feed.entries).to_string();
    assert_eq!(
        replay(&feed).map(|_| ()),
        Err(ReplayError::SignatureInvalid)
    );
}

#[test]
fn an_extension_counts_only_with_a_signed_head() {
    let world = world();
    let start = World::replayer();
    let mut extension = start.extend();
    for entry in &world.entries {
        extension.push(entry, &mut person_label).unwrap();
    }
    assert_eq!(extension.size(), world.tail.size());
    let replayer = extension.finish(&world.checkpoint()).unwrap();
    assert_eq!(replayer.size(), world.tail.size());
    assert_eq!(start.size(), 0);
    let mut short = start.extend();
    short.push(&world.entries[0], &mut person_label).unwrap();
    let refused = short.finish(&world.checkpoint()).map(|_| ());
    assert_eq!(refused, Err(ReplayError::Log(LogError::HeadMismatch)));
}

#[test]
fn a_kept_replay_goes_on_where_it_stood() {
    let mut world = world();
    let worker = Actor::new(20);
    let (granted, _) = world.grant(&worker, document_grant(&worker, 1, worker.kid()));
    world.log(&granted).unwrap();
    let revoked = GrantRevoked {
        case: CASE,
        grant_hash: [0x77; 32],
    };
    world.by(&worker, Event::GrantRevoked(revoked)).unwrap();
    let mut replayer = replay(&world.feed(0)).unwrap();
    let manifests = [5, 6].map(|number| world.manifest(&worker, number));
    let payloads = world.documents(&worker, &manifests);
    // Kept in the middle of a batch, which is the hardest moment.
    world.log(&payloads[0]).unwrap();
    world.log(&payloads[1]).unwrap();
    replayer.apply_feed(&world.feed(0), person_label).unwrap();
    let kept = replayer.to_bytes();
    let mut resumed = Replayer::from_bytes(&kept).unwrap();
    assert_eq!(resumed.to_bytes(), kept);
    world.log(&payloads[2]).unwrap();
    let closed = CaseClosed {
        case: CASE,
        on: "2026-11-23".to_owned(),
    };
    world.by(&worker, Event::CaseClosed(closed)).unwrap();
    assert_eq!(resumed.apply_feed(&world.feed(0), person_label), Ok(()));
    replayer.apply_feed(&world.feed(0), person_label).unwrap();
    assert_eq!(resumed.to_bytes(), replayer.to_bytes());
    let directory = resumed.directory();
    assert_eq!(
        directory.case_state_root(CASE),
        world.directory.case_state_root(CASE)
    );
    assert!(directory.has_share(obhut_format::ShareId([5; 32])));
    assert!(directory.has_nonce(&{
        let mut nonce = [0; 16];
        nonce[15] = 1;
        nonce
    }));
    let mut other = kept.clone();
    let version = other.iter().position(|byte| *byte == 1).unwrap();
    other[version + 1] = 0x17;
    assert!(Replayer::from_bytes(&other).is_err());
    assert!(Replayer::from_bytes(&kept[..kept.len() - 1]).is_err());
}

fn access_entry(tail: &mut LogTail, kind: LeafType, labels: &[Label]) -> FeedEntry {
    let core = Core {
        kind: u8::try_from(kind.code()).unwrap(),
        flags: Flags::NONE,
        time_ms: 1_000 + tail.size(),
        commitment: [1; 32],
        payload_hash: [2; 32],
    };
    let labels: Vec<_> = labels.iter().map(|label| (*label, None)).collect();
    let (_, recs) = tail.append(&core, &labels).unwrap();
    FeedEntry {
        core: Blob(core.to_bytes().to_vec()),
        labels: recs.to_records(),
        payload: None,
        salt: None,
        q_commitment: None,
    }
}

#[test]
fn an_access_shard_is_replayed_without_payloads() {
    let origin = "vault.example/access/std/2026q4";
    let key = || NoteKey::from_seed(&Secret::new([253; 32]));
    let signer = NoteSigner::new(origin, NoteKeyType::Log, key()).unwrap();
    let mut tail = LogTail::new(origin);
    let (one, two) = (Label::from_bytes([1; 32]), Label::from_bytes([2; 32]));
    let entries = vec![
        access_entry(&mut tail, LeafType::Access, &[one, two]),
        access_entry(&mut tail, LeafType::Close, &[one, two]),
        access_entry(&mut tail, LeafType::Index, &[]),
        access_entry(&mut tail, LeafType::Access, &[one]),
    ];
    let checkpoint = SignedCheckpoint::sign(tail.checkpoint(), &signer)
        .unwrap()
        .to_string();
    let feed = Feed {
        vault: VAULT,
        origin: origin.to_owned(),
        first: 0,
        entries,
        checkpoint,
    };
    let start = AccessReplayer::new(VAULT, origin, *key().public().as_bytes());
    let mut replayer = start.clone();
    assert_eq!(replayer.apply_feed(&feed), Ok(()));
    assert_eq!(replayer.tail().head(&one).seq, 3);
    assert_eq!(replayer.tail().head(&two).seq, 2);
    let kept = AccessReplayer::from_bytes(&replayer.to_bytes()).unwrap();
    assert_eq!(kept.tail().checkpoint(), replayer.tail().checkpoint());
    assert_eq!(kept.tail().head(&one), replayer.tail().head(&one));

    let lies: [fn(&mut Feed); 4] = [
        |feed| {
            feed.entries.pop();
        },
        |feed| feed.entries[0].labels.clear(),
        |feed| feed.entries[3].labels[0].seq = 2,
        |feed| feed.entries[3].labels[0].state_root = Some([1; 32]),
    ];
    for lie in lies {
        let mut feed = feed.clone();
        lie(&mut feed);
        let mut replayer = start.clone();
        assert!(replayer.apply_feed(&feed).is_err());
        assert_eq!(replayer.size(), 0);
    }
}

#[test]
fn no_log_takes_an_entry_older_than_its_last() {
    let mut tail = LogTail::new("vault.example/access/std/2026q4");
    let label = Label::from_bytes([1; 32]);
    access_entry(&mut tail, LeafType::Access, &[label]);
    let older = Core {
        kind: u8::try_from(LeafType::Access.code()).unwrap(),
        flags: Flags::NONE,
        time_ms: 999,
        commitment: [1; 32],
        payload_hash: [2; 32],
    };
    let before = tail.checkpoint();
    let refused = tail.append(&older, &[(label, None)]);
    assert_eq!(refused, Err(LogError::TimeBackwards));
    assert_eq!(tail.checkpoint(), before);
    let twice = tail.append(
        &Core {
            time_ms: 2_000,
            ..older
        },
        &[(label, None), (label, None)],
    );
    assert_eq!(twice, Err(LogError::LabelTwice));
}

static FOUNDING: LazyLock<Vec<u8>> = LazyLock::new(|| World::founded().feed(0).to_bytes());

proptest! {
    #[test]
    fn no_flipped_byte_of_a_feed_is_replayed_or_panics(at in any::<usize>(), flip in 1_u8..) {
        let mut bytes = FOUNDING.clone();
        let at = at % bytes.len();
        bytes[at] ^= flip;
        // Unknown signature lines of a note are ignored, as C2SP demands; everything else counts.
        if let Ok(feed) = Feed::from_bytes(&bytes) {
            prop_assert!(replay(&feed).is_err());
        }
        prop_assert!(Replayer::from_bytes(&bytes).is_err());
    }
}
