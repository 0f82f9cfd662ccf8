//! A database of its own for every test, on both engines.

mod describe;
mod silence;

pub use describe::describe;
pub use silence::{Silencer, Swallow};

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{Db, Options, SqlError};

/// The environment variable with the URL of a PostgreSQL server whose user may CREATE DATABASE.
pub const POSTGRES_VARIABLE: &str = "OBHUT_TEST_POSTGRES";

/// An empty database that is gone after the test. Call [`TestDb::finish`] at its end; without it
/// a database on PostgreSQL stays until the server is thrown away.
pub struct TestDb {
    /// The opened database.
    pub db: Db,
    /// What [`Db::open`] takes to open it once more.
    pub target: String,
    place: Place,
}

enum Place {
    Postgres { server: String, name: String },
    Sqlite(tempfile::TempDir),
}

impl TestDb {
    /// A new SQLite file, in memory where the machine has `/dev/shm`.
    pub async fn sqlite() -> Result<Self, SqlError> {
        let shm = std::path::Path::new("/dev/shm");
        let folder = if shm.is_dir() {
            tempfile::tempdir_in(shm)
        } else {
            tempfile::tempdir()
        }
        .map_err(|error| SqlError::Unavailable(error.into()))?;
        let path = folder.path().join("test.sqlite");
        let target = path.to_string_lossy().into_owned();
        let db = Db::open_sqlite(&path, &Options::default()).await?;
        let place = Place::Sqlite(folder);
        Ok(Self { db, target, place })
    }

    /// A new database on the server of [`POSTGRES_VARIABLE`], or `None` with a printed line when
    /// the variable is not set.
    pub async fn postgres() -> Result<Option<Self>, SqlError> {
        let Ok(server) = std::env::var(POSTGRES_VARIABLE) else {
            eprintln!("skipped on PostgreSQL: {POSTGRES_VARIABLE} is not set");
            return Ok(None);
        };
        Self::postgres_at(&server).await.map(Some)
    }

    /// A new database on the server with this URL, whose user may CREATE DATABASE.
    pub async fn postgres_at(server: &str) -> Result<Self, SqlError> {
        let server = server.to_owned();
        let name = unique_name();
        administer(&server, format!("CREATE DATABASE {name}")).await?;
        let target = with_database(&server, &name);
        let options = Options {
            postgres_connections: 8,
            ..Options::default()
        };
        let db = Db::open_postgres(&target, &options).await?;
        let place = Place::Postgres { server, name };
        Ok(Self { db, target, place })
    }

    /// Closes the database and removes it.
    pub async fn finish(self) -> Result<(), SqlError> {
        self.db.close().await;
        match self.place {
            Place::Postgres { server, name } => {
                administer(&server, format!("DROP DATABASE {name} WITH (FORCE)")).await
            }
            Place::Sqlite(folder) => folder
                .close()
                .map_err(|error| SqlError::Unavailable(error.into())),
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a name no other run has")]
fn unique_name() -> String {
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    let nanos = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos());
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    format!("test_{}_{number}_{nanos:x}", std::process::id())
}

/// The server's URL with its path replaced.
fn with_database(server: &str, name: &str) -> String {
    let (address, query) = match server.split_once('?') {
        Some((address, query)) => (address, format!("?{query}")),
        None => (server, String::new()),
    };
    let authority = address.find("://").map_or(0, |at| at + 3);
    let end = address[authority..]
        .find('/')
        .map_or(address.len(), |at| authority + at);
    format!("{}/{name}{query}", &address[..end])
}

async fn administer(server: &str, statement: String) -> Result<(), SqlError> {
    let mut connection = PgConnection::connect(server).await?;
    sqlx::raw_sql(AssertSqlSafe(statement))
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(())
}
