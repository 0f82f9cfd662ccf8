//! The records log, page by page, for clients that replay it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use obhut_format::reading::RecordsPage;
use obhut_format::release::FeedEntry;
use obhut_format::statement::Role;
use obhut_format::{Blob, Kid, UnitId};
use obhut_log::replay::Directory;
use obhut_log::{Recs, SignedCheckpoint};
use obhut_model::Caller;
use obhut_sql::{Row, sql};

use crate::columns::int;
use crate::statements::statements;
use crate::vault::QUORUM_PATIENCE;
use crate::{StoreError, Vault};

statements! {
    SELECT_PAGE = "SELECT l.core, l.recs, r.payload, r.salt, r.sealed, r.sealed_commitment, r.reader_unit \
        FROM logs g JOIN leaves l ON l.log = g.log JOIN records r ON r.vault = g.vault AND r.idx = l.idx \
        WHERE g.vault = $1 AND g.kind = 'records' AND l.idx >= $2 AND l.idx < $3 ORDER BY l.idx";
}

/// Most entries of a page.
const PAGE_ENTRIES: u64 = 1_024;
/// How long a page waits for the quorum of what was just committed.
const FRESH_PATIENCE: Duration = Duration::from_secs(2);
/// A page ends after about this many bytes.
const PAGE_BYTES: usize = 8 * 1_024 * 1_024;

impl Vault {
    /// Records from `from` on, up to a head with a quorum that covers what was committed so far, with the sealed parts that
    /// `reader` may have; nobody else gets any.
    pub async fn records_page(
        &self,
        from: u64,
        reader: Option<&Caller>,
    ) -> Result<RecordsPage, StoreError> {
        let signed = self.newest_records().await?;
        let end = signed
            .unverified()
            .size
            .min(from.saturating_add(PAGE_ENTRIES));
        let statement = sql(SELECT_PAGE)
            .bind(self.id().0)
            .bind(int(from))
            .bind(int(end));
        let rows = self.0.db.fetch_all("records_page", statement).await?;
        let units = reader.map(|reader| readable_units(&self.directory(), reader));
        let units = units.unwrap_or_default();
        let mut page = RecordsPage {
            first: from,
            entries: Vec::with_capacity(rows.len()),
            sealed: Vec::with_capacity(rows.len()),
            checkpoint: signed.to_string(),
        };
        let mut bytes = 0;
        for row in &rows {
            let (entry, sealed) = read_entry(row, &units)?;
            bytes += entry.payload.as_ref().map_or(0, |payload| payload.0.len()) + sealed.0.len();
            if bytes > PAGE_BYTES && !page.entries.is_empty() {
                break;
            }
            page.entries.push(entry);
            page.sealed.push(sealed);
        }
        Ok(page)
    }

    /// A head that covers what was committed before the question, so that whoever wrote a record
    /// reads it; the newest one there is when its quorum is late.
    pub(crate) async fn newest_records(&self) -> Result<Arc<SignedCheckpoint>, StoreError> {
        let origin = self.0.row.records_origin();
        let last = self.directory().size().saturating_sub(1);
        match self.wait_published(&origin, last, FRESH_PATIENCE).await {
            Err(StoreError::NoQuorum) => self.wait_published(&origin, 0, QUORUM_PATIENCE).await,
            other => other,
        }
    }
}

fn read_entry(row: &Row, units: &HashSet<UnitId>) -> Result<(FeedEntry, Blob), StoreError> {
    let recs = Recs::parse(&row.column::<Vec<u8>>("recs")?)?;
    let reader_unit: Option<[u8; 16]> = row.column("reader_unit")?;
    let permitted = reader_unit.is_some_and(|unit| units.contains(&UnitId(unit)));
    let sealed = if permitted {
        row.column("sealed")?
    } else {
        Vec::new()
    };
    let entry = FeedEntry {
        core: Blob(row.column("core")?),
        labels: recs.to_records(),
        payload: Some(Blob(row.column("payload")?)),
        salt: Some(row.column("salt")?),
        q_commitment: Some(row.column("sealed_commitment")?),
    };
    Ok((entry, Blob(sealed)))
}

/// Units whose sealed names and register entries a caller may have: those they are a member of or
/// appointed in, and the agency unit for registrars and data protection officers.
fn readable_units(directory: &Directory, reader: &Caller) -> HashSet<UnitId> {
    let agency = UnitId(directory.vault().0);
    let is_member = |members: &[Kid]| members.contains(&reader.kid());
    let mut units: HashSet<UnitId> = directory
        .units()
        .filter(|unit| {
            let member = unit
                .current()
                .is_some_and(|epoch| is_member(&epoch.members));
            member || reader.works_in(unit.unit)
        })
        .map(|unit| unit.unit)
        .collect();
    // Whoever may open every unit's key by a granted recovery renews them all, names included.
    if directory.find_granted_recovery(reader.person()).is_some() {
        units.extend(directory.units().map(|unit| unit.unit));
    }
    if reader.holds(Role::Registrar, None) || reader.holds(Role::Dpo, None) {
        units.insert(agency);
    }
    units
}
