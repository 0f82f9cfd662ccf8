//! `GET …/objects/{object}/leaves`: the leaf list of a capsule, for verified range reads.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use obhut_format::ObjectId;
use obhut_model::Caller;
use obhut_store::Vault;

use super::object_read::no_ticket;
use crate::app::App;
use crate::http::{Kind, Problem, Segment};

/// Reads the leaf hashes of a capsule's content tree, 32 bytes each; under the same condition as the capsule.
#[utoipa::path(get, path = "/v1/vaults/{vault}/objects/{object}/leaves", params(("vault" = String, Path), ("object" = String, Path)),
    responses((status = 200, content_type = "application/octet-stream")))]
pub(super) async fn read_leaves(
    State(app): State<App>,
    vault: Vault,
    caller: Caller,
    Segment(object): Segment<ObjectId>,
) -> Result<impl IntoResponse, Problem> {
    let ticket = vault.find_ticketed_object(&caller, object).await?;
    ticket.ok_or_else(no_ticket)?;
    let leaves = app.objects().find_leaves(vault.id(), object).await?;
    let leaves =
        leaves.ok_or_else(|| Problem::detail(Kind::Internal, "a registered object is gone"))?;
    Ok(([(CONTENT_TYPE, "application/octet-stream")], leaves))
}
