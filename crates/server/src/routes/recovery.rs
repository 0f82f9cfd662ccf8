//! `POST …/recovery`: agency recovery, from its policy to its use.

use axum::extract::State;
use obhut_format::act::ActKind;
use obhut_model::Caller;
use obhut_store::Vault;

use super::mutation::{self, MutationAnswer, MutationRequest};
use crate::app::App;
use crate::http::{Json, Problem};

const KINDS: &[ActKind] = &[ActKind::Recover];

/// States a recovery policy, asks for recovery, approves, finishes, withdraws or drills it.
#[utoipa::path(post, path = "/v1/vaults/{vault}/recovery", params(("vault" = String, Path)), request_body = MutationRequest,
    responses((status = 200, body = MutationAnswer)))]
pub(super) async fn recover(
    State(app): State<App>,
    vault: Vault,
    caller: Caller,
    Json(body): Json<MutationRequest>,
) -> Result<Json<MutationAnswer>, Problem> {
    mutation::commit(&app, &vault, &caller, &body, KINDS).await
}
