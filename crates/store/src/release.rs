//! Behind a logged act: the order to the gatekeeper, and the rows that go with the shares.

use std::collections::{BTreeMap, HashMap};

use obhut_format::act::{ActKind, ObjectRef};
use obhut_format::batch::{BatchItem, RecordPayload, SignedBatch};
use obhut_format::release::{
    ActLeaf, GateRequest, GateResponse, GrantProof, Release as Released, ReleaseAnswer,
    ReleaseOrder, ReleaseReceipt, ReleasedDocument, ReleasedShare,
};
use obhut_format::statement::Role;
use obhut_format::{Blob, CaseId, Cbor, DocumentId, Hash, ObjectId};
use obhut_log::TlogProof;
use obhut_log::replay::Directory;
use obhut_model::action::Release;
use obhut_sql::{Batch, Kind, Row, SqlError, Value};

use crate::columns::{blob, int};
use crate::granted::find_covering;
use crate::statements::batches;
use crate::vault::QUORUM_PATIENCE;
use crate::{Logged, StoreError, Vault};

batches! {
    SELECT_DOCUMENTS: 3 = Batch::with([("vault", Kind::Blob), ("document", Kind::Blob), ("revision", Kind::Int)],
        "SELECT d.document, d.revision, d.object, d.wrap, d.info, d.card, d.card_no FROM batch b \
         JOIN documents d ON d.vault = b.vault AND d.document = b.document AND d.revision = b.revision");
    SELECT_PAYLOADS: 2 = Batch::with([("vault", Kind::Blob), ("idx", Kind::Int)],
        "SELECT r.idx, r.payload FROM batch b JOIN records r ON r.vault = b.vault AND r.idx = b.idx");
    INSERT_TICKETS: 4 = Batch::insert("tickets", [("vault", Kind::Blob), ("person", Kind::Blob), ("object", Kind::Blob),
        ("until_us", Kind::Int)])
        .tail("ON CONFLICT (vault, person, object) DO UPDATE SET until_us = excluded.until_us");
}

/// How long an object may be fetched after its release, microseconds: 1 hour.
const TICKET_US: u64 = 3_600 * 1_000_000;

impl Vault {
    /// Has the gatekeeper release the shares of exactly the act that was logged, and adds what the
    /// client needs to open them. Waits for a quorum behind the entry first.
    pub async fn release(&self, logged: &Logged<Release>) -> Result<ReleaseAnswer, StoreError> {
        let last = logged.indices().into_iter().max().unwrap_or(0);
        let signed = self
            .wait_published(logged.shard(), last, QUORUM_PATIENCE)
            .await?;
        let proofs = self.prove(&signed, logged.indices()).await?;
        let grants = self.grants_for(logged).await?;
        let leaves = act_leaves(logged, &proofs);
        let request = logged.act().request();
        let epk = request.epk.clone().ok_or(StoreError::NotFound)?;
        let order = ReleaseOrder {
            vault: self.id(),
            signed: request.signed.clone(),
            epk,
            leaves: leaves.clone(),
            checkpoint: signed.to_string(),
            grants: distinct(&grants),
        };
        let order = GateRequest::Release(order);
        let GateResponse::Released(release) = self.0.notary.ask(&order).await? else {
            return Err(StoreError::GateUnavailable);
        };
        let receipt = ReleaseReceipt::from_bytes(&release.receipt.0);
        logged.remember_receipt(receipt.map_err(|_| StoreError::GateUnavailable)?.root);
        self.answer(logged, release, proofs, leaves, &grants).await
    }

