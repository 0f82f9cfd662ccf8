//! `GET /livez`, `GET /readyz`: for whoever watches the process.

use axum::extract::State;

use crate::app::{App, Tenant};
use crate::http::{Kind, Problem};

/// The process answers.
#[utoipa::path(get, path = "/livez", responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn live() -> &'static str {
    "alive\n"
}

/// The server takes work: the log of every founded vault has a quorum, and it is not stopping.
#[utoipa::path(get, path = "/readyz", responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn ready(State(app): State<App>) -> Result<&'static str, Problem> {
    if app.stopping().is_cancelled() {
        return Err(Kind::Unavailable.into());
    }
    let confirmed =
        |tenant: &Tenant| !tenant.vault.is_founded() || tenant.vault.records_checkpoint().is_some();
    if !app.tenants().all(confirmed) {
        return Err(Kind::Unconfirmed.into());
    }
    Ok("ready\n")
}
