//! Deposits: F08, F19, receipts, both stores, restarts.

use obhut_format::release::{DEPOSIT_KEY_LABEL, DEPOSIT_RECEIPT_LABEL, GateResponse};
use obhut_format::share::{REGISTER_WITHIN_US, ShareKind};
use obhut_format::{BatchId, CaseId, Cbor, VaultId};
use obhut_suite::{DevicePublic, DeviceSignature, Label};

use crate::filing::{Item, sign_deposit};
use crate::people::TestPerson;
use crate::world::{DAY, World, refused};

fn item_of_a_new_person(world: &mut World) -> (TestPerson, Item) {
    let person = TestPerson::generate(&mut world.rng);
    let registrar = world.registrar.duplicate();
    let item = world.lambda_item(&registrar, &person);
    (registrar, item)
}

fn verify(world: &World, label: &'static str, message: &[u8], signature: &[u8; 64]) {
    let public = DevicePublic::parse(&world.gate.public_key()).unwrap();
    let signature = DeviceSignature::parse(signature).unwrap();
    public
        .verify(Label::new(label), message, &signature)
        .unwrap();
}

#[tokio::test]
async fn a_receipt_is_signed_and_an_identical_repeat_gets_the_same_one() {
    let mut world = World::new().await;
    let (author, item) = item_of_a_new_person(&mut world);
    let signed = world.prepare_deposit(&author, &[item]).await;
    let GateResponse::Deposited(first) = world.send_deposit(&signed).await else {
        panic!("not deposited");
    };
    let receipt = &first.receipt;
    verify(
        &world,
        DEPOSIT_RECEIPT_LABEL,
        &receipt.to_bytes(),
        &first.signature,
    );
    assert_eq!(receipt.root, signed.deposit.root());
    assert_eq!(receipt.author, author.kid());
    assert_eq!(receipt.device, author.device_kid());
    assert_eq!(receipt.register_by_us, world.now() + REGISTER_WITHIN_US);
    world.advance(3 * DAY);
    let again = world.send_deposit(&signed).await;
    assert_eq!(
        again,
        GateResponse::Deposited(first.clone()),
        "the key is long gone"
    );
    world.restart().await;
    assert_eq!(
        world.send_deposit(&signed).await,
        GateResponse::Deposited(first)
    );
}

#[tokio::test]
async fn f19_refuses_a_deposit_in_somebody_elses_name() {
    let mut world = World::new().await;
    let (author, item) = item_of_a_new_person(&mut world);
    let mut signed = world.prepare_deposit(&author, &[item]).await;
    signed.signature[0] ^= 1;
    assert_eq!(
        refused(world.send_deposit(&signed).await),
        "deposit-signature"
    );

    let (_, item) = item_of_a_new_person(&mut world);
    let thief = author.with_invented_device(&mut world.rng);
    let signed = world.prepare_deposit(&thief, &[item]).await;
    assert_eq!(refused(world.send_deposit(&signed).await), "deposit-device");

    let other = world.activated(false).await;
    world.publish().await;
    let (_, item) = item_of_a_new_person(&mut world);
    let signed = world.prepare_deposit(&other, &[item]).await;
    assert_eq!(refused(world.send_deposit(&signed).await), "deposit-shape");
}

#[tokio::test]
async fn f19_a_share_id_is_taken_once() {
    let mut world = World::new().await;
    let author = world.registrar.duplicate();
    let case = CaseId([9; 16]);
    let item = world.case_item(&author, case);
    let twin = Item {
        binding: item.binding.clone(),
        secret: item.secret.clone(),
    };
    world.deposit(&author, &[item]).await;
    let signed = world.prepare_deposit(&author, &[twin]).await;
    assert_eq!(refused(world.send_deposit(&signed).await), "share-exists");
}

#[tokio::test]
async fn refuses_a_second_share_for_a_person() {
    let mut world = World::new().await;
    let (author, item) = item_of_a_new_person(&mut world);
    let mut other = TestPerson::generate(&mut world.rng);
    other.id.0 = item.binding.id;
    let second = world.lambda_item(&author, &other);
    world.deposit(&author, &[item]).await;
    let signed = world.prepare_deposit(&author, &[second]).await;
    assert_eq!(
        refused(world.send_deposit(&signed).await),
        "person-share-exists"
    );
}

