//! People with keys and devices, and the records they make.

use axum::http::Method;
use obhut_crypto::{
    CaseEpochRef, CaseFileKey, CaseShare, CheckedDepositKey, GrantTerms, Identity, Lambda,
    PublicIdentity, ShareToDeposit, UnitKey, UnitRef, grant_case_key, prove_rotation, seal_deposit,
    sign_statement, wrap_lambda,
};
use obhut_format::act::{
    ACT_LABEL, ACT_LIFETIME_US, Act, ActKind, ActRequest, ObjectRef, Reason, SignedAct,
    lookup_hash, objects_root,
};
use obhut_format::batch::RecordPayload;
use obhut_format::card::{Assurance, Cosigner, VaultCard};
use obhut_format::content::{PersonEntry, RegisterEntry, UnitEntry};
use obhut_format::context::sha256;
use obhut_format::mutation::{BlindIndex, Mutation, MutationRecord};
use obhut_format::person::device_kid;
use obhut_format::reading::AccessLogAnswer;
use obhut_format::recovery::RecoveryWithdrawn;
use obhut_format::release::SignedDepositKey;
use obhut_format::session::{
    INVITATION_LOGIN_LABEL, INVITATION_LOGIN_US, InvitationLogin, LOGIN_LABEL, Login,
};
use obhut_format::statement::{
    Appointed, BundleRotated, CaseClosed, CaseCreated, CaseKey, CaseKind, DeviceAdded,
    DeviceRevoked, Event, PersonEnrolled, PersonSigner, RevocationReason, Role, ShardOpened,
    Signer, Statement, UnitEpoch,
};
use obhut_format::tree::root_of;
use obhut_format::{BatchId, CaseId, Cbor, DeviceKid, Hash, Kid, PersonId, UnitId, VaultId};
use obhut_suite::{DeviceKey, DevicePublic, Label, Secret, XwingSeed};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use serde_json::{Value, json};

use crate::world::{Answer, Ground, Server, b64, record};

pub fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed(random())
}

pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

pub fn now_us() -> u64 {
    let now = std::time::SystemTime::now();
    now.duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_micros() as u64
}

/// Somebody with an identity and a device.
pub struct Person {
    pub id: PersonId,
    pub identity: Identity,
    pub device: DeviceKey,
    pub ground: Ground,
}

impl Person {
    fn new(id: PersonId) -> Self {
        Self {
            id,
            identity: Identity::generate(&mut rng()).unwrap(),
            device: DeviceKey::generate(&mut rng()),
            ground: Ground::None,
        }
    }

    pub fn kid(&self) -> Kid {
        self.identity.kid()
    }

    pub fn device_kid(&self) -> DeviceKid {
        device_kid(self.device.public().as_bytes())
    }
}

/// A founded vault on a server, as its first registrar sees it.
pub struct Agency<'s> {
    pub server: &'s Server,
    pub vault: VaultId,
    pub card: VaultCard,
    pub shard: String,
    pub registrar: Person,
    pub root: Identity,
}

/// A unit with its key.
pub struct Unit {
    pub id: UnitId,
    pub key: UnitKey,
}

/// A case with its key.
pub struct Case {
    pub id: CaseId,
    pub key: CaseFileKey,
}

/// An act before it is signed.
#[derive(Clone)]
pub struct Draft {
    pub kind: ActKind,
    pub role: Role,
    pub unit: Option<UnitId>,
    pub case: Option<CaseId>,
    pub objects: Vec<ObjectRef>,
    pub persons: Vec<PersonId>,
    pub payload: Option<Hash>,
}

impl Draft {
    pub fn new(kind: ActKind, role: Role) -> Self {
        Self {
            kind,
            role,
            unit: None,
            case: None,
            objects: Vec::new(),
            persons: Vec::new(),
            payload: None,
        }
    }
}

