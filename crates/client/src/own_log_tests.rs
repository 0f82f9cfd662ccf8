#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use obhut_format::act::{Reason, SignedAct};
use obhut_format::entry::{Decision, EntryWrap, GroupA1, GroupA2, GroupD, GroupR, LogKey};
use obhut_format::tree::Tree;
use obhut_format::{Blob, CaseId, DeviceKid};
use obhut_log::entry::{EntryDraft, SealedEntry};
use obhut_log::{DAY_MS, Flags, NoteKeyType, NoteSigner, Rec};
use obhut_suite::{IdentityKeys, IdentityMaster, NoteKey, Secret};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

const ORIGIN: &str = "vault.example/access/std/2026q4";
const DAY: u64 = 20_780;
const NOW_S: u64 = DAY * 86_400 + 100;
const ME: PersonId = PersonId([1; 16]);
const LAMBDA: [u8; 32] = [5; 32];

struct World {
    rng: ChaCha20Rng,
    keys: IdentityKeys,
    log_key: LogKey,
    today: DayKey,
    chain: ChainHead,
    keys_since_ms: u64,
    pages: Vec<(AccessEntryPage, Leaf)>,
}

impl World {
    fn new() -> Self {
        let mut rng = ChaCha20Rng::from_seed([1; 32]);
        let keys = IdentityMaster::generate(&mut rng).derive_keys();
        let bundle = obhut_format::person::KeyBundle::new(&keys.bundle().to_bytes()).unwrap();
        let today = DayKey::generate(ORIGIN, DAY, &mut rng);
        let log_key = today.seal_to(Some(ME), &bundle, &mut rng).unwrap();
        Self {
            rng,
            keys,
            log_key,
            today,
            chain: ChainHead::start(ORIGIN, &label()),
            keys_since_ms: DAY * DAY_MS - 1,
            pages: Vec::new(),
        }
    }

    fn kid(&self) -> Kid {
        self.log_key.recipient
    }

    fn push(&mut self, core: Core, payload: Vec<u8>, wraps: Vec<EntryWrap>) {
        self.chain = self.chain.advance(&core.digest());
        let rec = Rec {
            label: label(),
            chain: self.chain,
            state_root: None,
        };
        let recs = Recs::new(vec![rec]).unwrap();
        let page = AccessEntryPage {
            index: self.pages.len() as u64,
            core: Blob(core.to_bytes().to_vec()),
            labels: recs.to_records(),
            payload: Blob(payload),
            wraps,
            path: Vec::new(),
        };
        self.pages.push((page, Leaf::new(core, &recs)));
    }

    fn entry(&mut self, subject: PersonId) -> SealedEntry {
        draft(subject)
            .seal(ORIGIN, DAY * DAY_MS, Flags::NONE, &mut self.rng)
            .unwrap()
    }

    fn opened(&mut self) -> &mut Self {
        let entry = self.entry(ME);
        let wrap = entry
            .wrap_for_subject(0, &self.today, &mut self.rng)
            .unwrap();
        self.push(entry.core, entry.payload.clone(), vec![wrap]);
        self
    }

    fn without_wrap(&mut self) -> &mut Self {
        let entry = self.entry(ME);
        self.push(entry.core, entry.payload.clone(), Vec::new());
        self
    }

    fn closed(&mut self, entry: u64) -> &mut Self {
        let close = ClosePayload {
            entry,
            outcome: Outcome::Done,
            receipt: None,
        };
        let payload = close.to_bytes();
        let core = Core {
            kind: LeafType::Close.code() as u8,
            flags: Flags::NONE,
            time_ms: DAY * DAY_MS,
            commitment: close_commitment(&payload),
            payload_hash: sha256(&[&payload]),
        };
        self.push(core, payload, Vec::new());
        self
    }

    fn answer(&self) -> AccessLogAnswer {
        let tree = Tree::new(self.pages.iter().map(|(_, leaf)| leaf.hash()).collect());
        let log = NoteSigner::new(ORIGIN, NoteKeyType::Log, note_key(1)).unwrap();
        let head = obhut_log::Checkpoint {
            origin: ORIGIN.to_owned(),
            size: tree.size(),
            root: tree.root(),
        };
        let mut signed = SignedCheckpoint::sign(head, &log).unwrap();
        signed.cosign(&gate(), NOW_S).unwrap();
        let entries = self.pages.iter().map(|(page, _)| AccessEntryPage {
            path: tree.inclusion_path(page.index).unwrap(),
            ..page.clone()
        });
        AccessLogAnswer {
            origin: ORIGIN.to_owned(),
            label: *label().as_bytes(),
            entries: entries.collect(),
            log_keys: vec![self.log_key.clone()],
            checkpoint: signed.to_string(),
        }
    }

