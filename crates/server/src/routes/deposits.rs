//! `POST …/deposits`: shares on their way to the gatekeeper, sealed to it.

use std::time::Duration;

use axum::extract::State;
use obhut_format::person::device_kid;
use obhut_format::release::{GateRequest, GateResponse};
use obhut_format::share::SignedDeposit;
use obhut_store::{StoreError, Vault};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::{Admitted, B64, Json, Kind, Problem};

/// The gatekeeper's code for a device its replay does not know.
const UNKNOWN_DEVICE: &str = "deposit-device";
const REPLAY_PATIENCE: Duration = Duration::from_secs(10);

/// A batch of shares.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DepositRequest {
    /// Canonical bytes of a `SignedDeposit`.
    pub deposit: B64,
}

/// The shares are durable in two places.
#[derive(Serialize, ToSchema)]
pub(super) struct DepositAnswer {
    /// Canonical bytes of a `SignedDepositReceipt`.
    pub receipt: B64,
}

/// Deposits shares; an identical repeat gets the same receipt.
#[utoipa::path(post, path = "/v1/vaults/{vault}/deposits", params(("vault" = String, Path)), request_body = DepositRequest,
    responses((status = 200, body = DepositAnswer)))]
pub(super) async fn deposit(
    State(app): State<App>,
    vault: Vault,
    admitted: Admitted,
    Json(body): Json<DepositRequest>,
) -> Result<Json<DepositAnswer>, Problem> {
    let signed: SignedDeposit = body.deposit.record()?;
    let own = match &admitted {
        Admitted::Caller(caller) => device_kid(&signed.deposit.device) == caller.device(),
        Admitted::Founder => true,
        Admitted::Invited(_) => false,
    };
    if !own || signed.deposit.vault != vault.id() {
        return Err(Problem::reason(Kind::Refused, "deposit-of-another"));
    }
    let request = GateRequest::Deposit(signed);
    let answer = match app.gatekeeper().ask(&request).await {
        Err(StoreError::GateRefused { code, .. }) if code == UNKNOWN_DEVICE => {
            catch_up(&vault).await?;
            app.gatekeeper().ask(&request).await?
        }
        other => other?,
    };
    match answer {
        GateResponse::Deposited(receipt) => Ok(Json(DepositAnswer {
            receipt: B64::of(&receipt),
        })),
        _ => Err(StoreError::GateUnavailable.into()),
    }
}

/// A device that was added a moment ago is known to the gatekeeper once it has replayed the records so far.
async fn catch_up(vault: &Vault) -> Result<(), StoreError> {
    let size = vault.directory().size();
    let last = size.saturating_sub(1);
    vault.wait_receipt(last, REPLAY_PATIENCE).await.map(drop)
}
