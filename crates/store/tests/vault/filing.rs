//! Deposits, people, units, cases and documents as an honest client makes them.

use std::sync::Arc;

use obhut_format::act::{ActKind, ObjectRef};
use obhut_format::batch::{
    BatchHeader, BatchItem, BatchKind, RecordPayload, RegisterItem, SignedBatch,
};
use obhut_format::context::sha256;
use obhut_format::key::{Grant, GrantKind, HPKE_KEY_BYTES, SEALED_KEY_BYTES};
use obhut_format::manifest::Manifest;
use obhut_format::mutation::{BlindIndex, DocumentRow, LambdaWrap, Mutation, MutationRecord};
use obhut_format::release::{GateRequest, GateResponse, SignedDepositReceipt, VaultOnly};
use obhut_format::share::{
    Binding, DEPOSIT_LABEL, Deposit, DepositItem, ShareKind, SignedDeposit, card_secret_id,
    content_secret_id, share_id,
};
use obhut_format::statement::{
    Appointed, CaseCreated, CaseKey, CaseKind, DeviceAdded, Event, Role,
};
use obhut_format::tree::{Tree, leaf_hash};
use obhut_format::{
    BatchId, Blob, CaseId, Cbor, ClassCode, DocumentId, Hash, Kid, ObjectId, PersonId, ShareId,
    UnitId, VaultId,
};
use obhut_store::{StoreError, StoredObject};
use obhut_suite::{HpkeSender, Label, XwingPublic};
use rand_core::Rng as _;

use crate::acts::Asked;
use crate::people::{TestPerson, bundle_of, lambda_share};
use crate::world::{DAY, UNIT_ENTRY, World, uk_id, with_sealed};

/// A document as its author knows it.
#[derive(Clone)]
pub(crate) struct TestDocument {
    pub(crate) manifest: Manifest,
    pub(crate) object: ObjectId,
    /// `s_doc` and `c_doc`.
    pub(crate) secrets: Vec<u8>,
}

impl TestDocument {
    pub(crate) fn object_ref(&self) -> ObjectRef {
        ObjectRef {
            case: self.manifest.case,
            document: Some(self.manifest.document),
            revision: 0,
        }
    }
}

/// A share before its deposit.
pub(crate) struct Item {
    pub(crate) binding: Binding,
    pub(crate) secret: Vec<u8>,
}

pub(crate) const REGISTER: &[u8] = b"sealed register entry";
pub(crate) const PERSON_ENTRY: &[u8] = b"sealed person entry";
pub(crate) const INFO: &[u8] = b"sealed info";
pub(crate) const CARD: &[u8] = b"sealed card";

/// The λ of a person.
pub(crate) fn lambda_item(
    vault: VaultId,
    person: PersonId,
    lambda: &[u8; 32],
    author: Kid,
) -> Item {
    let binding = Binding {
        kind: ShareKind::Person,
        vault,
        case: None,
        id: person.0,
        revision: 0,
        manifest_hash: [0; 32],
        share_id: lambda_share(vault, person, lambda),
        author,
    };
    Item {
        binding,
        secret: lambda.to_vec(),
    }
}

pub(crate) fn class() -> ClassCode {
    "ALG-10".parse().unwrap()
}

