//! A colleague of the same unit finds and opens.

use std::fs;
use std::path::Path;

use super::filing::Filed;
use crate::run::Result;
use crate::stack::stage::{Stage, say, trouble};

pub(crate) const PURPOSE: [&str; 4] = [
    "--purpose",
    "Bearbeitung des Antrags",
    "--legal-basis",
    "§ 1 Testgesetz",
];

pub(crate) fn read(stage: &mut Stage, filed: &Filed) -> Result<()> {
    stage.step("The second caseworker finds the case by its reference and opens the document, for a purpose. First the access is logged, then a key is released.");
    stage.obhut(
        "caseworker-2",
        &with_purpose(&["case", "show", &filed.reference]),
    )?;
    let opened = stage.path("opened.txt");
    let name = opened.to_string_lossy().into_owned();
    stage.obhut(
        "caseworker-2",
        &with_purpose(&["get", &filed.document, "--output", &name]),
    )?;
    same(&filed.letter, &opened)?;
    say("Checked: byte for byte the letter that was filed.");

    let part = stage.path("part.txt");
    let name = part.to_string_lossy().into_owned();
    let range = ["get", &filed.document, "--range", "0-99", "--output", &name];
    stage.obhut("caseworker-2", &with_purpose(&range))?;
    let whole = load(&filed.letter)?;
    if whole.get(..100) != Some(load(&part)?.as_slice()) {
        return Err("the range is not the first 100 bytes".to_owned());
    }
    say("Checked: the first 100 bytes.");
    export(stage, filed)
}

fn export(stage: &Stage, filed: &Filed) -> Result<()> {
    let folder = stage.path("export");
    let name = folder.to_string_lossy().into_owned();
    stage.obhut(
        "caseworker-2",
        &with_purpose(&["export", &filed.case, &name]),
    )?;
    let files = walkdir::WalkDir::new(&folder).into_iter();
    let found = files
        .filter_map(std::result::Result::ok)
        .any(|entry| entry.file_type().is_file() && same(&filed.letter, entry.path()).is_ok());
    if !found {
        return Err("the letter is not in the export".to_owned());
    }
    say("Checked: the letter is in it, byte for byte.");
    Ok(())
}

pub(crate) fn with_purpose<'a>(words: &[&'a str]) -> Vec<&'a str> {
    words.iter().copied().chain(PURPOSE).collect()
}

pub(crate) fn same(source: &Path, copy: &Path) -> Result<()> {
    if load(source)? == load(copy)? {
        return Ok(());
    }
    Err(format!("{} is not what was filed", copy.display()))
}

fn load(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| trouble("read", path, &error))
}
