//! `GET …/receipts/{leaf}`: proof that a record stands under a checkpoint with quorum.

use std::time::Duration;

use axum::extract::State;
use obhut_model::Caller;
use obhut_store::Vault;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::{Json, Kind, Params, Problem, Segment};

const LONGEST_WAIT_MS: u64 = 30_000;

/// How long to wait.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReceiptQuery {
    /// Milliseconds to wait for the quorum, at most 30,000.
    #[serde(default)]
    wait_ms: u64,
}

/// The proof.
#[derive(Serialize, ToSchema)]
pub(super) struct ReceiptAnswer {
    /// C2SP tlog-proof text.
    pub proof: String,
}

/// Proves that a record is logged. Until there is a quorum the answer is `unconfirmed`.
#[utoipa::path(get, path = "/v1/vaults/{vault}/receipts/{leaf}", params(("vault" = String, Path), ("leaf" = u64, Path), ("wait_ms" = Option<u64>, Query)),
    responses((status = 200, body = ReceiptAnswer)))]
pub(super) async fn prove(
    State(app): State<App>,
    vault: Vault,
    _caller: Caller,
    Segment(leaf): Segment<u64>,
    Params(query): Params<ReceiptQuery>,
) -> Result<Json<ReceiptAnswer>, Problem> {
    let wait = Duration::from_millis(query.wait_ms.min(LONGEST_WAIT_MS));
    let proof = tokio::select! {
        proof = vault.wait_receipt(leaf, wait) => proof?,
        () = app.stopping().cancelled() => None,
    };
    proof
        .map(|proof| Json(ReceiptAnswer { proof }))
        .ok_or_else(|| Kind::Unconfirmed.into())
}
