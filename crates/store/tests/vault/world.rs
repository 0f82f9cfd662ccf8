//! A founded vault with its gatekeeper.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use obhut_format::batch::RecordPayload;
use obhut_format::card::{Assurance, Cosigner, VaultCard};
use obhut_format::context::sha256;
use obhut_format::key::{HPKE_KEY_BYTES, Membership};
use obhut_format::mutation::{Committed, Mutation, MutationRecord};
use obhut_format::release::{EnrolVault, GateRequest, GateResponse};
use obhut_format::statement::{
    Appointed, BundleRotated, DeviceAdded, Event, PersonSigner, ROTATION_PROOF_LABEL, Role,
    STATEMENT_LABEL, ShardOpened, SignedStatement, Signer, Statement, UnitEpoch,
};
use obhut_format::tree::root_of;
use obhut_format::{Blob, Cbor, Hash, Kid, UnitId, VaultId};
use obhut_gate::{Edge, Gate, GateConfig};
use obhut_sql::testing::TestDb;
use obhut_sql::{Db, Options};
use obhut_store::{Clock, NewVault, Notary, Quarter, Store, StoreError, Tiles, Vault, VaultParts};
use obhut_suite::{HybridSigner, IdentityKeys, IdentityMaster, Label, NoteKey, Secret, XwingSeed};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

use crate::people::{TestPerson, bundle_of};

pub(crate) const SECOND: u64 = 1_000_000;
pub(crate) const DAY: u64 = 86_400 * SECOND;
pub(crate) const BOOTSTRAP: &[u8] = b"0123456789abcdef";

static DRAWS: AtomicU64 = AtomicU64::new(0);

pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: Store,
    pub(crate) gate: Arc<Gate>,
    pub(crate) vault: Vault,
    pub(crate) clock: Arc<AtomicU64>,
    pub(crate) rng: ChaCha20Rng,
    pub(crate) registrar: Arc<TestPerson>,
    pub(crate) root: Arc<IdentityKeys>,
}

