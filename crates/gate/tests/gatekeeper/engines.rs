//! Both stores on PostgreSQL: the same life of a share, the same tables.

use std::collections::BTreeSet;

use obhut_format::CaseId;
use obhut_format::act::ActKind;
use obhut_format::release::GateResponse;
use obhut_sql::testing::TestDb;
use obhut_sql::{Db, SqlError, sql};

use crate::requests::{latest, released};
use crate::world::{DAY, World, refused};

const SQLITE_COLUMNS: &str = "SELECT tables.name AS t, columns.name AS c
    FROM sqlite_master tables, pragma_table_info(tables.name) columns WHERE tables.type = 'table'";
const POSTGRES_COLUMNS: &str = "SELECT table_name AS t, column_name AS c
    FROM information_schema.columns WHERE table_schema = 'public'";

#[tokio::test]
async fn a_share_lives_and_ends_on_postgresql() {
    let Some(first) = TestDb::postgres().await.unwrap() else {
        return;
    };
    let second = TestDb::postgres().await.unwrap().unwrap();
    let mut world = World::over(&first.target, &second.target).await;
    let unit = world.create_unit();
    let clerk = world.activated(false).await;
    world.appoint(&clerk, unit, None);
    world.publish().await;
    let (case, _) = world.create_case(&clerk, unit, &[clerk.id]).await;
    let documents = world.file(&clerk, case, 3).await;
    let unused = world.case_item(&clerk, CaseId([9; 16]));
    let unused = world.prepare_deposit(&clerk, &[unused]).await;
    let receipt = world.send_deposit(&unused).await;
    assert!(matches!(receipt, GateResponse::Deposited(_)), "{receipt:?}");
    assert_eq!(world.send_deposit(&unused).await, receipt);
    let objects = documents.iter().map(latest).collect();
    let attempt = world.attempt(&clerk, unit, ActKind::ExportCase, objects);
    let release = released(world.release(&attempt).await);
    assert_eq!(attempt.open(&release).len(), 3);
    world.restart().await;
    assert_eq!(refused(world.release(&attempt).await), "act-seen-before");
    world.advance(31 * DAY);
    world.publish().await;
    assert_eq!(world.gate.sweep().await.unwrap(), 1);
    assert_eq!(
        refused(world.send_deposit(&unused).await),
        "share-destroyed"
    );
    let status = world.status().await;
    assert_eq!((status.destroyed, status.head.seq), (1, 1));
    append_only(&first.db).await;
    same_tables(&first.db, &second.db).await;
    world.gate.close().await;
    first.finish().await.unwrap();
    second.finish().await.unwrap();
}

async fn append_only(db: &Db) {
    for text in ["DELETE FROM tombstones", "UPDATE receipts SET seq = 9"] {
        let changed = db
            .write("change", async |mut tx| sql(text).execute(&mut tx).await)
            .await;
        assert!(
            matches!(changed, Err(SqlError::Constraint { .. })),
            "{text}"
        );
    }
}

async fn same_tables(first: &Db, second: &Db) {
    let world = World::enrolled().await;
    let gate = world.folder.path().join("data/gate");
    for (file, postgres) in [("db.sqlite", first), ("mirror/shares.sqlite", second)] {
        let sqlite = Db::open(gate.join(file).to_str().unwrap()).await.unwrap();
        let columns = columns(&sqlite, SQLITE_COLUMNS).await;
        assert!(columns.len() > 20);
        assert_eq!(columns, self::columns(postgres, POSTGRES_COLUMNS).await);
    }
}

async fn columns(db: &Db, text: &'static str) -> BTreeSet<(String, String)> {
    let rows = db.fetch_all("columns", sql(text)).await.unwrap();
    rows.iter()
        .map(|row| (row.column("t").unwrap(), row.column("c").unwrap()))
        .collect()
}
