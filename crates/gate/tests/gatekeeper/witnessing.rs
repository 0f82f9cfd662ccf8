//! The witness over both databases.

use obhut_format::tree::Tree;
use obhut_gate::Edge;
use obhut_gate::witness::{KnownLog, Witness, WitnessError};
use obhut_log::{
    AddCheckpoint, Checkpoint, NoteKeyType, NoteSigner, SignedCheckpoint, WitnessRefusal,
};
use obhut_sql::testing::TestDb;
use obhut_sql::{Db, SqlError, sql};
use obhut_suite::{NoteKey, Secret};

const RECORDS: &str = "vault.example/1/records";
const NOW_US: u64 = 1_800_000_000_000_000;

fn signer(name: &str, kind: NoteKeyType, seed: u8) -> NoteSigner {
    let key = NoteKey::from_seed(&Secret::new([seed; 32]));
    NoteSigner::new(name, kind, key).unwrap()
}

async fn open(db: Db) -> Witness {
    let edge = Edge::new(|| NOW_US, || [7; 32]);
    let signer = signer("witness.example/w", NoteKeyType::Cosigner, 9);
    Witness::open(db, signer, edge).await.unwrap()
}

fn known(name: &str, below: bool) -> KnownLog {
    let key = signer(name, NoteKeyType::Log, 1).verifier().clone();
    KnownLog { key, below }
}

fn tree(salt: u8, size: u8) -> Tree {
    Tree::new((0..size).map(|leaf| [leaf ^ salt; 32]).collect())
}

fn request(origin: &str, tree: &Tree, old_size: u64) -> AddCheckpoint {
    let head = Checkpoint {
        origin: origin.to_owned(),
        size: tree.size(),
        root: tree.root(),
    };
    AddCheckpoint {
        old_size,
        proof: tree.consistency_path(old_size).unwrap(),
        checkpoint: SignedCheckpoint::sign(head, &signer(origin, NoteKeyType::Log, 1)).unwrap(),
    }
}

async fn cosigns(witness: &Witness, request: AddCheckpoint) -> Result<(), WitnessRefusal> {
    let line = witness.add_checkpoint(&request).await.unwrap()?;
    let note = format!("{}{line}\n", request.checkpoint);
    let note: SignedCheckpoint = note.parse().unwrap();
    let at = note.note().cosigned_at(witness.key()).unwrap();
    assert_eq!(at, Some(NOW_US / 1_000_000));
    Ok(())
}

async fn a_witness_only_goes_on(db: Db, reopened: Db) {
    let witness = open(db).await;
    witness.trust(&known(RECORDS, false)).await.unwrap();
    let (three, seven, fork) = (tree(0, 3), tree(0, 7), tree(9, 7));
    cosigns(&witness, request(RECORDS, &three, 0))
        .await
        .unwrap();
    cosigns(&witness, request(RECORDS, &seven, 3))
        .await
        .unwrap();
    // Another process, another day: what was cosigned is known.
    let witness = open(reopened).await;
    for (refused, why) in [
        (request(RECORDS, &fork, 7), WitnessRefusal::Conflict(7)),
        (request(RECORDS, &fork, 3), WitnessRefusal::Conflict(7)),
        (request(RECORDS, &three, 0), WitnessRefusal::Conflict(7)),
    ] {
        assert_eq!(cosigns(&witness, refused).await, Err(why));
    }
    cosigns(&witness, request(RECORDS, &seven, 7))
        .await
        .unwrap();
    cosigns(&witness, request(RECORDS, &tree(0, 20), 7))
        .await
        .unwrap();
    let heads = witness.heads().await.unwrap();
    assert_eq!(heads, [(RECORDS.to_owned(), 20)]);
}

#[tokio::test]
async fn c03_a_witness_never_cosigns_two_histories_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("witness.sqlite");
    let path = path.to_str().unwrap();
    let (first, second) = (Db::open(path).await.unwrap(), Db::open(path).await.unwrap());
    a_witness_only_goes_on(first.clone(), second).await;
    only_grows(&first).await;
}

#[tokio::test]
async fn c03_a_witness_never_cosigns_two_histories_on_postgresql() {
    let Some(test) = TestDb::postgres().await.unwrap() else {
        return;
    };
    a_witness_only_goes_on(test.db.clone(), test.db.clone()).await;
    only_grows(&test.db).await;
    test.finish().await.unwrap();
}

/// Not even a mistake in the program takes a head back.
async fn only_grows(db: &Db) {
    for text in [
        "UPDATE heads SET size = size - 1",
        "UPDATE heads SET origin = 'another'",
        "DELETE FROM heads",
    ] {
        let changed = db
            .write("change", async |mut tx| sql(text).execute(&mut tx).await)
            .await;
        let refused = matches!(changed, Err(SqlError::Constraint { .. }));
        assert!(refused, "{text}: {changed:?}");
    }
}

#[tokio::test]
async fn two_requests_at_once_cannot_fork_a_log() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("witness.sqlite");
    let witness = open(Db::open(path.to_str().unwrap()).await.unwrap()).await;
    witness.trust(&known(RECORDS, false)).await.unwrap();
    let one = cosigns(&witness, request(RECORDS, &tree(0, 7), 0));
    let other = cosigns(&witness, request(RECORDS, &tree(9, 7), 0));
    let (one, other) = tokio::join!(one, other);
    assert_ne!(one.is_ok(), other.is_ok(), "{one:?} {other:?}");
}

#[tokio::test]
async fn a_cosignature_never_crosses_from_one_origin_to_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("witness.sqlite");
    let witness = open(Db::open(path.to_str().unwrap()).await.unwrap()).await;
    witness.trust(&known(RECORDS, false)).await.unwrap();
    let shards = known("vault.example/1/access", true);
    witness.trust(&shards).await.unwrap();
    witness.trust(&shards).await.unwrap();
    let shard = "vault.example/1/access/std/2027q1";
    cosigns(&witness, request(shard, &tree(0, 7), 0))
        .await
        .unwrap();
    // Each origin starts at nothing, and only known ones start at all.
    cosigns(&witness, request(RECORDS, &tree(9, 7), 0))
        .await
        .unwrap();
    for stranger in [
        "vault.example/1/access",
        "vault.example/1/accessory/std/2027q1",
        "vault.example/1/records/more",
        "vault.example/2/records",
    ] {
        let refused = cosigns(&witness, request(stranger, &tree(0, 7), 0)).await;
        assert_eq!(refused, Err(WitnessRefusal::UnknownLog), "{stranger}");
    }
    let other_key = KnownLog {
        key: signer(RECORDS, NoteKeyType::Log, 2).verifier().clone(),
        below: false,
    };
    let refused = witness.trust(&other_key).await.unwrap_err();
    assert!(matches!(refused, WitnessError::KnownDifferently(_)));
}
