//! Which of several servers writes the logs of a database.
//!
//! A lock of the database says who may try; the term in every head row says who may. The lock can
//! be lost at any time without notice, so nothing rests on it but liveness: a server of an earlier
//! term cannot commit, and only what is committed is signed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use obhut_format::VaultId;
use obhut_sql::{Db, Engine, Lock, sql};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::columns::int;
use crate::statements::statements;
use crate::{Store, StoreError};

statements! {
    TAKE_LEAD = "INSERT INTO leader (id, term, address, since_us) VALUES (1, 1, $1, $2) \
        ON CONFLICT (id) DO UPDATE SET term = leader.term + 1, address = excluded.address, since_us = excluded.since_us \
        RETURNING term";
    LEAVE_LEAD = "UPDATE leader SET address = NULL WHERE id = 1 AND term = $1";
    SELECT_LEADER = "SELECT term, address FROM leader WHERE id = 1";
    COUNT_LOGS = "SELECT COUNT(*) AS logs, CAST(COALESCE(MAX(term), 0) AS BIGINT) AS term FROM logs WHERE vault = $1";
    TAKE_LOGS = "UPDATE logs SET term = $2 WHERE vault = $1 AND term < $2";
}

/// Number of the lock: any, but the same in every server.
const LOCK: i64 = 5_430_221_764_882;
/// How often the database is asked whether the lock is still held.
const RENEW_EVERY: Duration = Duration::from_secs(2);
/// A lease counts this long from the moment the question was sent: less than the database's own
/// patience, so that it has ended here before it can begin elsewhere.
const COUNTS_FOR: Duration = Lock::PATIENCE.saturating_sub(Duration::from_secs(3));

/// Whether this process may still act as the one that writes. Cheap to clone.
#[derive(Clone)]
pub struct Lease(Arc<Shared>);

struct Shared {
    started: Instant,
    /// Milliseconds after `started`; `u64::MAX` for a lock that only the process's end takes away.
    until_ms: AtomicU64,
    /// None for a vault that is opened without an election.
    term: Option<i64>,
    lost: CancellationToken,
}

impl Lease {
    /// For a database that nobody else uses.
    pub(crate) fn sole() -> Self {
        Self::new(None, u64::MAX)
    }

    fn new(term: Option<i64>, until_ms: u64) -> Self {
        Self(Arc::new(Shared {
            started: Instant::now(),
            until_ms: AtomicU64::new(until_ms),
            term,
            lost: CancellationToken::new(),
        }))
    }

    /// Whether nobody else can have become the leader yet. Asks the clock, not the database.
    pub fn is_valid(&self) -> bool {
        let until_ms = self.0.until_ms.load(Ordering::SeqCst);
        until_ms == u64::MAX || self.0.started.elapsed() < Duration::from_millis(until_ms)
    }

    /// Ends when the lock is lost.
    pub async fn lost(&self) {
        self.0.lost.cancelled().await;
    }

    /// The number of this leadership; none without an election.
    pub fn term(&self) -> Option<i64> {
        self.0.term
    }

    fn renew(&self, asked: Instant) {
        let until = asked.duration_since(self.0.started) + COUNTS_FOR;
        let until_ms = u64::try_from(until.as_millis()).unwrap_or(u64::MAX - 1);
        self.0.until_ms.store(until_ms, Ordering::SeqCst);
    }

    fn left(&self) -> Duration {
        let until = Duration::from_millis(self.0.until_ms.load(Ordering::SeqCst));
        until.saturating_sub(self.0.started.elapsed())
    }

    fn end(&self) {
        self.0.until_ms.store(0, Ordering::SeqCst);
        self.0.lost.cancel();
    }
}

/// The right to write, for as long as it lasts.
pub struct Leadership {
    lease: Lease,
    resign: oneshot::Sender<()>,
    keeper: JoinHandle<()>,
}

/// The server that writes, as the database knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leader {
    /// Number of its leadership.
    pub term: i64,
    /// Where other servers reach it; none if it resigned or has not said.
    pub address: Option<String>,
}

