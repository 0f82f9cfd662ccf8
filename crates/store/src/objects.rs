//! Rows of stored capsules. The bytes lie elsewhere, under the random object id.

use obhut_format::{DocumentId, Hash, ObjectId};
use obhut_model::Caller;
use obhut_sql::{Batch, Kind, Value, sql};

use crate::columns::{blob, int};
use crate::statements::{batches, statements};
use crate::{StoreError, Vault};

statements! {
    SELECT_TICKETED = "SELECT o.document, o.revision, o.content_root, o.object_bytes FROM tickets t \
        JOIN objects o ON o.vault = t.vault AND o.object = t.object \
        WHERE t.vault = $1 AND t.person = $2 AND t.object = $3 AND t.until_us > $4";
}

batches! {
    INSERT_OBJECTS: 8 = Batch::insert("objects", [("vault", Kind::Blob), ("object", Kind::Blob),
        ("document", Kind::Blob), ("revision", Kind::Int), ("staged_by", Kind::Blob), ("staged_us", Kind::Int),
        ("content_root", Kind::Blob), ("object_bytes", Kind::Int)])
        .tail("ON CONFLICT DO NOTHING");
}

/// A capsule that lies complete in the object store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredObject {
    /// Where.
    pub object: ObjectId,
    /// The document.
    pub document: DocumentId,
    /// The revision.
    pub revision: u64,
    /// Root over its ciphertext.
    pub content_root: Hash,
    /// Its length.
    pub object_bytes: u64,
}

impl Vault {
    /// Notes capsules that the caller is about to register: one transaction for all. They MUST be
    /// durable in the object store. An id that was noted before keeps its row; whether that row
    /// fits is checked when the mutation is proposed.
    pub async fn note_objects(
        &self,
        caller: &Caller,
        objects: &[StoredObject],
    ) -> Result<(), StoreError> {
        let (vault, person, now_us) = (self.id(), caller.person(), self.now_us());
        self.0
            .db
            .write("note_objects", move |mut tx| async move {
                let rows = objects.iter().map(|stored| -> [Value; 8] {
                    [
                        blob(&vault.0),
                        blob(&stored.object.0),
                        blob(&stored.document.0),
                        int(stored.revision),
                        blob(&person.0),
                        int(now_us),
                        blob(&stored.content_root),
                        int(stored.object_bytes),
                    ]
                });
                INSERT_OBJECTS.execute(&mut tx, rows).await?;
                Ok(())
            })
            .await
    }

    /// A capsule that was released to the caller within the last hour.
    pub async fn find_ticketed_object(
        &self,
        caller: &Caller,
        object: ObjectId,
    ) -> Result<Option<StoredObject>, StoreError> {
        let statement = sql(SELECT_TICKETED)
            .bind(self.id().0)
            .bind(caller.person().0)
            .bind(object.0)
            .bind(int(self.now_us()));
        let row = self.0.db.fetch_optional("find_ticketed", statement).await?;
        let Some(row) = row else {
            return Ok(None);
        };
        Ok(Some(StoredObject {
            object,
            document: DocumentId(row.column("document")?),
            revision: row.column("revision")?,
            content_root: row.column("content_root")?,
            object_bytes: row.column("object_bytes")?,
        }))
    }
}
