//! Databases of a PostgreSQL server for one test.

use obhut_sql::testing::{POSTGRES_VARIABLE, TestDb};
use obhut_sql::{Db, sql};
use tokio::runtime::Runtime;

/// Databases for the vault and for both stores of the gatekeeper, gone when dropped.
pub struct Databases {
    runtime: Runtime,
    databases: Vec<TestDb>,
}

impl Databases {
    /// Makes them on the server of `OBHUT_TEST_POSTGRES`; `None`, and a printed line, without one.
    pub fn make() -> Option<Self> {
        let Ok(server) = std::env::var(POSTGRES_VARIABLE) else {
            eprintln!("skipped on PostgreSQL: {POSTGRES_VARIABLE} is not set");
            return None;
        };
        Some(Self::make_at(&server))
    }

    /// Makes them on the server with this URL.
    pub fn make_at(server: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let mut databases = Vec::new();
        for _ in 0..3 {
            let made = runtime.block_on(TestDb::postgres_at(server)).unwrap();
            runtime.block_on(made.db.close());
            databases.push(made);
        }
        Self { runtime, databases }
    }

    /// What `pg_dump` writes of all of them.
    pub fn dump(&self) -> Vec<u8> {
        let mut dumps = Vec::new();
        for database in &self.databases {
            let mut dump = std::process::Command::new("pg_dump");
            let dump = dump.arg(&database.target).output().unwrap();
            let words = String::from_utf8_lossy(&dump.stderr);
            assert!(dump.status.success(), "pg_dump: {words}");
            dumps.extend(dump.stdout);
        }
        dumps
    }

    /// The address that the database names as its leader's.
    pub fn leader(&self) -> Option<String> {
        self.runtime.block_on(async {
            let db = Db::open(self.vault()).await.unwrap();
            let text = "SELECT address FROM leader";
            let row = db.fetch_optional("leader", sql(text)).await.unwrap();
            db.close().await;
            row.and_then(|row| row.column("address").unwrap())
        })
    }

    /// Ends every connection to the vault's database.
    pub fn cut(&self) {
        self.runtime.block_on(async {
            let db = Db::open(self.vault()).await.unwrap();
            let text = "SELECT COUNT(pg_terminate_backend(pid)) AS n FROM pg_stat_activity \
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
            let _ = db.fetch_all("cut", sql(text)).await.unwrap();
            db.close().await;
        });
    }

    /// URL of the vault's database.
    pub fn vault(&self) -> &str {
        &self.databases[0].target
    }

    /// URL of the gatekeeper's first store.
    pub fn gate(&self) -> &str {
        &self.databases[1].target
    }

    /// URL of the gatekeeper's second store.
    pub fn mirror(&self) -> &str {
        &self.databases[2].target
    }
}

impl Drop for Databases {
    fn drop(&mut self) {
        for database in self.databases.drain(..) {
            if let Err(error) = self.runtime.block_on(database.finish()) {
                eprintln!("a test database stays behind: {error}");
            }
        }
    }
}