/// What has to be known to open the same vault once more.
pub(crate) fn parts(folder: &Path, gate: &Arc<Gate>, clock: &Arc<AtomicU64>, n: u8) -> VaultParts {
    let (asked, time) = (Arc::clone(gate), Arc::clone(clock));
    let mut seed = [n; 32];
    seed[..8].copy_from_slice(&DRAWS.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    seed[8..12].copy_from_slice(&std::process::id().to_be_bytes());
    VaultParts {
        records: NoteKey::from_seed(&Secret::new([n; 32])),
        access: NoteKey::from_seed(&Secret::new([n + 100; 32])),
        witnesses: Vec::new(),
        notary: Notary::new(move |request| {
            let gate = Arc::clone(&asked);
            async move { Some(gate.handle(&request).await) }
        }),
        tiles: Tiles::new(folder.join("tiles")),
        clock: Clock::new(move || time.load(Ordering::Relaxed)),
        rng: Box::new(ChaCha20Rng::from_seed(seed)),
    }
}

pub(crate) async fn open_gate(folder: &Path, clock: &Arc<AtomicU64>) -> Arc<Gate> {
    let clock = Arc::clone(clock);
    let edge = Edge::new(
        move || clock.load(Ordering::Relaxed),
        || {
            let mut seed = [0; 32];
            seed[..8].copy_from_slice(&DRAWS.fetch_add(1, Ordering::Relaxed).to_be_bytes());
            seed[8..12].copy_from_slice(&std::process::id().to_be_bytes());
            seed
        },
    );
    let data = folder.join("data");
    let config = GateConfig::new(data.join("gate"), &data, folder.join("gate-key"));
    Arc::new(Gate::open(config, edge).await.unwrap())
}

impl World {
    /// A founded vault in this database.
    pub(crate) async fn new(test: &TestDb) -> Self {
        Self::numbered(test, 1).await
    }

    /// One of several vaults of a database.
    pub(crate) async fn numbered(test: &TestDb, n: u8) -> Self {
        let mut world = Self::unfounded(test.db.clone(), n).await;
        world.found().await.unwrap();
        world
    }

    pub(crate) async fn unfounded(db: Db, n: u8) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().to_owned();
        let mut world = Self::unfounded_in(db, n, &place).await;
        world.folder = folder;
        world
    }

    /// As [`World::unfounded`] in a folder that the caller keeps.
    pub(crate) async fn unfounded_in(db: Db, n: u8, folder: &Path) -> Self {
        let clock = Arc::new(AtomicU64::new(1_800_000_000 * SECOND));
        let gate = open_gate(folder, &clock).await;
        let store = Store::open(db).await.unwrap();
        let parts = parts(folder, &gate, &clock, n);
        let new = NewVault {
            vault: VaultId([n; 16]),
            name: "Test Agency".to_owned(),
            origin: format!("vault.example/test{n}"),
            records_key: *parts.records.public().as_bytes(),
            access_key: *parts.access.public().as_bytes(),
            gate_key: gate.public_key(),
            bootstrap_hash: sha256(&[BOOTSTRAP]),
            created_us: clock.load(Ordering::Relaxed),
        };
        let enrol = GateRequest::Enrol(EnrolVault {
            vault: new.vault,
            origin: new.origin.clone(),
            records_key: new.records_key,
            access_key: new.access_key,
            root: None,
        });
        store.create_vault(new).await.unwrap();
        ask(&gate, enrol).await;
        let vault = store.open_vault(VaultId([n; 16]), parts).await.unwrap();
        let mut rng = ChaCha20Rng::from_seed([n; 32]);
        Self {
            registrar: Arc::new(TestPerson::generate(&mut rng)),
            root: Arc::new(IdentityMaster::generate(&mut rng).derive_keys()),
            folder: tempfile::tempdir().unwrap(),
            store,
            gate,
            vault,
            clock,
            rng,
        }
    }

    /// Stops the vault and opens it again over the same database and folders.
    pub(crate) async fn restart(&mut self, n: u8) {
        self.vault.shut_down().await;
        let parts = parts(self.folder.path(), &self.gate, &self.clock, n);
        self.vault = self.store.open_vault(self.vault.id(), parts).await.unwrap();
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    pub(crate) fn advance(&self, us: u64) {
        self.clock.fetch_add(us, Ordering::Relaxed);
    }

    pub(crate) fn id(&mut self) -> [u8; 16] {
        let mut id = [0; 16];
        self.rng.fill_bytes(&mut id);
        id
    }

    pub(crate) fn shard(&self) -> String {
        let quarter = Quarter::at(self.now()).unwrap();
        let origin = self.vault.origin();
        format!("{origin}/access/std/{:04}q{}", quarter.year, quarter.number)
    }

    pub(crate) fn agency(&self) -> UnitId {
        UnitId(self.vault.id().0)
    }

    pub(crate) async fn ask(&self, request: GateRequest) -> GateResponse {
        ask(&self.gate, request).await
    }

    /// A statement as a record without a sealed part.
    pub(crate) fn state(
        &mut self,
        signer: Signer,
        keys: &HybridSigner,
        event: Event,
    ) -> MutationRecord {
        let statement = Statement {
            vault: self.vault.id(),
            signer,
            time_us: self.now(),
            nonce: self.id(),
            event,
        };
        let bytes = statement.to_bytes();
        let signature = keys.sign(Label::new(STATEMENT_LABEL), &bytes);
        MutationRecord {
            payload: RecordPayload::Statement(SignedStatement {
                statement: Blob(bytes),
                signature: Blob(signature.to_bytes()),
            }),
            sealed: None,
        }
    }

    pub(crate) fn state_as(&mut self, person: &TestPerson, event: Event) -> MutationRecord {
        self.state(person.signer(), &person.keys.signer, event)
    }

    fn state_as_root(&mut self, event: Event) -> MutationRecord {
        let kid = bundle_of(&self.root).kid();
        let root = Arc::clone(&self.root);
        self.state(Signer::Root(kid), &root.signer, event)
    }

    pub(crate) fn founding(&mut self) -> Mutation {
        self.founding_with(|_, _| {})
    }

    /// The founding after `change` was at the card and the first shard.
    pub(crate) fn founding_with(
        &mut self,
        change: impl FnOnce(&mut VaultCard, &mut ShardOpened),
    ) -> Mutation {
        let vault = self.vault.id();
        let quarter = Quarter::at(self.now()).unwrap();
        let row = parts(self.folder.path(), &self.gate, &self.clock, vault.0[0]);
        let access_key = *row.access.public().as_bytes();
        let mut card = VaultCard {
            vault,
            version: 1,
            name: "Test Agency".to_owned(),
            origin: self.vault.origin().to_owned(),
            root: bundle_of(&self.root),
            records_key: *row.records.public().as_bytes(),
            access_key,
            gate_key: self.gate.public_key(),
            cosigners: vec![Cosigner {
                name: "gatekeeper.example".to_owned(),
                public: self.gate.public_key(),
                elsewhere: false,
            }],
            quorum: 1,
            assurance: Assurance::SelfAsserted,
            created_us: self.now(),
        };
        let mut shard = ShardOpened {
            origin: self.shard(),
            class: "std".to_owned(),
            from_us: quarter.from_us,
            to_us: quarter.to_us,
            key: access_key,
        };
        change(&mut card, &mut shard);
        let registrar = Arc::clone(&self.registrar);
        let mut enrolled = registrar.enrolment(vault, false);
        enrolled.bundle = Some(registrar.bundle());
        let appointed = Appointed {
            person: registrar.id,
            role: Role::Registrar,
            unit: None,
            until_us: None,
        };
        let device = DeviceAdded {
            person: registrar.id,
            public: *registrar.device().public().as_bytes(),
        };
        let (unit, memberships) = self.unit_epoch(self.agency(), 1, &[registrar.kid()]);
        let records = vec![
            self.state_as_root(Event::Card(Box::new(card))),
            self.state_as_root(Event::PersonEnrolled(enrolled)),
            self.state_as_root(Event::Appointed(appointed)),
            self.state_as(&registrar, Event::DeviceAdded(device)),
            self.state_as_root(Event::ShardOpened(shard)),
            with_sealed(
                self.state_as(&registrar, Event::UnitEpoch(unit)),
                UNIT_ENTRY,
            ),
        ];
        let mut mutation = Mutation::of(records);
        mutation.memberships = memberships;
        mutation
    }

    pub(crate) async fn found(&mut self) -> Result<Committed, StoreError> {
        let registrar = Arc::clone(&self.registrar);
        self.deposit_lambda(&registrar, &registrar).await;
        let bytes = self.founding().to_bytes();
        self.found_with(&bytes).await
    }

    pub(crate) async fn found_with(&mut self, bytes: &[u8]) -> Result<Committed, StoreError> {
        self.vault.check_bootstrap(BOOTSTRAP).await?;
        let proposal = self.vault.propose(bytes).await?;
        let registrar = Arc::clone(&self.registrar);
        let request = self.mutation_act(&registrar, Role::Registrar, None, founding_kind(), bytes);
        let (caller, act) = self.vault.verify_act_of(&proposal, request)?;
        let grant = self.vault.authorise_founding(&caller, &act, &proposal)?;
        self.vault.commit(grant, act, proposal).await
    }

    /// A unit epoch with its membership rows.
    pub(crate) fn unit_epoch(
        &mut self,
        unit: UnitId,
        epoch: u32,
        members: &[Kid],
    ) -> (UnitEpoch, Vec<Membership>) {
        let key = XwingSeed::generate(&mut self.rng);
        let uk_id = uk_id(unit, epoch);
        let memberships: Vec<Membership> = members
            .iter()
            .map(|member| Membership {
                vault: self.vault.id(),
                unit,
                epoch,
                member: *member,
                uk_id,
                sealed: Blob(vec![1; HPKE_KEY_BYTES]),
            })
            .collect();
        let event = UnitEpoch {
            unit,
            epoch,
            uk_id,
            public: Blob(key.public().as_bytes().to_vec()),
            members: members.to_vec(),
            memberships_root: root_of(memberships.iter().map(Cbor::to_bytes)),
            link_hash: None,
            entry_hash: sha256(&[UNIT_ENTRY]),
        };
        (event, memberships)
    }

    /// The rotation from the invitation's bundle to the person's own.
    pub(crate) fn rotation(&mut self, person: &TestPerson) -> MutationRecord {
        let from = bundle_of(&person.invitation).kid();
        let mut event = BundleRotated {
            person: person.id,
            from,
            bundle: person.bundle(),
            proof: Blob(Vec::new()),
        };
        let message = event.proof_message(self.vault.id());
        let label = Label::new(ROTATION_PROOF_LABEL);
        let proof = person.keys.signer.sign(label, message.as_bytes());
        event.proof = Blob(proof.to_bytes());
        let signer = Signer::Person(PersonSigner {
            person: person.id,
            kid: from,
        });
        let keys = &person.invitation.signer;
        self.state(signer, keys, Event::BundleRotated(event))
    }

    /// Waits until a quorum stands behind everything committed so far.
    pub(crate) async fn confirmed(&self) {
        let last = self.vault.directory().size() - 1;
        let receipt = self.vault.wait_receipt(last, Duration::from_secs(20)).await;
        assert!(receipt.unwrap().is_some(), "no quorum");
    }
}

pub(crate) const UNIT_ENTRY: &[u8] = b"sealed unit entry";

pub(crate) fn uk_id(unit: UnitId, epoch: u32) -> Hash {
    sha256(&[&unit.0, &epoch.to_be_bytes()])
}

pub(crate) fn with_sealed(mut record: MutationRecord, sealed: &[u8]) -> MutationRecord {
    record.sealed = Some(Blob(sealed.to_vec()));
    record
}

fn founding_kind() -> obhut_format::act::ActKind {
    obhut_format::act::ActKind::ManageIdentity
}

async fn ask(gate: &Gate, request: GateRequest) -> GateResponse {
    let answer = gate.handle(&request.to_bytes()).await;
    match GateResponse::from_bytes(&answer).unwrap() {
        GateResponse::Refused(refusal) => panic!("{} {}", refusal.code, refusal.text),
        answer => answer,
    }
}

pub(crate) async fn reopen_sqlite(path: &Path) -> Store {
    let db = Db::open_sqlite(path, &Options::default()).await.unwrap();
    Store::open(db).await.unwrap()
}
