//! Decisions are numbered once and listed.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn decisions_have_numbers_of_their_own_and_are_listed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/adr");
    let list = std::fs::read_to_string(folder.join("README.md")).unwrap();
    let mut numbers = BTreeMap::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name == "README.md" {
            continue;
        }
        let number: u32 = name.split('-').next().unwrap().parse().unwrap();
        assert!(
            list.contains(&format!("({name})")),
            "README.md does not list {name}"
        );
        assert_eq!(
            numbers.insert(number, name),
            None,
            "two decisions have number {number}"
        );
    }
    let expected: Vec<u32> = (1..=u32::try_from(numbers.len()).unwrap()).collect();
    assert_eq!(numbers.into_keys().collect::<Vec<_>>(), expected);
}
