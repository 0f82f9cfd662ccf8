//! `POST …/releases`: from a signed act to shares. The entry stands in the log before anything is released.

use axum::extract::State;
use obhut_format::entry::Outcome;
use obhut_model::Caller;
use obhut_store::{StoreError, Vault};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::{B64, Json, Problem, refused};

/// A signed act that asks for shares.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ReleaseRequest {
    /// Canonical bytes of an `ActRequest`: list-cases, find-case, list-documents, open-document or export-case.
    pub request: B64,
}

/// What was released, with the proof that it was logged.
#[derive(Serialize, ToSchema)]
pub(super) struct ReleaseResponse {
    /// Canonical bytes of a `ReleaseAnswer`.
    pub answer: B64,
}

/// Releases shares for an act.
#[utoipa::path(post, path = "/v1/vaults/{vault}/releases", params(("vault" = String, Path)), request_body = ReleaseRequest,
    responses((status = 200, body = ReleaseResponse)))]
pub(super) async fn release(
    State(app): State<App>,
    vault: Vault,
    caller: Caller,
    Json(body): Json<ReleaseRequest>,
) -> Result<Json<ReleaseResponse>, Problem> {
    let act = vault.verify_act(&caller, body.request.record()?)?;
    let grant = match vault.authorise_release(&caller, &act).await {
        Ok(grant) => grant,
        Err(StoreError::Refused(refusal)) => return Err(refused(&vault, act, refusal).await),
        Err(error) => return Err(error.into()),
    };
    let logged = vault.log_release(grant, act).await?;
    let released = vault.release(&logged).await;
    logged.complete(match &released {
        Ok(_) => Outcome::Done,
        Err(StoreError::GateRefused { .. }) => Outcome::RefusedByGate,
        Err(_) => Outcome::Failed,
    });
    Ok(Json(ReleaseResponse {
        answer: B64::of(&released.map_err(|error| name_cause(&app, error))?),
    }))
}

/// Where the quorum is missing because the gatekeeper is away, that is what the caller should know.
fn name_cause(app: &App, error: StoreError) -> StoreError {
    match error {
        StoreError::NoQuorum if app.gatekeeper().trouble().is_some() => StoreError::GateUnavailable,
        error => error,
    }
}
