//! An honest vault beside a gatekeeper: both logs, signed and fed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;

use obhut_format::batch::RecordPayload;
use obhut_format::card::{Assurance, Cosigner, VaultCard};
use obhut_format::person::KeyBundle;
use obhut_format::release::{
    CosignOrder, EnrolVault, Feed, FeedEntry, GateRequest, GateResponse, GateStatus, VaultOnly,
};
use obhut_format::statement::{
    Event, STATEMENT_LABEL, ShardOpened, SignedStatement, Signer, Statement,
};
use obhut_format::tree;
use obhut_format::{Blob, Cbor, Hash, PersonId, VaultId};
use obhut_gate::{Edge, Gate, GateConfig};
use obhut_log::entry::record_core;
use obhut_log::replay::{Directory, LogTail, record_labels};
use obhut_log::{Core, Label, NoteKeyType, NoteSigner, SignedCheckpoint};
use obhut_suite::{HybridSigner, IdentityKeys, IdentityMaster, NoteKey};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

use crate::people::TestPerson;

pub(crate) const SECOND: u64 = 1_000_000;
pub(crate) const DAY: u64 = 86_400 * SECOND;

static DRAWS: AtomicU64 = AtomicU64::new(0);

pub(crate) fn bundle_of(keys: &IdentityKeys) -> KeyBundle {
    KeyBundle::new(&keys.bundle().to_bytes()).unwrap()
}

/// A log as an honest vault keeps it.
pub(crate) struct HonestLog {
    pub(crate) tail: LogTail,
    pub(crate) entries: Vec<FeedEntry>,
    pub(crate) leaves: Vec<Hash>,
    pub(crate) fed: usize,
    pub(crate) signer: NoteSigner,
    /// The newest checkpoint with all signatures.
    pub(crate) head: String,
}

impl HonestLog {
    fn new(origin: &str, key: NoteKey) -> Self {
        Self {
            tail: LogTail::new(origin),
            entries: Vec::new(),
            leaves: Vec::new(),
            fed: 0,
            signer: NoteSigner::new(origin, NoteKeyType::Log, key).unwrap(),
            head: String::new(),
        }
    }

    pub(crate) fn append(
        &mut self,
        core: &Core,
        labels: &[(Label, Option<Hash>)],
        extra: FeedEntry,
    ) {
        let (leaf, recs) = self.tail.append(core, labels).unwrap();
        self.leaves.push(leaf.hash());
        self.entries.push(FeedEntry {
            core: Blob(core.to_bytes().to_vec()),
            labels: recs.to_records(),
            ..extra
        });
    }

    pub(crate) fn checkpoint(&self) -> SignedCheckpoint {
        SignedCheckpoint::sign(self.tail.checkpoint(), &self.signer).unwrap()
    }

    pub(crate) fn path(&self, index: u64) -> Vec<Hash> {
        tree::Tree::new(self.leaves.clone())
            .inclusion_path(index)
            .unwrap()
    }
}

pub(crate) fn bare_entry() -> FeedEntry {
    FeedEntry {
        core: Blob(Vec::new()),
        labels: Vec::new(),
        payload: None,
        salt: None,
        q_commitment: None,
    }
}

pub(crate) struct World {
    pub(crate) folder: Arc<tempfile::TempDir>,
    pub(crate) config: GateConfig,
    pub(crate) clock: Arc<AtomicU64>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) rng: ChaCha20Rng,
    pub(crate) vault: VaultId,
    pub(crate) origin: String,
    pub(crate) records: HonestLog,
    pub(crate) access: HonestLog,
    pub(crate) directory: Directory,
    pub(crate) root: IdentityMaster,
    pub(crate) lambdas: BTreeMap<PersonId, [u8; 32]>,
    pub(crate) registrar: TestPerson,
    /// Another authority that cosigns what it is shown.
    pub(crate) witness: NoteSigner,
    /// How many of gatekeeper and witness the card asks for.
    pub(crate) quorum: u64,
}

