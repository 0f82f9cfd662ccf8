//! `GET /v1/vaults`: which vaults are here. Public, minimal.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::{App, Tenant};
use crate::http::Json;

/// One vault.
#[derive(Serialize, ToSchema)]
pub(super) struct VaultSummary {
    /// Its id.
    pub vault: String,
    /// Name of the agency.
    pub name: String,
    /// Log origin prefix.
    pub origin: String,
    /// Whether an agency root has signed its card.
    pub founded: bool,
}

impl VaultSummary {
    fn of(tenant: &Tenant) -> Self {
        Self {
            vault: tenant.row.vault.to_string(),
            name: tenant.row.name.clone(),
            origin: tenant.row.origin.clone(),
            founded: tenant.vault.is_founded(),
        }
    }
}

/// Lists the vaults of this server.
#[utoipa::path(get, path = "/v1/vaults", responses((status = 200, body = Vec<VaultSummary>)))]
pub(super) async fn list_vaults(State(app): State<App>) -> Json<Vec<VaultSummary>> {
    Json(
        app.tenants()
            .iter()
            .map(|tenant| VaultSummary::of(tenant))
            .collect(),
    )
}