impl Store {
    /// Becomes the server that writes this database's logs, unless another one is. `address` is
    /// where the other servers send what only the leader can do.
    pub async fn try_lead(
        &self,
        address: Option<&str>,
        now_us: u64,
    ) -> Result<Option<Leadership>, StoreError> {
        let asked = Instant::now();
        let Some(lock) = self.db.try_lock(LOCK).await? else {
            return Ok(None);
        };
        let term = self
            .db
            .write("take_lead", move |mut tx| async move {
                let taken = sql(TAKE_LEAD).bind(address).bind(int(now_us));
                let term: i64 = taken.fetch_one(&mut tx).await?.column("term")?;
                Ok::<_, StoreError>(term)
            })
            .await?;
        let lease = Lease::new(Some(term), 0);
        if self.db.engine() == Engine::Sqlite {
            lease.0.until_ms.store(u64::MAX, Ordering::SeqCst);
        } else {
            lease.renew(asked);
        }
        let (resign, resigned) = oneshot::channel();
        #[expect(
            clippy::disallowed_methods,
            reason = "`resign` waits for it; dropped, it ends with the lease"
        )]
        let keeper = tokio::spawn(keep(self.db.clone(), lock, lease.clone(), resigned));
        Ok(Some(Leadership {
            lease,
            resign,
            keeper,
        }))
    }

    /// The leader, if there has been one. It may be gone without having said so.
    pub async fn find_leader(&self) -> Result<Option<Leader>, StoreError> {
        let row = self.db.fetch_optional("find_leader", sql(SELECT_LEADER));
        let Some(row) = row.await? else {
            return Ok(None);
        };
        Ok(Some(Leader {
            term: row.column("term")?,
            address: row.column("address")?,
        }))
    }
}

impl Leadership {
    /// What the vaults of this database are led under.
    pub fn lease(&self) -> Lease {
        self.lease.clone()
    }

    /// Lets the next server in at once. Call it when everything that was led has stopped.
    pub async fn resign(self) {
        // A keeper that has ended already has let go of the lock.
        let _ = self.resign.send(());
        let _ = self.keeper.await;
    }
}

/// Holds the lock and asks for it, until it is lost or given up.
async fn keep(db: Db, mut lock: Lock, lease: Lease, mut resigned: oneshot::Receiver<()>) {
    let lasting = db.engine() == Engine::Sqlite;
    loop {
        tokio::select! {
            _ = &mut resigned => {
                leave(&db, &lease).await;
                break;
            }
            () = tokio::time::sleep(RENEW_EVERY), if !lasting => {}
        }
        let asked = Instant::now();
        if let Ok(true) = tokio::time::timeout(lease.left(), lock.is_held()).await {
            lease.renew(asked);
        } else {
            tracing::error!("the lock of the leader is lost; nothing more is signed here");
            break;
        }
    }
    lease.end();
}

async fn leave(db: &Db, lease: &Lease) {
    let term = lease.term().unwrap_or_default();
    lease.end();
    let left: Result<u64, StoreError> = db
        .write("leave_lead", move |mut tx| async move {
            Ok(sql(LEAVE_LEAD).bind(term).execute(&mut tx).await?)
        })
        .await;
    if let Err(error) = left {
        tracing::warn!(%error, "the leader's address stays behind; the next leader replaces it");
    }
}

/// Marks the logs of a vault with a new term: whoever led them before cannot commit from now on.
pub(crate) async fn take_logs(db: &Db, vault: VaultId, lease: &Lease) -> Result<i64, StoreError> {
    let wanted = lease.term();
    db.write("take_logs", move |mut tx| async move {
        let row = sql(COUNT_LOGS).bind(vault.0).fetch_one(&mut tx).await?;
        let (logs, last): (u64, i64) = (row.column("logs")?, row.column("term")?);
        let term = wanted.unwrap_or(last + 1);
        let taken = sql(TAKE_LOGS).bind(vault.0).bind(term);
        if taken.execute(&mut tx).await? == logs {
            Ok(term)
        } else {
            Err(StoreError::Fenced)
        }
    })
    .await
}
