//! The import rules of `docs/architecture.md`, held over `cargo tree` and over the source.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Crates that compute and nothing else: time and randomness are arguments.
const PURE: [&str; 5] = ["format", "suite", "crypto", "log", "model"];

/// Async, HTTP, SQL, files and operational logs, anywhere below a pure crate.
const IMPURE: &[&str] = &[
    "async-std",
    "axum",
    "hyper",
    "mio",
    "reqwest",
    "rusqlite",
    "rustix",
    "smol",
    "socket2",
    "sqlx",
    "sqlx-core",
    "tempfile",
    "tokio",
    "tokio-util",
    "tracing",
    "walkdir",
];

/// Sources of randomness and time that a pure crate must not name itself. Below it `hpke` and
/// `ring` bring `getrandom` along.
const GLOBAL: &[&str] = &["chrono", "getrandom", "jiff", "rand", "time", "uuid"];

/// Which crates of the workspace a crate may name.
const ARROWS: [(&str, &[&str]); 12] = [
    ("format", &[]),
    ("suite", &[]),
    ("crypto", &["format", "suite"]),
    ("log", &["format", "suite"]),
    ("model", &["format"]),
    ("sql", &[]),
    ("store", &["format", "log", "model", "sql", "suite"]),
    ("gate", &["format", "log", "sql", "suite"]),
    (
        "server",
        &["format", "gate", "log", "model", "sql", "store", "suite"],
    ),
    ("client", &["crypto", "format", "log", "model", "suite"]),
    ("cli", &["client"]),
    ("xtask", &["format"]),
];

/// What the command line may name: arguments and printing.
const CLI: &[&str] = &[
    "clap",
    "clap_complete",
    "indicatif",
    "obhut-client",
    "rpassword",
    "serde",
    "serde_json",
    "tokio",
];

#[test]
fn pure_crates_know_neither_async_nor_files_nor_networks() {
    for name in PURE {
        forbid(&below(name), IMPURE, name);
        forbid(&beside(name), GLOBAL, name);
    }
}

/// The README says so: the vault's programs hold no code that opens a grant or a capsule.
#[test]
fn server_gate_and_store_cannot_open_anything() {
    for name in ["server", "gate", "store"] {
        forbid(&below(name), &["obhut-crypto", "obhut-client"], name);
    }
}

#[test]
fn store_knows_neither_http_nor_objects() {
    let tree = below("store");
    forbid(&tree, &["axum", "hyper", "reqwest", "tower-http"], "store");
    let sdk = tree.iter().find(|found| found.starts_with("aws-"));
    assert_eq!(sdk, None);
}

#[test]
fn the_command_line_only_takes_arguments_and_prints() {
    let strange: Vec<_> = beside("cli")
        .into_iter()
        .filter(|found| !CLI.contains(&found.as_str()))
        .collect();
    assert!(strange.is_empty(), "obhut-cli imports {strange:?}");
}

#[test]
fn arrows_point_only_where_the_architecture_draws_them() {
    for (name, allowed) in ARROWS {
        let package = package(name);
        for found in beside(name) {
            if let Some(target) = found.strip_prefix("obhut-") {
                assert!(
                    allowed.contains(&target),
                    "{package} must not import {found}"
                );
            }
        }
    }
}

#[test]
fn every_crate_has_its_rule() {
    let named: BTreeSet<_> = ARROWS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let folders = std::fs::read_dir(root().join("crates")).unwrap();
    let existing: BTreeSet<_> = folders
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(
        named, existing,
        "a new crate needs an ADR and a line in ARROWS"
    );
}

/// What the standard library offers cannot be seen in the tree.
#[test]
fn pure_crates_do_not_reach_for_clock_files_or_network_in_std() {
    let forbidden = [
        "std::env",
        "std::fs",
        "std::net",
        "std::process",
        "SystemTime",
        "Instant::now",
        "File::open",
    ];
    for name in PURE {
        for path in sources(&root().join("crates").join(name).join("src")) {
            let text = std::fs::read_to_string(&path).unwrap();
            let product = text
                .split("#[cfg(test)]\nmod tests")
                .next()
                .unwrap_or_default();
            for word in forbidden {
                assert!(!product.contains(word), "{}: {word}", path.display());
            }
        }
    }
}

fn forbid(tree: &BTreeSet<String>, forbidden: &[&str], name: &str) {
    let found: Vec<_> = forbidden
        .iter()
        .filter(|word| tree.contains(**word))
        .collect();
    assert!(found.is_empty(), "{} imports {found:?}", package(name));
}

/// Everything the crate is linked with, all features on.
fn below(name: &str) -> BTreeSet<String> {
    tree(name, &[])
}

/// What the crate names itself.
fn beside(name: &str) -> BTreeSet<String> {
    tree(name, &["--depth=1"])
}

fn tree(name: &str, more: &[&str]) -> BTreeSet<String> {
    let package = package(name);
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .current_dir(root())
        .args([
            "tree",
            "--quiet",
            "--locked",
            "--edges=normal,build",
            "--prefix=none",
        ])
        .args(["--package", &package])
        .args(features(name))
        .args(more)
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo tree: {words}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let mut found: BTreeSet<_> = lines
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    assert!(found.remove(&package), "{package} is not in its own tree");
    found
}

/// Features for tests only stay off where they would bring files along.
fn features(name: &str) -> &'static [&'static str] {
    match name {
        "format" | "suite" | "crypto" | "log" | "model" | "server" | "gate" => &["--all-features"],
        _ => &[],
    }
}

fn package(name: &str) -> String {
    match name {
        "xtask" => name.to_owned(),
        _ => format!("obhut-{name}"),
    }
}

/// Product source: not the files that hold only tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .filter(|path| !path.to_string_lossy().ends_with("tests.rs"))
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}
