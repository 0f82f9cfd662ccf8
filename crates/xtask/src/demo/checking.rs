//! Checks that need nobody's word.

use super::filing::Filed;
use super::reading::{same, with_purpose};
use crate::run::{Result, must};
use crate::stack::stage::Stage;

pub(crate) fn verify(stage: &mut Stage, filed: &Filed) -> Result<()> {
    stage.step("Anybody can check the logs offline, with a copy of the published files and the vault card.");
    let mut copy = std::process::Command::new("cp");
    copy.arg("--recursive")
        .arg(stage.data().join("tiles"))
        .arg(stage.path("tiles-copy"));
    must(&mut copy)?;
    let card = stage.path("clients/registrar/card");
    let card = card.to_string_lossy().into_owned();
    stage.obhut(
        "nobody",
        &["log", "verify", "--tiles", "tiles-copy", "--card", &card],
    )?;
    stage.step("The case's list of documents matches the records log.");
    stage.obhut("caseworker-1", &["case", "verify", &filed.case])?;
    Ok(())
}

/// The machine of one server fails; nobody has to do anything.
pub(crate) fn go_on_without_the_first(stage: &mut Stage, filed: &Filed) -> Result<()> {
    stage.step("The first server dies as in a power cut. The second takes over: the same document opens, through the same address.");
    stage.servers().kill_first()?;
    let opened = stage.path("opened-again.txt");
    let name = opened.to_string_lossy().into_owned();
    let get = ["get", &filed.document, "--output", &name];
    stage.obhut("caseworker-1", &with_purpose(&get))?;
    same(&filed.letter, &opened)
}
