//! A small agency whose clients sign for real, and a vault that sequences what they sign.

use obhut_format::batch::{
    BatchHeader, BatchItem, BatchKind, RecordPayload, RegisterItem, SignedBatch,
};
use obhut_format::capsule;
use obhut_format::card::{Assurance, Cosigner, VaultCard};
use obhut_format::entry::LeafType;
use obhut_format::key::{Grant, GrantKind};
use obhut_format::manifest::Manifest;
use obhut_format::person::{KeyBundle, device_kid};
use obhut_format::release::{Feed, FeedEntry, GrantProof};
use obhut_format::statement::{
    Appointed, BundleRotated, CaseCreated, CaseKey, CaseKind, DeviceAdded, Event, PersonEnrolled,
    PersonSigner, ROTATION_PROOF_LABEL, Role, STATEMENT_LABEL, ShardOpened, SignedStatement,
    Signer, Statement, UnitEpoch,
};
use obhut_format::tree::Tree;
use obhut_format::{
    BatchId, Blob, CaseId, Cbor, DeviceKid, DocumentId, Hash, Kid, PersonId, ShareId, UnitId,
    VaultId, tree,
};
use obhut_suite::{
    DeviceKey, HybridSigner, IdentityKeys, IdentityMaster, Label as SignLabel, NoteKey, Secret,
    XwingSeed,
};

use crate::label::{Label, LabelKind};
use crate::leaf::{Core, Flags};
use crate::note::{NoteKeyType, NoteSigner};
use crate::replay::{Directory, LogTail, ReplayError, Replayer, record_labels};
use crate::{Group, RecordCommitments, SignedCheckpoint, group_commitment};

pub(super) const VAULT: VaultId = VaultId([0xaa; 16]);
pub(super) const UNIT: UnitId = UnitId([0x01; 16]);
pub(super) const OTHER_UNIT: UnitId = UnitId([0x02; 16]);
pub(super) const CASE: CaseId = CaseId([0xc1; 16]);
pub(super) const ORIGIN: &str = "vault.example/records";
pub(super) const START_US: u64 = 1_700_000_000_000_000;
pub(super) const DAY_US: u64 = 86_400 * 1_000_000;

/// Somebody with an identity and a device.
pub(super) struct Actor {
    pub(super) person: PersonId,
    pub(super) keys: IdentityKeys,
    pub(super) device: DeviceKey,
}

impl Actor {
    pub(super) fn new(number: u8) -> Self {
        Self {
            person: PersonId([number; 16]),
            keys: identity(number),
            device: DeviceKey::from_seed(&Secret::new([number; 32])),
        }
    }

    pub(super) fn bundle(&self) -> KeyBundle {
        bundle(&self.keys)
    }

    pub(super) fn kid(&self) -> Kid {
        self.bundle().kid()
    }

    pub(super) fn device_kid(&self) -> DeviceKid {
        device_kid(self.device.public().as_bytes())
    }

    fn signer(&self) -> Signer {
        Signer::Person(PersonSigner {
            person: self.person,
            kid: self.kid(),
        })
    }
}

pub(super) fn identity(number: u8) -> IdentityKeys {
    IdentityMaster::from_secret(Secret::new([number; 32])).derive_keys()
}

pub(super) fn bundle(keys: &IdentityKeys) -> KeyBundle {
    KeyBundle::new(&keys.bundle().to_bytes()).unwrap()
}

pub(super) fn lambda(person: PersonId) -> [u8; 32] {
    let mut lambda = [0; 32];
    lambda[..16].copy_from_slice(&person.0);
    lambda
}

/// Labels as the gatekeeper knows them.
#[expect(clippy::unnecessary_wraps, reason = "the shape that feeds ask for")]
pub(super) fn person_label(person: PersonId) -> Option<Label> {
    Some(Label::of_person(ORIGIN, &lambda(person)))
}

/// Log, directory and everything a feed needs.
pub(super) struct World {
    pub(super) directory: Directory,
    pub(super) tail: LogTail,
    pub(super) entries: Vec<FeedEntry>,
    pub(super) now_us: u64,
    pub(super) root: IdentityKeys,
    pub(super) gate: DeviceKey,
    pub(super) registrar: Actor,
    nonce: u64,
}