    async fn answer(
        &self,
        logged: &Logged<Release>,
        release: Released,
        proofs: Vec<TlogProof>,
        leaves: Vec<ActLeaf>,
        grants: &[Option<GrantProof>],
    ) -> Result<ReleaseAnswer, StoreError> {
        let asked = logged.act().objects();
        let answered = release.shares.iter().map(|share| &share.object);
        if !answered.eq(asked.iter()) {
            return Err(StoreError::GateUnavailable);
        }
        let documents = self.load_documents(&release.shares, grants).await?;
        let kind = logged.act().act().kind;
        if matches!(kind, ActKind::OpenDocument | ActKind::ExportCase) {
            self.remember_tickets(logged, &documents).await?;
        }
        let mut cases: Vec<CaseId> = asked.iter().map(|object| object.case).collect();
        cases.dedup();
        let as_unit = logged.act().act().role == Role::CaseWorker;
        let cases = if as_unit {
            self.load_cases(&cases, true).await?
        } else {
            Vec::new()
        };
        Ok(ReleaseAnswer {
            release,
            proofs: proofs.iter().map(TlogProof::to_string).collect(),
            leaves,
            documents,
            cases,
        })
    }

    /// For each object the grant the caller relies on; none for members of the unit.
    async fn grants_for(
        &self,
        logged: &Logged<Release>,
    ) -> Result<Vec<Option<GrantProof>>, StoreError> {
        let act = logged.act().act();
        let objects = logged.act().objects();
        if act.role != Role::Citizen {
            return Ok(vec![None; objects.len()]);
        }
        let directory = self.directory();
        let person = directory
            .person(act.person)
            .and_then(|person| person.current());
        let kid = person.ok_or(StoreError::NotFound)?.kid;
        let grants = self.grants_to(kid).await?;
        let now_us = self.now_us();
        let find = |object: &ObjectRef| find_covering(&grants, object, &directory, now_us).cloned();
        Ok(objects.iter().map(find).collect())
    }

    async fn load_documents(
        &self,
        shares: &[ReleasedShare],
        grants: &[Option<GrantProof>],
    ) -> Result<Vec<ReleasedDocument>, StoreError> {
        let directory = self.directory();
        let wanted: Vec<Wanted> = shares
            .iter()
            .zip(grants)
            .filter_map(|(share, grant)| Wanted::find(&directory, share, grant.clone()))
            .collect();
        let expected = shares
            .iter()
            .filter(|share| share.object.document.is_some());
        if wanted.len() != expected.count() {
            return Err(StoreError::Damaged("a released document is not registered"));
        }
        let rows = self.read_rows(&wanted).await?;
        wanted
            .into_iter()
            .map(|wanted| rows.released(wanted))
            .collect()
    }

    async fn read_rows(&self, wanted: &[Wanted]) -> Result<ReleaseRows, StoreError> {
        let vault = self.id();
        let mut indices: Vec<u64> = wanted
            .iter()
            .flat_map(|w| [w.record_index, w.batch_index])
            .collect();
        indices.sort_unstable();
        indices.dedup();
        let indices = &indices;
        self.0
            .db
            .read("load_released", move |mut tx| async move {
                let asked = wanted
                    .iter()
                    .map(|w| [blob(&vault.0), blob(&w.document.0), int(w.revision)]);
                let documents = SELECT_DOCUMENTS.fetch_all(&mut tx, asked).await?;
                let asked = indices.iter().map(|idx| [blob(&vault.0), int(*idx)]);
                let payloads = SELECT_PAYLOADS.fetch_all(&mut tx, asked).await?;
                ReleaseRows::read(&documents, &payloads)
            })
            .await
    }

    async fn remember_tickets(
        &self,
        logged: &Logged<Release>,
        documents: &[ReleasedDocument],
    ) -> Result<(), StoreError> {
        let (vault, person) = (self.id(), logged.act().act().person);
        let until_us = self.now_us() + TICKET_US;
        let mut objects: Vec<ObjectId> = documents.iter().map(|row| row.object).collect();
        objects.sort_unstable();
        objects.dedup();
        let objects = &objects;
        self.0
            .db
            .write("remember_tickets", move |mut tx| async move {
                let rows = objects.iter().map(|object| -> [Value; 4] {
                    let object = blob(&object.0);
                    [blob(&vault.0), blob(&person.0), object, int(until_us)]
                });
                INSERT_TICKETS.execute(&mut tx, rows).await
            })
            .await
            .map(drop)
            .map_err(|error: SqlError| StoreError::Sql(error))
    }
}

