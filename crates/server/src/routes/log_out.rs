//! `DELETE …/sessions/current`: the end of a session.

use axum::http::StatusCode;
use obhut_model::Caller;
use obhut_store::Vault;

use crate::http::{Problem, Token};

/// Ends the session.
#[utoipa::path(delete, path = "/v1/vaults/{vault}/sessions/current", params(("vault" = String, Path)), responses((status = 204)))]
pub(super) async fn log_out(
    vault: Vault,
    _caller: Caller,
    token: Token,
) -> Result<StatusCode, Problem> {
    vault.log_out(&token.0).await?;
    Ok(StatusCode::NO_CONTENT)
}