impl World {
    pub(super) fn empty() -> Self {
        Self {
            directory: Directory::new(VAULT, *records_device().public().as_bytes()),
            tail: LogTail::new(ORIGIN),
            entries: Vec::new(),
            now_us: START_US,
            root: identity(250),
            gate: DeviceKey::from_seed(&Secret::new([251; 32])),
            registrar: Actor::new(10),
            nonce: 0,
        }
    }

    /// Card, registrar, agency unit, shard.
    pub(super) fn founded() -> Self {
        let mut world = Self::empty();
        let card = world.card();
        let registrar = Actor::new(10);
        world.by_root(Event::Card(Box::new(card))).unwrap();
        let mut enrolled = enrolment(&registrar, false);
        enrolled.invited_until_us = None;
        world.by_root(Event::PersonEnrolled(enrolled)).unwrap();
        world
            .by_root(appointment(registrar.person, Role::Registrar, None))
            .unwrap();
        let device = device_added(&registrar);
        world.by(&registrar, device).unwrap();
        world.by_root(Event::ShardOpened(shard())).unwrap();
        let agency = world.unit_epoch(UnitId(VAULT.0), 1, vec![registrar.kid()]);
        world.by(&registrar, agency).unwrap();
        world
    }

    /// Also a unit with a caseworker, and a case about a citizen.
    pub(super) fn with_case() -> Self {
        let mut world = Self::founded();
        let worker = Actor::new(20);
        let registrar = Actor::new(10);
        world.join(&worker);
        let unit = world.unit_epoch(UNIT, 1, vec![registrar.kid(), worker.kid()]);
        world.by(&registrar, unit).unwrap();
        world
            .by(
                &registrar,
                appointment(worker.person, Role::CaseWorker, Some(UNIT)),
            )
            .unwrap();
        world.enrol_citizen(30);
        let case = world.case(CASE, vec![PersonId([30; 16])]);
        world.by(&worker, Event::CaseCreated(case)).unwrap();
        world
    }

    pub(super) fn card(&self) -> VaultCard {
        let public = *self.gate.public().as_bytes();
        VaultCard {
            vault: VAULT,
            version: 1,
            name: "Test agency".to_owned(),
            origin: "vault.example".to_owned(),
            root: bundle(&self.root),
            records_key: *records_device().public().as_bytes(),
            access_key: *DeviceKey::from_seed(&Secret::new([253; 32]))
                .public()
                .as_bytes(),
            gate_key: public,
            cosigners: vec![Cosigner {
                name: "vault.example/gatekeeper".to_owned(),
                public,
                elsewhere: false,
            }],
            quorum: 1,
            assurance: Assurance::SelfAsserted,
            created_us: START_US,
        }
    }

    /// Enrols by invitation, activates with a fresh bundle, adds the device.
    pub(super) fn join(&mut self, actor: &Actor) {
        let registrar = Actor::new(10);
        let invited = identity(actor.person.0[0] + 100);
        let mut event = enrolment(actor, false);
        event.bundle = Some(bundle(&invited));
        event.invited_until_us = Some(self.now_us + 7 * DAY_US);
        self.by(&registrar, Event::PersonEnrolled(event)).unwrap();
        let rotation = rotation(actor.person, &invited, &actor.keys);
        self.by_identity(actor.person, &invited, rotation).unwrap();
        self.by(actor, device_added(actor)).unwrap();
    }

    pub(super) fn enrol_citizen(&mut self, number: u8) {
        let mut event = enrolment(&Actor::new(number), true);
        event.bundle = None;
        event.invited_until_us = None;
        self.by(&Actor::new(10), Event::PersonEnrolled(event))
            .unwrap();
    }

    pub(super) fn unit_epoch(&self, unit: UnitId, epoch: u32, members: Vec<Kid>) -> Event {
        let number = unit.0[0] ^ u8::try_from(epoch).unwrap();
        let seed = XwingSeed::from_secret(Secret::new([number; 32]));
        Event::UnitEpoch(UnitEpoch {
            unit,
            epoch,
            uk_id: [number; 32],
            public: Blob(seed.public().as_bytes().to_vec()),
            members,
            memberships_root: [1; 32],
            link_hash: (epoch > 1).then_some([2; 32]),
            entry_hash: [3; 32],
        })
    }

