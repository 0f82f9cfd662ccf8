//! `POST …/founding`: the first records of a vault, signed by the agency root and the first registrar.

use obhut_format::bootstrap::BootstrapCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::mutation::MutationAnswer;
use crate::http::{Anonymous, B64, Json, Kind, Problem, refused};

/// The founding mutation with the operator's code.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FoundingRequest {
    /// Secret half of the one-time bootstrap code, base32.
    pub code: String,
    /// Canonical bytes of an `ActRequest` of the registrar's new device.
    pub request: B64,
    /// Canonical bytes of a `Mutation`.
    pub mutation: B64,
}

/// Founds the vault. Works once.
#[utoipa::path(post, path = "/v1/vaults/{vault}/founding", params(("vault" = String, Path)), request_body = FoundingRequest,
    responses((status = 200, body = MutationAnswer)))]
pub(super) async fn found(
    Anonymous(vault): Anonymous,
    Json(body): Json<FoundingRequest>,
) -> Result<Json<MutationAnswer>, Problem> {
    let secret = BootstrapCode::parse_secret(&body.code).map_err(|_| Kind::Unauthenticated)?;
    if vault.is_founded() {
        return Err(Kind::AlreadyFounded.into());
    }
    vault.check_bootstrap(&secret).await?;
    let proposal = vault.propose(&body.mutation.0).await?;
    let (caller, act) = vault.verify_act_of(&proposal, body.request.record()?)?;
    let grant = match vault.authorise_founding(&caller, &act, &proposal) {
        Ok(grant) => grant,
        Err(refusal) => return Err(refused(&vault, act, refusal).await),
    };
    let committed = vault.commit(grant, act, proposal).await?;
    Ok(MutationAnswer::of(&committed))
}