impl<'s> Agency<'s> {
    /// Founds the vault of this number.
    pub async fn found(server: &'s Server, number: usize) -> Self {
        let (vault, code) = &server.vaults[number];
        let path = format!("/v1/vaults/{vault}");
        let about = server
            .json(Method::GET, &path, &Ground::None, Value::Null)
            .await
            .ok();
        let root = Identity::generate(&mut rng()).unwrap();
        let card = card(*vault, &about, &root);
        let (shard, opened) = first_shard(&card);
        let mut agency = Self {
            server,
            vault: *vault,
            card,
            shard,
            registrar: Person::new(PersonId(random())),
            root,
        };
        agency.registrar.ground = Ground::Bootstrap(code.secret_text());
        let mutation = agency.founding_mutation(opened).await;
        let mut draft = Draft::new(ActKind::ManageIdentity, Role::Registrar);
        draft.persons = vec![agency.registrar.id];
        draft.payload = Some(Mutation::hash(&mutation.to_bytes()));
        let request = agency.sign(&agency.registrar, draft, None);
        let body = json!({"code": code.secret_text(), "request": b64(request.to_bytes()), "mutation": b64(mutation.to_bytes())});
        agency.post("/founding", &Ground::None, body).await.ok();
        agency.registrar.ground = agency.log_in(&agency.registrar).await;
        agency
    }

    async fn founding_mutation(&self, opened: ShardOpened) -> Mutation {
        let registrar = &self.registrar;
        let lambda = Lambda::generate(&mut rng());
        let share = ShareToDeposit::of_person(self.vault, registrar.id, &lambda, registrar.kid());
        self.deposit(registrar, &[share]).await;
        let unit = self.unit_key(UnitId(self.vault.0));
        let (epoch, entry, membership) = unit_epoch(&unit, &[registrar.identity.bundle()]);
        let name = PersonEntry {
            name: "Test Person 1".into(),
            civil_index: None,
        };
        let name = unit
            .key
            .register_key()
            .seal_person(registrar.id, &name, &mut rng())
            .unwrap();
        let enrolled = PersonEnrolled {
            person: registrar.id,
            lambda_hash: lambda.hash(),
            share_id: lambda.share_id(self.vault, registrar.id),
            bundle: Some(registrar.identity.bundle().clone()),
            invited_until_us: None,
            citizen: false,
        };
        let appointed = Appointed {
            person: registrar.id,
            role: Role::Registrar,
            unit: None,
            until_us: None,
        };
        let device = DeviceAdded {
            person: registrar.id,
            public: *registrar.device.public().as_bytes(),
        };
        let wraps = [registrar.identity.bundle(), self.root.bundle()].map(|bundle| {
            let reader = PublicIdentity::parse(bundle).unwrap();
            wrap_lambda(&lambda, self.vault, registrar.id, &reader, &mut rng()).unwrap()
        });
        Mutation {
            memberships: membership,
            lambda_wraps: wraps.to_vec(),
            ..Mutation::of(vec![
                self.by_root(Event::Card(Box::new(self.card.clone())), None),
                self.by_root(Event::PersonEnrolled(enrolled), Some(name)),
                self.by_root(Event::Appointed(appointed), None),
                self.by(registrar, Event::DeviceAdded(device), None),
                self.by_root(Event::ShardOpened(opened), None),
                self.by(registrar, Event::UnitEpoch(epoch), Some(entry)),
            ])
        }
    }

    /// Enrols, invites and activates somebody; logged in afterwards.
    pub async fn join(&self, citizen: bool, by: &Person, unit: Option<UnitId>) -> Person {
        let (person, first) = self.invite(citizen, by, unit).await;
        self.activate(person, &first).await
    }

    /// What the holder of an invitation to this vault shows, not signed yet.
    pub fn invitation_login(&self, kid: Kid) -> InvitationLogin {
        InvitationLogin {
            vault: self.vault,
            origin: self.card.origin.clone(),
            kid,
            expires_us: now_us() + INVITATION_LOGIN_US,
            signature: Vec::new().into(),
        }
    }

