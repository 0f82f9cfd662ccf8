//! A connection of the PostgreSQL pool while somebody works on it.
//!
//! A network can swallow an answer without a word. So every wait has an end here, and a connection
//! that was silent for too long, or said something nobody understands, is closed at once: a
//! goodbye, a rollback or a test would wait on the same silence.

use std::io;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::{PgConnection, PgPool, Postgres};

use crate::SqlError;

/// What takes no work at all, such as BEGIN, is answered within this time on any network.
pub(crate) const TRIVIAL_WITHIN: Duration = Duration::from_secs(3);
/// A connection goes back to the pool within this time or is closed. Until then it counts there, so
/// that callers who go away cannot have more of them opened than the pool has.
const BACK_WITHIN: Duration = Duration::from_secs(10);
/// The server ends a statement by itself so much earlier than it is given up here.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// A connection that goes back to its pool when dropped, if it is sound.
pub(crate) struct Lent {
    /// None once it was given up.
    connection: Option<PoolConnection<Postgres>>,
    in_transaction: bool,
    answer_within: Duration,
}

impl Lent {
    /// A connection for single statements, each answered within this time.
    pub(crate) async fn take(pool: &PgPool, answer_within: Duration) -> Result<Self, sqlx::Error> {
        Ok(Self {
            connection: Some(pool.acquire().await?),
            in_transaction: false,
            answer_within,
        })
    }

    /// A connection in a transaction begun with this text.
    pub(crate) async fn begin(
        pool: &PgPool,
        answer_within: Duration,
        text: &'static str,
    ) -> Result<Self, sqlx::Error> {
        let mut lent = Self::take(pool, answer_within).await?;
        lent.in_transaction = true;
        lent.run(TRIVIAL_WITHIN, text).await?;
        Ok(lent)
    }

    /// How long a statement may take here.
    pub(crate) fn answer_within(&self) -> Duration {
        self.answer_within
    }

    /// From the next statement on.
    pub(crate) fn set_answer_within(&mut self, answer_within: Duration) {
        self.answer_within = answer_within;
    }

    /// What statements run on; nothing once it was given up.
    pub(crate) fn connection(&mut self) -> Result<&mut PgConnection, SqlError> {
        let connection = self.connection.as_mut().ok_or(SqlError::Aborted)?;
        Ok(&mut **connection)
    }

    /// Closes the connection when a statement ended so that nobody knows what comes next on it.
    pub(crate) fn judge<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, sqlx::Error> {
        let lost = matches!(
            result,
            Err(sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_))
        );
        if lost {
            drop(self.connection.take().map(PoolConnection::detach));
        }
        result
    }

    /// COMMIT.
    pub(crate) async fn commit(mut self) -> Result<(), sqlx::Error> {
        let committed = self.run(self.answer_within, "COMMIT").await;
        // A commit that was refused has ended the transaction as well.
        self.in_transaction = false;
        committed
    }

    /// ROLLBACK, unless the connection was given up: then the server does so by itself.
    pub(crate) async fn roll_back(mut self) -> Result<(), sqlx::Error> {
        let rolled_back = self.run(TRIVIAL_WITHIN, "ROLLBACK").await;
        self.in_transaction = false;
        rolled_back
    }

    async fn run(&mut self, limit: Duration, text: &'static str) -> Result<(), sqlx::Error> {
        let Some(connection) = self.connection.as_deref_mut() else {
            return Ok(());
        };
        let script = sqlx::raw_sql(text).execute(connection);
        let done = within(limit, script).await;
        self.judge(done).map(drop)
    }
}

impl Drop for Lent {
    /// Whoever is not waited for any more may have left a statement under way.
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            drop(connection.detach());
            return;
        };
        let in_transaction = self.in_transaction;
        runtime.spawn(async move {
            if in_transaction {
                let script = sqlx::raw_sql("ROLLBACK").execute(&mut *connection);
                if within(BACK_WITHIN, script).await.is_err() {
                    drop(connection.detach());
                    return;
                }
            }
            // What the pool does by itself when a connection is dropped, but for a limit: it would
            // wait for ever for the answer to its test. Broken off, it closes the connection.
            let back = connection.return_to_pool();
            if tokio::time::timeout(BACK_WITHIN, back).await.is_err() {
                tracing::debug!("a connection to the database did not come back and was closed");
            }
        });
    }
}

/// What was asked, or an error when it takes longer. The connection that was asked is of no use then.
pub(crate) async fn within<T>(
    limit: Duration,
    asked: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    if let Ok(answered) = tokio::time::timeout(limit, asked).await {
        return answered;
    }
    let limit = limit.as_secs();
    let text = format!("no answer in {limit} s; the connection was closed");
    let silent = io::Error::new(io::ErrorKind::TimedOut, text);
    Err(sqlx::Error::Io(silent))
}
