//! `POST …/activations`: an invitation becomes an identity. No session: the device is in the records themselves.

use obhut_format::act::ActKind;

use super::mutation::{MutationAnswer, MutationRequest};
use crate::http::{Anonymous, Json, Kind, Problem, refused};

/// Activates an invitation: a fresh bundle, final, and a first device.
#[utoipa::path(post, path = "/v1/vaults/{vault}/activations", params(("vault" = String, Path)), request_body = MutationRequest,
    responses((status = 200, body = MutationAnswer)))]
pub(super) async fn activate(
    Anonymous(vault): Anonymous,
    Json(body): Json<MutationRequest>,
) -> Result<Json<MutationAnswer>, Problem> {
    let proposal = vault.propose(&body.mutation.0).await?;
    let (caller, act) = vault.verify_act_of(&proposal, body.request.record()?)?;
    if act.act().kind != ActKind::ManageIdentity {
        return Err(Problem::detail(
            Kind::BadRequest,
            "this address takes other acts",
        ));
    }
    let grant = match vault.authorise_mutation(&caller, &act, &proposal) {
        Ok(grant) => grant,
        Err(refusal) => return Err(refused(&vault, act, refusal).await),
    };
    let committed = vault.commit(grant, act, proposal).await?;
    Ok(MutationAnswer::of(&committed))
}