    /// The ground of somebody with this invitation.
    pub fn invited_ground(&self, first: &Identity) -> Ground {
        sign_invitation(self.invitation_login(first.kid()), first)
    }

    /// Enrols and invites; the person and the invitation's identity.
    pub async fn invite(
        &self,
        citizen: bool,
        by: &Person,
        unit: Option<UnitId>,
    ) -> (Person, Identity) {
        let person = Person::new(PersonId(random()));
        let first =
            Identity::from_invitation(&Secret::new(random()), self.vault, person.id).unwrap();
        let lambda = Lambda::generate(&mut rng());
        let share = ShareToDeposit::of_person(self.vault, person.id, &lambda, by.kid());
        self.deposit(by, &[share]).await;
        let enrolled = PersonEnrolled {
            person: person.id,
            lambda_hash: lambda.hash(),
            share_id: lambda.share_id(self.vault, person.id),
            bundle: Some(first.bundle().clone()),
            invited_until_us: Some(now_us() + 86_400_000_000),
            citizen,
        };
        let wraps = [first.bundle(), self.root.bundle()].map(|bundle| {
            let reader = PublicIdentity::parse(bundle).unwrap();
            wrap_lambda(&lambda, self.vault, person.id, &reader, &mut rng()).unwrap()
        });
        let mutation = Mutation {
            lambda_wraps: wraps.to_vec(),
            ..Mutation::of(vec![self.by(
                by,
                Event::PersonEnrolled(enrolled),
                Some(random::<600>().to_vec()),
            )])
        };
        let role = if citizen {
            Role::CaseWorker
        } else {
            Role::Registrar
        };
        let mut draft = Draft::new(ActKind::EnrolPerson, role);
        draft.unit = unit;
        draft.persons = vec![person.id];
        self.mutate("/people", by, draft, &mutation).await.ok();
        (person, first)
    }

    /// Makes an invitation a person of their own.
    pub async fn activate(&self, mut person: Person, first: &Identity) -> Person {
        let answer = self.try_activate(&person, first).await;
        answer.ok();
        person.ground = self.log_in(&person).await;
        person
    }

    pub async fn try_activate(&self, person: &Person, first: &Identity) -> Answer {
        let mut rotation = BundleRotated {
            person: person.id,
            from: first.kid(),
            bundle: person.identity.bundle().clone(),
            proof: Vec::new().into(),
        };
        prove_rotation(&mut rotation, self.vault, &person.identity);
        let device = DeviceAdded {
            person: person.id,
            public: *person.device.public().as_bytes(),
        };
        let signer = Signer::Person(PersonSigner {
            person: person.id,
            kid: first.kid(),
        });
        let mutation = Mutation::of(vec![
            self.state(signer, first, Event::BundleRotated(rotation), None),
            self.by(person, Event::DeviceAdded(device), None),
        ]);
        let mut draft = Draft::new(ActKind::ManageIdentity, Role::Citizen);
        draft.persons = vec![person.id];
        draft.payload = Some(Mutation::hash(&mutation.to_bytes()));
        let request = self.sign(person, draft, None);
        let body =
            json!({"request": b64(request.to_bytes()), "mutation": b64(mutation.to_bytes())});
        self.post("/activations", &Ground::None, body).await
    }

    /// A unit with this member beside the registrar, who is appointed its caseworker.
    pub async fn unit_with(&self, member: &Person) -> Unit {
        let unit = self.unit_key(UnitId(random()));
        let bundles = [self.registrar.identity.bundle(), member.identity.bundle()];
        let (epoch, entry, memberships) = unit_epoch(&unit, &bundles);
        let mutation = Mutation {
            memberships,
            ..Mutation::of(vec![self.by(
                &self.registrar,
                Event::UnitEpoch(epoch),
                Some(entry),
            )])
        };
        let mut draft = Draft::new(ActKind::ManageUnit, Role::Registrar);
        draft.unit = Some(unit.id);
        self.mutate("/units", &self.registrar, draft, &mutation)
            .await
            .ok();
        self.appoint(member, Role::CaseWorker, Some(unit.id)).await;
        unit
    }