/// A document of a release and where its rows are.
struct Wanted {
    document: DocumentId,
    case: CaseId,
    revision: u64,
    record_index: u64,
    batch_index: u64,
    grant: Option<GrantProof>,
}

impl Wanted {
    fn find(
        directory: &Directory,
        share: &ReleasedShare,
        grant: Option<GrantProof>,
    ) -> Option<Self> {
        let document = directory.document(share.object.document?)?;
        let revision = document.find_revision(share.revision)?;
        Some(Self {
            document: document.document,
            case: document.case,
            revision: revision.revision,
            record_index: revision.record,
            batch_index: directory.batch(&revision.batch)?.record,
            grant,
        })
    }
}

struct DocumentCells {
    object: ObjectId,
    wrap: Option<Blob>,
    info: Blob,
    card: Blob,
    card_no: u64,
}

#[derive(Default)]
struct ReleaseRows {
    documents: HashMap<(DocumentId, u64), DocumentCells>,
    items: BTreeMap<u64, BatchItem>,
    batches: BTreeMap<u64, SignedBatch>,
}

impl ReleaseRows {
    fn read(documents: &[Row], payloads: &[Row]) -> Result<Self, StoreError> {
        let mut rows = Self::default();
        for row in documents {
            let cells = DocumentCells {
                object: ObjectId(row.column("object")?),
                wrap: row.column::<Option<Vec<u8>>>("wrap")?.map(Blob),
                info: Blob(row.column("info")?),
                card: Blob(row.column("card")?),
                card_no: row.column("card_no")?,
            };
            let key = (DocumentId(row.column("document")?), row.column("revision")?);
            rows.documents.insert(key, cells);
        }
        for row in payloads {
            let idx = row.column("idx")?;
            match RecordPayload::from_bytes(&row.column::<Vec<u8>>("payload")?) {
                Ok(RecordPayload::Document(item)) => drop(rows.items.insert(idx, item)),
                Ok(RecordPayload::Batch(batch)) => drop(rows.batches.insert(idx, batch)),
                _ => return Err(StoreError::Damaged("a record does not parse")),
            }
        }
        Ok(rows)
    }

    fn released(&self, wanted: Wanted) -> Result<ReleasedDocument, StoreError> {
        let missing = || StoreError::Damaged("rows of a registered document are missing");
        let cells = self.documents.get(&(wanted.document, wanted.revision));
        let cells = cells.ok_or_else(missing)?;
        let item = self.items.get(&wanted.record_index).ok_or_else(missing)?;
        let batch = self.batches.get(&wanted.batch_index).ok_or_else(missing)?;
        Ok(ReleasedDocument {
            document: wanted.document,
            case: wanted.case,
            item: item.clone(),
            batch: batch.clone(),
            record_index: wanted.record_index,
            info: cells.info.clone(),
            card: cells.card.clone(),
            card_no: cells.card_no,
            wrap: cells.wrap.clone(),
            grant: wanted.grant,
            object: cells.object,
        })
    }
}

fn act_leaves(logged: &Logged<Release>, proofs: &[TlogProof]) -> Vec<ActLeaf> {
    let leaves = logged.leaves().iter().zip(proofs);
    leaves
        .map(|(leaf, proof)| leaf.to_act_leaf(proof.path.clone()))
        .collect()
}

/// The gatekeeper wants every grant once.
fn distinct(grants: &[Option<GrantProof>]) -> Vec<GrantProof> {
    let mut found: BTreeMap<(Hash, u64), &GrantProof> = BTreeMap::new();
    for grant in grants.iter().flatten() {
        found.insert((grant.batch, grant.index), grant);
    }
    found.into_values().cloned().collect()
}
