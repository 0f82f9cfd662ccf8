//! A mutation that was parsed, checked and tried, but not written yet.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use obhut_format::batch::{RecordPayload, RegisterItem};
use obhut_format::mutation::{Committed, Mutation};
use obhut_format::statement::Statement;
use obhut_format::{Cbor, Hash, ObjectId, VaultId};
use obhut_log::replay::{Directory, ReplayError};
use obhut_sql::{Batch, Db, Kind, Row, Value, sql};

use crate::checks::check_rows;
use crate::columns::{blob, int};
use crate::statements::{batches, statements};
use crate::{StoreError, VaultRow};

statements! {
    SELECT_MUTATION = "SELECT hash, first_record, records FROM mutations WHERE vault = $1 AND id = $2";
}

batches! {
    SELECT_OBJECTS: 2 = Batch::with([("vault", Kind::Blob), ("object", Kind::Blob)],
        "SELECT o.object, o.document, o.revision, o.staged_by, o.content_root, o.object_bytes \
         FROM batch b JOIN objects o ON o.vault = b.vault AND o.object = b.object");
}

/// A mutation whose records a copy of the directory has accepted and whose rows fit them. What it
/// was tried on may have moved on by the time it is committed; the sequencer tries it once more.
#[must_use = "a proposal changes nothing until it is committed"]
pub struct Proposal {
    pub(crate) mutation: Arc<Mutation>,
    pub(crate) hash: Hash,
    pub(crate) before: Arc<Directory>,
    pub(crate) after: Directory,
    pub(crate) repeat: Option<Committed>,
}

impl Proposal {
    /// Hash of the mutation, as the act names it.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The mutation.
    pub fn mutation(&self) -> &Mutation {
        &self.mutation
    }

    /// The vault as it would be afterwards.
    pub fn after(&self) -> &Directory {
        &self.after
    }

    /// The answer given before, when these very records were committed already.
    pub fn repeated(&self) -> Option<&Committed> {
        self.repeat.as_ref()
    }
}

/// Tries a mutation on a copy of the directory.
pub(crate) async fn propose(
    db: &Db,
    before: Arc<Directory>,
    row: &VaultRow,
    bytes: &[u8],
    now_us: u64,
) -> Result<Proposal, StoreError> {
    let vault = row.vault;
    let mutation = Mutation::from_bytes(bytes)
        .map_err(|_| StoreError::rejected("malformed", "the mutation is malformed"))?;
    let hash = Mutation::hash(bytes);
    let mut after = (*before).clone();
    let repeat = find_repeat(db, vault, &mutation, &hash).await?;
    if repeat.is_none() {
        apply(&mut after, &mutation, now_us)?;
        check_card(&after, row)?;
        check_rows(&mutation, &after)?;
        check_objects(db, vault, &mutation, &after).await?;
    }
    Ok(Proposal {
        mutation: Arc::new(mutation),
        hash,
        before,
        after,
        repeat,
    })
}

/// Applies all records at one time; a refusal names the record's number.
pub(crate) fn apply(
    directory: &mut Directory,
    mutation: &Mutation,
    now_us: u64,
) -> Result<(), StoreError> {
    if mutation.records.is_empty() {
        return Err(StoreError::rejected(
            "no-records",
            "the mutation has no records",
        ));
    }
    let time_us = now_us.max(directory.time_us());
    for (number, record) in mutation.records.iter().enumerate() {
        directory
            .apply(&record.payload, time_us)
            .map_err(|error| refused_record(number, &error))?;
    }
    if directory.is_within_batch() {
        return Err(refused_record(
            mutation.records.len(),
            &ReplayError::BatchIncomplete,
        ));
    }
    Ok(())
}

/// Every card names this vault's own logs and gatekeeper. The origin becomes rows and folders beside
/// those of other vaults.
fn check_card(after: &Directory, row: &VaultRow) -> Result<(), StoreError> {
    let fits = after.card().is_none_or(|card| {
        card.origin == row.origin
            && card.records_key == row.records_key
            && card.access_key == row.access_key
            && card.gate_key == row.gate_key
    });
    if fits {
        return Ok(());
    }
    let reason = "the vault card names another origin or other keys than this vault's";
    Err(StoreError::rejected("card-mismatch", reason))
}

