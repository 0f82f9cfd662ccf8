//! A records log of our own founding records, and vaults that lie about it.

use std::sync::{Arc, Mutex};

use obhut_crypto::{CheckedDepositKey, Identity, Lambda};
use obhut_format::act::ActKind;
use obhut_format::batch::RecordPayload;
use obhut_format::card::VaultCard;
use obhut_format::reading::RecordsPage;
use obhut_format::release::{DEPOSIT_KEY_LABEL, FeedEntry, SignedDepositKey};
use obhut_format::share::DepositKey;
use obhut_format::statement::{
    Appointed, AppointmentEnded, Event, PersonEnrolled, PersonSigner, Role, Signer,
};
use obhut_format::{Blob, Cbor, PersonId, ShareId, UnitId, VaultId};
use obhut_log::entry::record_core;
use obhut_log::replay::{Directory, LogTail, record_labels};
use obhut_log::{Checkpoint, Label, LogError, NoteKeyType, NoteSigner, SignedCheckpoint};
use obhut_suite::{DeviceKey, Label as SignatureLabel, NoteKey};

use super::*;
use crate::Failure;
use crate::act::ActDraft;
use crate::clock::{random_bytes, system_rng};
use crate::found::Founding;
use crate::founding_records::{make_card, sign, state_all};
use crate::profile::{Passphrase, ProfileHome, ProfileRecord, Stage, Unlocked};
use crate::transport::test_server::{ok, serve};
use crate::transport::{AboutVault, to_b64};
use crate::unit_epoch::make_unit_epoch;
use crate::vault::Vault;

const VAULT: VaultId = VaultId([1; 16]);
const REGISTRAR: PersonId = PersonId([7; 16]);

struct Log {
    card: VaultCard,
    tail: LogTail,
    directory: Directory,
    signer: NoteSigner,
    gatekeeper: NoteSigner,
    root: Identity,
    registrar: Unlocked,
    entries: Vec<FeedEntry>,
    sealed: Vec<Blob>,
    heads: Vec<Checkpoint>,
}

