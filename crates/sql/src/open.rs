//! Opening either engine.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgSslMode};
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
        .application_name("obhut")
        // A process that stands still must not hold the rows of its transaction for ever.
        .options([("idle_in_transaction_session_timeout", "10s")])
        .disable_statement_logging();
    let connect = demand_tls(connect);
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
    refuse_old(&pool).await?;
    Ok(Pools::Postgres(pool))
}

/// "TLS if the server offers it" protects from nobody in the path: away from this machine the
/// server's certificate is checked unless the URL says otherwise in plain words.
fn demand_tls(connect: PgConnectOptions) -> PgConnectOptions {
    let host = connect.get_host().trim_matches(['[', ']']);
    let here = connect.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    let vague = matches!(connect.get_ssl_mode(), PgSslMode::Allow | PgSslMode::Prefer);
    if vague && !here {
        connect.ssl_mode(PgSslMode::VerifyFull)
    } else {
        connect
    }
}

/// The oldest PostgreSQL that is tested, as the server counts versions.
const OLDEST_POSTGRES: i32 = 150_000;

async fn refuse_old(pool: &PgPool) -> Result<(), SqlError> {
    let text = "SELECT CAST(current_setting('server_version_num') AS INTEGER), \
        current_setting('server_version')";
    let (number, found): (i32, String) = sqlx::query_as(text).fetch_one(pool).await?;
    if number < OLDEST_POSTGRES {
        return Err(SqlError::OldServer { found });
    }
    Ok(())
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn mode(url: &str) -> PgSslMode {
        demand_tls(PgConnectOptions::from_str(url).unwrap()).get_ssl_mode()
    }

    #[test]
    fn checks_the_certificate_of_a_database_elsewhere_unless_told_otherwise() {
        let checked = |url| matches!(mode(url), PgSslMode::VerifyFull);
        assert!(checked("postgres://o@db.agency.example/o"));
        assert!(checked("postgres://o@192.0.2.1/o?sslmode=prefer"));
        assert!(!checked("postgres://o@127.0.0.1/o"));
        assert!(!checked("postgres://o@[::1]/o"));
        assert!(!checked("postgres://o@localhost/o?host=/run/postgresql"));
        let told = mode("postgres://o@db.agency.example/o?sslmode=disable");
        assert!(matches!(told, PgSslMode::Disable));
    }

    /// A connection cut while it is made is a database away, whatever is left of its answer.
    #[tokio::test]
    async fn a_connection_that_ends_in_the_middle_of_an_answer_is_unavailable() {
        for answer in [&b""[..], b"\0", b"N", b"NR\0\0"] {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            std::thread::spawn(move || {
                for mut stream in listener.incoming().map_while(Result::ok) {
                    let _ = io::Read::read(&mut stream, &mut [0; 64]);
                    let _ = io::Write::write_all(&mut stream, answer);
                }
            });
            let options = Options {
                acquire_timeout: Duration::from_secs(1),
                ..Options::default()
            };
            let url = format!("postgres://o@127.0.0.1:{port}/o");
            let refused = crate::Db::open_with(&url, &options).await.err().unwrap();
            let unavailable = matches!(refused, SqlError::Unavailable(_));
            assert!(unavailable, "{answer:?}: {refused:?}");
        }
    }
}
