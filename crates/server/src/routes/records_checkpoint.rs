//! `GET …/checkpoints/records`: the newest checkpoint with quorum. Public.

use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use obhut_store::Vault;

use crate::http::{Kind, Problem};

/// Shows the newest checkpoint with quorum of the records log (signed note).
#[utoipa::path(get, path = "/v1/vaults/{vault}/checkpoints/records", params(("vault" = String, Path)), responses((status = 200, body = String, content_type = "text/plain")))]
pub(super) async fn records_checkpoint(vault: Vault) -> Result<impl IntoResponse, Problem> {
    let checkpoint = vault.records_checkpoint().ok_or_else(|| missing(&vault))?;
    Ok(([(CONTENT_TYPE, "text/plain; charset=utf-8")], checkpoint))
}

/// Between the founding, or a restart, and the first quorum there is none to show.
pub(super) fn missing(vault: &Vault) -> Kind {
    if vault.is_founded() {
        Kind::Unconfirmed
    } else {
        Kind::NotFound
    }
}
