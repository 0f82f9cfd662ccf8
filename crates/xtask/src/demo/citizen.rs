//! A citizen gets a document by letter.

use super::filing::Filed;
use super::people::watch_secret;
use super::reading::{PURPOSE, same};
use crate::run::Result;
use crate::stack::stage::{Stage, find_id, say, trouble};

/// Seals the document for the citizen and prints the letter. The citizen's copy.
pub(crate) fn issue(stage: &mut Stage, filed: &Filed) -> Result<String> {
    stage.step("The caseworker issues the document to the citizen: sealed for him, with a letter that carries the secret past the server.");
    let letter = stage.path("letter.html");
    let name = letter.to_string_lossy().into_owned();
    let arguments = [
        "issue",
        &filed.document,
        "--to",
        &filed.citizen,
        "--letter",
        &name,
        "--purpose",
        "Bekanntgabe des Bescheids",
        "--legal-basis",
        "§ 41 VwVfG",
    ];
    let printed = stage.obhut("caseworker-1", &arguments)?;
    let copy = find_id(&printed, "doc_")?;
    let html =
        std::fs::read_to_string(&letter).map_err(|error| trouble("read", &letter, &error))?;
    let code = code_of(&html).ok_or("the letter has no code")?;
    watch_secret(stage, &code, "a letter's secret")?;
    stage.write("letter-code", code.as_bytes())?;
    Ok(copy)
}

/// The citizen types the code and opens the document.
pub(crate) fn open(stage: &mut Stage, filed: &Filed, copy: &str) -> Result<()> {
    stage.step("The citizen activates with the letter and opens the document at once.");
    stage.obhut("citizen", &["activate", "letter-code"])?;
    stage.obhut("citizen", &["inbox"])?;
    let opened = stage.path("citizen.txt");
    let name = opened.to_string_lossy().into_owned();
    let get = [
        "get",
        copy,
        "--output",
        &name,
        "--purpose",
        "eigene Unterlagen",
        "--legal-basis",
        "Art. 15 DSGVO",
    ];
    stage.obhut("citizen", &get)?;
    same(&filed.letter, &opened)?;
    say("Checked: byte for byte the letter that was filed.");
    see_who_looked(stage)
}

/// Also what was logged before the letter came.
fn see_who_looked(stage: &mut Stage) -> Result<()> {
    stage.step("He sees who looked at what about him: when, in which role, and why.");
    let printed = stage.obhut("citizen", &["log", "mine"])?;
    if !printed.contains(PURPOSE[1]) {
        return Err("the colleague's purpose is not in the citizen's log".to_owned());
    }
    say("Checked: the colleague's opening is there with its purpose.");
    Ok(())
}

/// The text form in the letter: the rows of the list of class `code`.
fn code_of(html: &str) -> Option<String> {
    let (_, list) = html.split_once("<ol class=\"code\"")?;
    let (list, _) = list.split_once("</ol>")?;
    let rows = list
        .split("<li>")
        .skip(1)
        .filter_map(|row| row.split_once("</li>"));
    let code: Vec<&str> = rows.map(|(row, _)| row).collect();
    (!code.is_empty()).then(|| code.join(" "))
}
