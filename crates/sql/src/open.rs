//! Opening either engine.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::str::FromStr as _;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _};

use crate::SqlError;
use crate::db::Pools;
use crate::lent::{Lent, TRIVIAL_WITHIN, within};

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
    /// How long PostgreSQL may take to answer a statement, before its connection is closed and the
    /// caller told so. 15 s unless changed: longer than a transaction that stands still keeps others
    /// waiting.
    pub answer_within: Duration,
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
            answer_within: Duration::from_secs(15),
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
        .options(session_limits(options))
        .disable_statement_logging();
    let connect = demand_tls(connect);
    let pool = PgPoolOptions::new()
        .max_connections(options.postgres_connections)
        .acquire_timeout(options.acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|connection, state| {
            Box::pin(async move {
                if state.idle_for > TRUSTED_IDLE {
                    within(TRIVIAL_WITHIN, connection.ping()).await?;
                }
                Ok(true)
            })
        })
        .connect_with(connect)
        .await?;
    refuse_old(Lent::take(&pool, options.answer_within).await?).await?;
    Ok(Pools::Postgres(pool))
}

/// What the server does by itself. A process that stands still must not hold the rows of its
/// transaction for ever, nor one that cannot be reached any more.
fn session_limits(options: &Options) -> [(&'static str, String); 6] {
    [
        ("idle_in_transaction_session_timeout", "10s".to_owned()),
        (
            "statement_timeout",
            format!("{}ms", options.answer_within.as_millis()),
        ),
        ("tcp_keepalives_idle", "15s".to_owned()),
        ("tcp_keepalives_interval", "5s".to_owned()),
        ("tcp_keepalives_count", "3".to_owned()),
        ("tcp_user_timeout", "30s".to_owned()),
    ]
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

async fn refuse_old(mut lent: Lent) -> Result<(), SqlError> {
    let text = "SELECT CAST(current_setting('server_version_num') AS INTEGER), \
        current_setting('server_version')";
    let limit = lent.answer_within();
    let found = within(limit, sqlx::query_as(text).fetch_one(lent.connection()?)).await;
    let (number, found): (i32, String) = lent.judge(found)?;
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

    /// A server that lets everybody in and says nothing more.
    #[tokio::test]
    async fn a_server_that_falls_silent_is_given_up() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let mut held = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let _ = io::Read::read(&mut stream, &mut [0; 512]);
                let welcome = b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I";
                io::Write::write_all(&mut stream, welcome).unwrap();
                held.push(stream);
            }
        });
        let options = Options {
            answer_within: Duration::from_secs(1),
            ..Options::default()
        };
        let url = format!("postgres://o@127.0.0.1:{port}/o?sslmode=disable");
        let opening = crate::Db::open_with(&url, &options);
        let opened = tokio::time::timeout(Duration::from_secs(5), opening).await;
        let refused = opened.unwrap().err().unwrap();
        assert!(matches!(refused, SqlError::Unavailable(_)), "{refused:?}");
    }
}
