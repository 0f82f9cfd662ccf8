//! What a vault does by itself: the next shard in time, entries a crash left open, stale rows.

use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::civil::Date;
use jiff::{Timestamp, tz::TimeZone};
use obhut_format::entry::Outcome;
use obhut_format::release::{GateRequest, GateResponse, VaultOnly};
use obhut_format::statement::{Event, GateHead, ShardOpened};
use obhut_log::{Label, Recs};
use obhut_sql::{SqlError, sql};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::columns::int;
use crate::sequencer::{CloseWork, StatementWork, Work};
use crate::statements::statements;
use crate::vault::Inner;
use crate::{StoreError, Vault};

statements! {
    SELECT_OPEN = "SELECT g.origin, o.idx, l.recs FROM logs g JOIN open_entries o ON o.log = g.log \
        JOIN leaves l ON l.log = o.log AND l.idx = o.idx WHERE g.vault = $1 ORDER BY g.log, o.idx";
    DROP_ACTS = "DELETE FROM seen_acts WHERE vault = $1 AND time_us < $2";
    DROP_KEPT = "DELETE FROM kept_entries WHERE vault = $1 AND time_us < $2";
    DROP_TICKETS = "DELETE FROM tickets WHERE vault = $1 AND until_us < $2";
}

/// Pause between two rounds.
const ROUND: Duration = Duration::from_mins(1);
/// The next shard is opened this long before it begins, microseconds: 14 days.
const AHEAD_US: u64 = 14 * DAY_US;
/// The gatekeeper's head is anchored at most this often, microseconds: hourly.
const ANCHOR_EVERY_US: u64 = 3_600 * 1_000_000;
/// Acts are remembered this long, microseconds. They live two minutes.
const REMEMBER_ACTS_US: u64 = DAY_US;
/// An act may be answered once more for this long, microseconds: 10 minutes.
const KEEP_ENTRIES_US: u64 = 600 * 1_000_000;
const DAY_US: u64 = 86_400 * 1_000_000;

impl Vault {
    /// Entries an earlier process logged and never closed were aborted.
    pub(crate) async fn close_left_open(&self) -> Result<(), StoreError> {
        let statement = sql(SELECT_OPEN).bind(self.id().0);
        for row in self.0.db.fetch_all("left_open", statement).await? {
            let recs = Recs::parse(&row.column::<Vec<u8>>("recs")?)?;
            let labels: Vec<Label> = recs.as_slice().iter().map(|rec| rec.label).collect();
            self.enqueue(Work::Close(CloseWork {
                shard: row.column("origin")?,
                entry: row.column("idx")?,
                labels,
                outcome: Outcome::Aborted,
                receipt: None,
            }))?;
        }
        Ok(())
    }

    pub(crate) fn start_upkeep(&self) {
        self.spawn(rounds(Arc::downgrade(&self.0), self.0.stopping.clone()));
    }

    async fn round(&self) -> Result<(), StoreError> {
        if self.is_founded() {
            // After weeks of standstill the quarter of today may be missing as well.
            self.open_shard_at(self.now_us()).await?;
            self.open_shard_at(self.now_us() + AHEAD_US).await?;
            self.anchor_gate_head().await?;
        }
        let (vault, now_us) = (self.id(), self.now_us());
        self.0
            .db
            .write("drop_stale", move |mut tx| async move {
                let acts = int(now_us.saturating_sub(REMEMBER_ACTS_US));
                sql(DROP_ACTS)
                    .bind(vault.0)
                    .bind(acts)
                    .execute(&mut tx)
                    .await?;
                let kept = int(now_us.saturating_sub(KEEP_ENTRIES_US));
                sql(DROP_KEPT)
                    .bind(vault.0)
                    .bind(kept)
                    .execute(&mut tx)
                    .await?;
                sql(DROP_TICKETS)
                    .bind(vault.0)
                    .bind(int(now_us))
                    .execute(&mut tx)
                    .await
            })
            .await
            .map(drop)
            .map_err(|error: SqlError| StoreError::Sql(error))
    }

