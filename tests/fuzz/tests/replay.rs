//! The targets on the corpus, on the vectors of `tests/vectors`, and on mutations of both.

#![expect(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::print_stdout, reason = "the seed, should it fail")]

use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use obhut_fuzz::{MOST_BYTES, targets};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use serde_json::Value;

/// Mutations of each target; `OBHUT_FUZZ_ROUNDS` says otherwise.
const ROUNDS: u64 = 5_000;

#[test]
fn no_parser_panics_or_accepts_two_spellings() {
    let rounds = std::env::var("OBHUT_FUZZ_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |text| text.parse().unwrap());
    let seeds = seeds();
    assert!(seeds.len() > 100, "the corpus is missing");
    let seed = std::env::var("OBHUT_FUZZ_SEED").map_or(1, |text| text.parse().unwrap());
    println!("OBHUT_FUZZ_SEED={seed} OBHUT_FUZZ_ROUNDS={rounds}");
    for (number, (name, parse)) in targets().into_iter().enumerate() {
        println!("{name}");
        for input in &seeds {
            parse(input);
        }
        let mut rng = ChaCha20Rng::seed_from_u64(seed + number as u64);
        for _ in 0..rounds {
            let at = rng.next_u64() as usize % seeds.len();
            let other = rng.next_u64() as usize % seeds.len();
            parse(&mutated(&seeds[at], &seeds[other], &mut rng));
        }
    }
}

/// Every target has something in the corpus that it accepts, or it would only ever see noise.
#[test]
fn the_corpus_holds_what_the_text_parsers_accept() {
    let seeds = seeds();
    let accepted = |read: fn(&str) -> bool| {
        let texts = seeds.iter().filter_map(|seed| str::from_utf8(seed).ok());
        texts.filter(|text| read(text)).count() > 0
    };
    assert!(accepted(
        |text| obhut_log::Checkpoint::parse_text(text).is_ok()
    ));
    assert!(accepted(|text| text
        .parse::<obhut_log::SignedCheckpoint>()
        .is_ok()));
    assert!(accepted(|text| text
        .parse::<obhut_log::TlogProof>()
        .is_ok()));
    assert!(accepted(|text| text
        .parse::<obhut_log::tile::TilePath>()
        .is_ok()));
}

fn mutated(seed: &[u8], other: &[u8], rng: &mut ChaCha20Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..=rng.next_u32() % 4 {
        let at = rng.next_u64() as usize % (bytes.len() + 1);
        match rng.next_u32() % 7 {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, rng.next_u32() as u8),
            2 if at < bytes.len() => bytes[at] ^= 1 << (rng.next_u32() % 8),
            3 if at < bytes.len() => {
                bytes[at] = [0, 1, 0x7f, 0x80, 0xff][rng.next_u32() as usize % 5];
            }
            4 if at < bytes.len() => drop(bytes.remove(at)),
            // A length of CBOR or a count, grown beyond all bounds.
            5 => drop(bytes.splice(
                at..at,
                [0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
            )),
            _ => {
                let from = rng.next_u64() as usize % (other.len() + 1);
                bytes.truncate(at);
                bytes.extend_from_slice(&other[from..]);
            }
        }
    }
    bytes.truncate(MOST_BYTES);
    bytes
}

fn seeds() -> Vec<Vec<u8>> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut seeds = vec![Vec::new()];
    for path in files(&tests.join("fuzz/corpus")) {
        seeds.push(fs::read(path).unwrap());
    }
    for path in files(&tests.join("vectors")) {
        let mut bytes = fs::read(&path).unwrap();
        if path.extension().is_some_and(|ending| ending == "json") {
            hex_strings(&serde_json::from_slice(&bytes).unwrap(), &mut seeds);
        } else {
            bytes.truncate(MOST_BYTES);
            seeds.push(bytes);
        }
    }
    seeds
}

fn hex_strings(value: &Value, found: &mut Vec<Vec<u8>>) {
    match value {
        Value::String(text) => found.extend(HEXLOWER.decode(text.as_bytes())),
        Value::Array(values) => values.iter().for_each(|value| hex_strings(value, found)),
        Value::Object(values) => values.values().for_each(|value| hex_strings(value, found)),
        _ => {}
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