    pub async fn appoint(&self, person: &Person, role: Role, unit: Option<UnitId>) {
        self.try_appoint(&self.registrar, person, role, unit)
            .await
            .ok();
    }

    pub async fn try_appoint(
        &self,
        by: &Person,
        person: &Person,
        role: Role,
        unit: Option<UnitId>,
    ) -> Answer {
        let appointed = Appointed {
            person: person.id,
            role,
            unit,
            until_us: None,
        };
        let mutation = Mutation::of(vec![self.by(by, Event::Appointed(appointed), None)]);
        let mut draft = Draft::new(ActKind::Appoint, Role::Registrar);
        draft.unit = unit;
        draft.persons = vec![person.id];
        self.mutate("/appointments", by, draft, &mutation).await
    }

    /// The registrar revokes somebody's device.
    pub async fn revoke_device(&self, of: &Person) {
        let revoked = DeviceRevoked {
            person: of.id,
            device: of.device_kid(),
            reason: RevocationReason::Lost,
        };
        let mutation = Mutation::of(vec![self.by(
            &self.registrar,
            Event::DeviceRevoked(revoked),
            None,
        )]);
        let mut draft = Draft::new(ActKind::ManageIdentity, Role::Registrar);
        draft.persons = vec![of.id];
        self.mutate("/identity", &self.registrar, draft, &mutation)
            .await
            .ok();
    }

    /// The registrar asks to withdraw a request for recovery.
    pub async fn withdraw_recovery(&self, request: [u8; 16]) -> Answer {
        let event = Event::RecoveryWithdrawn(RecoveryWithdrawn { request });
        let mutation = Mutation::of(vec![self.by(&self.registrar, event, None)]);
        let draft = Draft::new(ActKind::Recover, Role::Registrar);
        self.mutate("/recovery", &self.registrar, draft, &mutation)
            .await
    }

    /// Closes a case.
    pub async fn close(&self, worker: &Person, unit: &Unit, case: &Case) {
        let closed = CaseClosed {
            case: case.id,
            on: "2026-01-31".into(),
        };
        let mutation = Mutation::of(vec![self.by(worker, Event::CaseClosed(closed), None)]);
        let mut draft = Draft::new(ActKind::ChangeCase, Role::CaseWorker);
        draft.unit = Some(unit.id);
        draft.case = Some(case.id);
        let route = format!("/cases/{}/changes", case.id);
        self.mutate(&route, worker, draft, &mutation).await.ok();
    }

    /// A request to read what was logged about `whose`.
    pub fn own_log_request(&self, by: &Person, whose: PersonId) -> Value {
        let mut draft = Draft::new(ActKind::ReadLog, Role::Citizen);
        draft.persons = vec![whose];
        json!({"request": b64(self.sign(by, draft, None).to_bytes())})
    }

    pub async fn read_own_log(&self, person: &Person) -> Vec<AccessLogAnswer> {
        let body = self.own_log_request(person, person.id);
        let answers = self.post("/log/entries", &person.ground, body).await.ok();
        answers["answers"]
            .as_array()
            .unwrap()
            .iter()
            .map(record)
            .collect()
    }

    /// A case about one person.
    pub async fn case(&self, worker: &Person, unit: &Unit, subject: PersonId) -> Case {
        let (case, mutation, draft) = self.case_mutation(worker, unit, subject).await;
        self.mutate("/cases", worker, draft, &mutation).await.ok();
        case
    }

