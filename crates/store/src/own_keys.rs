//! Key rows: what a caller's bundles open, and a case's keys for those who write in it.

use std::collections::HashSet;

use obhut_format::batch::RecordPayload;
use obhut_format::entry::LogKey;
use obhut_format::key::{Grant, Membership};
use obhut_format::mutation::{LambdaWrap, UnitLink};
use obhut_format::reading::OwnKeys;
use obhut_format::release::ReleasedCase;
use obhut_format::statement::{CaseKind, Event, Statement};
use obhut_format::{Blob, CaseId, Cbor, Kid, UnitId};
use obhut_model::Caller;
use obhut_sql::{Batch, Kind, Row, SqlError, sql};

use crate::columns::{blob, int};
use crate::statements::{batches, statements};
use crate::{StoreError, Vault};

statements! {
    SELECT_MEMBERSHIPS = "SELECT body FROM memberships WHERE vault = $1 AND member = $2 ORDER BY unit, epoch";
    SELECT_UNIT_LINKS = "SELECT unit, epoch, sealed FROM unit_links WHERE vault = $1 AND unit = $2 ORDER BY epoch";
    SELECT_LAMBDA_WRAPS = "SELECT body FROM lambda_wraps WHERE vault = $1 AND recipient = $2 ORDER BY person";
    SELECT_PAYLOADS = "SELECT payload FROM records WHERE vault = $1 AND idx >= $2 ORDER BY idx";
    SELECT_LOG_KEYS = "SELECT body FROM log_keys WHERE vault = $1 AND recipient = $2 ORDER BY origin, log_key";
}

batches! {
    SELECT_CASE_GRANTS: 2 = Batch::with([("vault", Kind::Blob), ("case_id", Kind::Blob)],
        "SELECT g.case_id, g.body FROM batch b JOIN case_grants g ON g.vault = b.vault AND g.case_id = b.case_id \
         ORDER BY g.case_id, g.epoch");
    SELECT_CASE_LINKS: 2 = Batch::with([("vault", Kind::Blob), ("case_id", Kind::Blob)],
        "SELECT l.case_id, l.sealed FROM batch b JOIN case_links l ON l.vault = b.vault AND l.case_id = b.case_id \
         ORDER BY l.case_id, l.epoch");
    SELECT_SEALED: 2 = Batch::with([("vault", Kind::Blob), ("idx", Kind::Int)],
        "SELECT r.idx, r.sealed FROM batch b JOIN records r ON r.vault = b.vault AND r.idx = b.idx");
}

impl Vault {
    /// Everything sealed to the caller's bundles, earlier ones included, as of a head that a quorum stands behind.
    pub async fn own_keys(&self, caller: &Caller) -> Result<OwnKeys, StoreError> {
        let directory = self.directory();
        let person = directory.person(caller.person());
        let person = person.ok_or(StoreError::NotFound)?;
        let mut keys = empty();
        for key in &person.keys {
            self.add_keys(&mut keys, key.kid).await?;
        }
        // The recovery bundle is a recipient like any other; its rows are for whom the trustees chose.
        if let Some(policy) = directory.find_granted_recovery(caller.person()) {
            self.add_keys(&mut keys, policy.policy.bundle.kid()).await?;
        }
        self.finish_keys(keys).await
    }

    /// Everything sealed to one bundle: what an invitation's bundle opens before it is replaced. As confirmed as [`Self::own_keys`].
    pub async fn keys_of_kid(&self, kid: Kid) -> Result<OwnKeys, StoreError> {
        let mut keys = empty();
        self.add_keys(&mut keys, kid).await?;
        self.finish_keys(keys).await
    }

    /// Adds the links of the units, and leaves what a quorum stands behind: to whoever replays the log up to there, a key of
    /// a later epoch is a forged one.
    async fn finish_keys(&self, mut keys: OwnKeys) -> Result<OwnKeys, StoreError> {
        self.add_unit_links(&mut keys).await?;
        let confirmed = self.newest_records().await?.unverified().size;
        let directory = self.directory();
        let newer = if directory.size() > confirmed {
            self.epochs_since(confirmed).await?
        } else {
            HashSet::new()
        };
        let is_confirmed = |unit, epoch| {
            let unit = directory.unit(unit).filter(|unit| epoch <= unit.epoch());
            unit.is_some_and(|unit| !newer.contains(&(unit.unit, epoch)))
        };
        keys.memberships
            .retain(|row| is_confirmed(row.unit, row.epoch));
        keys.unit_links
            .retain(|link| is_confirmed(link.unit, link.epoch + 1));
        Ok(keys)
    }

