use obhut_client::clock::utc_text;
use obhut_client::letter::fingerprint_text;
use obhut_client::{ClientError, PersonId, Reason, UnitId};
use serde::Serialize;

use super::status::name_or_id;
use crate::context::Context;
use crate::output::Report;
use crate::stop::Stop;

#[derive(Serialize)]
struct SplitReport {
    fingerprint: String,
    renewed: Vec<String>,
    uncovered: Vec<String>,
}

impl Report for SplitReport {
    fn text(&self) -> String {
        let mut text = format!(
            "The recovery bundle is split; nobody holds its secret.\nPolicy   {}\nRenewed  {} units",
            self.fingerprint,
            self.renewed.len()
        );
        for unit in &self.uncovered {
            text.push_str("\nNot covered: ");
            text.push_str(unit);
            text.push_str(
                " - its registrar runs `obhut recovery confirm`, then `obhut unit renew`",
            );
        }
        text.push_str(
            "\nOther registrars: `obhut recovery confirm`. Trustees: `obhut recovery drill`.",
        );
        text
    }
}

pub(super) async fn split(
    context: &Context<'_>,
    threshold: u8,
    trustees: &[PersonId],
) -> Result<(), Stop> {
    let mut vault = context.connected_vault().await?;
    context.confirm(&format!(
        "Any {threshold} of these {} persons will be able to open every unit's keys together. Go on?",
        trustees.len()
    ))?;
    let made = vault.split_recovery(threshold, trustees).await?;
    context.output.report(&SplitReport {
        fingerprint: fingerprint_text(&made.fingerprint),
        renewed: printed(&made.renewed),
        uncovered: printed(&made.uncovered),
    })
}

pub(super) async fn confirm(context: &Context<'_>) -> Result<(), Stop> {
    let mut vault = context.connected_vault().await?;
    let view = vault.recovery_view().await?;
    let view = view.ok_or_else(|| ClientError::NotFound("there is no recovery policy".into()))?;
    let names: Vec<String> = view
        .trustees
        .iter()
        .map(|trustee| name_or_id(trustee.name.as_deref(), trustee.person))
        .collect();
    context.confirm(&format!(
        "Policy {}\nAny {} of {} can open together what you seal. Do you agree?",
        fingerprint_text(&view.fingerprint),
        view.threshold,
        names.join(", ")
    ))?;
    vault.confirm_recovery(&view.fingerprint)?;
    context
        .output
        .note("Confirmed. If the policy changes you are asked again.");
    Ok(())
}

#[derive(Serialize)]
struct RequestReport {
    code: String,
    threshold: u64,
    trustees: Vec<String>,
    expires_us: u64,
}

impl Report for RequestReport {
    fn text(&self) -> String {
        format!(
            "Asked. Tell each trustee this code by telephone or face to face:\n\n  {}\n\n\
             {} of these have to run `obhut recovery approve CODE` until {}:\n  {}\n\
             Then run `obhut recovery finish`.",
            self.code,
            self.threshold,
            utc_text(self.expires_us),
            self.trustees.join("\n  "),
        )
    }
}

pub(super) async fn request(
    context: &Context<'_>,
    units: &[UnitId],
    reason: String,
    legal_basis: String,
) -> Result<(), Stop> {
    let mut vault = context.connected_vault().await?;
    let reason = Reason {
        purpose: reason,
        legal_basis,
        justification: None,
    };
    let asked = vault.request_recovery(units, &reason).await?;
    context.output.report(&RequestReport {
        code: asked.code,
        threshold: asked.threshold,
        trustees: asked.trustees.iter().map(PersonId::to_string).collect(),
        expires_us: asked.expires_us,
    })
}

pub(super) async fn approve(context: &Context<'_>, code: &str) -> Result<(), Stop> {
    let mut vault = context.connected_vault().await?;
    let view = vault.find_recovery_by_code(code).await?;
    let units = printed(&view.units);
    context.confirm(&format!(
        "{} asks for the keys of {}.\nReason: {}\nDid this very person tell you the code, and is the reason good?",
        name_or_id(view.requester_name.as_deref(), view.requester),
        units.join(", "),
        view.reason.as_deref().unwrap_or("(not readable)"),
    ))?;
    vault.approve_recovery(&view).await?;
    context
        .output
        .note("Your share is handed over, sealed for this request alone.");
    Ok(())
}

#[derive(Serialize)]
struct FinishReport {
    recovered: Vec<String>,
    renewed: Vec<String>,
    fingerprint: String,
}

impl Report for FinishReport {
    fn text(&self) -> String {
        format!(
            "You hold the keys of {}. Appoint their caseworkers with `obhut unit add`.\n\
             The used recovery bundle opens nothing any more; {} units have new keys and a new bundle.\n\
             Policy   {}\nOther registrars: `obhut recovery confirm`. Trustees: `obhut recovery drill`.",
            self.recovered.join(", "),
            self.renewed.len(),
            self.fingerprint
        )
    }
}

pub(super) async fn finish(
    context: &Context<'_>,
    threshold: Option<u8>,
    trustees: &[PersonId],
) -> Result<(), Stop> {
    let mut vault = context.connected_vault().await?;
    let finished = vault.finish_recovery(threshold, trustees).await?;
    context.output.report(&FinishReport {
        recovered: printed(&finished.recovered),
        renewed: printed(&finished.renewed),
        fingerprint: fingerprint_text(&finished.fingerprint),
    })
}

pub(super) async fn withdraw(context: &Context<'_>) -> Result<(), Stop> {
    let mut vault = context.connected_vault().await?;
    vault.withdraw_recovery().await?;
    context.output.note("The request is withdrawn.");
    Ok(())
}

pub(super) async fn drill(context: &Context<'_>) -> Result<(), Stop> {
    let mut vault = context.connected_vault().await?;
    vault.drill_recovery().await?;
    context
        .output
        .note("Your share opens and is the one the policy names. Nothing was done with it.");
    Ok(())
}

fn printed(units: &[UnitId]) -> Vec<String> {
    units.iter().map(UnitId::to_string).collect()
}