    pub async fn case_mutation(
        &self,
        worker: &Person,
        unit: &Unit,
        subject: PersonId,
    ) -> (Case, Mutation, Draft) {
        let case = Case {
            id: CaseId(random()),
            key: CaseFileKey::generate(&mut rng()),
        };
        let share = CaseShare::generate(&mut rng());
        let to_deposit = ShareToDeposit::of_case(self.vault, case.id, &share, worker.kid());
        self.deposit(worker, &[to_deposit]).await;
        let entry = RegisterEntry {
            file_reference: "AZ 1/26".into(),
            title: "Test case".into(),
            notes: None,
        };
        let register = unit
            .key
            .register_key()
            .seal_case(case.id, 1, &share, &entry, &mut rng())
            .unwrap();
        let at = CaseEpochRef {
            vault: self.vault,
            case: case.id,
            epoch: 1,
        };
        let terms = GrantTerms {
            recipient: Kid(unit.key.id()),
            public: &unit.key.public(),
            granter: worker.kid(),
            role: Role::CaseWorker,
            not_after_us: None,
        };
        let grant = grant_case_key(&at, &case.key, &terms, &mut rng()).unwrap();
        let created = CaseCreated {
            case: case.id,
            kind: CaseKind::Agency,
            unit: unit.id,
            owner: None,
            class: "ALG-10".parse().unwrap(),
            share_id: Some(share.share_id(self.vault, case.id)),
            register_hash: Some(sha256(&[&register])),
            key: Some(CaseKey {
                epoch: 1,
                unit_epoch: 1,
                ck_id: case.key.id(),
                grant_hash: sha256(&[&grant.to_bytes()]),
                link_hash: None,
            }),
            subjects: vec![subject],
        };
        let tag = BlindIndex {
            unit: unit.id,
            unit_epoch: 1,
            case: case.id,
            tag: unit.key.blind_index("AZ 1/26"),
        };
        let mutation = Mutation {
            case_grants: vec![grant],
            blind_indexes: vec![tag],
            ..Mutation::of(vec![self.by(
                worker,
                Event::CaseCreated(created),
                Some(register),
            )])
        };
        let mut draft = Draft::new(ActKind::CreateCase, Role::CaseWorker);
        draft.unit = Some(unit.id);
        draft.case = Some(case.id);
        (case, mutation, draft)
    }

    /// A fresh login.
    pub async fn log_in(&self, person: &Person) -> Ground {
        let answer = self
            .try_log_in(person, self.vault, &self.card.origin)
            .await
            .ok();
        Ground::Session(answer["token"].as_str().unwrap().to_owned())
    }

    /// Logs in with a challenge of this vault, signed for another vault and origin.
    pub async fn try_log_in(&self, person: &Person, vault: VaultId, origin: &str) -> Answer {
        let body =
            json!({"person": person.id.to_string(), "device": person.device_kid().to_string()});
        let challenge = self
            .post("/sessions/challenges", &Ground::None, body)
            .await
            .ok();
        let login = Login {
            vault,
            origin: origin.to_owned(),
            challenge: bytes(&challenge["challenge"]),
            expires_us: challenge["expires_us"].as_u64().unwrap(),
            person: person.id,
            device: person.device_kid(),
        };
        let signature = person
            .device
            .sign(Label::new(LOGIN_LABEL), login.message().as_bytes());
        let body = json!({"login": b64(login.to_bytes()), "signature": b64(signature.as_bytes())});
        self.post("/sessions", &Ground::None, body).await
    }

    /// Deposits shares and expects a receipt.
    pub async fn deposit(&self, by: &Person, shares: &[ShareToDeposit]) {
        let key = self.get("/deposit-key", &Ground::None).await.ok();
        let signed: SignedDepositKey = record(&key["key"]);
        let gate = DevicePublic::parse(&self.card.gate_key).unwrap();
        let key = CheckedDepositKey::check(&signed, &gate, self.vault, now_us()).unwrap();
        let batch = BatchId(random());
        let deposit = seal_deposit(
            &key,
            batch,
            by.kid(),
            now_us(),
            shares,
            &by.device,
            &mut rng(),
        );
        let body = json!({"deposit": b64(deposit.unwrap().to_bytes())});
        self.post("/deposits", &by.ground, body).await.ok();
    }