    /// Unit epochs that records from `first` on begin.
    async fn epochs_since(&self, first: u64) -> Result<HashSet<(UnitId, u32)>, StoreError> {
        let statement = sql(SELECT_PAYLOADS).bind(self.id().0).bind(int(first));
        let mut epochs = HashSet::new();
        for row in self.0.db.fetch_all("epochs_since", statement).await? {
            let payload = RecordPayload::from_bytes(&row.column::<Vec<u8>>("payload")?);
            let payload = payload.map_err(|_| StoreError::Damaged("a record does not parse"))?;
            if let RecordPayload::Statement(signed) = payload
                && let Ok(statement) = Statement::from_bytes(&signed.statement.0)
                && let Event::UnitEpoch(epoch) = statement.event
            {
                epochs.insert((epoch.unit, epoch.epoch));
            }
        }
        Ok(epochs)
    }

    /// Keys and links of one case, for a caseworker of its unit who is going to write in it.
    pub async fn case_keys(
        &self,
        caller: &Caller,
        case: CaseId,
    ) -> Result<ReleasedCase, StoreError> {
        let directory = self.directory();
        let found = directory.case(case).ok_or(StoreError::NotFound)?;
        let writes = match found.kind {
            CaseKind::Agency => caller.works_in(found.unit),
            CaseKind::Own => found.owner == Some(caller.person()),
        };
        if !writes {
            return Err(StoreError::NotFound);
        }
        let mut cases = self.load_cases(&[case], false).await?;
        cases.pop().ok_or(StoreError::NotFound)
    }

    /// Keys and links of cases, in the order asked, with their register entries if wanted.
    pub(crate) async fn load_cases(
        &self,
        cases: &[CaseId],
        with_register: bool,
    ) -> Result<Vec<ReleasedCase>, StoreError> {
        let directory = self.directory();
        let mut answer: Vec<ReleasedCase> = cases.iter().map(|case| bare(*case)).collect();
        let rows = self.read_case_rows(cases).await?;
        for (slot, case) in answer.iter_mut().zip(cases) {
            let known = directory.case(*case).ok_or(StoreError::NotFound)?;
            let first = known.keys.first();
            slot.register_unit_epoch = first.map_or(0, |key| key.unit_epoch);
            slot.keys = parse_all(of_case(&rows.grants, *case))?;
            slot.links = of_case(&rows.links, *case).cloned().map(Blob).collect();
        }
        if with_register {
            self.add_registers(cases, &mut answer).await?;
        }
        Ok(answer)
    }

    async fn add_registers(
        &self,
        cases: &[CaseId],
        answer: &mut [ReleasedCase],
    ) -> Result<(), StoreError> {
        let directory = self.directory();
        let vault = self.id();
        let records: Vec<u64> = cases
            .iter()
            .filter_map(|case| directory.case(*case).map(|case| case.record))
            .collect();
        let asked = &records;
        let rows: Vec<Row> = self
            .0
            .db
            .read("load_registers", move |mut tx| async move {
                let asked = asked.iter().map(|idx| [blob(&vault.0), int(*idx)]);
                SELECT_SEALED.fetch_all(&mut tx, asked).await
            })
            .await
            .map_err(|error: SqlError| StoreError::Sql(error))?;
        for row in rows {
            let idx: u64 = row.column("idx")?;
            let sealed: Vec<u8> = row.column("sealed")?;
            let position = records.iter().position(|record| *record == idx);
            if let Some(slot) = position.and_then(|position| answer.get_mut(position)) {
                slot.register = (!sealed.is_empty()).then_some(Blob(sealed));
            }
        }
        Ok(())
    }

