//! Founding, invitations, units.

use obhut_format::invite::parse_text;
use xtask::canary::Canary;

use crate::run::Result;
use crate::stack::stage::{Stage, find_id};

/// Who takes part.
pub(crate) struct People {
    pub(crate) unit: String,
    pub(crate) second: String,
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