#[tokio::test]
async fn a_revoked_device_deposits_nothing() {
    let mut world = World::new().await;
    let person = world.activated(false).await;
    world.revoke_device(&person);
    world.publish().await;
    let item = world.case_item(&person, CaseId([9; 16]));
    let signed = world.prepare_deposit(&person, &[item]).await;
    assert_eq!(refused(world.send_deposit(&signed).await), "deposit-device");
}

#[tokio::test]
async fn before_the_founding_only_persons_are_deposited() {
    let mut world = World::enrolled().await;
    let author = world.registrar.duplicate();
    let item = world.case_item(&author, CaseId([9; 16]));
    let signed = world.prepare_deposit(&author, &[item]).await;
    assert_eq!(refused(world.send_deposit(&signed).await), "deposit-device");
    world.deposit_lambda(&author, &author).await;
}

#[tokio::test]
async fn refuses_secrets_that_are_not_the_share_they_name() {
    let mut world = World::new().await;
    let author = world.registrar.duplicate();
    for bent in 0..4 {
        let mut item = world.case_item(&author, CaseId([9; 16]));
        match bent {
            0 => item.secret[3] ^= 1,
            1 => item.secret.push(0),
            2 => item.secret.truncate(31),
            _ => item.binding.share_id.0[0] ^= 1,
        }
        let signed = world.prepare_deposit(&author, &[item]).await;
        assert_eq!(
            refused(world.send_deposit(&signed).await),
            "share-not-opened"
        );
    }
    let items = [1, 2].map(|byte| world.case_item(&author, CaseId([byte; 16])));
    let mut signed = world.prepare_deposit(&author, &items).await;
    signed.deposit.items.swap(0, 1);
    let signed = sign_deposit(&author, signed.deposit);
    assert_eq!(
        refused(world.send_deposit(&signed).await),
        "share-not-opened"
    );
}

#[tokio::test]
async fn refuses_deposits_of_the_wrong_shape() {
    let mut world = World::new().await;
    let author = world.registrar.duplicate();
    let signed = world.prepare_deposit(&author, &[]).await;
    assert_eq!(refused(world.send_deposit(&signed).await), "deposit-shape");
    let items: Vec<Item> = (0..1_025)
        .map(|_| world.case_item(&author, CaseId([9; 16])))
        .collect();
    let signed = world.prepare_deposit(&author, &items).await;
    assert_eq!(refused(world.send_deposit(&signed).await), "deposit-shape");
    for bent in 0..4 {
        let mut item = world.case_item(&author, CaseId([9; 16]));
        match bent {
            0 => item.binding.case = None,
            1 => item.binding.revision = 1,
            2 => item.binding.vault = VaultId([2; 16]),
            _ => item.binding.manifest_hash = [1; 32],
        }
        let signed = world.prepare_deposit(&author, &[item]).await;
        assert_eq!(refused(world.send_deposit(&signed).await), "deposit-shape");
    }
    let mut item = world.case_item(&author, CaseId([9; 16]));
    item.binding.kind = ShareKind::LogDay;
    let signed = world.prepare_deposit(&author, &[item]).await;
    assert_eq!(
        refused(world.send_deposit(&signed).await),
        "purpose-not-supported"
    );
}

#[tokio::test]
async fn a_batch_id_belongs_to_one_deposit() {
    let mut world = World::new().await;
    let author = world.registrar.duplicate();
    let item = world.case_item(&author, CaseId([9; 16]));
    let first = world.prepare_deposit(&author, &[item]).await;
    world.send_deposit(&first).await;
    let mut other = first.deposit.clone();
    other.time_us += 1;
    let other = sign_deposit(&author, other);
    assert_eq!(refused(world.send_deposit(&other).await), "batch-differs");
}

