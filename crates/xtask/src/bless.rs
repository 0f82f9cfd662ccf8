//! `cargo xtask bless`: tests that compare a generated file write it when `OBHUT_BLESS` is set.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::run::{Result, cargo, must, output, root};
use crate::tools::test_runner;

/// Whether to write or only to look.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Fail when a generated file is not as it would be written. It is written nevertheless, so
    /// that it only has to be committed.
    #[arg(long)]
    check: bool,
}

/// What marks a test that writes a generated file.
const MARKS: [&str; 3] = ["OBHUT_BLESS", "insta::assert", "trybuild::TestCases"];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let before = state()?;
    let mut tests = test_runner();
    for package in packages()? {
        tests.args(["--package", &package]);
    }
    // Of the end-to-end tests only the one that writes a page: the others take minutes and write nothing.
    tests
        .args(["-E", "not package(obhut-e2e) or binary(threat_model)"])
        .env("OBHUT_BLESS", "1")
        .env("INSTA_UPDATE", "always")
        .env("TRYBUILD", "overwrite");
    must(&mut tests)?;
    let after = state()?;
    let changed: Vec<_> = after.difference(&before).collect();
    for file in &changed {
        println!("written: {file}");
    }
    match changed.len() {
        0 => println!("generated files are current"),
        count if arguments.check => {
            return Err(format!("{count} generated files were stale; commit them"));
        }
        count => println!("{count} generated files changed"),
    }
    Ok(())
}

/// The changed and new files git sees, with a hash of their content.
fn state() -> Result<BTreeSet<String>> {
    let git = |arguments: &[&str]| output(Command::new("git").current_dir(root()).args(arguments));
    let listed = git(&["ls-files", "--modified", "--others", "--exclude-standard"])?;
    let mut state = BTreeSet::new();
    for file in listed.lines() {
        let hash = git(&["hash-object", "--", file]).unwrap_or_default();
        state.insert(format!("{file} {}", hash.trim_end()));
    }
    Ok(state)
}

/// The packages with a test that writes a generated file.
fn packages() -> Result<Vec<String>> {
    let text = output(cargo().args(["metadata", "--no-deps", "--format-version=1"]))?;
    let metadata: serde_json::Value =
        serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        let (Some(name), Some(manifest)) =
            (package["name"].as_str(), package["manifest_path"].as_str())
        else {
            continue;
        };
        let folder = Path::new(manifest).parent().unwrap_or(Path::new("."));
        if name != env!("CARGO_PKG_NAME") && is_marked(folder) {
            found.push(name.to_owned());
        }
    }
    Ok(found)
}

fn is_marked(folder: &Path) -> bool {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .filter_map(std::result::Result::ok)
        .filter(|entry| entry.path().extension().is_some_and(|end| end == "rs"))
        .filter_map(|entry| fs::read_to_string(entry.path()).ok())
        .any(|text| MARKS.iter().any(|mark| text.contains(mark)))
}
