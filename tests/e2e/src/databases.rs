//! Databases of a PostgreSQL server for one test.

use obhut_sql::testing::TestDb;
use tokio::runtime::Runtime;

/// Databases for the vault and for both stores of the gatekeeper, gone when dropped.
pub struct Databases {
    runtime: Runtime,
    databases: Vec<TestDb>,
}

impl Databases {
    /// Makes them on the server of `OBHUT_TEST_POSTGRES`; `None`, and a printed line, without one.
    pub fn make() -> Option<Self> {
        let runtime = Runtime::new().unwrap();
        let mut databases = Vec::new();
        for _ in 0..3 {
            let made = runtime.block_on(TestDb::postgres()).unwrap()?;
            runtime.block_on(made.db.close());
            databases.push(made);
        }
        Some(Self { runtime, databases })
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
