//! Registrations: which share the records log names for an object, checked against its deposit.

use std::collections::HashMap;

use obhut_format::batch::RecordPayload;
use obhut_format::share::ShareKind;
use obhut_format::statement::{Event, Signer, Statement};
use obhut_format::{BatchId, CaseId, Cbor, Hash, Kid, ShareId, VaultId};
use obhut_sql::{Batch, Db, Kind, SqlError, Tx, Value};

use crate::rows::{ShareRow, int};
use crate::stores;

const MISSING: Batch<3> = Batch::insert(
    "missing_shares",
    [
        ("vault", Kind::Blob),
        ("share_id", Kind::Blob),
        ("record_index", Kind::Int),
    ],
)
.tail("ON CONFLICT DO NOTHING");
const INSERT: Batch<6> = Batch::insert(
    "registrations",
    [
        ("vault", Kind::Blob),
        ("kind", Kind::Text),
        ("object", Kind::Blob),
        ("revision", Kind::Int),
        ("share_id", Kind::Blob),
        ("record_index", Kind::Int),
    ],
)
.tail("ON CONFLICT DO NOTHING");

const LIVING: Batch<2> = Batch::with(
    [("vault", Kind::Blob), ("share_id", Kind::Blob)],
    "SELECT shares.* FROM batch
        JOIN shares ON shares.vault = batch.vault AND shares.share_id = batch.share_id
        JOIN registrations ON registrations.vault = shares.vault
            AND registrations.share_id = shares.share_id
            AND registrations.kind = shares.kind
            AND registrations.object = shares.object
            AND registrations.revision = shares.revision",
);

/// What a record says about a share.
pub(crate) struct Claim {
    kind: ShareKind,
    case: Option<CaseId>,
    object: [u8; 16],
    revision: u64,
    share_id: ShareId,
    manifest_hash: Hash,
    author: Option<Kid>,
    deposit: Option<(BatchId, u64)>,
    record_index: u64,
    time_us: u64,
}

impl Claim {
    /// The claim of a record that the replay accepted; most have none.
    pub(crate) fn of(payload: &RecordPayload, record_index: u64, time_us: u64) -> Option<Self> {
        match payload {
            RecordPayload::Document(item) => Self::of_document(&item.item.0, record_index, time_us),
            RecordPayload::Statement(signed) => {
                let statement = Statement::from_bytes(&signed.statement.0).ok()?;
                Self::of_statement(&statement, record_index, time_us)
            }
            RecordPayload::Batch(_) => None,
        }
    }

    fn of_document(item: &[u8], record_index: u64, time_us: u64) -> Option<Self> {
        let item = obhut_format::batch::RegisterItem::from_bytes(item).ok()?;
        let manifest = item.parse_manifest().ok()?;
        Some(Self {
            kind: ShareKind::Document,
            case: Some(manifest.case),
            object: manifest.document.0,
            revision: manifest.revision,
            share_id: manifest.share_id,
            manifest_hash: manifest.hash(),
            author: Some(manifest.author),
            deposit: Some((item.deposit, item.register_by_us)),
            record_index,
            time_us,
        })
    }

    fn of_statement(statement: &Statement, record_index: u64, time_us: u64) -> Option<Self> {
        let (kind, case, object, share_id) = match &statement.event {
            Event::CaseCreated(event) => (
                ShareKind::Case,
                Some(event.case),
                event.case.0,
                event.share_id?,
            ),
            Event::PersonEnrolled(event) => {
                (ShareKind::Person, None, event.person.0, event.share_id)
            }
            _ => return None,
        };
        Some(Self {
            kind,
            case,
            object,
            revision: 0,
            share_id,
            manifest_hash: [0; 32],
            // The root enrols the first registrar, who made the deposit.
            author: match &statement.signer {
                Signer::Person(signer) => Some(signer.kid),
                Signer::Root(_) | Signer::Vault(_) => None,
            },
            deposit: None,
            record_index,
            time_us,
        })
    }

    /// F19, F25, F28: the deposit is the one the record speaks of, by the same author, in time.
    ///
    /// A person's λ counts whoever deposited it and when, once the enrolment names it by its hash:
    /// labels hang on it, and none may be lost by the sweep of what was never registered.
    fn fits(&self, share: &ShareRow) -> bool {
        let same = share.share_id == self.share_id
            && share.kind == self.kind
            && share.case == self.case
            && share.object == self.object
            && share.revision == self.revision
            && share.manifest_hash == self.manifest_hash;
        let deposited = self.author.is_none_or(|author| share.author == author)
            && self
                .deposit
                .is_none_or(|deposit| deposit == (share.batch, share.register_by_us))
            && self.time_us <= share.register_by_us;
        same && (deposited || self.kind == ShareKind::Person)
    }
}

/// The claims that fit a living share of the vault; the others never release anything.
pub(crate) async fn fitting(
    db: &Db,
    vault: VaultId,
    claims: Vec<Claim>,
) -> Result<Fitting, SqlError> {
    let named = claims.iter().map(|claim| claim.share_id);
    let shares = stores::find_shares(db, vault, named).await?;
    let mut found = Fitting::default();
    for claim in claims {
        match shares.get(&claim.share_id) {
            Some(share) if claim.fits(share) => found.claims.push(claim),
            None => found.missing.push((claim.share_id, claim.record_index)),
            Some(_) => tracing::warn!(
                share = %claim.share_id,
                record = claim.record_index,
                "a record names a share that does not fit its deposit"
            ),
        }
    }
    if !found.missing.is_empty() {
        let count = found.missing.len();
        tracing::warn!(count, "records name shares that are not here");
    }
    Ok(found)
}

/// What a feed's records name.
#[derive(Default)]
pub(crate) struct Fitting {
    /// Claims on shares that are there and fit.
    claims: Vec<Claim>,
    /// Shares that are not there, with the index of the record that names them.
    missing: Vec<(ShareId, u64)>,
}

/// Keeps registrations, the first for an object stands, and what is missing.
pub(crate) async fn insert(tx: &mut Tx, vault: VaultId, fitting: &Fitting) -> Result<(), SqlError> {
    let missing = fitting.missing.iter();
    let missing =
        missing.map(|(share, record)| [vault.0.into(), share.0.into(), Value::Int(int(*record))]);
    MISSING.execute(tx, missing).await?;
    let claims = &fitting.claims;
    let row = |claim: &Claim| -> [Value; 6] {
        [
            vault.0.into(),
            claim.kind.as_str().into(),
            claim.object.into(),
            int(claim.revision).into(),
            claim.share_id.0.into(),
            int(claim.record_index).into(),
        ]
    };
    let rows = claims.iter().map(row);
    INSERT.execute(tx, rows).await.map(drop)
}

/// Of these names, the shares that live and are registered for what they are bound to.
pub(crate) async fn living_shares(
    db: &Db,
    vault: VaultId,
    wanted: impl Iterator<Item = ShareId>,
) -> Result<HashMap<ShareId, ShareRow>, SqlError> {
    let wanted: Vec<_> = wanted
        .map(|share| [vault.0.into(), share.0.into()])
        .collect();
    let rows = db
        .read("gate_living_shares", async |mut tx| {
            LIVING.fetch_all(&mut tx, wanted.clone()).await
        })
        .await?;
    rows.iter()
        .map(|row| ShareRow::read(row).map(|share| (share.share_id, share)))
        .collect()
}