    /// Puts the head of the gatekeeper's chain of receipts into the records log, when it has moved on:
    /// a gatekeeper restored from a backup goes on behind it and gives no number twice.
    async fn anchor_gate_head(&self) -> Result<(), StoreError> {
        let directory = self.directory();
        let anchored = directory.gate_head();
        let waits = |head: &GateHead| self.now_us() < head.time_us.saturating_add(ANCHOR_EVERY_US);
        if anchored.is_some_and(waits) {
            return Ok(());
        }
        let status = GateRequest::Status(VaultOnly { vault: self.id() });
        let GateResponse::Status(status) = self.0.notary.ask(&status).await? else {
            return Err(StoreError::GateUnavailable);
        };
        if status.head.seq <= anchored.map_or(0, |head| head.seq) {
            return Ok(());
        }
        self.state(Event::GateHead(status.head)).await
    }

    /// Opens the shard of the quarter that this time falls in, unless it is open.
    async fn open_shard_at(&self, time_us: u64) -> Result<(), StoreError> {
        let quarter = Quarter::at(time_us)?;
        let directory = self.directory();
        let card = directory.card().ok_or(StoreError::NotFound)?;
        let origin = card.access_origin("std", quarter.year, quarter.number);
        if directory.find_shard(&origin).is_some() {
            return Ok(());
        }
        self.state(Event::ShardOpened(ShardOpened {
            origin,
            class: "std".to_owned(),
            from_us: quarter.from_us,
            to_us: quarter.to_us,
            key: card.access_key,
        }))
        .await
    }

    /// Commits a statement by the vault itself.
    async fn state(&self, event: Event) -> Result<(), StoreError> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Work::Statement(StatementWork { event, reply }))?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }
}

async fn rounds(vault: Weak<Inner>, stopping: CancellationToken) {
    while let Some(inner) = vault.upgrade() {
        let vault = Vault(inner);
        if let Err(error) = vault.round().await {
            tracing::warn!(vault = %vault.id(), %error, "upkeep failed and will be tried again");
        }
        drop(vault);
        if stopping
            .run_until_cancelled(tokio::time::sleep(ROUND))
            .await
            .is_none()
        {
            return;
        }
    }
}

/// A calendar quarter in UTC: what an access shard spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quarter {
    /// Year.
    pub year: i16,
    /// 1 to 4.
    pub number: u8,
    /// First microsecond.
    pub from_us: u64,
    /// First microsecond after it.
    pub to_us: u64,
}

impl Quarter {
    /// The quarter a time falls in (microseconds UTC).
    pub fn at(time_us: u64) -> Result<Self, StoreError> {
        let outside = || StoreError::ClockBackwards;
        let time_us = i64::try_from(time_us).map_err(|_| outside())?;
        let time = Timestamp::from_microsecond(time_us).map_err(|_| outside())?;
        let date = TimeZone::UTC.to_datetime(time).date();
        let number = (date.month() - 1) / 3;
        let first = |year: i16, quarter: i8| {
            let date = Date::new(year, quarter * 3 + 1, 1).ok()?;
            let start = TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).ok()?;
            u64::try_from(start.as_microsecond()).ok()
        };
        let (next_year, next) = match number {
            3 => (date.year() + 1, 0),
            _ => (date.year(), number + 1),
        };
        Ok(Self {
            year: date.year(),
            number: number.unsigned_abs() + 1,
            from_us: first(date.year(), number).ok_or_else(outside)?,
            to_us: first(next_year, next).ok_or_else(outside)?,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn quarters_follow_each_other_without_a_gap() {
        let mut quarter = Quarter::at(1_700_000_000_000_000).unwrap();
        assert_eq!((quarter.year, quarter.number), (2023, 4));
        for _ in 0..40 {
            let next = Quarter::at(quarter.to_us).unwrap();
            assert_eq!(next.from_us, quarter.to_us);
            assert_eq!(Quarter::at(quarter.to_us - 1).unwrap(), quarter);
            quarter = next;
        }
        assert_eq!((quarter.year, quarter.number), (2033, 4));
    }
}