    pub(super) fn case(&self, case: CaseId, subjects: Vec<PersonId>) -> CaseCreated {
        CaseCreated {
            case,
            kind: CaseKind::Agency,
            unit: UNIT,
            owner: None,
            class: "ALG-10".parse().unwrap(),
            share_id: Some(ShareId([case.0[0]; 32])),
            register_hash: Some([4; 32]),
            key: Some(CaseKey {
                epoch: 1,
                unit_epoch: self
                    .directory
                    .unit(UNIT)
                    .map_or(0, crate::replay::Unit::epoch),
                ck_id: [5; 32],
                grant_hash: [6; 32],
                link_hash: None,
            }),
            subjects,
        }
    }

    pub(super) fn manifest(&self, author: &Actor, document: u8) -> Manifest {
        let document = DocumentId([document; 16]);
        let latest = self.directory.document(document).and_then(|d| d.latest());
        let object_bytes = capsule::object_bytes(4_096);
        Manifest {
            vault: VAULT,
            case: CASE,
            document,
            revision: latest.map_or(1, |r| r.revision + 1),
            previous: latest.map_or([0; 32], |r| r.manifest_hash),
            content_root: [7; 32],
            leaf_count: capsule::leaf_count(object_bytes),
            object_bytes,
            dak_id: [8; 32],
            share_id: ShareId([document.0[0]; 32]),
            info_hash: [9; 32],
            case_epoch: self
                .directory
                .case(CASE)
                .map_or(1, crate::replay::Case::epoch),
            class: "ALG-10".parse().unwrap(),
            created_us: self.now_us,
            author: author.kid(),
        }
    }

    /// Header and items of a registration.
    pub(super) fn documents(
        &mut self,
        author: &Actor,
        manifests: &[Manifest],
    ) -> Vec<RecordPayload> {
        let register_by_us = self.now_us + 14 * DAY_US;
        self.documents_until(author, manifests, register_by_us)
    }

    pub(super) fn documents_until(
        &mut self,
        author: &Actor,
        manifests: &[Manifest],
        register_by_us: u64,
    ) -> Vec<RecordPayload> {
        let items: Vec<Vec<u8>> = manifests
            .iter()
            .map(|manifest| {
                let item = RegisterItem {
                    manifest: Blob(manifest.to_bytes().to_vec()),
                    card_hash: [0x0c; 32],
                    deposit: BatchId([1; 16]),
                    register_by_us,
                };
                item.to_bytes()
            })
            .collect();
        let tree = Tree::new(items.iter().map(|item| tree::leaf_hash(item)).collect());
        let first = manifests.first().unwrap();
        let header = self.header(
            BatchKind::Documents,
            author,
            first.case,
            first.case_epoch,
            &tree,
        );
        let signed = sign_batch(&header, &author.keys.signer);
        let hash = signed.hash();
        let mut payloads = vec![RecordPayload::Batch(signed)];
        for (index, item) in (0..).zip(items) {
            let path = tree.inclusion_path(index).unwrap();
            payloads.push(RecordPayload::Document(BatchItem {
                batch: hash,
                index,
                path,
                item: Blob(item),
            }));
        }
        payloads
    }

    pub(super) fn header(
        &mut self,
        kind: BatchKind,
        author: &Actor,
        case: CaseId,
        case_epoch: u32,
        tree: &Tree,
    ) -> BatchHeader {
        self.nonce += 1;
        let mut id = [0; 16];
        id[8..].copy_from_slice(&self.nonce.to_be_bytes());
        BatchHeader {
            kind,
            vault: VAULT,
            case,
            case_epoch,
            count: tree.size(),
            root: tree.root(),
            signer: author.person,
            signer_kid: author.kid(),
            time_us: self.now_us,
            batch: BatchId(id),
        }
    }

