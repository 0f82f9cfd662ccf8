//! Destruction: F07, F08, F12, tombstones.

use obhut_format::release::{DestroyOrder, GateRequest, GateResponse};
use obhut_format::{CaseId, ShareId};

use crate::deposits::rows;
use crate::world::{DAY, World, refused};

async fn destroy(world: &World, shares: Vec<ShareId>) -> GateResponse {
    let vault = world.vault;
    world
        .ask(GateRequest::Destroy(DestroyOrder { vault, shares }))
        .await
}

#[tokio::test]
async fn f07_an_order_alone_destroys_nothing_registered_and_nothing_young() {
    let mut world = World::new().await;
    let author = world.registrar.duplicate();
    let registered = author.share_id(world.vault);
    let item = world.case_item(&author, CaseId([9; 16]));
    let young = item.binding.share_id;
    world.deposit(&author, &[item]).await;
    world.advance(30 * DAY - 1);
    world.publish().await;
    for shares in [vec![registered], vec![young], vec![ShareId([1; 32])]] {
        let answer = destroy(&world, shares).await;
        assert_eq!(refused(answer), "destroy-needs-approval");
    }
    world.advance(1);
    let answer = destroy(&world, vec![young, registered]).await;
    assert_eq!(refused(answer), "destroy-needs-approval", "all or nothing");
    assert_eq!(
        destroy(&world, vec![young]).await,
        GateResponse::Destroyed(1)
    );
    assert_eq!(world.status().await.destroyed, 1);
}

#[tokio::test]
async fn nothing_is_destroyed_without_a_fresh_replay() {
    let mut world = World::new().await;
    let author = world.registrar.duplicate();
    let item = world.case_item(&author, CaseId([9; 16]));
    let share = item.binding.share_id;
    world.deposit(&author, &[item]).await;
    world.advance(40 * DAY);
    assert_eq!(refused(destroy(&world, vec![share]).await), "records-stale");
    assert_eq!(world.gate.sweep().await.unwrap(), 0);
    world.publish().await;
    assert_eq!(world.gate.sweep().await.unwrap(), 1);
    assert_eq!(world.gate.sweep().await.unwrap(), 0);
}

#[tokio::test]
async fn f08_a_kept_deposit_does_not_come_back_after_destruction() {
    let mut world = World::new().await;
    let author = world.registrar.duplicate();
    let item = world.case_item(&author, CaseId([9; 16]));
    let signed = world.prepare_deposit(&author, &[item]).await;
    world.send_deposit(&signed).await;
    world.advance(30 * DAY);
    world.publish().await;
    assert_eq!(world.gate.sweep().await.unwrap(), 1);
    assert_eq!(
        refused(world.send_deposit(&signed).await),
        "share-destroyed"
    );
    world.restart().await;
    assert_eq!(
        refused(world.send_deposit(&signed).await),
        "share-destroyed"
    );
}

#[tokio::test]
async fn e12_a_restored_store_does_not_bring_a_destroyed_share_back() {
    let mut world = World::new().await;
    let author = world.registrar.duplicate();
    let item = world.case_item(&author, CaseId([9; 16]));
    world.deposit(&author, &[item]).await;
    world.gate.close().await;
    let gate = world.folder.path().join("data/gate");
    let backup = world.folder.path().join("backup");
    std::fs::copy(gate.join("db.sqlite"), &backup).unwrap();
    world.restart().await;
    world.advance(30 * DAY);
    world.publish().await;
    assert_eq!(world.gate.sweep().await.unwrap(), 1);
    world.gate.close().await;
    std::fs::copy(&backup, gate.join("db.sqlite")).unwrap();
    world.restart().await;
    assert_eq!(
        rows(&world, "SELECT COUNT(*) AS n FROM shares").await,
        1,
        "λ only"
    );
    assert_eq!(world.status().await.destroyed, 1);
}

#[tokio::test]
async fn tombstones_and_receipts_are_append_only() {
    let mut world = World::new().await;
    let author = world.registrar.duplicate();
    let item = world.case_item(&author, CaseId([9; 16]));
    world.deposit(&author, &[item]).await;
    world.advance(30 * DAY);
    world.publish().await;
    world.gate.sweep().await.unwrap();
    let path = world.folder.path().join("data/gate/db.sqlite");
    let db = obhut_sql::Db::open(path.to_str().unwrap()).await.unwrap();
    for text in [
        "DELETE FROM tombstones",
        "UPDATE tombstones SET destroyed_us = 0",
    ] {
        let changed = db
            .write("change", async |mut tx| {
                obhut_sql::sql(text).execute(&mut tx).await
            })
            .await;
        assert!(
            matches!(changed, Err(obhut_sql::SqlError::Constraint { .. })),
            "{text}"
        );
    }
}
