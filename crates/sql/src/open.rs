//! Opening either engine.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::SqlError;
use crate::db::Pools;

/// How a database is opened. The defaults suit a server.
#[derive(Clone, Debug)]
pub struct Options {
    /// Connections to PostgreSQL. 16 unless changed.
    pub postgres_connections: u32,
    /// Connections that read SQLite; one more writes. 4 unless changed.
    pub sqlite_readers: u32,
    /// Prepared statements kept a connection. 256 unless changed.
    pub statement_cache: usize,
    /// How long to wait for a free connection, and for a server that is just starting. 10 s
    /// unless changed.
    pub acquire_timeout: Duration,
    /// How long SQLite waits for another process's lock. 5 s unless changed.
    pub busy_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            postgres_connections: 16,
            sqlite_readers: 4,
            statement_cache: 256,
            acquire_timeout: Duration::from_secs(10),
            busy_timeout: Duration::from_secs(5),
        }
    }
}

/// A connection idle for longer is tried before it is used.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

pub(crate) async fn postgres(url: &str, options: &Options) -> Result<Pools, SqlError> {
    let connect = PgConnectOptions::from_str(url)?
        .statement_cache_capacity(options.statement_cache)
        .disable_statement_logging();
    let pool = PgPoolOptions::new()
        .max_connections(options.postgres_connections)
        .acquire_timeout(options.acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|connection, state| {
            Box::pin(async move {
                if state.idle_for > TRUSTED_IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_with(connect)
        .await?;
    Ok(Pools::Postgres(pool))
}

pub(crate) async fn sqlite(path: &Path, options: &Options) -> Result<Pools, SqlError> {
    make_private(path).map_err(sqlx::Error::Io)?;
    let connect = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(options.busy_timeout)
        .statement_cache_capacity(options.statement_cache)
        // Deleted content is overwritten, and a log grown by one large transaction shrinks again.
        .pragma("secure_delete", "ON")
        .pragma("journal_size_limit", "67108864")
        .disable_statement_logging();
    // A connection whose rollback failed still counts itself in a transaction; it is replaced.
    let pool = || {
        SqlitePoolOptions::new()
            .acquire_timeout(options.acquire_timeout)
            .test_before_acquire(false)
            .before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }))
            .idle_timeout(None)
            .max_lifetime(None)
    };
    let writer = pool()
        .max_connections(1)
        .connect_with(connect.clone())
        .await?;
    let reader = pool()
        .max_connections(options.sqlite_readers)
        .connect_lazy_with(connect.pragma("query_only", "ON"));
    let path = path.to_owned();
    Ok(Pools::Sqlite {
        reader,
        writer,
        path,
    })
}

/// Creates the file with mode 0600, or takes the rights of others away. SQLite gives the mode to
/// the files it puts beside it.
fn make_private(path: &Path) -> io::Result<()> {
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match created {
        Ok(_) => {
            let folder = path
                .parent()
                .filter(|folder| !folder.as_os_str().is_empty());
            File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let mode = fs::metadata(path)?.permissions().mode();
            let open_to_others = mode & 0o077 != 0;
            if open_to_others {
                fs::set_permissions(path, Permissions::from_mode(0o600))?;
            }
            Ok(())
        }
        Err(error) => Err(error),
    }
}
