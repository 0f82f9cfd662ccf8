//! `GET …/objects/{object}`: a capsule or a range of it, after a release within the last hour.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, LOCATION, RANGE,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use futures_util::stream::try_unfold;
use obhut_format::ObjectId;
use obhut_model::Caller;
use obhut_store::Vault;

use super::object_range::{Asked, asked_range};
use crate::app::App;
use crate::http::{Kind, Problem, Segment};
use crate::objects::Reader;

/// Reads a capsule. Without a release of it to this person within the last hour there is none. Where the operator has
/// chosen so, the answer names the object store's own address, which holds for ten minutes.
#[utoipa::path(get, path = "/v1/vaults/{vault}/objects/{object}", params(("vault" = String, Path), ("object" = String, Path)),
    responses((status = 200, content_type = "application/octet-stream"), (status = 206, content_type = "application/octet-stream"), (status = 307)))]
pub(super) async fn read_object(
    State(app): State<App>,
    vault: Vault,
    caller: Caller,
    Segment(object): Segment<ObjectId>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let ticket = vault.find_ticketed_object(&caller, object).await?;
    let total = ticket.ok_or_else(no_ticket)?.object_bytes;
    let (status, range) = match asked_range(headers.get(RANGE), total) {
        Asked::Whole => (StatusCode::OK, 0..total),
        Asked::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Asked::Nothing => return Err(Kind::RangeNotSatisfiable.into()),
    };
    let objects = app.objects();
    if app.config().objects.presign
        && let Some(address) = objects.presign(vault.id(), object).await?
    {
        let answer = Response::builder()
            .status(StatusCode::TEMPORARY_REDIRECT)
            .header(CACHE_CONTROL, "no-store")
            .header(LOCATION, address);
        let answer = answer.body(Body::empty());
        return answer.map_err(|error| Problem::detail(Kind::Internal, error.to_string()));
    }
    let reader = objects.get_range(vault.id(), object, range.clone()).await?;
    let gone = || Problem::detail(Kind::Internal, "a registered object is gone");
    let reader = reader.ok_or_else(gone)?;
    let mut answer = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(ACCEPT_RANGES, "bytes")
        .header(CONTENT_LENGTH, range.end - range.start);
    if status == StatusCode::PARTIAL_CONTENT {
        let stated = format!("bytes {}-{}/{total}", range.start, range.end - 1);
        answer = answer.header(CONTENT_RANGE, stated);
    }
    let answer = answer.body(Body::from_stream(pieces(reader)));
    answer.map_err(|error| Problem::detail(Kind::Internal, error.to_string()))
}

/// There is no such object, or no release of it to this person within the last hour: which of both stays untold.
pub(super) fn no_ticket() -> Problem {
    Problem::detail(
        Kind::NotFound,
        "the bytes of a document are given out for an hour after its release",
    )
}

fn pieces(reader: Reader) -> impl futures_util::Stream<Item = std::io::Result<bytes::Bytes>> {
    try_unfold(reader, |mut reader| async move {
        let piece = reader.next().await.map_err(std::io::Error::other)?;
        Ok(piece.map(|piece| (piece, reader)))
    })
}