impl Log {
    fn founded(folder: &std::path::Path) -> Self {
        let (log_key, gate_key) = (note_key(), note_key());
        let profile = ProfileHome::new(folder.join("home")).create("one").unwrap();
        let passphrase = Passphrase::new("a passphrase for tests".into()).unwrap();
        let registrar = Unlocked::create(&profile, &passphrase).unwrap();
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
            root,
            registrar,
            entries: Vec::new(),
            sealed: Vec::new(),
            heads: Vec::new(),
        };
        log.found();
        log
    }

    fn found(&mut self) {
        let bundle = self.registrar.identity.bundle();
        let unit = make_unit_epoch(VAULT, UnitId(VAULT.0), "Test Agency", &[bundle], None).unwrap();
        let lambda = Lambda::generate(&mut system_rng());
        let records = state_all(
            &self.card,
            &self.root,
            &self.registrar,
            REGISTRAR,
            &lambda,
            &unit,
            "Test Person 1",
        )
        .unwrap();
        for record in records {
            self.append(&record.payload, record.sealed.unwrap_or_default());
        }
    }

    fn by_root(&mut self, event: Event) {
        let record = sign(
            &self.card,
            Signer::Root(self.root.kid()),
            &self.root,
            event,
            None,
        )
        .unwrap();
        self.append(&record.payload, Blob::default());
    }

    fn by_registrar(&mut self, event: Event) {
        let identity = &self.registrar.identity;
        let signer = Signer::Person(PersonSigner {
            person: REGISTRAR,
            kid: identity.kid(),
        });
        let record = sign(&self.card, signer, identity, event, None).unwrap();
        self.append(&record.payload, Blob::default());
    }

    /// The registrar's vault at this address, with everything replayed.
    async fn vault(&self, folder: &std::path::Path, url: &str) -> Vault {
        let mut profile = ProfileHome::new(folder.join("home")).create("one").unwrap();
        let unlocked = Unlocked::open(
            &profile,
            &Passphrase::new("a passphrase for tests".into()).unwrap(),
        )
        .unwrap();
        profile.save_card(&self.card).unwrap();
        let record = ProfileRecord {
            url: url.to_owned(),
            vault: VAULT,
            card: self.card.fingerprint(),
            person: REGISTRAR,
            device: unlocked.device_kid(),
            role: Role::Registrar,
            stage: Stage::Joined,
        };
        profile.save_record(record).unwrap();
        let mut vault = Vault::with(profile, unlocked).unwrap();
        let whole = self.page(0, &self.head(self.heads.len(), 0));
        let page = move |from| {
            let mut page = whole.clone();
            page.first = from;
            page.entries.drain(..from as usize);
            page.sealed.drain(..from as usize);
            page
        };
        replay(&mut vault.records, &self.card, page).await.unwrap();
        vault
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
        ok(format!(r#"{{"page":"{}"}}"#, to_b64(&page(from))))
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

#[tokio::test]
async fn f30_after_a_succession_the_new_gatekeeper_key_counts_and_the_old_one_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::founded(folder.path());
    let new = DeviceKey::generate(&mut system_rng());
    let old = DeviceKey::generate(&mut system_rng());
    let mut card = VaultCard {
        version: 2,
        gate_key: *old.public().as_bytes(),
        ..log.card.clone()
    };
    log.by_root(Event::Card(Box::new(card.clone())));
    card.version = 3;
    card.gate_key = *new.public().as_bytes();
    log.by_root(Event::Card(Box::new(card)));
    let vault = log.vault(folder.path(), "http://127.0.0.1:1").await;
    let private = obhut_suite::XwingSeed::generate(&mut system_rng());
    let key = DepositKey {
        vault: VAULT,
        id: obhut_format::DepositKeyId([1; 16]),
        public: private.public().as_bytes().to_vec().into(),
        not_after_us: u64::MAX,
    };
    let check = |by: &DeviceKey| {
        let signature = by.sign(SignatureLabel::new(DEPOSIT_KEY_LABEL), &key.to_bytes());
        let signed = SignedDepositKey {
            key: key.clone(),
            signature: *signature.as_bytes(),
        };
        CheckedDepositKey::check(&signed, &vault.gate_key().unwrap(), VAULT, now_us())
    };
    assert!(check(&new).is_ok());
    assert!(check(&old).is_err());
}

#[tokio::test]
async fn c11_a_long_lived_client_asks_for_a_fresh_head_before_it_acts() {
    let (folder, log) = founded();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&asked);
    let endpoint = serve(move |_, request| {
        let path = request.lines().next().unwrap_or_default().to_owned();
        heard.lock().unwrap().push(path);
        ok("{}")
    })
    .await;
    let mut vault = log.vault(folder.path(), endpoint.server()).await;
    let quorum = vault.directory().records_quorum().unwrap();
    vault.records.head = Some(quorum.verify(&log.head(6, MAX_AGE_S + 5)).unwrap());
    let draft = ActDraft::new(ActKind::ListCases, Role::CaseWorker);
    assert!(vault.release(draft).await.is_err());
    let asked = asked.lock().unwrap().clone();
    assert!(!asked.is_empty());
    let only = |path: &String| path.contains("/records");
    assert!(asked.iter().all(only), "{asked:?}");
}

#[tokio::test]
async fn b05_nothing_is_filed_while_a_former_member_holds_the_units_key() {
    let folder = tempfile::tempdir().unwrap();
    let mut log = Log::founded(folder.path());
    let worker = Identity::generate(&mut system_rng()).unwrap();
    let (person, unit) = (PersonId([8; 16]), UnitId([3; 16]));
    log.by_root(Event::PersonEnrolled(PersonEnrolled {
        person,
        lambda_hash: [1; 32],
        share_id: ShareId([2; 32]),
        citizen: false,
        bundle: Some(worker.bundle().clone()),
        invited_until_us: None,
    }));
    let bundles = [log.registrar.identity.bundle(), worker.bundle()];
    let epoch = make_unit_epoch(VAULT, unit, "Test Unit", &bundles, None).unwrap();
    log.by_registrar(Event::UnitEpoch(epoch.event));
    log.by_registrar(Event::Appointed(Appointed {
        person,
        role: Role::CaseWorker,
        unit: Some(unit),
        until_us: None,
    }));
    let vault = log.vault(folder.path(), "http://127.0.0.1:1").await;
    vault.require_no_former_member(unit).unwrap();
    // The appointment ends, and nobody gives the unit a new key.
    let ended = AppointmentEnded {
        person,
        role: Role::CaseWorker,
        unit: Some(unit),
    };
    log.by_registrar(Event::AppointmentEnded(ended));
    let vault = log.vault(folder.path(), "http://127.0.0.1:1").await;
    let refused = vault.require_no_former_member(unit).unwrap_err();
    assert_eq!(refused.failure(), Failure::Refused);
    assert!(refused.to_string().contains("new key epoch"), "{refused}");
}

#[tokio::test]
async fn c04_a_command_that_was_slower_does_not_replace_what_a_faster_one_kept() {
    let (folder, log) = founded();
    let profile = ProfileHome::new(folder.path().join("home"))
        .create("two")
        .unwrap();
    let endpoint = |size: usize| {
        let served = Arc::clone(&log);
        serve(move |_, _| {
            let page = served.page(0, &served.head(size, 0));
            ok(format!(r#"{{"page":"{}"}}"#, to_b64(&page)))
        })
    };
    let mut slow = Records::load(&profile, &log.card).unwrap();
    let mut fast = Records::load(&profile, &log.card).unwrap();
    fast.sync(&endpoint(6).await, &log.card, &profile)
        .await
        .unwrap();
    slow.sync(&endpoint(4).await, &log.card, &profile)
        .await
        .unwrap();
    let kept = Records::load(&profile, &log.card).unwrap();
    assert_eq!(kept.directory().size(), 6);
    assert_eq!(kept.pinned.unwrap().unverified().size, 6);
}

#[test]
fn a_command_waits_while_another_writes_the_state_of_the_profile() {
    let folder = tempfile::tempdir().unwrap();
    let profile = ProfileHome::new(folder.path().join("home"))
        .create("one")
        .unwrap();
    let held = profile.hold_state().unwrap();
    let begun = std::time::Instant::now();
    let other = std::thread::spawn({
        let profile = profile.clone();
        move || profile.hold_state().map(drop).is_ok()
    });
    std::thread::sleep(std::time::Duration::from_millis(200));
    drop(held);
    assert!(other.join().unwrap());
    assert!(begun.elapsed().as_millis() >= 200);
}
