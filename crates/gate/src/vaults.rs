//! Enrolment: which vaults this gatekeeper serves, pinned to their keys and, over a connection, to a server.

use std::collections::BTreeSet;

use obhut_format::gate_link::{CodedEnrolment, EnrolmentCode, PartyKey, enrolment_message};
use obhut_format::release::EnrolVault;
use obhut_format::{Hash, Kid, VaultId};
use obhut_sql::{Db, Row, SqlError, Tx, sql};
use obhut_suite::{NotePublic, hmac_sha256};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::replay::VaultState;
use crate::rows::int;
use crate::{Gate, Refusal};

const ALL: &str = "SELECT * FROM vaults";
const FIND: &str = "SELECT * FROM vaults WHERE vault = $1";
const INSERT: &str = "INSERT INTO vaults
    (vault, origin, records_key, access_key, root, enrolled_us, server) VALUES ($1, $2, $3, $4, $5, $6, $7)";
const PIN_ROOT: &str = "UPDATE vaults SET root = $2 WHERE vault = $1 AND root IS NULL";
const ADD_CODE: &str =
    "INSERT INTO enrolment_codes (code, secret, server, until_us) VALUES ($1, $2, $3, $4)";
const FIND_CODE: &str =
    "SELECT secret FROM enrolment_codes WHERE code = $1 AND server = $2 AND until_us >= $3";
const USE_CODE: &str = "DELETE FROM enrolment_codes WHERE code = $1";
const COMPARED: &str = "SELECT origin FROM compared_logs WHERE vault = $1";
const KEEP_COMPARED: &str =
    "INSERT INTO compared_logs (vault, origin) VALUES ($1, $2) ON CONFLICT DO NOTHING";
const ACCEPT: &str = "UPDATE vaults SET restored_us = NULL WHERE vault = $1";
const FORGET_CODES: &str = "DELETE FROM enrolment_codes WHERE until_us < $1";

/// What a vault is pinned to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Enrolled {
    pub(crate) vault: VaultId,
    pub(crate) origin: String,
    pub(crate) records_key: [u8; 32],
    pub(crate) access_key: [u8; 32],
    pub(crate) root: Option<Kid>,
    /// The only server that may speak for it; none in the vault's own process.
    pub(crate) server: Option<[u8; 32]>,
    /// When its rows came from a backup; its logs count again once each was compared.
    pub(crate) restored_us: Option<u64>,
}

impl Enrolled {
    fn of(enrol: EnrolVault, server: Option<[u8; 32]>) -> Self {
        Self {
            vault: enrol.vault,
            origin: enrol.origin,
            records_key: enrol.records_key,
            access_key: enrol.access_key,
            root: enrol.root,
            server,
            restored_us: None,
        }
    }

    fn read(row: &Row) -> Result<Self, SqlError> {
        Ok(Self {
            vault: VaultId(row.column("vault")?),
            origin: row.column("origin")?,
            records_key: row.column("records_key")?,
            access_key: row.column("access_key")?,
            root: row.column::<Option<_>>("root")?.map(Kid),
            server: row.column("server")?,
            restored_us: row.column("restored_us")?,
        })
    }

    /// A repeat may leave the root out, or name it once it is pinned.
    fn admits(&self, other: &Self) -> bool {
        let same = |root: &Option<Kid>| {
            Self {
                root: *root,
                restored_us: self.restored_us,
                ..other.clone()
            } == *self
        };
        same(&self.root) && (other.root.is_none() || other.root == self.root)
    }
}

impl Gate {
    /// Pins a vault of the same process; a repeat with the same keys changes nothing.
    pub(crate) async fn enrol(&self, enrol: EnrolVault) -> Result<[u8; 32], Refusal> {
        self.pin(Enrolled::of(enrol, None), None).await
    }

    /// A one-time code for the founder of one vault of this server.
    pub async fn make_enrolment_code(
        &self,
        server: PartyKey,
        valid_us: u64,
    ) -> Result<EnrolmentCode, Refusal> {
        make_code(
            &self.stores.first,
            self.party_key(),
            server,
            self.edge.now_us().saturating_add(valid_us),
            &mut self.edge.rng(),
        )
        .await
    }

    /// Pins a vault whose founder proves to hold a code of this operator: with it the agency root
    /// counts that the founder made, whatever server is in between.
    pub(crate) async fn enrol_by_code(
        &self,
        coded: CodedEnrolment,
        server: [u8; 32],
    ) -> Result<[u8; 32], Refusal> {
        let wanted = Enrolled::of(coded.enrol.clone(), Some(server));
        if wanted.root.is_none() {
            return Err(Refusal::BadBytes);
        }
        let known = self.find_vault(wanted.vault).ok();
        if let Some(known) = known {
            // The answer got lost: the same founding again.
            let same = known.lock().await.enrolled.admits(&wanted);
            return if same {
                Ok(self.public_key())
            } else {
                Err(Refusal::EnrolledDifferently)
            };
        }
        self.verify_code(&coded, server).await?;
        self.pin(wanted, Some(coded.code)).await
    }

