//! A records log of our own founding records, and vaults that lie about it.

use std::sync::Arc;

use obhut_crypto::{Identity, Lambda};
use obhut_format::batch::RecordPayload;
use obhut_format::card::VaultCard;
use obhut_format::reading::RecordsPage;
use obhut_format::release::FeedEntry;
use obhut_format::{Blob, Cbor, PersonId, UnitId, VaultId};
use obhut_log::entry::record_core;
use obhut_log::replay::{Directory, LogTail, record_labels};
use obhut_log::{Checkpoint, Label, LogError, NoteKeyType, NoteSigner, SignedCheckpoint};
use obhut_suite::NoteKey;

use super::*;
use crate::Failure;
use crate::clock::{random_bytes, system_rng};
use crate::found::Founding;
use crate::founding_records::{make_card, state_all};
use crate::profile::{Passphrase, ProfileHome, Unlocked};
use crate::transport::test_server::{ok, serve};
use crate::transport::{AboutVault, to_b64};
use crate::unit_epoch::make_unit_epoch;

const VAULT: VaultId = VaultId([1; 16]);

struct Log {
    card: VaultCard,
    tail: LogTail,
    directory: Directory,
    signer: NoteSigner,
    gatekeeper: NoteSigner,
    entries: Vec<FeedEntry>,
    sealed: Vec<Blob>,
    heads: Vec<Checkpoint>,
}

impl Log {
    fn founded(folder: &std::path::Path) -> Self {
        let (log_key, gate_key) = (note_key(), note_key());
        let root = Identity::generate(&mut system_rng()).unwrap();
        let about = AboutVault {
            vault: VAULT,
            origin: "vault.test/1".into(),
            founded: false,
            card: None,
            records_key: *log_key.public().as_bytes(),
            access_key: *note_key().public().as_bytes(),
            gate_key: *gate_key.public().as_bytes(),
            gate_elsewhere: false,
            server_time_us: now_us(),
        };
        let code = obhut_format::bootstrap::BootstrapCode::new([0; 16], &[0; 32]);
        let founding = Founding {
            url: "http://127.0.0.1:1",
            code: &code,
            agency: "Test Agency",
            registrar: "Test Person 1",
            root_file: folder,
            gate_code: None,
            witnesses: &[],
            quorum: None,
        };
        let card = make_card(&founding, &about, &root).unwrap();
        let origin = card.records_origin();
        let signer = |name: &str, kind, key| NoteSigner::new(name, kind, key).unwrap();
        let mut log = Self {
            tail: LogTail::new(origin.clone()),
            directory: Directory::new(VAULT, card.records_key),
            signer: signer(&origin, NoteKeyType::Log, log_key),
            gatekeeper: signer(&card.cosigners[0].name, NoteKeyType::Cosigner, gate_key),
            card,
            entries: Vec::new(),
            sealed: Vec::new(),
            heads: Vec::new(),
        };
        log.found(folder, &root);
        log
    }

    fn found(&mut self, folder: &std::path::Path, root: &Identity) {
        let profile = ProfileHome::new(folder.join("home")).create("one").unwrap();
        let passphrase = Passphrase::new("a passphrase for tests".into()).unwrap();
        let unlocked = Unlocked::create(&profile, &passphrase).unwrap();
        let bundle = unlocked.identity.bundle();
        let unit = make_unit_epoch(VAULT, UnitId(VAULT.0), "Test Agency", &[bundle], None).unwrap();
        let lambda = Lambda::generate(&mut system_rng());
        let person = PersonId([7; 16]);
        let card = self.card.clone();
        let records = state_all(
            &card,
            root,
            &unlocked,
            person,
            &lambda,
            &unit,
            "Test Person 1",
        )
        .unwrap();
        for record in records {
            self.append(&record.payload, record.sealed.unwrap_or_default());
        }
    }

    fn append(&mut self, payload: &RecordPayload, sealed: Blob) {
        let (salt, sealed_salt) = (random_bytes(), random_bytes());
        let bytes = payload.to_bytes();
        let time_ms = now_us() / 1_000;
        let (core, q) = record_core(&bytes, &salt, &sealed.0, &sealed_salt, time_ms);
        let origin = self.card.records_origin();
        let labels: Vec<_> = record_labels(payload, &self.directory)
            .unwrap()
            .iter()
            .map(|label| {
                let person = || Label::of_person(&origin, &[9; 32]);
                (label.label(&origin).unwrap_or_else(person), None)
            })
            .collect();
        self.directory.apply(payload, time_ms * 1_000).unwrap();
        let (_, recs) = self.tail.append(&core, &labels).unwrap();
        self.entries.push(FeedEntry {
            core: core.to_bytes().to_vec().into(),
            labels: recs.to_records(),
            payload: Some(bytes.into()),
            salt: Some(salt),
            q_commitment: Some(q),
        });
        self.sealed.push(sealed);
        self.heads.push(self.tail.checkpoint());
    }

