//! Whether the rows of a vault are whole: both logs lead to their heads and to every published checkpoint, and what the
//! records log registers has its rows.

use obhut_format::{DocumentId, Hash, ObjectId};
use obhut_log::replay::Directory;
use obhut_log::{NoteKeyType, SignedCheckpoint, VerifierKey};
use obhut_sql::{Db, Row, SqlError, sql};
use obhut_suite::NotePublic;

use crate::columns::int;
use crate::sequencer::{Replica, SeenHead, SeenHeads};
use crate::statements::statements;
use crate::{Store, StoreError, VaultRow};

statements! {
    SELECT_REGISTERED = "SELECT d.document, d.revision, d.object, o.content_root, o.object_bytes FROM documents d \
        LEFT JOIN objects o ON o.vault = d.vault AND o.object = d.object \
        WHERE d.vault = $1 AND (d.document, d.revision) > ($2, $3) ORDER BY d.document, d.revision LIMIT 1000";
    SELECT_FIRST_REGISTERED = "SELECT d.document, d.revision, d.object, o.content_root, o.object_bytes FROM documents d \
        LEFT JOIN objects o ON o.vault = d.vault AND o.object = d.object \
        WHERE d.vault = $1 ORDER BY d.document, d.revision LIMIT 1000";
}

/// A vault whose rows were proved.
pub struct ProvedVault {
    /// What was fixed when it was made.
    pub row: VaultRow,
    /// SHA-256 of its card; none before its founding.
    pub card: Option<Hash>,
    /// Its logs, the records log first.
    pub logs: Vec<ProvedLog>,
    /// The capsules of every registered revision.
    pub objects: Vec<RegisteredObject>,
}

/// How far a log reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProvedLog {
    /// Its origin.
    pub origin: String,
    /// Number of leaves.
    pub size: u64,
    /// Root over them.
    pub root: Hash,
    /// Size of the checkpoint that was checked; 0 without one.
    pub published: u64,
}

/// A capsule that the records log registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RegisteredObject {
    /// Where it lies.
    pub object: ObjectId,
    /// Root over its bytes, as the signed manifest says.
    pub content_root: Hash,
    /// Its length.
    pub object_bytes: u64,
}

impl Store {
    /// Derives a vault anew from its rows and compares: logs with their heads, heads with published checkpoints
    /// (signed notes; their signatures and quorum are checked), registered revisions with the rows of documents and capsules.
    pub async fn prove_vault(
        &self,
        row: &VaultRow,
        notes: &[String],
    ) -> Result<ProvedVault, StoreError> {
        let mut published = Vec::with_capacity(notes.len());
        let mut seen = SeenHeads::new();
        for note in notes {
            let signed: SignedCheckpoint = note.parse()?;
            let head = signed.unverified();
            let heads = seen.entry(head.origin.clone()).or_default();
            heads.push(SeenHead {
                size: head.size,
                root: Some(head.root),
                by: "a published checkpoint",
            });
            published.push(signed);
        }
        let mut replica = Replica::new(row, seen);
        let db = self.db.unhurried();
        replica.catch_up(&db, row).await?;
        for signed in &published {
            check_signatures(row, &replica.directory, signed)?;
        }
        let logs = replica.logs.iter().map(|log| {
            let here = |signed: &&SignedCheckpoint| signed.unverified().origin == log.origin;
            ProvedLog {
                origin: log.origin.clone(),
                size: log.size(),
                root: log.root(),
                published: published
                    .iter()
                    .filter(here)
                    .map(|s| s.unverified().size)
                    .max()
                    .unwrap_or(0),
            }
        });
        let logs = logs.collect();
        let card = replica.directory.card();
        Ok(ProvedVault {
            card: card
                .map(|card| obhut_format::context::sha256(&[&obhut_format::Cbor::to_bytes(card)])),
            logs,
            objects: registered(&db, row, &replica.directory).await?,
            row: row.clone(),
        })
    }
}

/// The log's own signature in any case; the quorum once there is a card.
fn check_signatures(
    row: &VaultRow,
    directory: &Directory,
    signed: &SignedCheckpoint,
) -> Result<(), StoreError> {
    let origin = &signed.unverified().origin;
    let is_records = *origin == row.records_origin();
    if directory.card().is_some() {
        let quorum = if is_records {
            directory.records_quorum()
        } else {
            directory.access_quorum(origin)
        };
        let quorum = quorum.map_err(|_| StoreError::NoQuorum)?;
        drop(quorum.verify(signed)?);
        return Ok(());
    }
    let key = if is_records {
        &row.records_key
    } else {
        &row.access_key
    };
    let key = NotePublic::parse(key).map_err(|_| StoreError::Damaged("a log's key"))?;
    signed.verify_log(&VerifierKey::new(origin.clone(), NoteKeyType::Log, key)?)?;
    Ok(())
}

async fn registered(
    db: &Db,
    row: &VaultRow,
    directory: &Directory,
) -> Result<Vec<RegisteredObject>, StoreError> {
    let cases = directory.cases();
    let documents = cases.flat_map(|case| directory.documents_of_case(case.case));
    let wanted: usize = documents.map(|document| document.revisions.len()).sum();
    let mut objects = Vec::with_capacity(wanted);
    let mut statement = sql(SELECT_FIRST_REGISTERED).bind(row.vault.0);
    loop {
        let rows = db.fetch_all("registered", statement).await?;
        let Some(last) = rows.last() else { break };
        let (document, revision): ([u8; 16], u64) =
            (last.column("document")?, last.column("revision")?);
        for found in &rows {
            objects.push(read_registered(found, directory)?);
        }
        statement = sql(SELECT_REGISTERED)
            .bind(row.vault.0)
            .bind(document)
            .bind(int(revision));
    }
    // Each row belongs to another revision, so as many rows as revisions are all of them.
    if objects.len() != wanted {
        return Err(StoreError::Damaged("a registered document has no row"));
    }
    Ok(objects)
}

fn read_registered(row: &Row, directory: &Directory) -> Result<RegisteredObject, StoreError> {
    let object: Result<RegisteredObject, SqlError> = (|| {
        Ok(RegisteredObject {
            object: ObjectId(row.column("object")?),
            content_root: row.column("content_root")?,
            object_bytes: row.column("object_bytes")?,
        })
    })();
    let object =
        object.map_err(|_| StoreError::Damaged("a registered document has no capsule's row"))?;
    let revision = row.column("revision")?;
    let document = directory.document(DocumentId(row.column("document")?));
    let manifest = document
        .and_then(|document| document.find_revision(revision))
        .and_then(|revision| revision.parse_manifest().ok())
        .ok_or(StoreError::Damaged(
            "a document's row is not in the records log",
        ))?;
    if (manifest.content_root, manifest.object_bytes) == (object.content_root, object.object_bytes)
    {
        Ok(object)
    } else {
        Err(StoreError::Damaged(
            "a capsule's row is not the one of the signed manifest",
        ))
    }
}
