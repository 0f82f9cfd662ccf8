//! The vaults of one database.

use obhut_format::{Hash, VaultId};
use obhut_sql::{Db, Row, SqlError, sql};

use crate::StoreError;
use crate::columns::int;
use crate::schema::SCHEMA;
use crate::sessions::SessionLimits;
use crate::statements::statements;

statements! {
    INSERT_VAULT = "INSERT INTO vaults (vault, name, origin, records_key, access_key, gate_key, bootstrap_hash, founded_us, created_us) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, $8)";
    NEXT_LOG = "SELECT CAST(COALESCE(MAX(log), 0) + 1 AS BIGINT) AS log FROM logs";
    INSERT_LOG = "INSERT INTO logs (log, vault, origin, kind, size, root, time_ms) VALUES ($1, $2, $3, $4, 0, $5, 0)";
    SELECT_VAULTS = "SELECT vault, name, origin, records_key, access_key, gate_key, bootstrap_hash, founded_us, created_us \
        FROM vaults ORDER BY created_us, vault";
    SELECT_VAULT = "SELECT vault, name, origin, records_key, access_key, gate_key, bootstrap_hash, founded_us, created_us \
        FROM vaults WHERE vault = $1";
    SELECT_ALL_ORIGINS = "SELECT origin FROM logs ORDER BY log";
}

/// The database: any number of vaults on one server.
#[derive(Clone)]
pub struct Store {
    pub(crate) db: Db,
    pub(crate) sessions: SessionLimits,
}

/// A vault about to be made, before its founding.
#[derive(Clone, Debug)]
pub struct NewVault {
    /// Its id.
    pub vault: VaultId,
    /// Name of the agency.
    pub name: String,
    /// Prefix of its log origins.
    pub origin: String,
    /// Public key of the records log.
    pub records_key: [u8; 32],
    /// Public key of the access shards.
    pub access_key: [u8; 32],
    /// The gatekeeper's public key.
    pub gate_key: [u8; 32],
    /// SHA-256 of the bootstrap code's secret.
    pub bootstrap_hash: Hash,
    /// When, microseconds UTC.
    pub created_us: u64,
}

/// What is known of a vault without its logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VaultRow {
    /// Its id.
    pub vault: VaultId,
    /// Name of the agency.
    pub name: String,
    /// Prefix of its log origins.
    pub origin: String,
    /// Public key of the records log.
    pub records_key: [u8; 32],
    /// Public key of the access shards.
    pub access_key: [u8; 32],
    /// The gatekeeper's public key.
    pub gate_key: [u8; 32],
    /// SHA-256 of the bootstrap code's secret; none once the vault is founded.
    pub bootstrap_hash: Option<Hash>,
    /// When it was founded, microseconds UTC.
    pub founded_us: Option<u64>,
    /// When it was made, microseconds UTC.
    pub created_us: u64,
}

impl VaultRow {
    fn read(row: &Row) -> Result<Self, SqlError> {
        Ok(Self {
            vault: VaultId(row.column("vault")?),
            name: row.column("name")?,
            origin: row.column("origin")?,
            records_key: row.column("records_key")?,
            access_key: row.column("access_key")?,
            gate_key: row.column("gate_key")?,
            bootstrap_hash: row.column("bootstrap_hash")?,
            founded_us: row.column("founded_us")?,
            created_us: row.column("created_us")?,
        })
    }

    /// Origin of the records log.
    pub fn records_origin(&self) -> String {
        format!("{}/records", self.origin)
    }
}

impl Store {
    /// Brings the schema up to date.
    pub async fn open(db: Db) -> Result<Self, StoreError> {
        db.migrate(&SCHEMA).await?;
        Ok(Self {
            db,
            sessions: SessionLimits::default(),
        })
    }

    /// The database itself, for reading it out and filling it.
    pub fn db(&self) -> &Db {
        &self.db
    }

    /// Number of the newest step of the schema that this program knows.
    pub fn newest_schema() -> i64 {
        SCHEMA.sqlite.last().map_or(0, |step| step.version)
    }

    /// How many steps [`Store::open`] would apply to the schema; refuses what it would refuse, and
    /// changes nothing.
    pub async fn pending_migrations(db: &Db) -> Result<usize, StoreError> {
        Ok(db.pending_migrations(&SCHEMA).await?)
    }

    /// Other limits for the sessions of vaults that are opened from now on.
    #[must_use]
    pub fn with_session_limits(mut self, sessions: SessionLimits) -> Self {
        self.sessions = sessions;
        self
    }

    /// Makes a vault and its empty records log. [`StoreError::Conflict`] when the id or the origin is taken.
    pub async fn create_vault(&self, new: NewVault) -> Result<(), StoreError> {
        let new = &new;
        let made: Result<(), StoreError> = self
            .db
            .write("create_vault", move |mut tx| async move {
                sql(INSERT_VAULT)
                    .bind(new.vault.0)
                    .bind(new.name.as_str())
                    .bind(new.origin.as_str())
                    .bind(new.records_key)
                    .bind(new.access_key)
                    .bind(new.gate_key)
                    .bind(new.bootstrap_hash)
                    .bind(int(new.created_us))
                    .execute(&mut tx)
                    .await?;
                let origin = format!("{}/records", new.origin);
                insert_log(&mut tx, new.vault, &origin, "records").await?;
                Ok(())
            })
            .await;
        match made {
            Err(StoreError::Sql(SqlError::Constraint { .. })) => Err(StoreError::Conflict("vault")),
            made => made,
        }
    }

    /// All vaults, oldest first.
    pub async fn vaults(&self) -> Result<Vec<VaultRow>, StoreError> {
        let rows = self.db.fetch_all("vaults", sql(SELECT_VAULTS)).await?;
        let rows: Result<Vec<VaultRow>, SqlError> = rows.iter().map(VaultRow::read).collect();
        Ok(rows?)
    }

    /// Origins of the logs of all vaults.
    pub async fn origins(&self) -> Result<Vec<String>, StoreError> {
        let rows = self
            .db
            .fetch_all("origins", sql(SELECT_ALL_ORIGINS))
            .await?;
        let origins: Result<_, SqlError> = rows.iter().map(|row| row.column("origin")).collect();
        Ok(origins?)
    }

    /// One vault, or [`StoreError::NotFound`].
    pub async fn load_vault(&self, vault: VaultId) -> Result<VaultRow, StoreError> {
        let statement = sql(SELECT_VAULT).bind(vault.0);
        let row = self.db.fetch_optional("load_vault", statement).await?;
        Ok(VaultRow::read(&row.ok_or(StoreError::NotFound)?)?)
    }
}

/// Adds an empty log and gives its number.
pub(crate) async fn insert_log(
    tx: &mut obhut_sql::Tx,
    vault: VaultId,
    origin: &str,
    kind: &str,
) -> Result<i64, SqlError> {
    let log: i64 = sql(NEXT_LOG).fetch_one(tx).await?.column("log")?;
    sql(INSERT_LOG)
        .bind(log)
        .bind(vault.0)
        .bind(origin)
        .bind(kind)
        .bind(obhut_format::tree::EMPTY_ROOT)
        .execute(tx)
        .await?;
    Ok(log)
}
