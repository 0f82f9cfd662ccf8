//! The proof that the server never saw what it must not see.

use xtask::canary::{Canary, Finding, Search};

use crate::run::Result;
use crate::stack::stage::{Stage, say, trouble};

/// Searches everything the server has, on disk and in memory, and shows that the search would find.
pub(crate) fn search(stage: &mut Stage) -> Result<()> {
    stage.step("Random tokens stood in names, titles, references, documents and secrets. Files and memory of every operator's programs are searched for them, raw, in hex and in base64.");
    let search = Search::new(stage.canaries()).map_err(|error| error.to_string())?;
    let dumps = stage.services().dump(&stage.path("server"))?;
    let mut findings = in_folders(stage, &search)?;
    for process in stage.processes() {
        let memory = search.process(process);
        findings.extend(memory.map_err(|error| format!("a process's memory: {error}"))?);
    }
    report(&findings)?;
    for dump in dumps {
        std::fs::remove_file(&dump).map_err(|error| trouble("remove", &dump, &error))?;
    }
    say(&format!(
        "Checked: none of {} tokens in databases, logs, objects, tiles, keys, the programs' logs or their memory.",
        stage.canaries().len()
    ));
    would_be_found(stage, &search)
}

/// The counter-proof: one token, planted in base64 beside the database.
fn would_be_found(stage: &Stage, search: &Search) -> Result<()> {
    let canary: &Canary = stage.canaries().first().ok_or("there are no canaries")?;
    let text = data_encoding::BASE64.encode(&[b"..", canary.token.as_slice()].concat());
    let planted = stage.write("server/vault/planted", text.as_bytes())?;
    let found = in_folders(stage, search)?;
    std::fs::remove_file(&planted).map_err(|error| trouble("remove", &planted, &error))?;
    match found.as_slice() {
        [finding] if finding.path == planted && finding.place == canary.place => {
            say("Counter-proof: a token planted there on purpose was found.");
            Ok(())
        }
        other => Err(format!(
            "the planted token was not found as it should: {other:?}"
        )),
    }
}

fn in_folders(stage: &Stage, search: &Search) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for folder in stage.operators_folders() {
        let found = search.tree(&folder);
        findings.extend(found.map_err(|error| trouble("search", &folder, &error))?);
    }
    Ok(findings)
}

fn report(findings: &[Finding]) -> Result<()> {
    for finding in findings {
        let offset = finding
            .offset
            .map_or("its name".to_owned(), |at| format!("{at:#x}"));
        println!(
            "   FOUND {} in {} at {offset}",
            finding.place,
            finding.path.display()
        );
    }
    match findings.len() {
        0 => Ok(()),
        count => Err(format!("{count} canaries leaked to the server")),
    }
}
