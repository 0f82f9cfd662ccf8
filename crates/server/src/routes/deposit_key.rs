//! `GET …/deposit-key`: what shares are sealed to on their way to the gatekeeper. Public.

use axum::extract::State;
use obhut_format::release::{GateRequest, GateResponse, VaultOnly};
use obhut_store::{StoreError, Vault};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::http::{B64, Json, Problem};

/// The gatekeeper's deposit key in force.
#[derive(Serialize, ToSchema)]
pub(super) struct DepositKeyAnswer {
    /// Canonical bytes of a `SignedDepositKey`.
    pub key: B64,
}

/// Shows the deposit key, signed by the gatekeeper.
#[utoipa::path(get, path = "/v1/vaults/{vault}/deposit-key", params(("vault" = String, Path)), responses((status = 200, body = DepositKeyAnswer)))]
pub(super) async fn show_deposit_key(
    State(app): State<App>,
    vault: Vault,
) -> Result<Json<DepositKeyAnswer>, Problem> {
    let request = GateRequest::DepositKey(VaultOnly { vault: vault.id() });
    match app.gatekeeper().ask(&request).await? {
        GateResponse::DepositKey(key) => Ok(Json(DepositKeyAnswer { key: B64::of(&key) })),
        _ => Err(StoreError::GateUnavailable.into()),
    }
}
