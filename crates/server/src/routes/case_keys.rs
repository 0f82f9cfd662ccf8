//! `GET …/keys/cases/{case}`: the keys of a case for those who write into it; no share, so nothing can be read with them alone.

use obhut_format::CaseId;
use obhut_model::Caller;
use obhut_store::Vault;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{B64, Json, Problem, Segment};

/// Keys of a case.
#[derive(Serialize, ToSchema)]
pub(super) struct CaseKeysAnswer {
    /// Canonical bytes of a `ReleasedCase` without its register share.
    pub case: B64,
}

/// Reads keys and links of a case, for caseworkers of its unit.
#[utoipa::path(get, path = "/v1/vaults/{vault}/keys/cases/{case}", params(("vault" = String, Path), ("case" = String, Path)),
    responses((status = 200, body = CaseKeysAnswer)))]
pub(super) async fn case_keys(
    vault: Vault,
    caller: Caller,
    Segment(case): Segment<CaseId>,
) -> Result<Json<CaseKeysAnswer>, Problem> {
    let keys = vault.case_keys(&caller, case).await?;
    Ok(Json(CaseKeysAnswer {
        case: B64::of(&keys),
    }))
}
