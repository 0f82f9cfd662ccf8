//! Who must not read is refused, and the refusal is an entry.

use std::time::Duration;

use super::filing::Filed;
use super::people::People;
use super::reading::with_purpose;
use crate::run::Result;
use crate::stack::stage::{Stage, find_id, say};

/// Exit codes of `obhut`.
const NOT_LOGGED_IN: i32 = 3;
const REFUSED: i32 = 4;

const PAUSE: Duration = Duration::from_millis(200);

/// A caseworker of another unit.
pub(crate) fn refuse_strangers(stage: &mut Stage, filed: &Filed) -> Result<()> {
    stage.step(
        "A caseworker of another unit is refused, and the refusal is an entry in the access log.",
    );
    let before = quiet_access_entries(stage)?;
    let get = ["get", &filed.document, "--output", "stolen.txt"];
    stage.refused(REFUSED, "caseworker-3", &with_purpose(&get))?;
    if stage.path("stolen.txt").exists() {
        return Err("a file was written".to_owned());
    }
    let after = grown_access_entries(stage, before)?;
    say(&format!(
        "Checked: the access log grew from {before} to {after} entries, no file was written."
    ));
    Ok(())
}

/// A removed member and a revoked device.
pub(crate) fn remove(stage: &mut Stage, people: &People, filed: &Filed) -> Result<()> {
    stage.step("The second caseworker leaves the unit. What is filed from now on is sealed under a key he does not hold.");
    stage.obhut(
        "registrar",
        &["unit", "remove", &people.unit, &people.second, "--yes"],
    )?;
    let get = ["get", &filed.document, "--output", "stolen.txt"];
    stage.refused(REFUSED, "caseworker-2", &with_purpose(&get))?;
    let letter = filed.letter.to_string_lossy().into_owned();
    let printed = stage.obhut(
        "caseworker-1",
        &["put", &filed.case, &letter, "--title", "Nachtrag"],
    )?;
    let later = find_id(&printed, "doc_")?;
    let get = ["get", &later, "--output", "stolen.txt"];
    stage.refused(REFUSED, "caseworker-2", &with_purpose(&get))?;

    stage.step("A laptop of the other unit is lost: its device is revoked and cannot even log in.");
    let devices = stage.json("caseworker-3", &["devices", "list"])?;
    let device = devices.iter().find_map(|device| device["device"].as_str());
    let device = device.ok_or("caseworker-3 has no device")?.to_owned();
    stage.obhut(
        "registrar",
        &["devices", "revoke", &device, "--lost", "--yes"],
    )?;
    stage.refused(NOT_LOGGED_IN, "caseworker-3", &["case", "list"])?;
    Ok(())
}

/// The size of the access log once nothing is published any more.
fn quiet_access_entries(stage: &Stage) -> Result<u64> {
    let mut size = access_entries(stage)?;
    let mut quiet = 0;
    while quiet < 10 {
        std::thread::sleep(PAUSE);
        let now = access_entries(stage)?;
        quiet = if now == size { quiet + 1 } else { 0 };
        size = now;
    }
    Ok(size)
}

/// The size of the access log once it is larger than it was.
fn grown_access_entries(stage: &Stage, before: u64) -> Result<u64> {
    for _ in 0..75 {
        let now = access_entries(stage)?;
        if now > before {
            return Ok(now);
        }
        std::thread::sleep(PAUSE);
    }
    Err(format!("the access log still has {before} entries"))
}

/// The size of the access log by its published checkpoint: the second line of the signed note
/// whose origin ends in `/access`.
fn access_entries(stage: &Stage) -> Result<u64> {
    let found = walkdir::WalkDir::new(stage.data().join("tiles"))
        .into_iter()
        .filter_map(std::result::Result::ok)
        .filter(|entry| entry.file_name() == "checkpoint")
        .filter_map(|entry| std::fs::read_to_string(entry.path()).ok())
        .filter(|note| {
            note.lines()
                .next()
                .is_some_and(|origin| origin.contains("/access"))
        })
        .filter_map(|note| note.lines().nth(1)?.parse().ok())
        .max();
    found.ok_or_else(|| "the access log has no published checkpoint".to_owned())
}
