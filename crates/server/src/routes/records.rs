//! `GET …/records`: the records log, for replay.

use obhut_store::Vault;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::{Admitted, B64, Json, Params, Problem};

/// Where to begin.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordsQuery {
    /// Index of the first record.
    #[serde(default)]
    from: u64,
}

/// A stretch of the records log.
#[derive(Serialize, ToSchema)]
pub(super) struct RecordsAnswer {
    /// Canonical bytes of a `RecordsPage`, at most 1,024 entries.
    pub page: B64,
}

/// Reads records. Sealed parts come only to whom they are sealed for.
#[utoipa::path(get, path = "/v1/vaults/{vault}/records", params(("vault" = String, Path), ("from" = Option<u64>, Query)), responses((status = 200, body = RecordsAnswer)))]
pub(super) async fn read_records(
    vault: Vault,
    admitted: Admitted,
    Params(query): Params<RecordsQuery>,
) -> Result<Json<RecordsAnswer>, Problem> {
    let page = vault.records_page(query.from, admitted.caller()).await?;
    Ok(Json(RecordsAnswer {
        page: B64::of(&page),
    }))
}