    async fn read_case_rows(&self, cases: &[CaseId]) -> Result<CaseRows, StoreError> {
        let vault = self.id();
        let asked = move || -> Vec<[obhut_sql::Value; 2]> {
            let asked = cases.iter().map(|case| [blob(&vault.0), blob(&case.0)]);
            asked.collect()
        };
        let asked = &asked;
        self.0
            .db
            .read("load_cases", move |mut tx| async move {
                let grants = SELECT_CASE_GRANTS.fetch_all(&mut tx, asked()).await?;
                let links = SELECT_CASE_LINKS.fetch_all(&mut tx, asked()).await?;
                Ok::<_, StoreError>(CaseRows {
                    grants: read_pairs(&grants, "body")?,
                    links: read_pairs(&links, "sealed")?,
                })
            })
            .await
    }

    async fn add_keys(&self, keys: &mut OwnKeys, kid: Kid) -> Result<(), StoreError> {
        let memberships = self
            .bodies("own_memberships", SELECT_MEMBERSHIPS, kid)
            .await?;
        keys.memberships
            .extend(parse_all::<Membership>(memberships.iter())?);
        let wraps = self
            .bodies("own_lambda_wraps", SELECT_LAMBDA_WRAPS, kid)
            .await?;
        keys.lambda_wraps
            .extend(parse_all::<LambdaWrap>(wraps.iter())?);
        let log_keys = self.bodies("own_log_keys", SELECT_LOG_KEYS, kid).await?;
        keys.log_keys.extend(parse_all::<LogKey>(log_keys.iter())?);
        keys.grants.extend(self.grants_to(kid).await?);
        Ok(())
    }

    async fn add_unit_links(&self, keys: &mut OwnKeys) -> Result<(), StoreError> {
        let mut units: Vec<UnitId> = keys.memberships.iter().map(|row| row.unit).collect();
        units.sort_unstable();
        units.dedup();
        for unit in units {
            let statement = sql(SELECT_UNIT_LINKS).bind(self.id().0).bind(unit.0);
            for row in self.0.db.fetch_all("unit_links", statement).await? {
                keys.unit_links.push(UnitLink {
                    unit,
                    epoch: row.column("epoch")?,
                    sealed: Blob(row.column("sealed")?),
                });
            }
        }
        Ok(())
    }

    async fn bodies(
        &self,
        name: &'static str,
        text: &'static str,
        kid: Kid,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let statement = sql(text).bind(self.id().0).bind(kid.0);
        let rows = self.0.db.fetch_all(name, statement).await?;
        let bodies: Result<Vec<Vec<u8>>, SqlError> =
            rows.iter().map(|row| row.column("body")).collect();
        Ok(bodies?)
    }
}

struct CaseRows {
    grants: Vec<(CaseId, Vec<u8>)>,
    links: Vec<(CaseId, Vec<u8>)>,
}

fn of_case(rows: &[(CaseId, Vec<u8>)], case: CaseId) -> impl Iterator<Item = &Vec<u8>> {
    let start = rows.partition_point(|(id, _)| *id < case);
    let rest = rows.get(start..).unwrap_or_default();
    let own = rest.iter().take_while(move |(id, _)| *id == case);
    own.map(|(_, body)| body)
}

/// Sorted by case; the order within a case is kept. A batch may have run as several statements.
fn read_pairs(rows: &[Row], name: &'static str) -> Result<Vec<(CaseId, Vec<u8>)>, SqlError> {
    let mut pairs = Vec::with_capacity(rows.len());
    for row in rows {
        pairs.push((CaseId(row.column("case_id")?), row.column(name)?));
    }
    pairs.sort_by_key(|(case, _)| *case);
    Ok(pairs)
}

fn bare(case: CaseId) -> ReleasedCase {
    ReleasedCase {
        case,
        register: None,
        entry_no: 1,
        register_unit_epoch: 0,
        keys: Vec::<Grant>::new(),
        links: Vec::new(),
    }
}

fn empty() -> OwnKeys {
    OwnKeys {
        memberships: Vec::new(),
        unit_links: Vec::new(),
        lambda_wraps: Vec::new(),
        log_keys: Vec::new(),
        grants: Vec::new(),
    }
}

fn parse_all<'a, T: Cbor>(bodies: impl Iterator<Item = &'a Vec<u8>>) -> Result<Vec<T>, StoreError> {
    let parsed = bodies.map(|body| T::from_bytes(body));
    let parsed: Result<Vec<T>, _> = parsed.collect();
    parsed.map_err(|_| StoreError::Damaged("a key row does not parse"))
}
