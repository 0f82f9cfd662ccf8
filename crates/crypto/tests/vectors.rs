//! The corpus in `tests/vectors`: every file is accepted or refused as it says, and those that this
//! code makes are there. `OBHUT_BLESS=1` writes what is missing; nothing is ever overwritten.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod corpus;
mod made;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use corpus::{Vector, check, index, make, read_all};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors")
}

#[test]
fn every_vector_is_accepted_or_refused_as_it_says() {
    let vectors = read_all(&folder());
    let refused = vectors
        .iter()
        .filter(|vector| vector.expect != "accept")
        .count();
    assert!(
        vectors.len() - refused >= 30 && refused >= 30,
        "{} vectors, {refused} refused",
        vectors.len()
    );
    for vector in &vectors {
        let name = &vector.name;
        match (check(vector, &folder()), vector.expect.as_str()) {
            (Ok(output), "accept") => assert_eq!(output, vector.output, "{name}"),
            (Err(refused), expected) => assert_eq!(refused, expected, "{name}"),
            (Ok(_), expected) => panic!("{name} is accepted, expected {expected}"),
        }
    }
}

#[test]
fn the_corpus_holds_what_this_code_makes_and_its_index_is_complete() {
    let bless = std::env::var_os("OBHUT_BLESS").is_some();
    let made: Vec<Vector> = make();
    let names: BTreeSet<_> = made.iter().map(|vector| &vector.name).collect();
    assert_eq!(names.len(), made.len(), "two vectors of one name");
    for vector in &made {
        for (path, bytes) in vector.files() {
            let path = folder().join(path);
            if bless && !path.exists() {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, &bytes).unwrap();
            }
            let found = fs::read(&path).unwrap_or_default();
            assert!(
                found == bytes,
                "{} is missing or was changed: vectors are only added",
                path.display()
            );
        }
    }
    let (path, expected) = (folder().join("index.json"), index(&read_all(&folder())));
    if bless {
        fs::write(&path, &expected).unwrap();
    }
    assert!(
        fs::read_to_string(path).unwrap() == expected,
        "index.json is stale: run with OBHUT_BLESS=1"
    );
}
