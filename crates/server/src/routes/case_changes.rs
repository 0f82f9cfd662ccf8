//! `POST …/cases/{case}/changes`: close, reopen, re-key, subjects, cards.

use axum::extract::State;
use obhut_format::act::{ActKind, ActRequest};
use obhut_format::{CaseId, Cbor};
use obhut_model::Caller;
use obhut_store::Vault;

use super::mutation::{self, MutationAnswer, MutationRequest};
use crate::app::App;
use crate::http::{Json, Kind, Problem, Segment};

const KINDS: &[ActKind] = &[ActKind::ChangeCase];

/// Changes a case file.
#[utoipa::path(post, path = "/v1/vaults/{vault}/cases/{case}/changes", params(("vault" = String, Path), ("case" = String, Path)),
    request_body = MutationRequest, responses((status = 200, body = MutationAnswer)))]
pub(super) async fn change_case(
    State(app): State<App>,
    vault: Vault,
    caller: Caller,
    Segment(case): Segment<CaseId>,
    Json(body): Json<MutationRequest>,
) -> Result<Json<MutationAnswer>, Problem> {
    let request: ActRequest = body.request.record()?;
    let act = obhut_format::act::Act::from_bytes(&request.signed.act.0);
    if act.ok().and_then(|act| act.case) != Some(case) {
        return Err(Problem::detail(
            Kind::BadRequest,
            "the act names another case",
        ));
    }
    mutation::commit(&app, &vault, &caller, &body, KINDS).await
}