    fn read(
        &self,
        answer: &AccessLogAnswer,
        known: Option<ChainHead>,
    ) -> Result<ShardRead, ClientError> {
        let reader = LabelReader {
            person: ME,
            kid: self.kid(),
            keys_since_ms: self.keys_since_ms,
            seed: &self.keys.xwing,
            lambda: &LAMBDA,
            now_s: NOW_S,
        };
        let log = NoteSigner::new(ORIGIN, NoteKeyType::Log, note_key(1)).unwrap();
        let witnesses = vec![gate().verifier().clone()];
        let quorum = Quorum::new(log.verifier().clone(), witnesses, 1).unwrap();
        reader.read(answer, &quorum, known)
    }
}

fn note_key(seed: u8) -> NoteKey {
    NoteKey::from_seed(&Secret::new([seed; 32]))
}

fn gate() -> NoteSigner {
    NoteSigner::new(
        "vault.example/gatekeeper",
        NoteKeyType::Cosigner,
        note_key(2),
    )
    .unwrap()
}

fn label() -> Label {
    Label::of_subject(ORIGIN, &LAMBDA)
}

fn draft(subject: PersonId) -> EntryDraft {
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
        subjects: vec![subject],
        d: GroupD {
            case: Some(CaseId([9; 16])),
            class: None,
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

#[test]
fn opens_entries_with_their_outcomes_and_names_those_from_before_the_reader_had_keys() {
    let mut world = World::new();
    world.keys_since_ms = DAY * DAY_MS;
    world.opened().without_wrap().closed(0);
    let read = world.read(&world.answer(), None).unwrap();
    assert_eq!(read.shard.count, 3);
    assert_eq!(read.entries.len(), 2);
    let first = read.entries[0].view.as_ref().unwrap();
    assert_eq!(first.reason.purpose, "Test purpose");
    assert_eq!(read.entries[0].outcome, Some(Outcome::Done));
    assert!(read.entries[1].view.is_none() && read.entries[1].outcome.is_none());
}

#[test]
fn e07_an_entry_without_a_key_from_a_time_when_the_reader_had_keys_is_an_alarm() {
    let mut world = World::new();
    world.opened().without_wrap();
    let refused = world.read(&world.answer(), None).err().unwrap();
    assert!(
        refused.to_string().contains("keeps its key back"),
        "{refused}"
    );
    let mut keyless = World::new();
    keyless.opened();
    let mut answer = keyless.answer();
    answer.log_keys.clear();
    assert!(keyless.read(&answer, None).is_err());
}

#[test]
fn e07_a_log_that_ends_before_its_own_reading_is_an_alarm() {
    let mut world = World::new();
    world.opened();
    let read = world.read(&world.answer(), None).unwrap();
    assert!(read.require_reading(&[5; 32]).is_ok());
    assert!(read.require_reading(&[6; 32]).is_err());
}

#[test]
fn e07_a_dropped_reordered_or_changed_entry_is_an_alarm() {
    let mut world = World::new();
    world.opened().opened().opened();
    let honest = world.answer();
    assert!(world.read(&honest, None).is_ok());
    let mut dropped = honest.clone();
    dropped.entries.remove(1);
    let mut reordered = honest.clone();
    reordered.entries.swap(0, 1);
    let mut changed = honest.clone();
    changed.entries[1].payload.0[40] ^= 1;
    let mut relabelled = honest.clone();
    relabelled.entries[1].labels[0].seq = 9;
    let mut moved = honest.clone();
    moved.entries[2].index = 1;
    let mut stale = honest.clone();
    stale.checkpoint = honest.checkpoint.replace("gatekeeper", "nobody");
    for (name, bad) in [
        ("dropped", dropped),
        ("reordered", reordered),
        ("changed", changed),
        ("relabelled", relabelled),
        ("moved", moved),
        ("without quorum", stale),
    ] {
        assert!(world.read(&bad, None).is_err(), "{name}");
    }
}

#[test]
fn a_log_that_is_shorter_or_other_than_what_was_seen_before_is_an_alarm() {
    let mut world = World::new();
    world.opened().opened();
    let seen = world.read(&world.answer(), None).unwrap().head;
    world.opened();
    assert!(world.read(&world.answer(), Some(seen)).is_ok());
    let mut shorter = World::new();
    shorter.opened();
    assert!(shorter.read(&shorter.answer(), Some(seen)).is_err());
    let mut other = World::new();
    other.keys_since_ms = DAY * DAY_MS;
    other.without_wrap().opened().opened();
    assert!(other.read(&other.answer(), Some(seen)).is_err());
}

#[test]
fn entries_about_somebody_else_are_refused() {
    let mut world = World::new();
    let entry = world.entry(PersonId([2; 16]));
    let wrap = entry
        .wrap_for_subject(0, &world.today, &mut world.rng)
        .unwrap();
    world.push(entry.core, entry.payload.clone(), vec![wrap]);
    assert!(world.read(&world.answer(), None).is_err());
    let mut foreign = world.answer();
    foreign.label = [7; 32];
    assert!(world.read(&foreign, None).is_err());
}
