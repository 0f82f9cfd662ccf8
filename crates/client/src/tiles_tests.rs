#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use obhut_format::VaultId;
use obhut_format::card::Cosigner;
use obhut_format::person::KeyBundle;
use obhut_log::tile::TileWriter;
use obhut_log::{Core, Flags, NoteKeyType, NoteSigner, Recs};
use obhut_suite::{IdentityMaster, NoteKey, Secret};

const ORIGIN: &str = "vault.example/abc";

fn key(seed: u8) -> NoteKey {
    NoteKey::from_seed(&Secret::new([seed; 32]))
}

fn card() -> VaultCard {
    let root = IdentityMaster::from_secret(Secret::new([9; 32])).derive_keys();
    VaultCard {
        vault: VaultId([1; 16]),
        version: 1,
        name: "Test agency".to_owned(),
        origin: ORIGIN.to_owned(),
        root: KeyBundle::new(&root.bundle().to_bytes()).unwrap(),
        records_key: *key(1).public().as_bytes(),
        access_key: *key(2).public().as_bytes(),
        gate_key: *key(3).public().as_bytes(),
        cosigners: vec![Cosigner {
            name: format!("{ORIGIN}/gatekeeper"),
            public: *key(3).public().as_bytes(),
            elsewhere: false,
        }],
        quorum: 1,
        assurance: Assurance::SelfAsserted,
        created_us: 5,
    }
}

fn leaf(number: u64, salt: u8) -> Vec<u8> {
    let core = Core {
        kind: LeafType::Record.code() as u8,
        flags: Flags::NONE,
        time_ms: 1_000 + number,
        commitment: [salt; 32],
        payload_hash: [number as u8; 32],
    };
    Leaf::new(core, &Recs::default()).to_bytes().to_vec()
}

fn head(origin: &str, log_seed: u8, writer: &TileWriter) -> SignedCheckpoint {
    let checkpoint = Checkpoint {
        origin: origin.to_owned(),
        size: writer.size(),
        root: writer.root(),
    };
    let log = NoteSigner::new(origin, NoteKeyType::Log, key(log_seed)).unwrap();
    let gate = format!("{ORIGIN}/gatekeeper");
    let gate = NoteSigner::new(gate, NoteKeyType::Cosigner, key(3)).unwrap();
    let mut head = SignedCheckpoint::sign(checkpoint, &log).unwrap();
    head.cosign(&gate, 1_000).unwrap();
    head
}

/// Publishes a log of `size` leaves with its head, and an older head at `older` leaves.
fn publish(folder: &Path, origin: &str, log_seed: u8, size: u64, older: u64, salt: u8) {
    let log = folder.join(origin);
    let mut writer = TileWriter::new();
    std::fs::create_dir_all(&log).unwrap();
    for number in 0..size {
        writer.append(&leaf(number, salt)).unwrap();
        if writer.size() == older {
            let head = head(origin, log_seed, &writer).to_string();
            std::fs::write(log.join(format!("checkpoint.{older}")), head).unwrap();
        }
    }
    for tile in writer.flush() {
        let path = log.join(tile.path.to_string());
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, tile.bytes).unwrap();
    }
    let head = head(origin, log_seed, &writer).to_string();
    std::fs::write(log.join("checkpoint"), head).unwrap();
}

fn published() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let shard = format!("{ORIGIN}/access/std/2026q4");
    publish(folder.path(), &format!("{ORIGIN}/records"), 1, 600, 300, 7);
    publish(folder.path(), &shard, 2, 3, 1, 7);
    publish(folder.path(), "other.example/x/records", 8, 3, 1, 7);
    folder
}

fn refusal(folder: &Path) -> String {
    verify_tiles(folder, &card(), &[]).unwrap_err().to_string()
}

#[test]
fn an_honest_copy_verifies_with_the_card_alone() {
    let folder = published();
    let report = verify_tiles(folder.path(), &card(), &[]).unwrap();
    assert_eq!(report.assurance, Assurance::SelfAsserted);
    assert_eq!(report.foreign, 1);
    let found: Vec<_> = report
        .logs
        .iter()
        .map(|log| (log.origin.as_str(), log.size, log.older_heads))
        .collect();
    let shard = "vault.example/abc/access/std/2026q4";
    assert_eq!(
        found,
        [("vault.example/abc/records", 600, 1), (shard, 3, 1)]
    );
    let records = report.logs.first().unwrap();
    assert_eq!(records.leaves.get("record"), Some(&600));
    assert_eq!(records.times_ms, Some((1_000, 1_599)));
}

#[test]
fn e07_every_changed_or_missing_tile_is_found() {
    let folder = published();
    let log = folder.path().join(ORIGIN).join("records");
    let tiles: Vec<_> = WalkDir::new(&log)
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.is_file() && !path.to_string_lossy().contains("checkpoint"))
        .collect();
    assert!(tiles.len() >= 6, "{tiles:?}");
    for path in tiles {
        let bytes = std::fs::read(&path).unwrap();
        let mut bad = bytes.clone();
        let middle = bad.len() / 2;
        bad[middle] ^= 1;
        std::fs::write(&path, &bad).unwrap();
        assert!(refusal(folder.path()).contains("records"), "{path:?}");
        std::fs::remove_file(&path).unwrap();
        assert!(refusal(folder.path()).contains("records"), "{path:?}");
        std::fs::write(&path, bytes).unwrap();
    }
    assert!(verify_tiles(folder.path(), &card(), &[]).is_ok());
}

#[test]
fn c04_a_rewritten_or_shrunken_log_betrays_itself_by_an_older_head() {
    let folder = published();
    let records = format!("{ORIGIN}/records");
    let kept = folder.path().join(&records).join("checkpoint.300");
    let aside = folder.path().join("seen");
    std::fs::rename(kept, &aside).unwrap();
    for (size, salt, word) in [(600, 8, "two histories"), (200, 7, "shortened")] {
        std::fs::remove_dir_all(folder.path().join(&records)).unwrap();
        publish(folder.path(), &records, 1, size, 0, salt);
        assert!(verify_tiles(folder.path(), &card(), &[]).is_ok());
        let error = verify_tiles(folder.path(), &card(), std::slice::from_ref(&aside));
        assert!(error.unwrap_err().to_string().contains(word));
    }
}

#[test]
fn f30_another_log_key_and_a_missing_cosignature_are_refused() {
    let folder = published();
    let records = format!("{ORIGIN}/records");
    publish(folder.path(), &records, 5, 600, 300, 7);
    assert!(refusal(folder.path()).contains("records"));
    publish(folder.path(), &records, 1, 600, 300, 7);
    let path = folder.path().join(&records).join("checkpoint");
    let note = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<_> = note.lines().filter(|l| !l.contains("gatekeeper")).collect();
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    assert!(refusal(folder.path()).contains("too few witnesses"));
}

#[test]
fn a_folder_without_the_records_log_is_not_found() {
    let folder = tempfile::tempdir().unwrap();
    let error = verify_tiles(folder.path(), &card(), &[]).unwrap_err();
    assert!(matches!(error, ClientError::NotFound(_)));
}

#[test]
fn reads_a_card_as_bytes_and_as_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("card");
    std::fs::write(&path, card().to_bytes()).unwrap();
    assert_eq!(read_card(&path).unwrap(), card());
    let text = BASE64URL_NOPAD.encode(&card().to_bytes()) + "\n";
    std::fs::write(&path, text).unwrap();
    assert_eq!(read_card(&path).unwrap(), card());
    std::fs::write(&path, "no card").unwrap();
    assert!(matches!(read_card(&path), Err(ClientError::Usage(_))));
}