    /// A batch of one grant and its proof.
    pub(super) fn grant(&mut self, author: &Actor, grant: Grant) -> (RecordPayload, GrantProof) {
        let tree = Tree::new(vec![tree::leaf_hash(&grant.to_bytes())]);
        let epoch = 0;
        let header = self.header(BatchKind::Grants, author, grant.case, epoch, &tree);
        let signed = sign_batch(&header, &author.keys.signer);
        let proof = GrantProof {
            batch: signed.hash(),
            index: 0,
            path: Vec::new(),
            grant,
        };
        (RecordPayload::Batch(signed), proof)
    }

    pub(super) fn register(&mut self, author: &Actor, documents: &[u8]) -> Result<(), ReplayError> {
        let manifests: Vec<Manifest> = documents
            .iter()
            .map(|number| self.manifest(author, *number))
            .collect();
        let payloads = self.documents(author, &manifests);
        payloads.iter().try_for_each(|payload| self.log(payload))
    }

    pub(super) fn by_root(&mut self, event: Event) -> Result<(), ReplayError> {
        let signer = Signer::Root(bundle(&self.root).kid());
        let keys = identity(250);
        let payload = self.sign(signer, &keys.signer, event);
        self.log(&payload)
    }

    pub(super) fn by(&mut self, actor: &Actor, event: Event) -> Result<(), ReplayError> {
        let payload = self.sign(actor.signer(), &actor.keys.signer, event);
        self.log(&payload)
    }

    /// Signed by some identity in the name of a person.
    pub(super) fn by_identity(
        &mut self,
        person: PersonId,
        keys: &IdentityKeys,
        event: Event,
    ) -> Result<(), ReplayError> {
        let signer = Signer::Person(PersonSigner {
            person,
            kid: bundle(keys).kid(),
        });
        let payload = self.sign(signer, &keys.signer, event);
        self.log(&payload)
    }

    pub(super) fn by_vault(&mut self, event: Event) -> Result<(), ReplayError> {
        let statement = self.statement(Signer::Vault(VAULT), event);
        let signature = records_device().sign(SignLabel::new(STATEMENT_LABEL), &statement);
        let payload = RecordPayload::Statement(SignedStatement {
            statement: Blob(statement),
            signature: Blob(signature.as_bytes().to_vec()),
        });
        self.log(&payload)
    }

    pub(super) fn sign(
        &mut self,
        signer: Signer,
        keys: &HybridSigner,
        event: Event,
    ) -> RecordPayload {
        let statement = self.statement(signer, event);
        let signature = keys.sign(SignLabel::new(STATEMENT_LABEL), &statement);
        RecordPayload::Statement(SignedStatement {
            statement: Blob(statement),
            signature: Blob(signature.to_bytes()),
        })
    }

    fn statement(&mut self, signer: Signer, event: Event) -> Vec<u8> {
        self.nonce += 1;
        let mut nonce = [0; 16];
        nonce[8..].copy_from_slice(&self.nonce.to_be_bytes());
        let statement = Statement {
            vault: VAULT,
            signer,
            time_us: self.now_us,
            nonce,
            event,
        };
        statement.to_bytes()
    }

    /// Sequences a record a second after the last one.
    pub(super) fn log(&mut self, payload: &RecordPayload) -> Result<(), ReplayError> {
        let bytes = payload.to_bytes();
        let labels = record_labels(payload, &self.directory)?;
        let mut directory = self.directory.clone();
        self.now_us += 1_000_000;
        directory.apply(payload, self.now_us)?;
        let salt = [0x5a; 32];
        let p = group_commitment(Group::P, &salt, &bytes);
        let q = group_commitment(Group::Q, &salt, &[]);
        let core = Core {
            kind: u8::try_from(LeafType::Record.code()).unwrap(),
            flags: Flags::NONE,
            time_ms: self.now_us / 1_000,
            commitment: RecordCommitments { p, q }.commitment(),
            payload_hash: tree::EMPTY_ROOT,
        };
        let labelled: Vec<(Label, Option<Hash>)> = labels
            .iter()
            .map(|label| match label.kind {
                LabelKind::Case => (
                    label.label(ORIGIN).unwrap(),
                    directory.case_state_root(CaseId(label.id)),
                ),
                LabelKind::Person => (person_label(PersonId(label.id)).unwrap(), None),
                _ => (label.label(ORIGIN).unwrap(), None),
            })
            .collect();
        let (_, recs) = self.tail.append(&core, &labelled).unwrap();
        self.directory = directory;
        self.entries.push(FeedEntry {
            core: Blob(core.to_bytes().to_vec()),
            labels: recs.to_records(),
            payload: Some(Blob(bytes)),
            salt: Some(salt),
            q_commitment: Some(q),
        });
        Ok(())
    }

