#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::symlink;

fn write(path: &Path, content: &[u8]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, content).unwrap();
}

#[test]
fn one_case_per_first_level_folder_and_loose_files_are_reported() {
    let root = tempfile::tempdir().unwrap();
    write(&root.path().join("B 2/a.txt"), b"1");
    write(&root.path().join("A 1/deep/er/b.txt"), b"22");
    write(&root.path().join("A 1/ä.txt"), b"");
    write(&root.path().join("loose.txt"), b"3");
    let (folders, skipped) = list_case_folders(root.path()).unwrap();
    let names: Vec<_> = folders.iter().map(|f| f.name.to_str().unwrap()).collect();
    assert_eq!(names, ["A 1", "B 2"]);
    assert_eq!(skipped.len(), 1);
    assert_eq!(skipped[0].reason, SkipReason::Loose);
    let files: Vec<_> = folders[0].walk().map(Result::unwrap).collect();
    let found: Vec<_> = files
        .iter()
        .map(|f| (f.relative.as_slice(), f.size_bytes))
        .collect();
    assert_eq!(
        found,
        [(b"deep/er/b.txt".as_slice(), 2), ("ä.txt".as_bytes(), 0)]
    );
}

#[test]
fn links_pipes_and_link_loops_are_skipped_and_reported() {
    let root = tempfile::tempdir().unwrap();
    let case = root.path().join("case");
    write(&case.join("file"), b"x");
    symlink("/etc/passwd", case.join("link")).unwrap();
    symlink(&case, case.join("loop")).unwrap();
    symlink("/etc", root.path().join("linked folder")).unwrap();
    let status = std::process::Command::new("mkfifo")
        .arg(case.join("pipe"))
        .status();
    assert!(status.unwrap().success());
    let (folders, skipped) = list_case_folders(root.path()).unwrap();
    assert_eq!(skipped[0].reason, SkipReason::Symlink);
    let reasons: Vec<_> = folders[0]
        .walk()
        .filter_map(Result::err)
        .map(|skipped| skipped.reason)
        .collect();
    assert_eq!(
        reasons,
        [
            SkipReason::Symlink,
            SkipReason::Symlink,
            SkipReason::Special
        ]
    );
    assert_eq!(folders[0].walk().flatten().count(), 1);
}

#[test]
fn names_that_are_not_utf8_survive() {
    let root = tempfile::tempdir().unwrap();
    let name = OsString::from_vec(b"gr\xfc\xdfe.txt".to_vec());
    write(&root.path().join("case").join(&name), b"x");
    let (folders, _) = list_case_folders(root.path()).unwrap();
    let file = folders[0].walk().next().unwrap().unwrap();
    assert_eq!(file.relative, b"gr\xfc\xdfe.txt");
}

#[test]
fn does_not_open_a_link_that_took_the_place_of_a_file() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("file");
    symlink("/etc/passwd", &path).unwrap();
    assert_eq!(open_regular(&path).unwrap_err(), SkipReason::Symlink);
    let missing = open_regular(&root.path().join("gone")).unwrap_err();
    assert_eq!(missing, SkipReason::Unreadable(io::ErrorKind::NotFound));
    assert_eq!(open_regular(root.path()).unwrap_err(), SkipReason::Special);
}

#[test]
fn a18_notices_a_source_that_changes_while_it_is_read() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("file");
    write(&path, b"before");
    let (file, stamp) = open_regular(&path).unwrap();
    assert!(stamp.still_holds(&file).unwrap());
    let before = std::fs::metadata(&path).unwrap().modified().unwrap();
    // File times move in steps of a few milliseconds.
    std::thread::sleep(std::time::Duration::from_millis(20));
    write(&path, b"behind");
    // Even where the time of the content is set back, the time of the metadata moves on.
    let writer = File::options().write(true).open(&path).unwrap();
    writer.set_modified(before).unwrap();
    assert!(!stamp.still_holds(&file).unwrap());
}
