//! Enrolment: which vaults this gatekeeper serves, pinned to their keys.

use obhut_format::release::EnrolVault;
use obhut_format::{Kid, VaultId};
use obhut_sql::{Db, Row, SqlError, Tx, sql};
use obhut_suite::NotePublic;

use crate::replay::VaultState;
use crate::rows::int;
use crate::{Gate, Refusal};

const ALL: &str = "SELECT * FROM vaults";
const FIND: &str = "SELECT * FROM vaults WHERE vault = $1";
const INSERT: &str = "INSERT INTO vaults
    (vault, origin, records_key, access_key, root, enrolled_us) VALUES ($1, $2, $3, $4, $5, $6)";
const PIN_ROOT: &str = "UPDATE vaults SET root = $2 WHERE vault = $1 AND root IS NULL";

/// What a vault is pinned to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Enrolled {
    pub(crate) vault: VaultId,
    pub(crate) origin: String,
    pub(crate) records_key: [u8; 32],
    pub(crate) access_key: [u8; 32],
    pub(crate) root: Option<Kid>,
}

impl Enrolled {
    fn read(row: &Row) -> Result<Self, SqlError> {
        Ok(Self {
            vault: VaultId(row.column("vault")?),
            origin: row.column("origin")?,
            records_key: row.column("records_key")?,
            access_key: row.column("access_key")?,
            root: row.column::<Option<_>>("root")?.map(Kid),
        })
    }

    /// A repeat may leave the root out, or name it once it is pinned.
    fn admits(&self, other: &Self) -> bool {
        let same = |root: &Option<Kid>| {
            Self {
                root: *root,
                ..other.clone()
            } == *self
        };
        same(&self.root) && (other.root.is_none() || other.root == self.root)
    }
}

impl Gate {
    /// Pins a vault; a repeat with the same keys changes nothing.
    pub(crate) async fn enrol(&self, enrol: EnrolVault) -> Result<[u8; 32], Refusal> {
        let wanted = Enrolled {
            vault: enrol.vault,
            origin: enrol.origin,
            records_key: enrol.records_key,
            access_key: enrol.access_key,
            root: enrol.root,
        };
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
