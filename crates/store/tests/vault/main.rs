//! The store beside a real gatekeeper, on both engines: one suite.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod acts;
mod filing;
mod hostile;
mod issuing;
mod kill;
mod people;
mod scope;
mod sequencing;
mod silence;
mod story;
mod world;

/// Runs each function on SQLite and, where a server is given, on PostgreSQL.
#[macro_export]
macro_rules! on_both_engines {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let test = obhut_sql::testing::TestDb::sqlite().await.unwrap();
                super::$name(&test).await;
                test.finish().await.unwrap();
            })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let Some(test) = obhut_sql::testing::TestDb::postgres().await.unwrap() else {
                    return;
                };
                super::$name(&test).await;
                test.finish().await.unwrap();
            })+
        }
    };
}
