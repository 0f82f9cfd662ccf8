//! `GET /v1/vaults/{vault}`: what a vault says about itself before anything is proved.

use axum::extract::State;
use obhut_store::Vault;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::clock::now_us;
use crate::http::{B64, Json, Kind, Problem};

/// A vault's keys and card. Clients believe none of it without the bootstrap code or a pinned card.
#[derive(Serialize, ToSchema)]
pub(super) struct AboutVault {
    /// Its id.
    pub vault: String,
    /// Name of the agency.
    pub name: String,
    /// Log origin prefix.
    pub origin: String,
    /// Whether an agency root has signed its card.
    pub founded: bool,
    /// Canonical bytes of the vault card, once founded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card_b64: Option<B64>,
    /// Ed25519 key of the records log.
    pub records_key: B64,
    /// Ed25519 key of the access log.
    pub access_key: B64,
    /// Ed25519 key of the gatekeeper.
    pub gate_key: B64,
    /// Whether the server says that another operator runs the gatekeeper.
    pub gate_elsewhere: bool,
    /// The server's clock, microseconds UTC.
    pub server_time_us: u64,
}

/// Shows a vault.
#[utoipa::path(get, path = "/v1/vaults/{vault}", params(("vault" = String, Path)), responses((status = 200, body = AboutVault)))]
pub(super) async fn show_vault(
    State(app): State<App>,
    vault: Vault,
) -> Result<Json<AboutVault>, Problem> {
    let tenant = app.find_tenant(vault.id()).ok_or(Kind::NotFound)?;
    let row = &tenant.row;
    Ok(Json(AboutVault {
        vault: row.vault.to_string(),
        name: row.name.clone(),
        origin: row.origin.clone(),
        founded: tenant.vault.is_founded(),
        card_b64: tenant.vault.card_bytes().map(B64),
        records_key: B64(row.records_key.to_vec()),
        access_key: B64(row.access_key.to_vec()),
        gate_key: B64(row.gate_key.to_vec()),
        gate_elsewhere: app.gatekeeper().is_elsewhere(),
        server_time_us: now_us(),
    }))
}
