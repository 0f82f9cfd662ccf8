#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use obhut_format::tree::{Tree, consistency_path, inclusion_path, leaf_hash};
use proptest::prelude::*;
use std::collections::BTreeMap;

type Files = BTreeMap<TilePath, Vec<u8>>;

fn entry(index: u64) -> Vec<u8> {
    index
        .to_be_bytes()
        .repeat(usize::try_from(index % 3).unwrap())
}

fn tree(size: u64) -> Tree {
    Tree::new((0..size).map(|i| leaf_hash(&entry(i))).collect())
}

/// Writes a log with a flush at each of these sizes.
fn write(sizes: &[u64]) -> (TileWriter, Files) {
    let mut writer = TileWriter::new();
    let mut files = Files::new();
    for size in sizes {
        for index in writer.size()..*size {
            writer.append(&entry(index)).unwrap();
        }
        files.extend(
            writer
                .flush()
                .into_iter()
                .map(|file| (file.path, file.bytes)),
        );
    }
    (writer, files)
}

fn check(size: u64, files: &Files) -> Result<(), LogError> {
    let read = |path| files.get(&path).cloned();
    verify_log(size, &tree(size).root(), read, |index, bytes| {
        assert_eq!(bytes, entry(index));
        Ok(())
    })
}

#[test]
fn paths_are_those_of_the_specification() {
    let path = |kind, index, width| TilePath { kind, index, width }.to_string();
    assert_eq!(
        path(TileKind::Hashes(0), 1_234_067, 256),
        "tile/0/x001/x234/067"
    );
    assert_eq!(path(TileKind::Hashes(2), 0, 1), "tile/2/000.p/1");
    assert_eq!(path(TileKind::Entries, 273, 112), "tile/entries/273.p/112");
    assert_eq!(path(TileKind::Entries, 1_000, 256), "tile/entries/x001/000");
}

#[test]
fn a_tree_of_70_000_leaves_has_the_tiles_of_the_specification() {
    let (_, files) = write(&[70_000]);
    let count = |kind, full: bool| {
        files
            .keys()
            .filter(|path| path.kind == kind && path.is_full() == full)
            .count()
    };
    assert_eq!(count(TileKind::Hashes(0), true), 273);
    assert_eq!(count(TileKind::Hashes(1), true), 1);
    assert_eq!(count(TileKind::Hashes(2), true), 0);
    assert_eq!(count(TileKind::Entries, true), 273);
    for partial in [
        "tile/0/273.p/112",
        "tile/1/001.p/17",
        "tile/2/000.p/1",
        "tile/entries/273.p/112",
    ] {
        assert!(files.contains_key(&partial.parse().unwrap()), "{partial}");
    }
    assert_eq!(files.keys().filter(|path| !path.is_full()).count(), 4);
    let (_, files) = write(&[256]);
    let names: Vec<String> = files.keys().map(TilePath::to_string).collect();
    assert_eq!(names, ["tile/0/000", "tile/1/000.p/1", "tile/entries/000"]);
}

/// The files of this log and the checkpoint in `checkpoint_tests.rs` were read and verified with
/// version 0.2.0 of Cloudflare's `tlog_tiles` and `signed_note`, a port of Go's sumdb: tree, inclusion
/// and consistency proofs agreed both ways. These are the bytes they verified.
#[test]
fn writes_the_bytes_that_a_reader_of_others_has_verified() {
    let mut writer = TileWriter::new();
    for index in 0..70_000_u64 {
        writer.append(&index.to_be_bytes()).unwrap();
    }
    let root = data_encoding::BASE64.encode(&writer.root());
    assert_eq!(root, "B1kWeg+Y416ALUb/fH0p0sPwOmOiVt62q7/zV6kbY7E=");
    let mut files: Vec<(String, Vec<u8>)> = writer
        .flush()
        .into_iter()
        .map(|file| (file.path.to_string(), file.bytes))
        .collect();
    files.sort();
    let named = files
        .iter()
        .map(|(path, bytes)| [path.as_bytes(), b"\0", bytes].concat());
    let all = tree::root_of(named);
    assert_eq!(files.len(), 551);
    assert_eq!(
        data_encoding::HEXLOWER.encode(&all),
        "6044e3e8e525ad8b5410330e54a95930b1564d64316f72a5da1c9f7bcac0fb9e"
    );
}

#[test]
fn refuses_other_spellings_of_a_path() {
    for bad in [
        "",
        "tile/",
        "tile/0",
        "tile/0/1",
        "tile/00/001",
        "tile/64/001",
        "tile/0/x000/001",
        "tile/0/001/002",
        "tile/0/xx001/002",
        "tile/0/x001",
        "tile/0/001.p/0",
        "tile/0/001.p/256",
        "tile/0/001.p/01",
        "tile/0/001.p/",
        "tile/entries/001.p/1.p/2",
        "tile/0/x999/x999/x999/x999/x999/x999/x999/999",
        "/tile/0/001",
        "tile/0/../001",
        "tile/-1/001",
        "tile/entries/+01",
    ] {
        assert!(bad.parse::<TilePath>().is_err(), "{bad}");
    }
}