    /// Signs and sends a mutation.
    pub async fn mutate(
        &self,
        route: &str,
        by: &Person,
        mut draft: Draft,
        mutation: &Mutation,
    ) -> Answer {
        let bytes = mutation.to_bytes();
        draft.payload = Some(Mutation::hash(&bytes));
        let request = self.sign(by, draft, None);
        let body = json!({"request": b64(request.to_bytes()), "mutation": b64(bytes)});
        self.post(route, &by.ground, body).await
    }

    /// Asks for a release; also the ephemeral key.
    pub async fn release(&self, by: &Person, draft: Draft) -> (Answer, XwingSeed) {
        let ephemeral = XwingSeed::generate(&mut rng());
        let request = self.sign(by, draft, Some(ephemeral.public().as_bytes()));
        let body = json!({"request": b64(request.to_bytes())});
        (self.post("/releases", &by.ground, body).await, ephemeral)
    }

    /// Searches a unit's cases by blind tags.
    pub async fn look_up(&self, by: &Person, unit: UnitId, tags: &[Hash]) -> Answer {
        let mut draft = Draft::new(ActKind::FindCase, Role::CaseWorker);
        draft.unit = Some(unit);
        draft.payload = Some(lookup_hash(tags));
        let ephemeral = XwingSeed::generate(&mut rng()).public();
        let request = self.sign(by, draft, Some(ephemeral.as_bytes()));
        let tags: Vec<String> = tags.iter().map(b64).collect();
        let body = json!({"request": b64(request.to_bytes()), "tags": tags});
        self.post("/lookups", &by.ground, body).await
    }

    pub fn sign(&self, by: &Person, draft: Draft, epk: Option<&[u8]>) -> ActRequest {
        let mut objects = draft.objects;
        objects.sort_by_key(ObjectRef::sort_key);
        let reason = Reason {
            purpose: "test".into(),
            legal_basis: "§ 1 TestG".into(),
            justification: None,
        };
        let reason_salt = random();
        let act = Act {
            vault: self.vault,
            card_version: 1,
            shard: self.shard.clone(),
            kind: draft.kind,
            person: by.id,
            device: by.device_kid(),
            unit: draft.unit,
            role: draft.role,
            on_behalf_of: None,
            case: draft.case,
            objects_root: objects_root(&objects),
            object_count: objects.len() as u64,
            reason_commitment: obhut_log::entry::reason_commitment(&reason, &reason_salt),
            epk_hash: epk.map_or([0; 32], |epk| sha256(&[epk])),
            nonce: random(),
            time_us: now_us(),
            expires_us: now_us() + ACT_LIFETIME_US - 1_000_000,
            pinned: None,
            payload_hash: draft.payload,
            persons: draft.persons,
        };
        let bytes = act.to_bytes();
        let signature = *by.device.sign(Label::new(ACT_LABEL), &bytes).as_bytes();
        let signed = SignedAct {
            act: bytes.into(),
            signature,
        };
        ActRequest {
            signed,
            objects,
            reason,
            reason_salt,
            epk: epk.map(|epk| epk.to_vec().into()),
        }
    }

    pub fn by(&self, person: &Person, event: Event, sealed: Option<Vec<u8>>) -> MutationRecord {
        let signer = Signer::Person(PersonSigner {
            person: person.id,
            kid: person.kid(),
        });
        self.state(signer, &person.identity, event, sealed)
    }

    fn by_root(&self, event: Event, sealed: Option<Vec<u8>>) -> MutationRecord {
        self.state(Signer::Root(self.root.kid()), &self.root, event, sealed)
    }

