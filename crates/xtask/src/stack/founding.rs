//! From nothing to a vault with its first registrar.

use super::elsewhere::{self, Elsewhere};
use super::servers;
use super::stage::Stage;
use crate::run::Result;

/// The server's operator makes a vault, the first registrar founds it on her own machine.
pub(crate) fn found(stage: &mut Stage) -> Result<()> {
    if stage.services().is_full() {
        let elsewhere = Elsewhere::start(stage)?;
        stage.keep_elsewhere(elsewhere);
    }
    stage.step("The operator makes a vault and starts the server. It has no key to any document.");
    let printed = servers::init(stage, "Testamt")?;
    let code = printed
        .split_whitespace()
        .find(|word| word.matches('-').count() == 12)
        .ok_or("obhut-server init printed no code")?
        .to_owned();
    let mut more = Vec::new();
    if stage.services().is_full() {
        more = start_full(stage, &printed)?;
    } else {
        servers::start_one(stage)?;
    }

    stage.step("The first registrar founds it with the one-time code, on her own machine: there the agency's root is made.");
    let name = format!("Test Person 1 {}", stage.plant("a registrar's name"));
    let url = stage.servers().url().to_owned();
    let mut arguments = vec![
        "found",
        &url,
        "-",
        "--agency",
        "Testamt",
        "--registrar",
        &name,
        "--root-file",
        "agency-root.txt",
    ];
    arguments.extend(more.iter().map(String::as_str));
    stage.obhut_fed("registrar", &arguments, &code)?;
    Ok(())
}

/// Servers with the bucket and the witness; what the founder says besides.
fn start_full(stage: &mut Stage, printed: &str) -> Result<Vec<String>> {
    let keys = servers::log_keys(stage)?;
    let bucket = stage.services().bucket_section(stage)?;
    let elsewhere = stage.elsewhere().ok_or("there is no gatekeeper")?;
    let sections = bucket + &elsewhere.section();
    let key = elsewhere.witness_key.clone();
    elsewhere::admit(stage, printed, &keys)?;
    stage.step("The operator names bucket and witness in the configuration, copies the first server's keys to the others, and starts them.");
    let count = stage.services().servers();
    servers::start_several(stage, count, &sections)?;
    let more = ["--gate-code", "gate-code", "--witness", &key];
    Ok(more.map(str::to_owned).into())
}
