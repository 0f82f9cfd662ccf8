//! `POST …/grants/revocations`: a grant is no longer served.

use axum::extract::State;
use obhut_format::act::ActKind;
use obhut_model::Caller;
use obhut_store::Vault;

use super::mutation::{self, MutationAnswer, MutationRequest};
use crate::app::App;
use crate::http::{Json, Problem};

const KINDS: &[ActKind] = &[ActKind::RevokeGrant];

/// Revokes a grant.
#[utoipa::path(post, path = "/v1/vaults/{vault}/grants/revocations", params(("vault" = String, Path)), request_body = MutationRequest,
    responses((status = 200, body = MutationAnswer)))]
pub(super) async fn revoke_grant(
    State(app): State<App>,
    vault: Vault,
    caller: Caller,
    Json(body): Json<MutationRequest>,
) -> Result<Json<MutationAnswer>, Problem> {
    mutation::commit(&app, &vault, &caller, &body, KINDS).await
}
