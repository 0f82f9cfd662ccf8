//! Deposits, case files, documents and grants as an honest client makes them.

use obhut_format::batch::{
    BatchHeader, BatchItem, BatchKind, RecordPayload, RegisterItem, SignedBatch,
};
use obhut_format::key::{Grant, GrantKind};
use obhut_format::manifest::Manifest;
use obhut_format::release::{
    GateRequest, GateResponse, GrantProof, SignedDepositKey, SignedDepositReceipt, VaultOnly,
};
use obhut_format::share::{
    Binding, DEPOSIT_LABEL, Deposit, DepositItem, REGISTER_WITHIN_US, ShareKind, SignedDeposit,
    card_secret_id, content_secret_id, share_id,
};
use obhut_format::statement::{CaseCreated, CaseKey, CaseKind, Event, Role};
use obhut_format::tree::{Tree, leaf_hash};
use obhut_format::{
    BatchId, Blob, CaseId, Cbor, ClassCode, DocumentId, Hash, PersonId, ShareId, UnitId,
};
use obhut_log::replay::Case;
use obhut_suite::{HpkeSender, Label, XwingPublic};
use rand_core::Rng as _;

use crate::people::TestPerson;
use crate::world::World;

/// A document as its author knows it.
#[derive(Clone)]
pub(crate) struct TestDocument {
    pub(crate) case: CaseId,
    pub(crate) document: DocumentId,
    pub(crate) manifest: Manifest,
    /// `s_doc` and `c_doc`.
    pub(crate) secrets: Vec<u8>,
    pub(crate) share_id: ShareId,
}

/// A share before its deposit.
pub(crate) struct Item {
    pub(crate) binding: Binding,
    pub(crate) secret: Vec<u8>,
}

pub(crate) fn class() -> ClassCode {
    "ALG-10".parse().unwrap()
}

impl World {
    pub(crate) async fn deposit_key(&self) -> SignedDepositKey {
        let only = VaultOnly { vault: self.vault };
        match self.ask(GateRequest::DepositKey(only)).await {
            GateResponse::DepositKey(key) => key,
            other => panic!("{other:?}"),
        }
    }

    /// Seals and signs a deposit as the author's device.
    pub(crate) async fn prepare_deposit(
        &mut self,
        author: &TestPerson,
        items: &[Item],
    ) -> SignedDeposit {
        let key = self.deposit_key().await.key;
        let batch = BatchId(self.id());
        let info = Deposit::info(self.vault, key.id, batch, items.len());
        let public = XwingPublic::parse(&key.public.0).unwrap();
        let (enc, mut sender) = HpkeSender::new(&public, info.as_bytes(), &mut self.rng).unwrap();
        let seal = |(number, item): (usize, &Item)| {
            let aad = Deposit::aad(number, &item.binding);
            let sealed = sender.seal_next(aad.as_bytes(), &item.secret).unwrap();
            DepositItem {
                binding: item.binding.clone(),
                sealed: Blob(sealed),
            }
        };
        let deposit = Deposit {
            vault: self.vault,
            batch,
            key: key.id,
            enc: Blob(enc.as_bytes().to_vec()),
            author: author.kid(),
            device: *author.device().public().as_bytes(),
            time_us: self.now(),
            items: items.iter().enumerate().map(seal).collect(),
        };
        sign_deposit(author, deposit)
    }

    pub(crate) async fn send_deposit(&self, signed: &SignedDeposit) -> GateResponse {
        self.ask(GateRequest::Deposit(signed.clone())).await
    }

