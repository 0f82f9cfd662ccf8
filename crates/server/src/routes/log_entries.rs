//! `POST …/log/entries`: access entries about oneself. The reading is an entry first.

use obhut_format::entry::Outcome;
use obhut_model::Caller;
use obhut_store::Vault;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::{B64, Json, Problem, refused};

/// A signed act of kind read-log.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnLogRequest {
    /// Canonical bytes of an `ActRequest`.
    pub request: B64,
}

/// The entries, one answer for each shard.
#[derive(Serialize, ToSchema)]
pub(super) struct OwnLogAnswer {
    /// Canonical bytes of `AccessLogAnswer`s.
    pub answers: Vec<B64>,
}

/// Reads access entries.
#[utoipa::path(post, path = "/v1/vaults/{vault}/log/entries", params(("vault" = String, Path)), request_body = OwnLogRequest,
    responses((status = 200, body = OwnLogAnswer)))]
pub(super) async fn read_own_log(
    vault: Vault,
    caller: Caller,
    Json(body): Json<OwnLogRequest>,
) -> Result<Json<OwnLogAnswer>, Problem> {
    let act = vault.verify_act(&caller, body.request.record()?)?;
    let grant = match vault.authorise_reading(&caller, &act) {
        Ok(grant) => grant,
        Err(refusal) => return Err(refused(&vault, act, refusal).await),
    };
    let logged = vault.log_reading(grant, act).await?;
    let answers = vault.own_log(&logged).await;
    logged.complete(if answers.is_ok() {
        Outcome::Done
    } else {
        Outcome::Failed
    });
    let answers = answers?.iter().map(B64::of).collect();
    Ok(Json(OwnLogAnswer { answers }))
}
