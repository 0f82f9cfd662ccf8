//! Checks that need nobody's word.

use super::filing::Filed;
use super::stage::Stage;
use crate::run::{Result, must};

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
    if stage.has("case verify") {
        stage.step("The case's list of documents matches the records log.");
        stage.obhut("caseworker-1", &["case", "verify", &filed.case])?;
    }
    Ok(())
}