pub(crate) fn refused_record(number: usize, error: &ReplayError) -> StoreError {
    StoreError::rejected(error.code(), format!("record {}: {error}", number + 1))
}

/// Statement nonces and batch ids: what makes a repeat recognisable.
pub(crate) fn record_ids(mutation: &Mutation) -> Vec<[u8; 16]> {
    let id = |payload: &RecordPayload| match payload {
        RecordPayload::Statement(signed) => Statement::from_bytes(&signed.statement.0)
            .ok()
            .map(|statement| statement.nonce),
        RecordPayload::Batch(signed) => signed.parse_header().ok().map(|header| header.batch.0),
        RecordPayload::Document(_) => None,
    };
    let records = mutation.records.iter();
    records.filter_map(|record| id(&record.payload)).collect()
}

/// The answer to an identical mutation committed before. One that shares an id with another
/// mutation is refused by the directory afterwards.
pub(crate) async fn find_repeat(
    db: &Db,
    vault: VaultId,
    mutation: &Mutation,
    hash: &Hash,
) -> Result<Option<Committed>, StoreError> {
    let Some(id) = record_ids(mutation).first().copied() else {
        return Ok(None);
    };
    let statement = sql(SELECT_MUTATION).bind(vault.0).bind(id);
    let Some(row) = db.fetch_optional("find_mutation", statement).await? else {
        return Ok(None);
    };
    if row.column::<Hash>("hash")? != *hash {
        return Ok(None);
    }
    let (first_record, records) = (row.column("first_record")?, row.column("records")?);
    Ok(Some(Committed {
        first_record,
        records,
        records_size: first_record + records,
    }))
}

/// Every registered object was uploaded by its author, with the root and length of the manifest.
async fn check_objects(
    db: &Db,
    vault: VaultId,
    mutation: &Mutation,
    after: &Directory,
) -> Result<(), StoreError> {
    let items = mutation
        .records
        .iter()
        .filter_map(|record| match &record.payload {
            RecordPayload::Document(item) => Some(item),
            _ => None,
        });
    let found = find_objects(db, vault, mutation).await?;
    let mut used = HashSet::new();
    for (item, row) in items.zip(&mutation.documents) {
        let manifest = RegisterItem::from_bytes(&item.item.0)
            .and_then(|item| item.parse_manifest())
            .map_err(|_| StoreError::rejected("malformed", "a manifest is malformed"))?;
        let missing = || StoreError::rejected("object-missing", "an object has not been uploaded");
        let found = found.get(&row.object).ok_or_else(missing)?;
        let author = after
            .person_of(manifest.author)
            .map(|person| person.person.0);
        let fits = found.column::<[u8; 16]>("document")? == manifest.document.0
            && int(found.column("revision")?) == int(manifest.revision)
            && found.column::<Hash>("content_root")? == manifest.content_root
            && int(found.column("object_bytes")?) == int(manifest.object_bytes)
            && Some(found.column::<[u8; 16]>("staged_by")?) == author
            && used.insert(row.object);
        if !fits {
            let reason = "an object is not the one of its manifest";
            return Err(StoreError::rejected("object-differs", reason));
        }
    }
    Ok(())
}

/// Rows of the capsules that are noted for this mutation, in one statement.
async fn find_objects(
    db: &Db,
    vault: VaultId,
    mutation: &Mutation,
) -> Result<HashMap<ObjectId, Row>, StoreError> {
    let documents = &mutation.documents;
    if documents.is_empty() {
        return Ok(HashMap::new());
    }
    db.read("find_objects", move |mut tx| async move {
        let rows = documents
            .iter()
            .map(|row| -> [Value; 2] { [blob(&vault.0), blob(&row.object.0)] });
        let rows = SELECT_OBJECTS.fetch_all(&mut tx, rows).await?;
        let mut found = HashMap::with_capacity(rows.len());
        for row in rows {
            found.insert(ObjectId(row.column("object")?), row);
        }
        Ok(found)
    })
    .await
}
