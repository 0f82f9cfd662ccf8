//! `POST …/documents`: documents of one case, signed as a batch.

use axum::extract::State;
use obhut_format::act::ActKind;
use obhut_model::Caller;
use obhut_store::Vault;

use super::mutation::{self, MutationAnswer, MutationRequest};
use crate::app::App;
use crate::http::{Json, Problem};

const KINDS: &[ActKind] = &[ActKind::FileDocuments];

/// Registers stored capsules as documents of a case, at most 1,024 at once.
#[utoipa::path(post, path = "/v1/vaults/{vault}/documents", params(("vault" = String, Path)), request_body = MutationRequest,
    responses((status = 200, body = MutationAnswer)))]
pub(super) async fn register(
    State(app): State<App>,
    vault: Vault,
    caller: Caller,
    Json(body): Json<MutationRequest>,
) -> Result<Json<MutationAnswer>, Problem> {
    mutation::commit(&app, &vault, &caller, &body, KINDS).await
}
