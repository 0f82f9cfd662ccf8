//! Deposit keys: each takes deposits for a day; two days after it was made its private half is gone.

use obhut_format::context::Context;
use obhut_format::release::{DEPOSIT_KEY_LABEL, SignedDepositKey};
use obhut_format::share::DepositKey;
use obhut_format::{Blob, Cbor, DepositKeyId, VaultId};
use obhut_sql::{Row, SqlError, sql};
use obhut_suite::{Label, XwingSeed};
use rand_core::Rng as _;

use crate::rows::int;
use crate::{Gate, Refusal};

/// How long a key takes deposits, in microseconds: 24 hours.
pub(crate) const VALID_US: u64 = 24 * 3_600 * 1_000_000;
/// How long after its making the private half is erased, in microseconds: 48 hours.
pub(crate) const ERASE_AFTER_US: u64 = 48 * 3_600 * 1_000_000;
/// A key with less time left is not handed out any more, in microseconds: 12 hours.
const HANDED_OUT_WITH_US: u64 = 12 * 3_600 * 1_000_000;

const LABEL: Label = Label::new(DEPOSIT_KEY_LABEL);

const NEWEST: &str = "SELECT signed FROM deposit_keys WHERE vault = $1 AND not_after_us >= $2
    ORDER BY not_after_us DESC LIMIT 1";
const INSERT: &str = "INSERT INTO deposit_keys
    (id, vault, signed, not_after_us, erase_us, key_number, private)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";
const VALID: &str = "SELECT key_number, private FROM deposit_keys
    WHERE id = $1 AND vault = $2 AND not_after_us >= $3 AND erase_us > $3";
const ERASE: &str = "DELETE FROM deposit_keys WHERE erase_us <= $1";

impl Gate {
    /// The key in use, or a fresh one when it has less than twelve hours left.
    pub(crate) async fn hand_out_deposit_key(
        &self,
        vault: VaultId,
    ) -> Result<SignedDepositKey, Refusal> {
        self.erase_deposit_keys().await?;
        let now_us = self.edge.now_us();
        let until = int(now_us.saturating_add(HANDED_OUT_WITH_US));
        let newest = sql(NEWEST).bind(vault.0).bind(until);
        let found = self
            .stores
            .first
            .fetch_optional("gate_newest_deposit_key", newest)
            .await?;
        if let Some(signed) = found.as_ref().and_then(read_signed) {
            return Ok(signed);
        }
        self.generate_deposit_key(vault, now_us).await
    }

    async fn generate_deposit_key(
        &self,
        vault: VaultId,
        now_us: u64,
    ) -> Result<SignedDepositKey, Refusal> {
        let mut rng = self.edge.rng();
        let mut id = DepositKeyId([0; 16]);
        rng.fill_bytes(&mut id.0);
        let private = XwingSeed::generate(&mut rng);
        let key = DepositKey {
            id,
            vault,
            public: Blob(private.public().as_bytes().to_vec()),
            not_after_us: now_us.saturating_add(VALID_US),
        };
        // EXPOSE: into the seal under the storage key.
        let secret = private.secret().expose();
        let (number, sealed) = self
            .storage
            .seal(&key_context(vault, id), secret, &mut rng)?;
        let signature = self.signing.sign(LABEL, &key.to_bytes());
        let signed = SignedDepositKey { key, signature };
        let erase_us = int(now_us.saturating_add(ERASE_AFTER_US));
        self.stores
            .first
            .write("gate_add_deposit_key", async |mut tx| {
                sql(INSERT)
                    .bind(id.0)
                    .bind(vault.0)
                    .bind(signed.to_bytes())
                    .bind(int(signed.key.not_after_us))
                    .bind(erase_us)
                    .bind(number)
                    .bind(sealed.as_slice())
                    .execute(&mut tx)
                    .await
            })
            .await?;
        Ok(signed)
    }

    /// The private half of a key that still takes deposits for this vault.
    pub(crate) async fn load_deposit_key(
        &self,
        vault: VaultId,
        id: DepositKeyId,
    ) -> Result<XwingSeed, Refusal> {
        let now = int(self.edge.now_us());
        let valid = sql(VALID).bind(id.0).bind(vault.0).bind(now);
        let row = self
            .stores
            .first
            .fetch_optional("gate_load_deposit_key", valid)
            .await?
            .ok_or(Refusal::DepositKeyExpired)?;
        let sealed: Vec<u8> = row.column("private")?;
        let number = row.column("key_number")?;
        let private = self
            .storage
            .open(number, &key_context(vault, id), &sealed)?;
        let seed = private.into_secret().map_err(|_| Refusal::StorageKey)?;
        Ok(XwingSeed::from_secret(seed))
    }

    /// Erases private halves that are two days old, from the database file and its log too.
    pub(crate) async fn erase_deposit_keys(&self) -> Result<(), Refusal> {
        let now = int(self.edge.now_us());
        let db = &self.stores.first;
        let erased = db
            .write("gate_erase_deposit_keys", async |mut tx| {
                sql(ERASE).bind(now).execute(&mut tx).await
            })
            .await?;
        if erased > 0 {
            db.checkpoint().await?;
        }
        Ok(())
    }
}

fn read_signed(row: &Row) -> Option<SignedDepositKey> {
    let bytes: Result<Vec<u8>, SqlError> = row.column("signed");
    SignedDepositKey::from_bytes(&bytes.ok()?).ok()
}

/// What a sealed private half is bound to at rest.
pub(crate) fn key_context(vault: VaultId, id: DepositKeyId) -> Context {
    Context::new("obhut/gate-deposit-key/v1")
        .field(&vault.0)
        .field(&id.0)
}