impl World {
    /// A founded vault with its registrar, fed and cosigned.
    pub(crate) async fn new() -> Self {
        let mut world = Self::enrolled().await;
        world.found().await;
        world
    }

    /// A founded vault whose card asks for gatekeeper and witness.
    pub(crate) async fn with_quorum_of_two() -> Self {
        let mut world = Self::enrolled().await;
        world.quorum = 2;
        world.found().await;
        world
    }

    /// As [`World::new`] over two databases of their own.
    pub(crate) async fn over(first: &str, second: &str) -> Self {
        let mut world = Self::enrolled_over([Some(first), Some(second)]).await;
        world.found().await;
        world
    }

    /// A vault that the gatekeeper knows, without a record.
    pub(crate) async fn enrolled() -> Self {
        Self::enrolled_over([None, None]).await
    }

    async fn enrolled_over(stores: [Option<&str>; 2]) -> Self {
        let folder = tempfile::tempdir_in(quick_folder()).unwrap();
        let clock = Arc::new(AtomicU64::new(1_800_000_000 * SECOND));
        let data = folder.path().join("data");
        let mut config = GateConfig::new(data.join("gate"), &data, folder.path().join("gate-key"));
        [config.database, config.mirror] = stores.map(|store| store.map(str::to_owned));
        let gate = Arc::new(open_gate(config.clone(), &clock).await);
        Self::enrolled_at(gate, Arc::new(folder), config, clock, 1).await
    }

    /// Another founded vault at the same gatekeeper.
    pub(crate) async fn beside(&self) -> Self {
        let (gate, folder) = (Arc::clone(&self.gate), Arc::clone(&self.folder));
        let (config, clock) = (self.config.clone(), Arc::clone(&self.clock));
        let mut world = Self::enrolled_at(gate, folder, config, clock, 2).await;
        world.found().await;
        world
    }

    async fn enrolled_at(
        gate: Arc<Gate>,
        folder: Arc<tempfile::TempDir>,
        config: GateConfig,
        clock: Arc<AtomicU64>,
        number: u8,
    ) -> Self {
        let mut rng = ChaCha20Rng::from_seed([number; 32]);
        let origin = format!("vault.example/{number}");
        let vault = VaultId([number; 16]);
        let records = HonestLog::new(&format!("{origin}/records"), NoteKey::generate(&mut rng));
        let shard = format!("{origin}/access/std/2027q1");
        let access = HonestLog::new(&shard, NoteKey::generate(&mut rng));
        let records_key = *records.signer.verifier().public().as_bytes();
        let root = IdentityMaster::generate(&mut rng);
        let registrar = TestPerson::generate(&mut rng);
        let witness = NoteKey::generate(&mut rng);
        let witness = NoteSigner::new("witness.example", NoteKeyType::Cosigner, witness).unwrap();
        let world = Self {
            folder,
            config,
            clock,
            gate,
            vault,
            origin,
            records,
            access,
            directory: Directory::new(vault, records_key),
            root,
            lambdas: BTreeMap::new(),
            registrar,
            rng,
            witness,
            quorum: 1,
        };
        let enrol = world.enrolment();
        let answer = world.ask(GateRequest::Enrol(enrol)).await;
        assert!(matches!(answer, GateResponse::Enrolled(_)), "{answer:?}");
        world
    }

    pub(crate) fn enrolment(&self) -> EnrolVault {
        EnrolVault {
            vault: self.vault,
            origin: self.origin.clone(),
            records_key: *self.records.signer.verifier().public().as_bytes(),
            access_key: *self.access.signer.verifier().public().as_bytes(),
            root: None,
        }
    }

    async fn found(&mut self) {
        let registrar = self.registrar.duplicate();
        self.deposit_lambda(&registrar, &registrar).await;
        let card = Event::Card(Box::new(self.card()));
        self.state_as_root(card);
        self.enrol_registrar(&registrar);
        let shard = self.shard();
        self.state_as_root(shard);
        self.publish().await;
    }

