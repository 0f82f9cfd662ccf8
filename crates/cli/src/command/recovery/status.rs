use std::fmt::Write;

use obhut_client::clock::utc_text;
use obhut_client::letter::fingerprint_text;
use obhut_client::{PersonId, PolicyView, RequestView, UnitId};
use serde::Serialize;

use crate::context::Context;
use crate::output::Report;
use crate::stop::Stop;

#[derive(Serialize)]
struct PolicyLine {
    policy: u64,
    fingerprint: String,
    threshold: u64,
    trustees: Vec<TrusteeLine>,
    drilled: usize,
    confirmed: bool,
    spent: bool,
    uncovered: Vec<String>,
}

#[derive(Serialize)]
struct TrusteeLine {
    person: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drilled_us: Option<u64>,
    reachable: bool,
}

impl Report for PolicyLine {
    fn text(&self) -> String {
        let mut text = format!(
            "Recovery policy {}: any {} of {} trustees\nFingerprint {}",
            self.policy,
            self.threshold,
            self.trustees.len(),
            self.fingerprint
        );
        for trustee in &self.trustees {
            let name = trustee.name.as_deref().unwrap_or(&trustee.person);
            let drill = trustee.drilled_us.map_or("never tried".to_owned(), |at| {
                format!("tried {}", utc_text(at))
            });
            let reach = if trustee.reachable {
                ""
            } else {
                ", HAS NO DEVICE"
            };
            // Writing to a String does not fail.
            let _ = write!(text, "\n  {name}  share {drill}{reach}");
        }
        if (self.drilled as u64) < self.threshold {
            text.push_str(
                "\nToo few shares were tried: ask the trustees to run `obhut recovery drill`.",
            );
        }
        if !self.confirmed {
            text.push_str("\nYou have not confirmed it: `obhut recovery confirm`.");
        }
        if self.spent {
            text.push_str(
                "\nUSED: its shares came together. It has to be renewed with `obhut recovery finish`, \
                 or by another registrar with `obhut recovery split`.",
            );
        }
        for unit in &self.uncovered {
            let _ = write!(
                text,
                "\nNot covered: {unit}; its registrar runs `obhut unit renew {unit}`"
            );
        }
        text
    }
}

#[derive(Serialize)]
struct RequestLine {
    state: &'static str,
    requester: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    requester_name: Option<String>,
    units: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    asked_us: u64,
    expires_us: u64,
    approved_by: Vec<String>,
    threshold: u64,
}

impl Report for RequestLine {
    fn text(&self) -> String {
        let mut text = format!(
            "Request of {} by {}: {}, {} of {} trustees, for {}",
            utc_text(self.asked_us),
            self.requester_name.as_deref().unwrap_or(&self.requester),
            self.state,
            self.approved_by.len(),
            self.threshold,
            self.units.join(", ")
        );
        if let Some(reason) = &self.reason {
            let _ = write!(text, "\n  Reason: {reason}");
        }
        text
    }
}

pub(super) async fn run(context: &Context<'_>) -> Result<(), Stop> {
    let mut vault = context.connected_vault().await?;
    match vault.recovery_view().await? {
        Some(view) => context.output.report(&policy_line(&view))?,
        None => context.output.note(
            "There is no recovery policy: if the last holder of a unit's key loses it, its documents are lost. \
             A registrar makes one with `obhut recovery split`.",
        ),
    }
    for request in vault.recovery_requests().await? {
        context.output.report(&request_line(&request))?;
    }
    Ok(())
}

fn policy_line(view: &PolicyView) -> PolicyLine {
    let trustees = view.trustees.iter().map(|trustee| TrusteeLine {
        person: trustee.person.to_string(),
        name: trustee.name.clone(),
        drilled_us: trustee.drilled_us,
        reachable: trustee.reachable,
    });
    PolicyLine {
        policy: view.number,
        fingerprint: fingerprint_text(&view.fingerprint),
        threshold: view.threshold,
        drilled: view
            .trustees
            .iter()
            .filter(|trustee| trustee.drilled_us.is_some())
            .count(),
        trustees: trustees.collect(),
        confirmed: view.confirmed,
        spent: view.spent,
        uncovered: view.uncovered.iter().map(UnitId::to_string).collect(),
    }
}

fn request_line(view: &RequestView) -> RequestLine {
    RequestLine {
        state: view.state,
        requester: view.requester.to_string(),
        requester_name: view.requester_name.clone(),
        units: view.units.iter().map(UnitId::to_string).collect(),
        reason: view.reason.clone(),
        asked_us: view.asked_us,
        expires_us: view.expires_us,
        approved_by: view.approved_by.iter().map(PersonId::to_string).collect(),
        threshold: view.threshold,
    }
}

pub(super) fn name_or_id(name: Option<&str>, person: PersonId) -> String {
    name.map_or_else(|| person.to_string(), str::to_owned)
}