    pub(super) fn checkpoint(&self) -> SignedCheckpoint {
        let signer = NoteSigner::new(ORIGIN, NoteKeyType::Log, records_note()).unwrap();
        SignedCheckpoint::sign(self.tail.checkpoint(), &signer).unwrap()
    }

    pub(super) fn feed(&self, first: usize) -> Feed {
        Feed {
            vault: VAULT,
            origin: ORIGIN.to_owned(),
            first: first as u64,
            entries: self.entries[first..].to_vec(),
            checkpoint: self.checkpoint().to_string(),
        }
    }

    pub(super) fn replayer() -> Replayer {
        Replayer::new(VAULT, ORIGIN, *records_device().public().as_bytes())
    }
}

pub(super) fn records_note() -> NoteKey {
    NoteKey::from_seed(&Secret::new([252; 32]))
}

fn records_device() -> DeviceKey {
    DeviceKey::from_seed(&Secret::new([252; 32]))
}

pub(super) fn sign_batch(header: &BatchHeader, keys: &HybridSigner) -> SignedBatch {
    let bytes = header.to_bytes();
    let signature = keys.sign(SignLabel::new(header.kind.label()), &bytes);
    SignedBatch {
        header: Blob(bytes),
        signature: Blob(signature.to_bytes()),
    }
}

pub(super) fn enrolment(actor: &Actor, citizen: bool) -> PersonEnrolled {
    PersonEnrolled {
        person: actor.person,
        lambda_hash: [actor.person.0[0]; 32],
        share_id: ShareId([actor.person.0[0]; 32]),
        bundle: Some(actor.bundle()),
        invited_until_us: Some(START_US + 7 * DAY_US),
        citizen,
    }
}

pub(super) fn rotation(person: PersonId, from: &IdentityKeys, to: &IdentityKeys) -> Event {
    rotation_in(VAULT, person, from, to)
}

pub(super) fn rotation_in(
    vault: VaultId,
    person: PersonId,
    from: &IdentityKeys,
    to: &IdentityKeys,
) -> Event {
    let mut event = BundleRotated {
        person,
        from: bundle(from).kid(),
        bundle: bundle(to),
        proof: Blob(Vec::new()),
    };
    let message = event.proof_message(vault);
    let proof = to
        .signer
        .sign(SignLabel::new(ROTATION_PROOF_LABEL), message.as_bytes());
    event.proof = Blob(proof.to_bytes());
    Event::BundleRotated(event)
}

pub(super) fn device_added(actor: &Actor) -> Event {
    Event::DeviceAdded(DeviceAdded {
        person: actor.person,
        public: *actor.device.public().as_bytes(),
    })
}

pub(super) fn appointment(person: PersonId, role: Role, unit: Option<UnitId>) -> Event {
    Event::Appointed(Appointed {
        person,
        role,
        unit,
        until_us: None,
    })
}

pub(super) fn shard() -> ShardOpened {
    ShardOpened {
        origin: "vault.example/access/std/2026q4".to_owned(),
        class: "std".to_owned(),
        from_us: START_US,
        to_us: START_US + 90 * DAY_US,
        key: *DeviceKey::from_seed(&Secret::new([253; 32]))
            .public()
            .as_bytes(),
    }
}

pub(super) fn document_grant(author: &Actor, document: u8, recipient: Kid) -> Grant {
    Grant {
        kind: GrantKind::Document,
        vault: VAULT,
        case: CASE,
        document: Some(DocumentId([document; 16])),
        number: 1,
        recipient,
        granter: author.kid(),
        role: Role::Citizen,
        not_after_us: None,
        key_id: [8; 32],
        sealed: Blob(vec![0; 1_168]),
    }
}
