//! Reading the access log under a person's label.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use obhut_format::entry::{EntryWrap, LogKey};
use obhut_format::reading::{AccessEntryPage, AccessLogAnswer};
use obhut_format::release::{GateRequest, GateResponse, LabelQuery};
use obhut_format::{Blob, Cbor, Hash, Kid, PersonId};
use obhut_log::{Recs, SignedCheckpoint};
use obhut_model::action::ReadLog;
use obhut_sql::{Row, SqlError, sql};

use crate::columns::int;
use crate::statements::statements;
use crate::vault::QUORUM_PATIENCE;
use crate::{Logged, StoreError, Vault};

statements! {
    SELECT_ENTRIES = "SELECT g.log, n.idx, l.core, l.recs, e.payload FROM logs g JOIN label_rows n ON n.log = g.log \
        JOIN leaves l ON l.log = n.log AND l.idx = n.idx JOIN entries e ON e.log = n.log AND e.idx = n.idx \
        WHERE g.vault = $1 AND g.origin = $2 AND n.label = $3 AND n.idx < $4 ORDER BY n.seq";
    SELECT_WRAPS = "SELECT w.idx, w.wrap FROM logs g JOIN label_rows n ON n.log = g.log \
        JOIN entry_wraps w ON w.log = n.log AND w.idx = n.idx \
        JOIN log_keys k ON k.vault = g.vault AND k.log_key = w.log_key AND k.recipient = $4 \
        WHERE g.vault = $1 AND g.origin = $2 AND n.label = $3 ORDER BY w.idx";
    SELECT_KEYS = "SELECT body FROM log_keys WHERE vault = $1 AND origin = $2 AND recipient = $3 ORDER BY log_key";
}

/// How long a reader waits for shards that are not written any more.
const OLD_SHARD_PATIENCE: Duration = Duration::from_secs(2);

impl Vault {
    /// Every entry about the persons of the act, shard by shard, from the first one on, with the
    /// wraps that the reader's bundles open. The reading's own entry is among them or follows.
    pub async fn own_log(
        &self,
        logged: &Logged<ReadLog>,
    ) -> Result<Vec<AccessLogAnswer>, StoreError> {
        let last = logged.indices().into_iter().max().unwrap_or(0);
        self.wait_published(logged.shard(), last, QUORUM_PATIENCE)
            .await?;
        let directory = self.directory();
        let act = logged.act().act();
        let reader = directory.person(act.person).ok_or(StoreError::NotFound)?;
        let kids: Vec<Kid> = reader.keys.iter().map(|key| key.kid).collect();
        let mut answers = Vec::new();
        for shard in directory.shards() {
            let waited = self
                .wait_published(&shard.origin, 0, OLD_SHARD_PATIENCE)
                .await;
            let Ok(signed) = waited else { continue };
            for label in self.subject_labels(&shard.origin, &act.persons).await? {
                answers.push(self.read_label(&signed, label, &kids).await?);
            }
        }
        Ok(answers)
    }

    async fn subject_labels(
        &self,
        origin: &str,
        persons: &[PersonId],
    ) -> Result<Vec<Hash>, StoreError> {
        let query = GateRequest::Labels(LabelQuery {
            vault: self.id(),
            origin: origin.to_owned(),
            persons: persons.to_vec(),
        });
        match self.0.notary.ask(&query).await? {
            GateResponse::Labels(labels) if labels.len() == persons.len() => {
                Ok(labels.iter().map(|labels| labels.subject).collect())
            }
            _ => Err(StoreError::GateUnavailable),
        }
    }

    async fn read_label(
        &self,
        signed: &Arc<SignedCheckpoint>,
        label: Hash,
        kids: &[Kid],
    ) -> Result<AccessLogAnswer, StoreError> {
        let head = signed.unverified();
        let (vault, origin) = (self.id().0, head.origin.as_str());
        let statement = sql(SELECT_ENTRIES).bind(vault).bind(origin).bind(label);
        let rows = self
            .0
            .db
            .fetch_all("read_label", statement.bind(int(head.size)))
            .await?;
        let mut wraps: HashMap<u64, Vec<EntryWrap>> = HashMap::new();
        let mut log_keys = Vec::new();
        for kid in kids {
            let statement = sql(SELECT_WRAPS)
                .bind(vault)
                .bind(origin)
                .bind(label)
                .bind(kid.0);
            for row in self.0.db.fetch_all("read_wraps", statement).await? {
                let wrap = parse(&row, "wrap")?;
                wraps.entry(row.column("idx")?).or_default().push(wrap);
            }
            let statement = sql(SELECT_KEYS).bind(vault).bind(origin).bind(kid.0);
            for row in self.0.db.fetch_all("read_log_keys", statement).await? {
                log_keys.push(parse::<LogKey>(&row, "body")?);
            }
        }
        let indices: Result<Vec<u64>, SqlError> =
            rows.iter().map(|row| row.column("idx")).collect();
        let proofs = self.prove(signed, indices?).await?;
        let mut entries = Vec::with_capacity(rows.len());
        for (row, proof) in rows.iter().zip(proofs) {
            let recs = Recs::parse(&row.column::<Vec<u8>>("recs")?)?;
            entries.push(AccessEntryPage {
                index: proof.index,
                core: Blob(row.column("core")?),
                labels: recs.to_records(),
                payload: Blob(row.column("payload")?),
                wraps: wraps.remove(&proof.index).unwrap_or_default(),
                path: proof.path,
            });
        }
        Ok(AccessLogAnswer {
            origin: origin.to_owned(),
            label,
            entries,
            log_keys,
            checkpoint: signed.to_string(),
        })
    }
}

fn parse<T: Cbor>(row: &Row, name: &'static str) -> Result<T, StoreError> {
    let bytes: Vec<u8> = row.column(name)?;
    T::from_bytes(&bytes).map_err(|_| StoreError::Damaged("a log key does not parse"))
}
