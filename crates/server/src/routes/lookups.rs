//! `POST …/lookups`: case ids under blind index tags. A search is an act; the file reference is read with another one.

use obhut_model::Caller;
use obhut_store::Vault;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::{B64, Json, Kind, Problem, refused};

const MAX_TAGS: usize = 1_024;

/// Blind index tags of one unit, and the act that names them.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LookupRequest {
    /// Canonical bytes of an `ActRequest`: find-case in the unit, without objects; its payload hash is the one of the tags.
    pub request: B64,
    /// Tags of 32 bytes.
    pub tags: Vec<B64>,
}

/// The cases that carry one of the tags.
#[derive(Serialize, ToSchema)]
pub(super) struct LookupAnswer {
    /// Case ids.
    pub cases: Vec<String>,
}

/// Looks cases up. The search is logged, also one that finds nothing.
#[utoipa::path(post, path = "/v1/vaults/{vault}/lookups", params(("vault" = String, Path)), request_body = LookupRequest,
    responses((status = 200, body = LookupAnswer)))]
pub(super) async fn look_up(
    vault: Vault,
    caller: Caller,
    Json(body): Json<LookupRequest>,
) -> Result<Json<LookupAnswer>, Problem> {
    if body.tags.len() > MAX_TAGS {
        return Err(Problem::detail(
            Kind::PayloadTooLarge,
            format!("at most {MAX_TAGS} tags"),
        ));
    }
    let tags = body
        .tags
        .iter()
        .map(B64::array)
        .collect::<Result<Vec<_>, _>>()?;
    let act = vault.verify_act(&caller, body.request.record()?)?;
    let grant = match vault.authorise_lookup(&caller, &act, &tags) {
        Ok(grant) => grant,
        Err(refusal) => return Err(refused(&vault, act, refusal).await),
    };
    let cases = vault.look_up(grant, act, &tags).await?;
    let cases = cases.iter().map(ToString::to_string).collect();
    Ok(Json(LookupAnswer { cases }))
}