    pub(crate) async fn deposit(
        &mut self,
        author: &TestPerson,
        items: &[Item],
    ) -> SignedDepositReceipt {
        let signed = self.prepare_deposit(author, items).await;
        match self.send_deposit(&signed).await {
            GateResponse::Deposited(receipt) => receipt,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn lambda_item(&self, author: &TestPerson, person: &TestPerson) -> Item {
        let binding = Binding {
            kind: ShareKind::Person,
            vault: self.vault,
            case: None,
            id: person.id.0,
            revision: 0,
            manifest_hash: [0; 32],
            share_id: person.share_id(self.vault),
            author: author.kid(),
        };
        Item {
            binding,
            secret: person.lambda.to_vec(),
        }
    }

    pub(crate) async fn deposit_lambda(&mut self, author: &TestPerson, person: &TestPerson) {
        let item = self.lambda_item(author, person);
        self.deposit(author, &[item]).await;
    }

    pub(crate) fn case_item(&mut self, author: &TestPerson, case: CaseId) -> Item {
        let mut secret = [0; 32];
        self.rng.fill_bytes(&mut secret);
        let content = content_secret_id(self.vault, &case.0, 0, &secret);
        let share_id = share_id(ShareKind::Case, self.vault, &case.0, 0, &content, &[0; 32]);
        let binding = Binding {
            kind: ShareKind::Case,
            vault: self.vault,
            case: Some(case),
            id: case.0,
            revision: 0,
            manifest_hash: [0; 32],
            share_id,
            author: author.kid(),
        };
        Item {
            binding,
            secret: secret.to_vec(),
        }
    }

    /// Deposits a register entry's share and creates the case; gives the share's secret too.
    pub(crate) async fn create_case(
        &mut self,
        author: &TestPerson,
        unit: UnitId,
        subjects: &[PersonId],
    ) -> (CaseId, Vec<u8>) {
        let case = CaseId(self.id());
        let item = self.case_item(author, case);
        let share = item.binding.share_id;
        let secret = item.secret.clone();
        self.deposit(author, &[item]).await;
        let event = agency_case(case, unit, share, subjects);
        self.state_as(author, Event::CaseCreated(event));
        (case, secret)
    }

    pub(crate) fn create_own_case(
        &mut self,
        issuer: &TestPerson,
        unit: UnitId,
        owner: PersonId,
    ) -> CaseId {
        let case = CaseId(self.id());
        let event = CaseCreated {
            kind: CaseKind::Own,
            owner: Some(owner),
            share_id: None,
            register_hash: None,
            key: None,
            ..agency_case(case, unit, ShareId([0; 32]), &[owner])
        };
        self.state_as(issuer, Event::CaseCreated(event));
        case
    }

    /// A document ready for its deposit: a first revision, or the next of `previous`.
    pub(crate) fn draft_document(
        &mut self,
        author: &TestPerson,
        case: CaseId,
        previous: Option<&TestDocument>,
    ) -> TestDocument {
        let document = match previous {
            Some(previous) => previous.document,
            None => DocumentId(self.id()),
        };
        let revision = previous.map_or(1, |previous| previous.manifest.revision + 1);
        let mut secrets = [0; 64];
        self.rng.fill_bytes(&mut secrets);
        let (content, card) = secrets.split_first_chunk::<32>().unwrap();
        let content_id = content_secret_id(self.vault, &document.0, revision, content);
        let card_id = card_secret_id(self.vault, &document.0, revision, card.try_into().unwrap());
        let kind = ShareKind::Document;
        let share_id = share_id(
            kind,
            self.vault,
            &document.0,
            revision,
            &content_id,
            &card_id,
        );
        let case_epoch = self.directory.case(case).map_or(0, Case::epoch);
        let manifest = Manifest {
            vault: self.vault,
            case,
            document,
            revision,
            previous: previous.map_or([0; 32], |previous| previous.manifest.hash()),
            content_root: [4; 32],
            leaf_count: 1,
            object_bytes: obhut_format::capsule::object_bytes(4096),
            dak_id: [5; 32],
            share_id,
            info_hash: [7; 32],
            case_epoch,
            class: class(),
            created_us: self.now(),
            author: author.kid(),
        };
        TestDocument {
            case,
            document,
            manifest,
            secrets: secrets.to_vec(),
            share_id,
        }
    }

    pub(crate) fn document_item(&self, author: &TestPerson, document: &TestDocument) -> Item {
        let binding = Binding {
            kind: ShareKind::Document,
            vault: self.vault,
            case: Some(document.case),
            id: document.document.0,
            revision: document.manifest.revision,
            manifest_hash: document.manifest.hash(),
            share_id: document.share_id,
            author: author.kid(),
        };
        Item {
            binding,
            secret: document.secrets.clone(),
        }
    }

    pub(crate) async fn deposit_documents(
        &mut self,
        author: &TestPerson,
        documents: &[TestDocument],
    ) -> SignedDepositReceipt {
        let items: Vec<Item> = documents
            .iter()
            .map(|document| self.document_item(author, document))
            .collect();
        self.deposit(author, &items).await
    }

    /// Registers documents of one case in one batch.
    pub(crate) fn register(
        &mut self,
        author: &TestPerson,
        documents: &[TestDocument],
        deposit: BatchId,
        register_by_us: u64,
    ) {
        let item = |document: &TestDocument| RegisterItem {
            manifest: Blob(document.manifest.to_bytes().to_vec()),
            card_hash: [8; 32],
            deposit,
            register_by_us,
        };
        let items: Vec<Vec<u8>> = documents.iter().map(|d| item(d).to_bytes()).collect();
        let first = documents.first().unwrap();
        let (case, epoch) = (first.case, first.manifest.case_epoch);
        let (signed, tree) = self.batch(author, BatchKind::Documents, case, epoch, &items);
        self.record(&RecordPayload::Batch(signed.clone()));
        for (index, item) in (0..).zip(items) {
            self.record(&RecordPayload::Document(BatchItem {
                batch: signed.hash(),
                index,
                path: tree.inclusion_path(index).unwrap(),
                item: Blob(item),
            }));
        }
    }

    fn batch(
        &mut self,
        signer: &TestPerson,
        kind: BatchKind,
        case: CaseId,
        case_epoch: u32,
        items: &[Vec<u8>],
    ) -> (SignedBatch, Tree) {
        let hashes: Vec<Hash> = items.iter().map(|item| leaf_hash(item)).collect();
        let tree = Tree::new(hashes);
        let header = BatchHeader {
            kind,
            vault: self.vault,
            case,
            case_epoch,
            count: items.len() as u64,
            root: tree.root(),
            signer: signer.id,
            signer_kid: signer.kid(),
            time_us: self.now(),
            batch: BatchId(self.id()),
        };
        let bytes = header.to_bytes();
        let signature = signer.keys().signer.sign(Label::new(kind.label()), &bytes);
        let signed = SignedBatch {
            header: Blob(bytes),
            signature: Blob(signature.to_bytes()),
        };
        (signed, tree)
    }

    /// Deposits and registers fresh documents.
    pub(crate) async fn file(
        &mut self,
        author: &TestPerson,
        case: CaseId,
        count: usize,
    ) -> Vec<TestDocument> {
        let documents: Vec<_> = (0..count)
            .map(|_| self.draft_document(author, case, None))
            .collect();
        let receipt = self.deposit_documents(author, &documents).await.receipt;
        let (batch, by) = (receipt.batch, receipt.register_by_us);
        assert_eq!(by, self.now() + REGISTER_WITHIN_US);
        self.register(author, &documents, batch, by);
        documents
    }

    /// Grants one document to a person's bundle and logs the batch.
    pub(crate) fn grant(
        &mut self,
        granter: &TestPerson,
        document: &TestDocument,
        recipient: &TestPerson,
        not_after_us: Option<u64>,
    ) -> GrantProof {
        let grant = Grant {
            kind: GrantKind::Document,
            vault: self.vault,
            case: document.case,
            document: Some(document.document),
            number: document.manifest.revision,
            recipient: recipient.kid(),
            granter: granter.kid(),
            role: Role::Citizen,
            not_after_us,
            key_id: document.manifest.dak_id,
            sealed: Blob(vec![0; 1_168]),
        };
        let items = [grant.to_bytes()];
        let epoch = document.manifest.case_epoch;
        let (signed, tree) = self.batch(granter, BatchKind::Grants, document.case, epoch, &items);
        self.record(&RecordPayload::Batch(signed.clone()));
        GrantProof {
            grant,
            batch: signed.hash(),
            index: 0,
            path: tree.inclusion_path(0).unwrap(),
        }
    }
}

pub(crate) fn sign_deposit(author: &TestPerson, deposit: Deposit) -> SignedDeposit {
    let message = deposit.signed_message();
    let label = Label::new(DEPOSIT_LABEL);
    let signature = *author.device().sign(label, message.as_bytes()).as_bytes();
    SignedDeposit { deposit, signature }
}

pub(crate) fn agency_case(
    case: CaseId,
    unit: UnitId,
    share: ShareId,
    subjects: &[PersonId],
) -> CaseCreated {
    CaseCreated {
        case,
        kind: CaseKind::Agency,
        unit,
        owner: None,
        class: class(),
        share_id: Some(share),
        register_hash: Some([6; 32]),
        key: Some(CaseKey {
            epoch: 1,
            unit_epoch: 1,
            ck_id: [5; 32],
            grant_hash: [6; 32],
            link_hash: None,
        }),
        subjects: subjects.to_vec(),
    }
}