    fn state(
        &self,
        signer: Signer,
        identity: &Identity,
        event: Event,
        sealed: Option<Vec<u8>>,
    ) -> MutationRecord {
        let statement = Statement {
            vault: self.vault,
            signer,
            time_us: now_us(),
            nonce: random(),
            event,
        };
        MutationRecord {
            payload: RecordPayload::Statement(sign_statement(&statement, identity).unwrap()),
            sealed: sealed.map(Into::into),
        }
    }

    fn unit_key(&self, id: UnitId) -> Unit {
        let at = UnitRef {
            vault: self.vault,
            unit: id,
            epoch: 1,
        };
        Unit {
            id,
            key: UnitKey::generate(at, &mut rng()),
        }
    }

    pub async fn get(&self, path: &str, ground: &Ground) -> Answer {
        let path = format!("/v1/vaults/{}{path}", self.vault);
        self.server
            .json(Method::GET, &path, ground, Value::Null)
            .await
    }

    pub async fn post(&self, path: &str, ground: &Ground, body: Value) -> Answer {
        let path = format!("/v1/vaults/{}{path}", self.vault);
        self.server.json(Method::POST, &path, ground, body).await
    }
}

pub fn bytes<const N: usize>(value: &Value) -> [u8; N] {
    let bytes = data_encoding::BASE64URL_NOPAD.decode(value.as_str().unwrap().as_bytes());
    bytes.unwrap().try_into().unwrap()
}

fn card(vault: VaultId, about: &Value, root: &Identity) -> VaultCard {
    let origin = about["origin"].as_str().unwrap().to_owned();
    let gate_key = bytes(&about["gate_key"]);
    VaultCard {
        vault,
        version: 1,
        name: "Test Agency".into(),
        cosigners: vec![Cosigner {
            name: format!("{origin}/gatekeeper"),
            public: gate_key,
            elsewhere: false,
        }],
        origin,
        root: root.bundle().clone(),
        records_key: bytes(&about["records_key"]),
        access_key: bytes(&about["access_key"]),
        gate_key,
        quorum: 1,
        assurance: Assurance::SelfAsserted,
        created_us: now_us(),
    }
}

fn first_shard(card: &VaultCard) -> (String, ShardOpened) {
    let quarter = obhut_store::Quarter::at(now_us()).unwrap();
    let origin = card.access_origin("std", quarter.year, quarter.number);
    let opened = ShardOpened {
        origin: origin.clone(),
        class: "std".into(),
        from_us: quarter.from_us,
        to_us: quarter.to_us,
        key: card.access_key,
    };
    (origin, opened)
}

fn unit_epoch(
    unit: &Unit,
    members: &[&obhut_format::person::KeyBundle],
) -> (UnitEpoch, Vec<u8>, Vec<obhut_format::key::Membership>) {
    let entry = UnitEntry {
        name: "Test unit".into(),
    };
    let entry = unit
        .key
        .register_key()
        .seal_unit(&entry, &mut rng())
        .unwrap();
    let memberships: Vec<_> = members
        .iter()
        .map(|member| {
            let member = PublicIdentity::parse(member).unwrap();
            unit.key.seal_membership(&member, &mut rng()).unwrap()
        })
        .collect();
    let epoch = UnitEpoch {
        unit: unit.id,
        epoch: 1,
        uk_id: unit.key.id(),
        public: unit.key.public().as_bytes().to_vec().into(),
        members: members.iter().map(|member| member.kid()).collect(),
        memberships_root: root_of(memberships.iter().map(Cbor::to_bytes)),
        link_hash: None,
        entry_hash: sha256(&[&entry]),
    };
    (epoch, entry, memberships)
}

/// The ground that a signed invitation login is.
pub fn sign_invitation(mut login: InvitationLogin, by: &Identity) -> Ground {
    let label = Label::new(INVITATION_LOGIN_LABEL);
    let signature = by.signer().sign(label, login.message().as_bytes());
    login.signature = signature.to_bytes().into();
    Ground::Invitation(b64(login.to_bytes()))
}
