//! A citizen gets a document by letter.

use super::filing::Filed;
use super::people::watch_secret;
use super::reading::same;
use super::stage::{Stage, find_id, say, trouble};
use crate::run::Result;

/// Seals the document for the citizen and prints the letter; gives the id of the citizen's own copy, `None` when
/// that is not built yet.
pub(crate) fn issue(stage: &mut Stage, filed: &Filed) -> Result<Option<String>> {
    stage.step("The caseworker issues the document to the citizen: sealed for him, with a letter that carries the secret past the server.");
    if !stage.has("issue") || !stage.has("activate") {
        return Ok(None);
    }
    let letter = stage.path("letter.html");
    let name = letter.to_string_lossy().into_owned();
    let printed = stage.obhut(
        "caseworker-1",
        &[
            "issue",
            &filed.document,
            "--to",
            &filed.citizen,
            "--letter",
            &name,
        ],
    )?;
    let html =
        std::fs::read_to_string(&letter).map_err(|error| trouble("read", &letter, &error))?;
    let code = code_of(&html).ok_or("the letter has no code")?;
    watch_secret(stage, &code, "a letter's secret")?;
    stage.write("letter-code", code.as_bytes())?;
    find_id(&printed, "doc_").map(Some)
}

/// The citizen types the code, opens the document and reads who opened what about him.
pub(crate) fn open(stage: &mut Stage, filed: &Filed, document: &str) -> Result<()> {
    stage.step("The citizen activates with the letter, opens the document at once, and sees who opened what about him, when and why.");
    stage.obhut("citizen", &["activate", "letter-code"])?;
    let opened = stage.path("citizen.txt");
    let name = opened.to_string_lossy().into_owned();
    let get = ["get", document, "--output", &name];
    stage.obhut("citizen", &super::reading::with_purpose(&get))?;
    same(&filed.letter, &opened)?;
    say("Checked: byte for byte the letter that was filed.");
    if stage.has("log mine") {
        let printed = stage.obhut("citizen", &["log", "mine"])?;
        if !printed.contains("Bearbeitung des Antrags") {
            return Err("the colleague's purpose is not in the citizen's log".to_owned());
        }
        say("Checked: the colleague's opening is there with its purpose.");
    }
    Ok(())
}

/// The text form in the letter: the rows of its list of class `code`.
fn code_of(html: &str) -> Option<String> {
    let (_, list) = html.split_once("class=\"code\"")?;
    let (_, rows) = list.split_once('>')?;
    let (rows, _) = rows.split_once("</ol>")?;
    let text = rows
        .split('<')
        .map(|part| part.rsplit('>').next().unwrap_or_default());
    let groups: Vec<&str> = text.flat_map(str::split_whitespace).collect();
    (!groups.is_empty()).then(|| groups.join("-"))
}