    async fn verify_code(&self, coded: &CodedEnrolment, server: [u8; 32]) -> Result<(), Refusal> {
        let statement = sql(FIND_CODE)
            .bind(coded.code)
            .bind(server)
            .bind(int(self.edge.now_us()));
        let row = self
            .stores
            .first
            .fetch_optional("gate_find_code", statement)
            .await?;
        let row = row.ok_or(Refusal::EnrolmentCode)?;
        let secret = Zeroizing::new(row.column::<[u8; 16]>("secret")?);
        let message = enrolment_message(&coded.enrol, self.party_key());
        // Both sides of the comparison are one-time: what it takes tells nothing.
        if hmac_sha256(secret.as_slice(), &[message.as_bytes()]) == coded.proof {
            Ok(())
        } else {
            Err(Refusal::EnrolmentCode)
        }
    }

    async fn pin(&self, wanted: Enrolled, code: Option<Hash>) -> Result<[u8; 32], Refusal> {
        verify_keys(&wanted)?;
        let now_us = self.edge.now_us();
        let known = self
            .stores
            .first
            .write("gate_enrol", async |mut tx| {
                let found = sql(FIND)
                    .bind(wanted.vault.0)
                    .fetch_optional(&mut tx)
                    .await?;
                if let Some(row) = found {
                    return Enrolled::read(&row);
                }
                if let Some(code) = code {
                    sql(USE_CODE).bind(code).execute(&mut tx).await?;
                    sql(FORGET_CODES).bind(int(now_us)).execute(&mut tx).await?;
                }
                insert(&mut tx, &wanted, now_us).await?;
                Ok(wanted.clone())
            })
            .await;
        let known = match known {
            // Another vault has the origin.
            Err(SqlError::Constraint { .. }) => return Err(Refusal::EnrolledDifferently),
            known => known?,
        };
        if !known.admits(&wanted) {
            return Err(Refusal::EnrolledDifferently);
        }
        self.insert_vault(VaultState::new(known));
        Ok(self.signing.public())
    }
}

/// Keeps a code until `until_us`; the serving process finds it in the database.
pub(crate) async fn make_code(
    db: &Db,
    gate: PartyKey,
    server: PartyKey,
    until_us: u64,
    rng: &mut impl CryptoRng,
) -> Result<EnrolmentCode, Refusal> {
    let mut secret = Zeroizing::new([0; 16]);
    rng.fill_bytes(secret.as_mut_slice());
    let code = EnrolmentCode::new(*secret, gate);
    db.write("gate_add_code", async |mut tx| {
        sql(ADD_CODE)
            .bind(EnrolmentCode::id_of(&secret))
            .bind(*secret)
            .bind(server.0)
            .bind(int(until_us))
            .execute(&mut tx)
            .await
    })
    .await?;
    Ok(code)
}

/// Both keys are points, and the origin can name keys of checkpoints.
fn verify_keys(wanted: &Enrolled) -> Result<(), Refusal> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    let sound = NotePublic::parse(&wanted.records_key).is_ok()
        && NotePublic::parse(&wanted.access_key).is_ok()
        && !wanted.origin.is_empty()
        && !wanted.origin.contains(bad);
    if sound {
        Ok(())
    } else {
        Err(Refusal::BadBytes)
    }
}

async fn insert(tx: &mut Tx, wanted: &Enrolled, now_us: u64) -> Result<(), SqlError> {
    sql(INSERT)
        .bind(wanted.vault.0)
        .bind(wanted.origin.as_str())
        .bind(wanted.records_key)
        .bind(wanted.access_key)
        .bind(wanted.root.map(|root| root.0))
        .bind(int(now_us))
        .bind(wanted.server)
        .execute(tx)
        .await
        .map(drop)
}

/// Every enrolled vault.
pub(crate) async fn load_all(db: &Db) -> Result<Vec<Enrolled>, SqlError> {
    let rows = db.fetch_all("gate_vaults", sql(ALL)).await?;
    rows.iter().map(Enrolled::read).collect()
}

/// Pins the root that the vault's first card names.
pub(crate) async fn pin_root(tx: &mut Tx, vault: VaultId, root: Kid) -> Result<(), SqlError> {
    sql(PIN_ROOT)
        .bind(vault.0)
        .bind(root.0)
        .execute(tx)
        .await
        .map(drop)
}

/// Logs of a restored vault that were compared.
pub(crate) async fn compared_logs(db: &Db, vault: VaultId) -> Result<BTreeSet<String>, SqlError> {
    let rows = db.fetch_all("gate_compared", sql(COMPARED).bind(vault.0));
    rows.await?.iter().map(|row| row.column("origin")).collect()
}

/// A log of a restored vault was compared.
pub(crate) async fn keep_compared(db: &Db, vault: VaultId, origin: &str) -> Result<(), SqlError> {
    db.write("gate_keep_compared", async |mut tx| {
        let statement = sql(KEEP_COMPARED).bind(vault.0).bind(origin);
        statement.execute(&mut tx).await.map(drop)
    })
    .await
}

/// Takes a restored vault's logs as they are; on the word of the operator. Whether there is such a vault.
pub(crate) async fn accept_restored(db: &Db, vault: VaultId) -> Result<bool, SqlError> {
    let changed = db
        .write("gate_accept", async |mut tx| {
            sql(ACCEPT).bind(vault.0).execute(&mut tx).await
        })
        .await?;
    Ok(changed > 0)
}
