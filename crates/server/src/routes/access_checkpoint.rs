//! `GET …/checkpoints/access`: the newest checkpoint with quorum. Public.

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use obhut_store::Vault;

use super::records_checkpoint::missing;
use crate::http::Problem;

/// Shows the newest checkpoint with quorum of the access log (signed note).
#[utoipa::path(get, path = "/v1/vaults/{vault}/checkpoints/access", params(("vault" = String, Path)), responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn access_checkpoint(vault: Vault) -> Result<impl IntoResponse, Problem> {
    let checkpoint = vault.access_checkpoint().ok_or_else(|| missing(&vault))?;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], checkpoint))
}
