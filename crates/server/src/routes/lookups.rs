//! `POST …/lookups`: case ids under blind index tags. Ids only; the file reference is read with a logged find-case act.

use obhut_format::UnitId;
use obhut_model::Caller;
use obhut_store::Vault;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::{B64, Json, Kind, Problem};

const MAX_TAGS: usize = 1_024;

/// Blind index tags of one unit.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LookupRequest {
    /// The unit.
    pub unit: String,
    /// Tags of 32 bytes.
    pub tags: Vec<B64>,
}

/// The cases that carry one of the tags.
#[derive(Serialize, ToSchema)]
pub(super) struct LookupAnswer {
    /// Case ids.
    pub cases: Vec<String>,
}

/// Looks cases up.
#[utoipa::path(post, path = "/v1/vaults/{vault}/lookups", params(("vault" = String, Path)), request_body = LookupRequest,
    responses((status = 200, body = LookupAnswer)))]
pub(super) async fn look_up(
    vault: Vault,
    caller: Caller,
    Json(body): Json<LookupRequest>,
) -> Result<Json<LookupAnswer>, Problem> {
    let unit: UnitId = body.unit.parse().map_err(|_| Kind::BadRequest)?;
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
    let cases = vault.lookup(&caller, unit, &tags).await?;
    let cases = cases.iter().map(ToString::to_string).collect();
    Ok(Json(LookupAnswer { cases }))
}