#[test]
fn proofs_come_from_tiles_alone() {
    for size in [1, 2, 255, 256, 257, 700, 66_000] {
        let (_, files) = write(&[size]);
        let tree = tree(size);
        let mut read = |path: TilePath| files.get(&path).cloned();
        for index in [0, size / 3, size / 2, size - 1] {
            let path = inclusion_path(index, size, |node| find_node(node, size, &mut read));
            assert_eq!(path, tree.inclusion_path(index), "{index} of {size}");
        }
        for old in [1, size / 2, size - 1] {
            let path = consistency_path(old, size, |node| find_node(node, size, &mut read));
            assert_eq!(path, tree.consistency_path(old), "{old} to {size}");
        }
    }
}

#[test]
fn e07_notices_a_changed_missing_or_lengthened_tile() {
    let (_, files) = write(&[300]);
    assert_eq!(check(300, &files), Ok(()));
    for path in files.keys().copied() {
        let mut missing = files.clone();
        missing.remove(&path);
        assert_eq!(check(300, &missing), Err(LogError::TileMissing(path)));
        if path.kind != TileKind::Entries {
            let mut changed = files.clone();
            *changed.get_mut(&path).unwrap().first_mut().unwrap() ^= 1;
            assert_eq!(check(300, &changed), Err(LogError::TileMismatch));
        }
        let mut longer = files.clone();
        longer.get_mut(&path).unwrap().push(0);
        assert!(check(300, &longer).is_err());
    }
    let mut changed = files.clone();
    let bundle: TilePath = "tile/entries/001.p/44".parse().unwrap();
    *changed.get_mut(&bundle).unwrap().last_mut().unwrap() ^= 1;
    let read = |path| changed.get(&path).cloned();
    let refused = verify_log(300, &tree(300).root(), read, |_, _| Ok::<_, LogError>(()));
    assert_eq!(refused, Err(LogError::TileMismatch));
}

#[test]
fn resuming_from_wrong_tiles_is_refused() {
    let (writer, files) = write(&[300]);
    let root = writer.root();
    let resume = |files: &Files, root| {
        TileWriter::resume(300, root, |path| files.get(&path).cloned()).map(|w| w.root())
    };
    assert_eq!(resume(&files, &root), Ok(root));
    assert_eq!(resume(&files, &[0; 32]), Err(LogError::TileMismatch));
    let mut changed = files.clone();
    let bundle: TilePath = "tile/entries/001.p/44".parse().unwrap();
    *changed.get_mut(&bundle).unwrap().last_mut().unwrap() ^= 1;
    assert_eq!(resume(&changed, &root), Err(LogError::TileMismatch));
    changed.remove(&bundle);
    assert_eq!(resume(&changed, &root), Err(LogError::TileMissing(bundle)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn tiles_depend_on_leaves_only(cuts in prop::collection::vec(0_u64..1_200, 1..6)) {
        let mut cuts = cuts;
        cuts.sort_unstable();
        let size = *cuts.last().unwrap();
        let (_, in_steps) = write(&cuts);
        let (whole, at_once) = write(&[size]);
        for (path, bytes) in &at_once {
            prop_assert_eq!(in_steps.get(path), Some(bytes));
        }
        prop_assert_eq!(check(size, &at_once), Ok(()));
        prop_assert_eq!(whole.root(), tree(size).root());
        let mut resumed =
            TileWriter::resume(size, &whole.root(), |path| at_once.get(&path).cloned()).unwrap();
        let (mut straight, _) = write(&[size]);
        for index in size..size + 300 {
            resumed.append(&entry(index)).unwrap();
            straight.append(&entry(index)).unwrap();
        }
        prop_assert_eq!(resumed.flush(), straight.flush());
        prop_assert_eq!(resumed.root(), tree(size + 300).root());
    }

    #[test]
    fn every_path_has_one_spelling(level in 0_u8..64, index in any::<u64>(), width in 1_u16..=256, entries: bool) {
        let kind = if entries { TileKind::Entries } else { TileKind::Hashes(level) };
        let path = TilePath { kind, index, width };
        prop_assert_eq!(path.to_string().parse::<TilePath>(), Ok(path));
    }

    #[test]
    fn no_bytes_make_the_bundle_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), width in 0_u16..300) {
        if let Ok(entries) = parse_entries(&bytes, width) {
            prop_assert_eq!(entries.len(), usize::from(width));
        }
        let _ = parse_hashes(&bytes, width);
    }
}

#[test]
fn a_wide_tile_is_cut_to_what_it_was_before() {
    let (_, wide) = write(&[200]);
    for width in [1, 7, 199, 200] {
        let (_, narrow) = write(&[width]);
        for (path, bytes) in narrow {
            let file = wide
                .iter()
                .find(|(wide, _)| wide.kind == path.kind && wide.index == path.index);
            let (wide, bytes_of_wide) = file.unwrap();
            let file = TileFile {
                path: *wide,
                bytes: bytes_of_wide.clone(),
            };
            assert_eq!(file.cut(path.width).unwrap(), bytes, "{path}");
            assert_eq!(file.cut(wide.width + 1), None);
        }
    }
}
