//! What a witness remembers: durable before it signs, and only growing.

use obhut_format::Hash;
use obhut_log::{
    AddCheckpoint, LogError, NoteKeyType, NoteSignature, NoteSigner, VerifierKey, WitnessRefusal,
};
use obhut_sql::{Db, Row, SqlError, Tx, sql};
use obhut_suite::NotePublic;

use crate::Edge;
use crate::rows::int;
use crate::schema::WITNESS;

const KNOWN: &str = "SELECT name, public, below FROM known_logs ORDER BY name";
const TRUST: &str = "INSERT INTO known_logs (name, public, below) VALUES ($1, $2, $3)
    ON CONFLICT DO NOTHING";
const FIND_KNOWN: &str = "SELECT name, public, below FROM known_logs WHERE name = $1";
const HEAD: &str = "SELECT size, root FROM heads WHERE origin = $1";
const HEADS: &str = "SELECT origin, size FROM heads ORDER BY origin";
const KEEP: &str = "INSERT INTO heads (origin, size, root, cosigned_us) VALUES ($1, $2, $3, $4)
    ON CONFLICT (origin) DO UPDATE SET size = excluded.size, root = excluded.root,
        cosigned_us = excluded.cosigned_us";

/// Why a witness cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// The name is known with another key.
    #[error(
        "{0} is known with another key or in another role; a log never changes its key under one name"
    )]
    KnownDifferently(String),
    /// The key cannot be used.
    #[error("the key cannot be used")]
    Log(#[from] LogError),
    /// The database cannot be used.
    #[error("the witness's database cannot be used")]
    Sql(#[from] SqlError),
}

/// A log, or a family of logs, that a witness cosigns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownLog {
    /// The log's key; its name is the origin.
    pub key: VerifierKey,
    /// Every log below the name (`name/…`) instead of the one of that name.
    pub below: bool,
}

impl KnownLog {
    fn read(row: &Row) -> Result<Self, WitnessError> {
        let public: [u8; 32] = row.column("public")?;
        let public = NotePublic::parse(&public).map_err(|_| LogError::Malformed)?;
        let name: String = row.column("name")?;
        Ok(Self {
            key: VerifierKey::new(name, NoteKeyType::Log, public)?,
            below: row.column::<i64>("below")? == 1,
        })
    }
}

/// A witness over its database.
pub struct Witness {
    db: Db,
    signer: NoteSigner,
    edge: Edge,
}

impl Witness {
    /// Brings the tables up to date.
    pub async fn open(db: Db, signer: NoteSigner, edge: Edge) -> Result<Self, WitnessError> {
        db.migrate(&WITNESS).await?;
        Ok(Self { db, signer, edge })
    }

    /// The key its cosignatures are checked with: what a vault card names.
    pub fn key(&self) -> &VerifierKey {
        self.signer.verifier()
    }

    /// Cosigns this log from now on. A name that is known already keeps its key.
    pub async fn trust(&self, log: &KnownLog) -> Result<(), WitnessError> {
        let known = self
            .db
            .write("witness_trust", async |mut tx| {
                sql(TRUST)
                    .bind(log.key.name())
                    .bind(*log.key.public().as_bytes())
                    .bind(i64::from(log.below))
                    .execute(&mut tx)
                    .await?;
                let known = sql(FIND_KNOWN).bind(log.key.name());
                known.fetch_one(&mut tx).await
            })
            .await?;
        if KnownLog::read(&known)? == *log {
            Ok(())
        } else {
            Err(WitnessError::KnownDifferently(log.key.name().to_owned()))
        }
    }

    /// What it cosigns.
    pub async fn known_logs(&self) -> Result<Vec<KnownLog>, WitnessError> {
        let rows = self.db.fetch_all("witness_known", sql(KNOWN)).await?;
        rows.iter().map(KnownLog::read).collect()
    }

    /// How far each log was cosigned.
    pub async fn heads(&self) -> Result<Vec<(String, u64)>, WitnessError> {
        let rows = self.db.fetch_all("witness_heads", sql(HEADS)).await?;
        let read = |row: &Row| Ok((row.column("origin")?, row.column("size")?));
        rows.iter().map(read).collect()
    }

    /// Checks, remembers durably, and only then cosigns.
    pub async fn add_checkpoint(
        &self,
        request: &AddCheckpoint,
    ) -> Result<Result<NoteSignature, WitnessRefusal>, WitnessError> {
        let origin = &request.checkpoint.unverified().origin;
        let Some(log) = self.find_log(origin).await? else {
            return Ok(Err(WitnessRefusal::UnknownLog));
        };
        let now_us = self.edge.now_us();
        let kept = self
            .db
            .write("witness_keep", async |mut tx| {
                let known = load_head(&mut tx, origin).await?;
                let head = match request.verify(&log, known) {
                    Ok(head) => head,
                    Err(refusal) => return Ok::<_, SqlError>(Err(refusal)),
                };
                sql(KEEP)
                    .bind(origin.as_str())
                    .bind(int(head.size))
                    .bind(head.root)
                    .bind(int(now_us))
                    .execute(&mut tx)
                    .await?;
                Ok(Ok(()))
            })
            .await?;
        if let Err(refusal) = kept {
            return Ok(Err(refusal));
        }
        let text = request.checkpoint.note().text();
        Ok(Ok(self.signer.cosign(text, now_us / 1_000_000)?))
    }

    /// Waits for what is under way and closes the database.
    pub async fn close(&self) {
        self.db.close().await;
    }

    /// The key under which a log of this origin is known: its own, or one for all logs below a name.
    async fn find_log(&self, origin: &str) -> Result<Option<VerifierKey>, WitnessError> {
        for known in self.known_logs().await? {
            let behind = origin.strip_prefix(known.key.name());
            let fits = match behind {
                Some("") => !known.below,
                Some(rest) => known.below && rest.starts_with('/'),
                None => false,
            };
            if fits {
                let key = VerifierKey::new(origin, NoteKeyType::Log, *known.key.public());
                return Ok(Some(key?));
            }
        }
        Ok(None)
    }
}

async fn load_head(tx: &mut Tx, origin: &str) -> Result<Option<(u64, Hash)>, SqlError> {
    let found = sql(HEAD).bind(origin).fetch_optional(tx).await?;
    found
        .map(|row| Ok((row.column("size")?, row.column("root")?)))
        .transpose()
}
