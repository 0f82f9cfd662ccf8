//! Storage keys: a new one now and then, everything living re-encrypted under it, the old one gone once a backup under the
//! new one was restored in test. From then on older backups are dead.

use obhut_format::context::Context;
use obhut_format::{DepositKeyId, VaultId};
use obhut_sql::{Db, SqlError, Tx, sql};

use crate::deposit_key::key_context;
use crate::keys::share_context;
use crate::rows::ShareRow;
use crate::{Gate, GateError, Refusal, persist};

/// Rows re-encrypted in one transaction.
const PAGE: i64 = 500;
const DAY_US: u64 = 24 * 3_600 * 1_000_000;

const OLD_SHARES: &str =
    "SELECT * FROM shares WHERE key_number < $1 ORDER BY vault, share_id LIMIT $2";
const RESEAL_SHARE: &str = "UPDATE shares SET key_number = $4, sealed = $5
    WHERE vault = $1 AND share_id = $2 AND key_number = $3";
const OLD_DEPOSIT_KEYS: &str =
    "SELECT id, vault, key_number, private FROM deposit_keys WHERE key_number < $1";
const RESEAL_DEPOSIT_KEY: &str =
    "UPDATE deposit_keys SET key_number = $2, private = $3 WHERE id = $1";
const OLDEST_SHARE: &str = "SELECT MIN(key_number) AS oldest FROM shares";
const OLDEST_DEPOSIT_KEY: &str = "SELECT MIN(key_number) AS oldest FROM deposit_keys";
const KEYS: &str = "SELECT number, made_us, proved_us FROM storage_keys ORDER BY number";
const FORGET_KEY: &str = "DELETE FROM storage_keys WHERE number = $1";

impl Gate {
    /// Makes a new storage key and re-encrypts what lives; gives its number. The old key stays until a backup under the
    /// new one was restored in test.
    pub async fn rotate_storage_key(&self) -> Result<u32, Refusal> {
        let mut rng = self.edge.rng();
        let number = self
            .storage
            .generate_next(&mut rng)
            .map_err(|_| Refusal::StorageKey)?;
        persist::keep_storage_key(
            &self.stores.first,
            &self.storage,
            self.edge.now_us(),
            &mut rng,
        )
        .await?;
        self.reseal().await?;
        Ok(number)
    }

    /// What is due with storage keys: a new one after `storage_key_days`, leftovers re-encrypted, dead ones gone.
    pub(crate) async fn tend_storage_keys(&self) -> Result<(), Refusal> {
        let newest = self.storage.newest().unwrap_or_default();
        let days = u64::from(self.storage_key_days);
        let due = match self.age_us(newest).await? {
            Some(age_us) => days > 0 && age_us >= days * DAY_US,
            None => false,
        };
        if due {
            let number = self.rotate_storage_key().await?;
            tracing::info!(
                count = number,
                "a new storage key is in use: back up the key folder"
            );
        } else {
            self.reseal().await?;
        }
        self.drop_dead_keys().await
    }

    /// Since when the key is in use; keys of earlier versions count from now on.
    async fn age_us(&self, number: u32) -> Result<Option<u64>, Refusal> {
        let now_us = self.edge.now_us();
        let rows = self.stores.first.fetch_all("gate_keys", sql(KEYS)).await?;
        for row in rows {
            if row.column::<u32>("number")? == number {
                let made: Option<i64> = row.column("made_us")?;
                if let Some(made) = made {
                    return Ok(Some(now_us.saturating_sub(made.unsigned_abs())));
                }
                persist::date_storage_key(&self.stores.first, number, now_us).await?;
                return Ok(Some(0));
            }
        }
        Ok(None)
    }

    async fn reseal(&self) -> Result<(), Refusal> {
        for db in self.stores.both() {
            while self.reseal_page(db).await? {}
            db.checkpoint().await?;
        }
        self.reseal_deposit_keys().await
    }

