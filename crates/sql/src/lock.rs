//! One holder among many processes.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::Duration;

use sqlx::{Connection as _, PgConnection, Row as _};

use crate::db::Pools;
use crate::lent::{TRIVIAL_WITHIN, within};
use crate::{Db, SqlError};

/// A lock held until it is dropped or its connection is lost.
///
/// PostgreSQL may end a connection at any time, so whoever works under a lock must also fence what
/// it writes (compare and swap) and ask [`Lock::is_held`] now and then.
#[must_use = "a lock is released when it is dropped"]
pub struct Lock(Held);

enum Held {
    /// `flock` on a file beside the database.
    File(#[expect(dead_code, reason = "open for as long as the lock is held")] File),
    /// A session-level advisory lock on a connection of its own.
    Postgres(PgConnection),
}

impl Lock {
    /// A holder that has not asked [`Lock::is_held`] for so long, because it hangs or the network is
    /// cut, has lost the lock; not before. On SQLite only the end of its process takes a lock away.
    pub const PATIENCE: Duration = Duration::from_secs(10);

    /// Whether the lock is still held. Asks the server on PostgreSQL, which lets go of a lock whose
    /// holder has not asked for [`Lock::PATIENCE`].
    pub async fn is_held(&mut self) -> bool {
        match &mut self.0 {
            Held::File(_) => true,
            Held::Postgres(connection) => within(Lock::PATIENCE, connection.ping()).await.is_ok(),
        }
    }
}

impl Db {
    /// Takes the lock of this number, or gives `None` when another process or holder has it.
    pub async fn try_lock(&self, key: i64) -> Result<Option<Lock>, SqlError> {
        match &self.shared.pools {
            Pools::Postgres(pool) => {
                let connection = pool.acquire().await?.detach();
                try_lock_session(connection, key).await
            }
            Pools::Sqlite { path, .. } => try_lock_file(path, key),
        }
    }
}

/// Lock and limit in one statement: the server lets go of a lock whose holder never heard of it.
const TRY_LOCK: &str =
    "SELECT set_config('idle_session_timeout', $2, false), pg_try_advisory_lock($1)";

async fn try_lock_session(
    mut connection: PgConnection,
    key: i64,
) -> Result<Option<Lock>, SqlError> {
    let limit = format!("{}ms", Lock::PATIENCE.as_millis());
    let asked = sqlx::query(TRY_LOCK).bind(key).bind(limit);
    let row = within(TRIVIAL_WITHIN, asked.fetch_one(&mut connection)).await?;
    let taken: bool = row.try_get(1)?;
    if taken {
        return Ok(Some(Lock(Held::Postgres(connection))));
    }
    // A failure to say goodbye changes nothing.
    let _ = within(TRIVIAL_WITHIN, connection.close()).await;
    Ok(None)
}

fn try_lock_file(database: &Path, key: i64) -> Result<Option<Lock>, SqlError> {
    let mut path = database.as_os_str().to_owned();
    path.push(format!("-lock-{key}"));
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(SqlError::LockFile)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(Lock(Held::File(file)))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(SqlError::LockFile(error)),
    }
}