    /// The head of the first `size` records, cosigned `age_s` seconds ago.
    fn head(&self, size: usize, age_s: u64) -> SignedCheckpoint {
        let mut head = SignedCheckpoint::sign(self.heads[size - 1].clone(), &self.signer).unwrap();
        head.cosign(&self.gatekeeper, now_us() / 1_000_000 - age_s)
            .unwrap();
        head
    }

    /// Records from `from` on under a head.
    fn page(&self, from: u64, head: &SignedCheckpoint) -> RecordsPage {
        let (from, to) = (from as usize, head.unverified().size as usize);
        RecordsPage {
            first: from as u64,
            entries: self.entries[from.min(to)..to].to_vec(),
            sealed: self.sealed[from.min(to)..to].to_vec(),
            checkpoint: head.to_string(),
        }
    }
}

fn note_key() -> NoteKey {
    NoteKey::generate(&mut system_rng())
}

/// What a client with these records says to what the vault serves.
async fn replay(
    records: &mut Records,
    card: &VaultCard,
    page: impl Fn(u64) -> RecordsPage + Send + 'static,
) -> Result<String, ClientError> {
    let endpoint = serve(move |_, request| {
        let (_, rest) = request.split_once("from=").unwrap();
        let from = rest.split_whitespace().next().unwrap().parse().unwrap();
        ok(&format!(r#"{{"page":"{}"}}"#, to_b64(&page(from))))
    })
    .await;
    records.replay(&endpoint, card).await
}

fn founded() -> (tempfile::TempDir, Arc<Log>) {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::founded(folder.path());
    (folder, Arc::new(log))
}

fn refusal(replayed: Result<String, ClientError>) -> ClientError {
    let refused = replayed.unwrap_err();
    assert_eq!(refused.failure(), Failure::Integrity, "{refused}");
    refused
}

#[tokio::test]
async fn replays_the_founding_in_pages() {
    let (_folder, log) = founded();
    let mut records = Records::empty(&log.card);
    let served = Arc::clone(&log);
    let page = move |from| {
        let mut page = served.page(from, &served.head(6, 0));
        page.entries.truncate(2);
        page.sealed.truncate(2);
        page
    };
    replay(&mut records, &log.card, page).await.unwrap();
    assert_eq!(records.directory().size(), 6);
    assert!(records.names().find_person(PersonId([7; 16])).is_some());
    assert!(records.names().find_unit(UnitId(VAULT.0), 1).is_some());
}

#[tokio::test]
async fn c04_refuses_a_log_that_was_rolled_back() {
    let (_folder, log) = founded();
    let mut records = Records::empty(&log.card);
    let served = Arc::clone(&log);
    let all = move |from| served.page(from, &served.head(6, 0));
    replay(&mut records, &log.card, all).await.unwrap();
    let served = Arc::clone(&log);
    let shorter = move |from| served.page(from, &served.head(4, 0));
    let refused = refusal(replay(&mut records, &log.card, shorter).await);
    assert!(refused.to_string().contains("rolled back"), "{refused}");
    assert_eq!(records.directory().size(), 6);
}

#[tokio::test]
async fn c04_refuses_another_history_of_the_same_size() {
    let (_folder, log) = founded();
    let (_other_folder, other) = founded();
    let mut records = Records::empty(&log.card);
    let served = Arc::clone(&log);
    let honest = move |from| served.page(from, &served.head(6, 0));
    replay(&mut records, &log.card, honest).await.unwrap();
    let forked = move |from| {
        // Signed by the right keys, but over other records.
        let mut head = SignedCheckpoint::sign(other.heads[5].clone(), &log.signer).unwrap();
        head.cosign(&log.gatekeeper, now_us() / 1_000_000).unwrap();
        other.page(from, &head)
    };
    let card = records.directory().card().unwrap().clone();
    refusal(replay(&mut records, &card, forked).await);
}

#[tokio::test]
async fn c04_refuses_another_history_even_after_the_cache_is_lost() {
    let (folder, log) = founded();
    let (_other_folder, other) = founded();
    let profile = ProfileHome::new(folder.path().join("home"))
        .create("two")
        .unwrap();
    profile
        .save(CHECKPOINT, log.head(4, 600).to_string().as_bytes())
        .unwrap();
    let served = Arc::clone(&log);
    let honest = move |from| served.page(from, &served.head(6, 0));
    let mut records = Records::load(&profile, &log.card).unwrap();
    replay(&mut records, &log.card, honest).await.unwrap();
    assert_eq!(records.directory().size(), 6);

    // The same vault, the same keys, another past: only the pinned head tells.
    let mut head = SignedCheckpoint::sign(other.heads[3].clone(), &log.signer).unwrap();
    head.cosign(&log.gatekeeper, now_us() / 1_000_000).unwrap();
    profile
        .save(CHECKPOINT, head.to_string().as_bytes())
        .unwrap();
    let served = Arc::clone(&log);
    let forked = move |from| served.page(from, &served.head(6, 0));
    let mut records = Records::load(&profile, &log.card).unwrap();
    let refused = refusal(replay(&mut records, &log.card, forked).await);
    assert!(
        matches!(refused, ClientError::Log(LogError::HeadMismatch)),
        "{refused}"
    );
    assert_eq!(records.directory().size(), 0);
}

#[tokio::test]
async fn a_damaged_cache_is_replayed_anew() {
    let (folder, log) = founded();
    let profile = ProfileHome::new(folder.path().join("home"))
        .create("two")
        .unwrap();
    let served = Arc::clone(&log);
    let page = move |from| served.page(from, &served.head(6, 0));
    let mut records = Records::load(&profile, &log.card).unwrap();
    replay(&mut records, &log.card, page).await.unwrap();
    records.save(&profile).unwrap();
    assert_eq!(
        Records::load(&profile, &log.card)
            .unwrap()
            .directory()
            .size(),
        6
    );
    let mut bytes = profile.load(CACHE).unwrap();
    bytes.truncate(bytes.len() - 1);
    profile.save(CACHE, &bytes).unwrap();
    assert_eq!(
        Records::load(&profile, &log.card)
            .unwrap()
            .directory()
            .size(),
        0
    );
}

#[tokio::test]
async fn c03_refuses_a_head_without_the_gatekeepers_cosignature() {
    let (_folder, log) = founded();
    let mut records = Records::empty(&log.card);
    let served = Arc::clone(&log);
    let alone = move |from| {
        let head = SignedCheckpoint::sign(served.heads[5].clone(), &served.signer).unwrap();
        served.page(from, &head)
    };
    let refused = refusal(replay(&mut records, &log.card, alone).await);
    assert!(matches!(refused, ClientError::Log(LogError::NoQuorum)));
    assert_eq!(records.directory().size(), 0);
}

#[tokio::test]
async fn c11_refuses_a_stale_head() {
    let (_folder, log) = founded();
    let mut records = Records::empty(&log.card);
    let served = Arc::clone(&log);
    let stale = move |from| served.page(from, &served.head(6, MAX_AGE_S + 5));
    let refused = refusal(replay(&mut records, &log.card, stale).await);
    assert!(matches!(refused, ClientError::Log(LogError::Stale)));
}

#[tokio::test]
async fn refuses_a_vault_that_keeps_counted_records_back() {
    let (_folder, log) = founded();
    let mut records = Records::empty(&log.card);
    let served = Arc::clone(&log);
    let withheld = move |from| {
        let mut page = served.page(from, &served.head(6, 0));
        page.entries.truncate(5_usize.saturating_sub(from as usize));
        page.sealed.truncate(page.entries.len());
        page
    };
    let refused = refusal(replay(&mut records, &log.card, withheld).await);
    assert!(
        refused.to_string().contains("keeps records back"),
        "{refused}"
    );
}

#[tokio::test]
async fn refuses_a_sealed_part_that_is_not_the_logged_one() {
    let (_folder, log) = founded();
    let mut records = Records::empty(&log.card);
    let served = Arc::clone(&log);
    let exchanged = move |from| {
        let mut page = served.page(from, &served.head(6, 0));
        for sealed in page.sealed.iter_mut().filter(|sealed| !sealed.0.is_empty()) {
            sealed.0[0] ^= 1;
        }
        page
    };
    refusal(replay(&mut records, &log.card, exchanged).await);
}

#[tokio::test]
async fn refuses_a_log_that_begins_with_another_card() {
    let (_folder, log) = founded();
    let mut pinned = log.card.clone();
    pinned.name = "Another Agency".into();
    let mut records = Records::empty(&pinned);
    let served = Arc::clone(&log);
    let page = move |from| served.page(from, &served.head(6, 0));
    let refused = refusal(replay(&mut records, &pinned, page).await);
    assert!(refused.to_string().contains("card"), "{refused}");
}