    /// One page; whether there may be more.
    async fn reseal_page(&self, db: &Db) -> Result<bool, Refusal> {
        let newest = self.storage.newest().unwrap_or_default();
        let statement = sql(OLD_SHARES).bind(newest).bind(PAGE);
        let rows = db.fetch_all("gate_old_shares", statement).await?;
        let mut resealed = Vec::with_capacity(rows.len());
        let mut rng = self.edge.rng();
        for row in &rows {
            let share = ShareRow::read(row)?;
            let context = share_context(share.vault, share.share_id);
            let secret = self
                .storage
                .open(share.key_number, &context, &share.sealed)?;
            // EXPOSE: into the seal under the new storage key.
            let sealed = self.storage.seal(&context, secret.expose(), &mut rng)?;
            resealed.push((share, sealed));
        }
        db.write("gate_reseal", async |mut tx| {
            for (share, (number, sealed)) in &resealed {
                reseal_share(&mut tx, share, *number, sealed).await?;
            }
            Ok::<_, SqlError>(())
        })
        .await?;
        Ok(i64::try_from(rows.len()) == Ok(PAGE))
    }

    async fn reseal_deposit_keys(&self) -> Result<(), Refusal> {
        let newest = self.storage.newest().unwrap_or_default();
        let db = &self.stores.first;
        let statement = sql(OLD_DEPOSIT_KEYS).bind(newest);
        for row in db.fetch_all("gate_old_deposit_keys", statement).await? {
            let (id, vault) = (row.column("id")?, row.column("vault")?);
            let context: Context = key_context(VaultId(vault), DepositKeyId(id));
            let private: Vec<u8> = row.column("private")?;
            let secret = self
                .storage
                .open(row.column("key_number")?, &context, &private)?;
            let mut rng = self.edge.rng();
            // EXPOSE: into the seal under the new storage key.
            let (number, sealed) = self.storage.seal(&context, secret.expose(), &mut rng)?;
            db.write("gate_reseal_deposit_key", async |mut tx| {
                sql(RESEAL_DEPOSIT_KEY)
                    .bind(id)
                    .bind(number)
                    .bind(sealed.as_slice())
                    .execute(&mut tx)
                    .await
            })
            .await?;
        }
        Ok(())
    }

    /// Old keys under which nothing lies any more go, once a backup under the newest was restored in test.
    async fn drop_dead_keys(&self) -> Result<(), Refusal> {
        let newest = self.storage.newest().unwrap_or_default();
        let first = &self.stores.first;
        let rows = first.fetch_all("gate_keys", sql(KEYS)).await?;
        let mut old = Vec::new();
        let mut proved = false;
        for row in &rows {
            let number: u32 = row.column("number")?;
            if number == newest {
                proved = row.column::<Option<i64>>("proved_us")?.is_some();
            } else {
                old.push(number);
            }
        }
        if !proved {
            return Ok(());
        }
        let oldest = self.oldest_in_use().await?.unwrap_or(newest);
        for number in old.into_iter().filter(|number| *number < oldest) {
            first
                .write("gate_forget_key", async |mut tx| {
                    sql(FORGET_KEY).bind(number).execute(&mut tx).await
                })
                .await?;
            let erased = self.storage.erase(number);
            erased.map_err(|error: GateError| {
                tracing::error!(%error, "an old storage key could not be erased");
                Refusal::StorageKey
            })?;
            tracing::info!(
                count = number,
                "an old storage key is gone, and backups under it with it"
            );
        }
        Ok(())
    }

    async fn oldest_in_use(&self) -> Result<Option<u32>, Refusal> {
        let mut oldest: Option<u32> = None;
        let [first, second] = self.stores.both();
        for (db, text) in [
            (first, OLDEST_SHARE),
            (second, OLDEST_SHARE),
            (first, OLDEST_DEPOSIT_KEY),
        ] {
            let row = db.fetch_optional("gate_oldest_key", sql(text)).await?;
            let found: Option<u32> = row.ok_or(SqlError::NoRow)?.column("oldest")?;
            oldest = match (oldest, found) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
        Ok(oldest)
    }
}

async fn reseal_share(
    tx: &mut Tx,
    share: &ShareRow,
    number: u32,
    sealed: &[u8],
) -> Result<(), SqlError> {
    sql(RESEAL_SHARE)
        .bind(share.vault.0)
        .bind(share.share_id.0)
        .bind(share.key_number)
        .bind(number)
        .bind(sealed)
        .execute(tx)
        .await
        .map(drop)
}
