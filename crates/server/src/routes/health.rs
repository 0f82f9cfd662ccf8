//! `GET /livez`, `GET /readyz`: for whoever watches the process.

use axum::extract::State;

use crate::app::App;
use crate::http::{Kind, Problem};

/// The process answers.
#[utoipa::path(get, path = "/livez", responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn live() -> &'static str {
    "alive\n"
}

/// The server takes work: its vaults are open and it is not stopping.
#[utoipa::path(get, path = "/readyz", responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn ready(State(app): State<App>) -> Result<&'static str, Problem> {
    if app.stopping().is_cancelled() {
        return Err(Kind::Unavailable.into());
    }
    Ok("ready\n")
}