    pub(crate) fn card(&self) -> VaultCard {
        VaultCard {
            vault: self.vault,
            version: 1,
            name: "Test Agency".to_owned(),
            origin: self.origin.clone(),
            root: bundle_of(&self.root.derive_keys()),
            records_key: *self.records.signer.verifier().public().as_bytes(),
            access_key: *self.access.signer.verifier().public().as_bytes(),
            gate_key: self.gate.public_key(),
            cosigners: vec![
                Cosigner {
                    name: "gatekeeper.example".to_owned(),
                    public: self.gate.public_key(),
                    elsewhere: false,
                },
                Cosigner {
                    name: "witness.example".to_owned(),
                    public: *self.witness.verifier().public().as_bytes(),
                    elsewhere: true,
                },
            ],
            quorum: self.quorum,
            assurance: Assurance::SelfAsserted,
            created_us: self.now(),
        }
    }

    pub(crate) fn shard(&self) -> Event {
        Event::ShardOpened(ShardOpened {
            origin: self.access.tail.origin().to_owned(),
            class: "std".to_owned(),
            from_us: self.now() - 10 * DAY,
            to_us: self.now() + 80 * DAY,
            key: *self.access.signer.verifier().public().as_bytes(),
        })
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    pub(crate) fn advance(&self, us: u64) {
        self.clock.fetch_add(us, Ordering::Relaxed);
    }

    /// Stops the gatekeeper and starts it again over the same folders.
    pub(crate) async fn restart(&mut self) {
        self.gate.close().await;
        self.gate = Arc::new(open_gate(self.config.clone(), &self.clock).await);
    }

    pub(crate) async fn ask(&self, request: GateRequest) -> GateResponse {
        let answer = self.gate.handle(&request.to_bytes()).await;
        GateResponse::from_bytes(&answer).unwrap()
    }

    pub(crate) async fn status(&self) -> GateStatus {
        let only = VaultOnly { vault: self.vault };
        match self.ask(GateRequest::Status(only)).await {
            GateResponse::Status(status) => status,
            other => panic!("{other:?}"),
        }
    }

    /// Logs a record as the vault does: applied, labelled, with the case's state root.
    pub(crate) fn record(&mut self, payload: &RecordPayload) {
        let labels = record_labels(payload, &self.directory).unwrap();
        let time_ms = self.now() / 1_000;
        self.directory.apply(payload, time_ms * 1_000).unwrap();
        let origin = self.records.tail.origin().to_owned();
        let labels: Vec<_> = labels
            .iter()
            .map(|label| {
                if let Some(person) = label.person() {
                    return (Label::of_person(&origin, &self.lambdas[&person]), None);
                }
                let case = label.kind == obhut_log::LabelKind::Case;
                let root = self.directory.case_state_root(label.id.into());
                (label.label(&origin).unwrap(), root.filter(|_| case))
            })
            .collect();
        let (mut salt, mut sealed_salt) = ([0; 32], [0; 32]);
        self.rng.fill_bytes(&mut salt);
        self.rng.fill_bytes(&mut sealed_salt);
        let bytes = payload.to_bytes();
        let (core, q) = record_core(&bytes, &salt, &[], &sealed_salt, time_ms);
        let extra = FeedEntry {
            payload: Some(Blob(bytes)),
            salt: Some(salt),
            q_commitment: Some(q),
            ..bare_entry()
        };
        self.records.append(&core, &labels, extra);
    }

    pub(crate) fn statement(
        &mut self,
        signer: Signer,
        keys: &HybridSigner,
        event: Event,
    ) -> RecordPayload {
        let mut nonce = [0; 16];
        self.rng.fill_bytes(&mut nonce);
        let statement = Statement {
            vault: self.vault,
            signer,
            time_us: self.now(),
            nonce,
            event,
        };
        let bytes = statement.to_bytes();
        let signature = keys.sign(obhut_suite::Label::new(STATEMENT_LABEL), &bytes);
        RecordPayload::Statement(SignedStatement {
            statement: Blob(bytes),
            signature: Blob(signature.to_bytes()),
        })
    }

    pub(crate) fn state_as_root(&mut self, event: Event) {
        let keys = self.root.derive_keys();
        let kid = bundle_of(&keys).kid();
        let payload = self.statement(Signer::Root(kid), &keys.signer, event);
        self.record(&payload);
    }

    /// Hands over what the gatekeeper does not have of a log yet.
    pub(crate) fn feed(&self, records: bool) -> Feed {
        let log = if records { &self.records } else { &self.access };
        Feed {
            vault: self.vault,
            origin: log.tail.origin().to_owned(),
            first: log.fed as u64,
            entries: log.entries[log.fed..].to_vec(),
            checkpoint: log.checkpoint().to_string(),
        }
    }

    pub(crate) async fn try_feed(&mut self, records: bool) -> GateResponse {
        let feed = self.feed(records);
        let answer = self.ask(GateRequest::Feed(feed)).await;
        if let GateResponse::Fed(size) = &answer {
            let log = if records {
                &mut self.records
            } else {
                &mut self.access
            };
            log.fed = usize::try_from(*size).unwrap();
        }
        answer
    }

    pub(crate) async fn try_cosign(&self, checkpoint: &SignedCheckpoint) -> GateResponse {
        self.ask(GateRequest::Cosign(CosignOrder {
            vault: self.vault,
            checkpoint: checkpoint.to_string(),
        }))
        .await
    }

    /// Has a log fed and cosigned; its head carries both signatures afterwards.
    pub(crate) async fn publish_log(&mut self, records: bool) {
        let answer = self.try_feed(records).await;
        assert!(matches!(answer, GateResponse::Fed(_)), "{answer:?}");
        let log = if records { &self.records } else { &self.access };
        let checkpoint = log.checkpoint();
        let line = match self.try_cosign(&checkpoint).await {
            GateResponse::Cosigned(line) => line,
            other => panic!("{other:?}"),
        };
        let log = if records {
            &mut self.records
        } else {
            &mut self.access
        };
        log.head = format!("{checkpoint}{line}\n");
    }

    /// The witness's line for a head.
    pub(crate) fn witnessed(&self, head: &str) -> String {
        let mut head: SignedCheckpoint = head.parse().unwrap();
        let time_s = self.now() / SECOND;
        head.cosign(&self.witness, time_s).unwrap();
        head.to_string()
    }

    pub(crate) async fn publish(&mut self) {
        self.publish_log(true).await;
        self.publish_log(false).await;
    }

    pub(crate) fn id(&mut self) -> [u8; 16] {
        let mut id = [0; 16];
        self.rng.fill_bytes(&mut id);
        id
    }
}

/// Asks for an answer and goes away after so many steps towards it, if it has not come before.
pub(crate) async fn wait_for_steps<T>(answer: impl Future<Output = T>, steps: u32) {
    let mut answer = std::pin::pin!(answer);
    let mut left = steps;
    std::future::poll_fn(|context| {
        let Some(fewer) = left.checked_sub(1) else {
            return Poll::Ready(());
        };
        left = fewer;
        answer.as_mut().poll(context).map(drop)
    })
    .await;
}

/// In memory where the machine has it: every step of a test is synced to disk.
fn quick_folder() -> std::path::PathBuf {
    let shm = std::path::PathBuf::from("/dev/shm");
    if shm.is_dir() {
        shm
    } else {
        std::env::temp_dir()
    }
}

async fn open_gate(config: GateConfig, clock: &Arc<AtomicU64>) -> Gate {
    let clock = Arc::clone(clock);
    let seed = || {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&DRAWS.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        seed
    };
    let edge = Edge::new(move || clock.load(Ordering::Relaxed), seed);
    Gate::open(config, edge).await.unwrap()
}

pub(crate) fn refused(answer: GateResponse) -> String {
    match answer {
        GateResponse::Refused(refusal) => refusal.code,
        other => panic!("not refused: {other:?}"),
    }
}
