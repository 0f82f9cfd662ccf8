//! Rows of stored capsules. The bytes lie elsewhere, under the random object id.

use obhut_format::{DocumentId, Hash, ObjectId};
use obhut_model::Caller;
use obhut_sql::{Row, SqlError, sql};

use crate::columns::int;
use crate::statements::statements;
use crate::{StoreError, Vault};

statements! {
    STAGE_OBJECT = "INSERT INTO objects (vault, object, document, revision, staged_by, staged_us, content_root, object_bytes, leaves) \
        VALUES ($1, $2, $3, $4, $5, $6, NULL, NULL, NULL) ON CONFLICT DO NOTHING";
    SELECT_OBJECT = "SELECT document, revision, staged_by, content_root, object_bytes FROM objects WHERE vault = $1 AND object = $2";
    FINISH_OBJECT = "UPDATE objects SET content_root = $3, object_bytes = $4, leaves = $5 \
        WHERE vault = $1 AND object = $2 AND content_root IS NULL";
    SELECT_TICKETED = "SELECT o.document, o.revision, o.content_root, o.object_bytes FROM tickets t \
        JOIN objects o ON o.vault = t.vault AND o.object = t.object \
        WHERE t.vault = $1 AND t.person = $2 AND t.object = $3 AND t.until_us > $4";
    SELECT_LEAVES = "SELECT o.leaves FROM tickets t JOIN objects o ON o.vault = t.vault AND o.object = t.object \
        WHERE t.vault = $1 AND t.person = $2 AND t.object = $3 AND t.until_us > $4";
}

/// What is known of an object about to be uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staged {
    /// Nothing complete yet: take the bytes.
    New,
    /// Complete: the same bytes may be answered without taking them again.
    Stored {
        /// Root over its ciphertext.
        content_root: Hash,
        /// Its length.
        object_bytes: u64,
    },
}

/// A complete object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StoredObject {
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
    /// Notes who is going to upload which revision under this id, before the first byte is stored.
    /// [`StoreError::Conflict`] when the id belongs to somebody else's or another revision's object.
    pub async fn stage_object(
        &self,
        caller: &Caller,
        object: ObjectId,
        document: DocumentId,
        revision: u64,
    ) -> Result<Staged, StoreError> {
        let (vault, person, now_us) = (self.id(), caller.person(), self.now_us());
        self.0
            .db
            .write("stage_object", move |mut tx| async move {
                sql(STAGE_OBJECT)
                    .bind(vault.0)
                    .bind(object.0)
                    .bind(document.0)
                    .bind(int(revision))
                    .bind(person.0)
                    .bind(int(now_us))
                    .execute(&mut tx)
                    .await?;
                let find = sql(SELECT_OBJECT).bind(vault.0).bind(object.0);
                let row = find.fetch_one(&mut tx).await?;
                let same = row.column::<[u8; 16]>("document")? == document.0
                    && row.column::<u64>("revision")? == revision
                    && row.column::<[u8; 16]>("staged_by")? == person.0;
                if !same {
                    return Err(StoreError::Conflict("object"));
                }
                Ok(
                    read_stored(&row)?.map_or(Staged::New, |(content_root, object_bytes)| {
                        Staged::Stored {
                            content_root,
                            object_bytes,
                        }
                    }),
                )
            })
            .await
    }

    /// Notes root, length and leaf list of a staged object whose bytes are durable. A repeat with
    /// the same root is fine, another root is [`StoreError::Conflict`].
    pub async fn finish_object(
        &self,
        object: ObjectId,
        content_root: Hash,
        object_bytes: u64,
        leaves: Vec<u8>,
    ) -> Result<(), StoreError> {
        let (vault, leaves) = (self.id(), &leaves);
        self.0
            .db
            .write("finish_object", move |mut tx| async move {
                let finished = sql(FINISH_OBJECT)
                    .bind(vault.0)
                    .bind(object.0)
                    .bind(content_root)
                    .bind(int(object_bytes))
                    .bind(leaves.as_slice())
                    .execute(&mut tx)
                    .await?;
                if finished == 1 {
                    return Ok(());
                }
                let find = sql(SELECT_OBJECT).bind(vault.0).bind(object.0);
                let row = find
                    .fetch_optional(&mut tx)
                    .await?
                    .ok_or(StoreError::NotFound)?;
                match read_stored(&row)? {
                    Some(stored) if stored == (content_root, object_bytes) => Ok(()),
                    _ => Err(StoreError::Conflict("object")),
                }
            })
            .await
    }

    /// An object that was released to the caller within the last hour.
    pub async fn find_ticketed_object(
        &self,
        caller: &Caller,
        object: ObjectId,
    ) -> Result<Option<StoredObject>, StoreError> {
        let statement = self.ticketed(SELECT_TICKETED, caller, object);
        let Some(row) = self.0.db.fetch_optional("find_ticketed", statement).await? else {
            return Ok(None);
        };
        let Some((content_root, object_bytes)) = read_stored(&row)? else {
            return Ok(None);
        };
        Ok(Some(StoredObject {
            document: DocumentId(row.column("document")?),
            revision: row.column("revision")?,
            content_root,
            object_bytes,
        }))
    }

    /// The leaf hashes of such an object, 32 bytes each.
    pub async fn load_ticketed_leaves(
        &self,
        caller: &Caller,
        object: ObjectId,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let statement = self.ticketed(SELECT_LEAVES, caller, object);
        match self.0.db.fetch_optional("load_leaves", statement).await? {
            Some(row) => Ok(row.column("leaves")?),
            None => Ok(None),
        }
    }

    fn ticketed(
        &self,
        text: &'static str,
        caller: &Caller,
        object: ObjectId,
    ) -> obhut_sql::Statement {
        sql(text)
            .bind(self.id().0)
            .bind(caller.person().0)
            .bind(object.0)
            .bind(int(self.now_us()))
    }
}

fn read_stored(row: &Row) -> Result<Option<(Hash, u64)>, SqlError> {
    let root: Option<Hash> = row.column("content_root")?;
    let bytes: Option<u64> = row.column("object_bytes")?;
    Ok(root.zip(bytes))
}