impl World {
    pub(crate) async fn deposit(
        &mut self,
        author: &TestPerson,
        items: &[Item],
    ) -> SignedDepositReceipt {
        // The gatekeeper takes deposits of authors it was told of.
        if self.vault.is_founded() {
            self.confirmed().await;
        }
        let vault = self.vault.id();
        let key = GateRequest::DepositKey(VaultOnly { vault });
        let GateResponse::DepositKey(key) = self.ask(key).await else {
            panic!("no deposit key");
        };
        let batch = BatchId(self.id());
        let info = Deposit::info(vault, key.key.id, batch, items.len());
        let public = XwingPublic::parse(&key.key.public.0).unwrap();
        let (enc, mut sender) = HpkeSender::new(&public, info.as_bytes(), &mut self.rng).unwrap();
        let seal = |(number, item): (usize, &Item)| {
            let aad = Deposit::aad(number, &item.binding);
            DepositItem {
                binding: item.binding.clone(),
                sealed: Blob(sender.seal_next(aad.as_bytes(), &item.secret).unwrap()),
            }
        };
        let deposit = Deposit {
            vault,
            batch,
            key: key.key.id,
            enc: Blob(enc.as_bytes().to_vec()),
            author: author.kid(),
            device: *author.device().public().as_bytes(),
            time_us: self.now(),
            items: items.iter().enumerate().map(seal).collect(),
        };
        let message = deposit.signed_message();
        let label = Label::new(DEPOSIT_LABEL);
        let signature = *author.device().sign(label, message.as_bytes()).as_bytes();
        let deposit = GateRequest::Deposit(SignedDeposit { deposit, signature });
        match self.ask(deposit).await {
            GateResponse::Deposited(receipt) => receipt,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn deposit_lambda(&mut self, author: &TestPerson, person: &TestPerson) {
        let item = lambda_item(self.vault.id(), person.id, &person.lambda, author.kid());
        self.deposit(author, &[item]).await;
    }

    /// A person enrolled by the registrar with an invitation, and activated.
    pub(crate) async fn activated(&mut self, citizen: bool) -> TestPerson {
        let person = self.invited(citizen).await;
        self.activate(&person).await.unwrap();
        person
    }

    /// As [`World::activated`] for a person made before.
    pub(crate) async fn activate_as(&mut self, person: &TestPerson) {
        self.invite(person, false).await;
        self.activate(person).await.unwrap();
    }

    /// A person who has not used the invitation yet.
    pub(crate) async fn invited(&mut self, citizen: bool) -> TestPerson {
        let person = TestPerson::generate(&mut self.rng);
        self.invite(&person, citizen).await;
        person
    }

    async fn invite(&mut self, person: &TestPerson, citizen: bool) {
        let registrar = Arc::clone(&self.registrar);
        self.deposit_lambda(&registrar, person).await;
        let mut event = person.enrolment(self.vault.id(), citizen);
        event.bundle = Some(bundle_of(&person.invitation));
        event.invited_until_us = Some(self.now() + 5 * DAY);
        let record = self.state_as(&registrar, Event::PersonEnrolled(event));
        let mut mutation = Mutation::of(vec![with_sealed(record, PERSON_ENTRY)]);
        mutation.lambda_wraps.push(LambdaWrap {
            person: person.id,
            recipient: bundle_of(&person.invitation).kid(),
            sealed: Blob(vec![2; HPKE_KEY_BYTES]),
        });
        self.commit_as_registrar(ActKind::EnrolPerson, &mutation)
            .await
            .unwrap();
    }

    pub(crate) fn activation(&mut self, person: &TestPerson) -> Mutation {
        let device = DeviceAdded {
            person: person.id,
            public: *person.device().public().as_bytes(),
        };
        let records = vec![
            self.rotation(person),
            self.state_as(person, Event::DeviceAdded(device)),
        ];
        Mutation::of(records)
    }

    pub(crate) async fn activate(&mut self, person: &TestPerson) -> Result<(), StoreError> {
        let bytes = self.activation(person).to_bytes();
        let request =
            self.mutation_act(person, Role::Citizen, None, ActKind::ManageIdentity, &bytes);
        let proposal = self.vault.propose(&bytes).await?;
        let (caller, act) = self.vault.verify_act_of(&proposal, request)?;
        let grant = self.vault.authorise_mutation(&caller, &act, &proposal)?;
        self.vault.commit(grant, act, proposal).await.map(drop)
    }

    pub(crate) async fn appoint(&mut self, person: &TestPerson, role: Role, unit: Option<UnitId>) {
        let event = Appointed {
            person: person.id,
            role,
            unit,
            until_us: None,
        };
        let registrar = Arc::clone(&self.registrar);
        let record = self.state_as(&registrar, Event::Appointed(event));
        let mutation = Mutation::of(vec![record]);
        self.commit_as_registrar(ActKind::Appoint, &mutation)
            .await
            .unwrap();
    }

    /// A unit with its caseworker.
    pub(crate) async fn unit_with(&mut self, caseworker: &TestPerson) -> UnitId {
        let unit = UnitId(self.id());
        let members = [self.registrar.kid(), caseworker.kid()];
        let (event, memberships) = self.unit_epoch(unit, 1, &members);
        let registrar = Arc::clone(&self.registrar);
        let record = with_sealed(
            self.state_as(&registrar, Event::UnitEpoch(event)),
            UNIT_ENTRY,
        );
        let mut mutation = Mutation::of(vec![record]);
        mutation.memberships = memberships;
        self.commit_as_registrar(ActKind::ManageUnit, &mutation)
            .await
            .unwrap();
        self.appoint(caseworker, Role::CaseWorker, Some(unit)).await;
        unit
    }

    /// The mutation that creates an agency case, and its share's secret.
    pub(crate) async fn case_mutation(
        &mut self,
        author: &TestPerson,
        unit: UnitId,
        subjects: &[PersonId],
    ) -> (CaseId, Mutation) {
        let vault = self.vault.id();
        let case = CaseId(self.id());
        let mut secret = [0; 32];
        self.rng.fill_bytes(&mut secret);
        let content = content_secret_id(vault, &case.0, 0, &secret);
        let share = share_id(ShareKind::Case, vault, &case.0, 0, &content, &[0; 32]);
        let binding = Binding {
            kind: ShareKind::Case,
            vault,
            case: Some(case),
            id: case.0,
            revision: 0,
            manifest_hash: [0; 32],
            share_id: share,
            author: author.kid(),
        };
        let secret = secret.to_vec();
        self.deposit(author, &[Item { binding, secret }]).await;
        let grant = Grant {
            kind: GrantKind::Case,
            vault,
            case,
            document: None,
            number: 1,
            recipient: Kid(uk_id(unit, 1)),
            granter: author.kid(),
            role: Role::CaseWorker,
            not_after_us: None,
            key_id: sha256(&[&case.0]),
            sealed: Blob(vec![3; HPKE_KEY_BYTES]),
        };
        let event = agency_case(case, unit, share, &grant, subjects);
        let record = self.state_as(author, Event::CaseCreated(event));
        let mut mutation = Mutation::of(vec![with_sealed(record, REGISTER)]);
        mutation.case_grants.push(grant);
        mutation.blind_indexes.push(BlindIndex {
            unit,
            unit_epoch: 1,
            case,
            tag: sha256(&[b"tag", &case.0]),
        });
        (case, mutation)
    }

    pub(crate) async fn create_case(
        &mut self,
        author: &TestPerson,
        unit: UnitId,
        subjects: &[PersonId],
    ) -> CaseId {
        self.confirmed().await;
        let (case, mutation) = self.case_mutation(author, unit, subjects).await;
        let asked = Asked {
            case: Some(case),
            ..Asked::new(ActKind::CreateCase, Role::CaseWorker, Some(unit))
        };
        self.commit(author, asked, &mutation).await.unwrap();
        case
    }

    /// Documents uploaded and deposited, with the mutation that registers them.
    pub(crate) async fn document_mutation(
        &mut self,
        author: &TestPerson,
        case: CaseId,
        count: usize,
    ) -> (Vec<TestDocument>, Mutation) {
        let mut documents = Vec::with_capacity(count);
        for _ in 0..count {
            documents.push(self.upload(author, case).await);
        }
        let items: Vec<Item> = documents.iter().map(item_of).collect();
        let receipt = self.deposit(author, &items).await.receipt;
        let items: Vec<Vec<u8>> = documents
            .iter()
            .map(|document| {
                RegisterItem {
                    manifest: Blob(document.manifest.to_bytes().to_vec()),
                    card_hash: sha256(&[CARD]),
                    deposit: receipt.batch,
                    register_by_us: receipt.register_by_us,
                }
                .to_bytes()
            })
            .collect();
        let (signed, tree) = self.batch(author, BatchKind::Documents, case, &items);
        let mut records = vec![plain(RecordPayload::Batch(signed.clone()))];
        for (index, item) in (0..).zip(items) {
            records.push(plain(RecordPayload::Document(BatchItem {
                batch: signed.hash(),
                index,
                path: tree.inclusion_path(index).unwrap(),
                item: Blob(item),
            })));
        }
        let mut mutation = Mutation::of(records);
        mutation.documents = documents.iter().map(row_of).collect();
        (documents, mutation)
    }

    pub(crate) async fn file(
        &mut self,
        author: &TestPerson,
        unit: UnitId,
        case: CaseId,
        count: usize,
    ) -> Vec<TestDocument> {
        self.confirmed().await;
        let (documents, mutation) = self.document_mutation(author, case, count).await;
        let asked = Asked {
            case: Some(case),
            objects: sorted(&documents),
            ..Asked::new(ActKind::FileDocuments, Role::CaseWorker, Some(unit))
        };
        self.commit(author, asked, &mutation).await.unwrap();
        documents
    }

    /// A first revision whose object lies in the store's rows.
    async fn upload(&mut self, author: &TestPerson, case: CaseId) -> TestDocument {
        let vault = self.vault.id();
        let document = DocumentId(self.id());
        let object = ObjectId(self.id());
        let mut secrets = [0; 64];
        self.rng.fill_bytes(&mut secrets);
        let (content, card) = secrets.split_first_chunk::<32>().unwrap();
        let content_id = content_secret_id(vault, &document.0, 1, content);
        let card_id = card_secret_id(vault, &document.0, 1, card.try_into().unwrap());
        let directory = self.vault.directory();
        let manifest = Manifest {
            vault,
            case,
            document,
            revision: 1,
            previous: [0; 32],
            content_root: sha256(&[&object.0]),
            leaf_count: 1,
            object_bytes: obhut_format::capsule::object_bytes(4096),
            dak_id: sha256(&[&document.0]),
            share_id: share_id(
                ShareKind::Document,
                vault,
                &document.0,
                1,
                &content_id,
                &card_id,
            ),
            info_hash: sha256(&[INFO]),
            case_epoch: directory.case(case).unwrap().epoch(),
            class: class(),
            created_us: self.now(),
            author: author.kid(),
        };
        let caller = self.caller(author).unwrap();
        let stored = StoredObject {
            object,
            document,
            revision: 1,
            content_root: manifest.content_root,
            object_bytes: manifest.object_bytes,
        };
        self.vault.note_objects(&caller, &[stored]).await.unwrap();
        TestDocument {
            manifest,
            object,
            secrets: secrets.to_vec(),
        }
    }

    pub(crate) fn batch(
        &mut self,
        signer: &TestPerson,
        kind: BatchKind,
        case: CaseId,
        items: &[Vec<u8>],
    ) -> (SignedBatch, Tree) {
        let hashes: Vec<Hash> = items.iter().map(|item| leaf_hash(item)).collect();
        let tree = Tree::new(hashes);
        let directory = self.vault.directory();
        let header = BatchHeader {
            kind,
            vault: self.vault.id(),
            case,
            case_epoch: directory.case(case).unwrap().epoch(),
            count: items.len() as u64,
            root: tree.root(),
            signer: signer.id,
            signer_kid: signer.kid(),
            time_us: self.now(),
            batch: BatchId(self.id()),
        };
        let bytes = header.to_bytes();
        let signature = signer.keys.signer.sign(Label::new(kind.label()), &bytes);
        let signed = SignedBatch {
            header: Blob(bytes),
            signature: Blob(signature.to_bytes()),
        };
        (signed, tree)
    }

    /// Grants one document of an agency case to a person.
    pub(crate) async fn grant(
        &mut self,
        granter: &TestPerson,
        unit: UnitId,
        document: &TestDocument,
        recipient: &TestPerson,
    ) -> Result<(), StoreError> {
        let case = document.manifest.case;
        let grant = Grant {
            kind: GrantKind::Document,
            vault: self.vault.id(),
            case,
            document: Some(document.manifest.document),
            number: 1,
            recipient: recipient.kid(),
            granter: granter.kid(),
            role: Role::Citizen,
            not_after_us: None,
            key_id: document.manifest.dak_id,
            sealed: Blob(vec![4; HPKE_KEY_BYTES]),
        };
        let items = [grant.to_bytes()];
        let (signed, _) = self.batch(granter, BatchKind::Grants, case, &items);
        let mut mutation = Mutation::of(vec![plain(RecordPayload::Batch(signed))]);
        mutation.grants.push(grant);
        let asked = Asked {
            case: Some(case),
            persons: vec![recipient.id],
            ..Asked::new(ActKind::Grant, Role::CaseWorker, Some(unit))
        };
        self.commit(granter, asked, &mutation).await.map(drop)
    }
}

pub(crate) fn sorted(documents: &[TestDocument]) -> Vec<ObjectRef> {
    let mut objects: Vec<ObjectRef> = documents.iter().map(TestDocument::object_ref).collect();
    objects.sort_by_key(ObjectRef::sort_key);
    objects
}

pub(crate) fn plain(payload: RecordPayload) -> MutationRecord {
    MutationRecord {
        payload,
        sealed: None,
    }
}

fn item_of(document: &TestDocument) -> Item {
    let manifest = &document.manifest;
    Item {
        binding: Binding {
            kind: ShareKind::Document,
            vault: manifest.vault,
            case: Some(manifest.case),
            id: manifest.document.0,
            revision: 1,
            manifest_hash: manifest.hash(),
            share_id: manifest.share_id,
            author: manifest.author,
        },
        secret: document.secrets.clone(),
    }
}

fn row_of(document: &TestDocument) -> DocumentRow {
    DocumentRow {
        document: document.manifest.document,
        revision: 1,
        object: document.object,
        wrap: (document.manifest.case_epoch > 0).then(|| Blob(vec![6; SEALED_KEY_BYTES])),
        info: Blob(INFO.to_vec()),
        card: Blob(CARD.to_vec()),
    }
}

fn agency_case(
    case: CaseId,
    unit: UnitId,
    share: ShareId,
    grant: &Grant,
    subjects: &[PersonId],
) -> CaseCreated {
    CaseCreated {
        case,
        kind: CaseKind::Agency,
        unit,
        owner: None,
        class: class(),
        share_id: Some(share),
        register_hash: Some(sha256(&[REGISTER])),
        key: Some(CaseKey {
            epoch: 1,
            unit_epoch: 1,
            ck_id: grant.key_id,
            grant_hash: sha256(&[&grant.to_bytes()]),
            link_hash: None,
        }),
        subjects: subjects.to_vec(),
    }
}
