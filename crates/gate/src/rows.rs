//! Rows of the share tables.

use obhut_format::share::ShareKind;
use obhut_format::{BatchId, CaseId, Hash, Kid, ShareId, VaultId};
use obhut_sql::{Batch, Kind, Row, SqlError, Value};

pub(crate) const DEPOSITS: Batch<9> = Batch::insert(
    "deposits",
    [
        ("vault", Kind::Blob),
        ("batch", Kind::Blob),
        ("deposit_hash", Kind::Blob),
        ("author", Kind::Blob),
        ("device", Kind::Blob),
        ("receipt", Kind::Blob),
        ("signature", Kind::Blob),
        ("register_by_us", Kind::Int),
        ("deposited_us", Kind::Int),
    ],
);

pub(crate) const SHARES: Batch<13> = Batch::insert(
    "shares",
    [
        ("vault", Kind::Blob),
        ("share_id", Kind::Blob),
        ("kind", Kind::Text),
        ("case_id", Kind::Blob),
        ("object", Kind::Blob),
        ("revision", Kind::Int),
        ("manifest_hash", Kind::Blob),
        ("author", Kind::Blob),
        ("batch", Kind::Blob),
        ("register_by_us", Kind::Int),
        ("deposited_us", Kind::Int),
        ("key_number", Kind::Int),
        ("sealed", Kind::Blob),
    ],
);

pub(crate) const TOMBSTONES: Batch<5> = Batch::insert(
    "tombstones",
    [
        ("vault", Kind::Blob),
        ("share_id", Kind::Blob),
        ("kind", Kind::Text),
        ("reason", Kind::Text),
        ("destroyed_us", Kind::Int),
    ],
)
.tail("ON CONFLICT DO NOTHING");

/// An accepted deposit and its receipt.
pub(crate) struct DepositRow {
    pub(crate) vault: VaultId,
    pub(crate) batch: BatchId,
    pub(crate) deposit_hash: Hash,
    pub(crate) author: Kid,
    pub(crate) device: [u8; 32],
    pub(crate) receipt: Vec<u8>,
    pub(crate) signature: [u8; 64],
    pub(crate) register_by_us: u64,
    pub(crate) deposited_us: u64,
}

impl DepositRow {
    pub(crate) fn to_values(&self) -> [Value; 9] {
        [
            self.vault.0.into(),
            self.batch.0.into(),
            self.deposit_hash.into(),
            self.author.0.into(),
            self.device.into(),
            self.receipt.as_slice().into(),
            self.signature.into(),
            int(self.register_by_us).into(),
            int(self.deposited_us).into(),
        ]
    }

    pub(crate) fn read(row: &Row) -> Result<Self, SqlError> {
        Ok(Self {
            vault: VaultId(row.column("vault")?),
            batch: BatchId(row.column("batch")?),
            deposit_hash: row.column("deposit_hash")?,
            author: Kid(row.column("author")?),
            device: row.column("device")?,
            receipt: row.column("receipt")?,
            signature: row.column("signature")?,
            register_by_us: row.column("register_by_us")?,
            deposited_us: row.column("deposited_us")?,
        })
    }
}

/// A living share; its secrets lie sealed under a storage key.
#[derive(Clone)]
pub(crate) struct ShareRow {
    pub(crate) vault: VaultId,
    pub(crate) share_id: ShareId,
    pub(crate) kind: ShareKind,
    pub(crate) case: Option<CaseId>,
    pub(crate) object: [u8; 16],
    pub(crate) revision: u64,
    pub(crate) manifest_hash: Hash,
    pub(crate) author: Kid,
    pub(crate) batch: BatchId,
    pub(crate) register_by_us: u64,
    pub(crate) deposited_us: u64,
    pub(crate) key_number: u32,
    pub(crate) sealed: Vec<u8>,
}

impl ShareRow {
    pub(crate) fn to_values(&self) -> [Value; 13] {
        [
            self.vault.0.into(),
            self.share_id.0.into(),
            self.kind.as_str().into(),
            self.case.map(|case| case.0).into(),
            self.object.into(),
            int(self.revision).into(),
            self.manifest_hash.into(),
            self.author.0.into(),
            self.batch.0.into(),
            int(self.register_by_us).into(),
            int(self.deposited_us).into(),
            self.key_number.into(),
            self.sealed.as_slice().into(),
        ]
    }

    pub(crate) fn read(row: &Row) -> Result<Self, SqlError> {
        Ok(Self {
            vault: VaultId(row.column("vault")?),
            share_id: ShareId(row.column("share_id")?),
            kind: read_kind(row)?,
            case: row.column::<Option<_>>("case_id")?.map(CaseId),
            object: row.column("object")?,
            revision: row.column("revision")?,
            manifest_hash: row.column("manifest_hash")?,
            author: Kid(row.column("author")?),
            batch: BatchId(row.column("batch")?),
            register_by_us: row.column("register_by_us")?,
            deposited_us: row.column("deposited_us")?,
            key_number: row.column("key_number")?,
            sealed: row.column("sealed")?,
        })
    }
}

/// A share that is gone for ever.
pub(crate) struct Tombstone {
    pub(crate) vault: VaultId,
    pub(crate) share_id: ShareId,
    pub(crate) kind: ShareKind,
    pub(crate) reason: String,
    pub(crate) destroyed_us: u64,
}

impl Tombstone {
    pub(crate) fn to_values(&self) -> [Value; 5] {
        [
            self.vault.0.into(),
            self.share_id.0.into(),
            self.kind.as_str().into(),
            self.reason.as_str().into(),
            int(self.destroyed_us).into(),
        ]
    }

    pub(crate) fn read(row: &Row) -> Result<Self, SqlError> {
        Ok(Self {
            vault: VaultId(row.column("vault")?),
            share_id: ShareId(row.column("share_id")?),
            kind: read_kind(row)?,
            reason: row.column("reason")?,
            destroyed_us: row.column("destroyed_us")?,
        })
    }
}

pub(crate) fn read_kind(row: &Row) -> Result<ShareKind, SqlError> {
    let kind: String = row.column("kind")?;
    kind.parse().map_err(|_| SqlError::Column { name: "kind" })
}

/// Times and counters stay below 2^63; anything above is as good as "never".
pub(crate) fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
