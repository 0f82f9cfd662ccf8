//! `POST …/grants`: keys granted to somebody.

use axum::extract::State;
use obhut_format::act::ActKind;
use obhut_model::Caller;
use obhut_store::Vault;

use super::mutation::{self, MutationAnswer, MutationRequest};
use crate::app::App;
use crate::http::{Json, Problem};

const KINDS: &[ActKind] = &[ActKind::Grant];

/// Grants documents or a case to somebody.
#[utoipa::path(post, path = "/v1/vaults/{vault}/grants", params(("vault" = String, Path)), request_body = MutationRequest,
    responses((status = 200, body = MutationAnswer)))]
pub(super) async fn grant(
    State(app): State<App>,
    vault: Vault,
    caller: Caller,
    Json(body): Json<MutationRequest>,
) -> Result<Json<MutationAnswer>, Problem> {
    mutation::commit(&app, &vault, &caller, &body, KINDS).await
}
