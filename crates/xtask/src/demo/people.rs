//! Founding, invitations, units.

use obhut_format::invite::parse_text;
use xtask::canary::Canary;

use super::elsewhere::{self, Elsewhere};
use super::servers;
use super::stage::{Stage, find_id};
use crate::run::Result;

/// Who takes part.
pub(crate) struct People {
    pub(crate) unit: String,
    pub(crate) second: String,
}

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

/// Two servers with the bucket and the witness; what the founder says besides.
fn start_full(stage: &mut Stage, printed: &str) -> Result<Vec<String>> {
    let keys = servers::log_keys(stage)?;
    let bucket = stage.services().bucket_section(stage)?;
    let elsewhere = stage.elsewhere().ok_or("there is no gatekeeper")?;
    let sections = bucket + &elsewhere.section();
    let key = elsewhere.witness_key.clone();
    elsewhere::admit(stage, printed, &keys)?;
    stage.step("The operator names bucket and witness in the configuration, copies the first server's keys to a second, and starts both.");
    servers::start_two(stage, &sections)?;
    let more = ["--gate-code", "gate-code", "--witness", &key];
    Ok(more.map(str::to_owned).into())
}

/// Three caseworkers and a data-protection officer join; two units are made.
pub(crate) fn join(stage: &mut Stage) -> Result<People> {
    stage.step("She invites colleagues; each makes keys on their own machine. Invitations travel as files, past the server.");
    let first = invite(stage, "caseworker-1", "Test Person 2", "caseworker")?;
    let second = invite(stage, "caseworker-2", "Test Person 3", "caseworker")?;
    let stranger = invite(stage, "caseworker-3", "Test Person 4", "caseworker")?;
    let officer = invite(stage, "dpo", "Test Person 5", "dpo")?;

    stage.step("She makes two units and appoints: two caseworkers to one, one to the other, and the data-protection officer.");
    let name = format!("Bauamt {}", stage.plant("a unit's name"));
    let printed = stage.obhut("registrar", &["unit", "create", &name, &first, &second])?;
    let unit = find_id(&printed, "unit_")?;
    stage.obhut("registrar", &["unit", "create", "Ordnungsamt", &stranger])?;
    stage.obhut("registrar", &["appoint", &officer, "--role", "dpo"])?;
    stage.obhut("caseworker-1", &["status"])?;
    Ok(People { unit, second })
}

fn invite(stage: &mut Stage, profile: &str, name: &str, role: &str) -> Result<String> {
    let name = format!("{name} {}", stage.plant(&format!("the name of {profile}")));
    let file = format!("invitation-{profile}");
    let arguments = ["invite", &name, "--role", role, "--output", &file];
    let printed = stage.obhut("registrar", &arguments)?;
    watch_invitation(stage, &file, &format!("the invitation of {profile}"))?;
    stage.obhut(profile, &["join", &file])?;
    find_id(&printed, "person_")
}

/// Watches both the secret's bytes and the text they are written in.
fn watch_invitation(stage: &mut Stage, file: &str, place: &str) -> Result<()> {
    let path = stage.path(file);
    let text = std::fs::read_to_string(&path).map_err(|error| error.to_string())?;
    watch_secret(stage, text.trim(), place)
}

/// Watches the secret of an invitation's or letter's code.
pub(crate) fn watch_secret(stage: &mut Stage, code: &str, place: &str) -> Result<()> {
    let invitation = parse_text(code).map_err(|error| format!("{place}: {error}"))?;
    stage.watch(Canary::of(place, invitation.secret.expose()));
    let compact: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    stage.watch(Canary::of(&format!("{place}, as text"), compact.as_bytes()));
    Ok(())
}
