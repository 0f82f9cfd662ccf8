//! `GET /livez`, `GET /readyz`: for whoever watches the process.

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;

use crate::app::{App, Tenant};
use crate::http::{Kind, Problem};

/// The process answers.
#[utoipa::path(get, path = "/livez", responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn live() -> &'static str {
    "alive\n"
}

/// The server takes work: every vault's sequencer runs, every founded vault's log has a quorum, and it is not stopping.
/// The text says when another operator's gatekeeper cannot be reached, and which vaults are not served and why.
#[utoipa::path(get, path = "/readyz", responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn ready(State(app): State<App>) -> Result<String, Problem> {
    if app.stopping().is_cancelled() {
        return Err(Kind::Unavailable.into());
    }
    let works = |tenant: &Arc<Tenant>| {
        let vault = &tenant.vault;
        vault.is_running() && (!vault.is_founded() || vault.records_checkpoint().is_some())
    };
    let tenants = app.tenants();
    if tenants.iter().any(|tenant| tenant.waits_for().is_some()) {
        return Err(Problem::reason(Kind::Unavailable, "restored-uncompared"));
    }
    if !tenants.iter().all(works) {
        return Err(Kind::Unconfirmed.into());
    }
    let mut text = match app.gatekeeper().trouble() {
        None => "ready\n".to_owned(),
        Some(why) => format!(
            "ready, but the gatekeeper cannot be reached: {why}\n\
            Releases and deposits wait; what needs neither goes on unconfirmed.\n"
        ),
    };
    for (vault, held) in app.held() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{vault} is not served: {}", held.reason);
    }
    Ok(text)
}