#[tokio::test]
async fn f08_a_deposit_key_ends_after_a_day_and_is_gone_after_two() {
    let mut world = World::new().await;
    let key = world.deposit_key().await;
    verify(
        &world,
        DEPOSIT_KEY_LABEL,
        &key.key.to_bytes(),
        &key.signature,
    );
    assert_eq!(key.key.not_after_us, world.now() + DAY);
    let author = world.registrar.duplicate();
    let item = world.case_item(&author, CaseId([9; 16]));
    let signed = world.prepare_deposit(&author, &[item]).await;
    assert_eq!(
        signed.deposit.key, key.key.id,
        "the key in use is handed out again"
    );
    world.advance(DAY + 1);
    assert_eq!(
        refused(world.send_deposit(&signed).await),
        "deposit-key-expired"
    );
    assert_eq!(
        rows(&world, "SELECT COUNT(*) AS n FROM deposit_keys").await,
        1
    );
    world.advance(DAY);
    world.gate.sweep().await.unwrap();
    assert_eq!(
        rows(&world, "SELECT COUNT(*) AS n FROM deposit_keys").await,
        0
    );
}

#[tokio::test]
async fn f11_a_deposit_lies_sealed_in_both_stores_and_either_can_be_lost() {
    let mut world = World::new().await;
    let author = world.registrar.duplicate();
    let item = world.case_item(&author, CaseId([9; 16]));
    let secret = item.secret.clone();
    world.deposit(&author, &[item]).await;
    world.gate.close().await;
    let gate = world.folder.path().join("data/gate");
    for file in ["db.sqlite", "mirror/shares.sqlite"] {
        let bytes = std::fs::read(gate.join(file)).unwrap();
        assert!(
            !bytes.windows(32).any(|window| window == secret),
            "in clear in {file}"
        );
    }
    std::fs::remove_dir_all(gate.join("mirror")).unwrap();
    world.restart().await;
    assert_eq!(world.status().await.living.len(), 2);
    world.gate.close().await;
    let path = gate.join("mirror/shares.sqlite");
    let mirror = obhut_sql::Db::open(path.to_str().unwrap()).await.unwrap();
    let row = mirror.fetch_optional("count", obhut_sql::sql("SELECT COUNT(*) AS n FROM shares"));
    assert_eq!(row.await.unwrap().unwrap().column::<u64>("n").unwrap(), 2);
    mirror.close().await;
}

#[tokio::test]
async fn an_unacknowledged_deposit_is_completed_by_its_repeat() {
    let mut world = World::new().await;
    let author = world.registrar.duplicate();
    let item = world.case_item(&author, CaseId([9; 16]));
    let signed = world.prepare_deposit(&author, &[item]).await;
    let first = world.send_deposit(&signed).await;
    let path = world.folder.path().join("data/gate/mirror/shares.sqlite");
    let mirror = obhut_sql::Db::open(path.to_str().unwrap()).await.unwrap();
    for text in ["DELETE FROM shares", "DELETE FROM deposits"] {
        let deleted = mirror
            .write("lose", async |mut tx| {
                obhut_sql::sql(text).execute(&mut tx).await
            })
            .await;
        assert!(deleted.unwrap() > 0);
    }
    assert_eq!(world.send_deposit(&signed).await, first);
    let found = obhut_sql::sql("SELECT COUNT(*) AS n FROM shares WHERE batch = $1");
    let row = mirror.fetch_optional("count", found.bind(signed.deposit.batch.0));
    assert_eq!(row.await.unwrap().unwrap().column::<u64>("n").unwrap(), 1);
}

#[tokio::test]
async fn f06_a_vault_that_is_not_enrolled_gets_nothing() {
    let mut world = World::new().await;
    let author = world.registrar.duplicate();
    let item = world.case_item(&author, CaseId([9; 16]));
    let mut signed = world.prepare_deposit(&author, &[item]).await;
    signed.deposit.vault = VaultId([2; 16]);
    signed.deposit.batch = BatchId([2; 16]);
    assert_eq!(refused(world.send_deposit(&signed).await), "vault-unknown");
}

pub(crate) async fn rows(world: &World, text: &'static str) -> u64 {
    let path = world.folder.path().join("data/gate/db.sqlite");
    let db = obhut_sql::Db::open(path.to_str().unwrap()).await.unwrap();
    let row = db.fetch_optional("count", obhut_sql::sql(text)).await;
    row.unwrap().unwrap().column("n").unwrap()
}
