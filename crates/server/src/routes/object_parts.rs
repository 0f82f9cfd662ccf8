//! Uploads by part: what is interrupted goes on where it stopped, byte for byte. Parts are cut as docs/format.md says.

use axum::body::Body;
use axum::extract::{Request, State};
use obhut_format::capsule::{HEADER_BYTES, part_count, part_range};
use obhut_format::{ObjectId, VaultId};
use obhut_model::Caller;
use obhut_store::Vault;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::object_store::{Expected, StoreAnswer, StoreQuery, announced_bytes, next_piece};
use crate::app::App;
use crate::http::{B64, Json, Kind, Params, PartNumber, Problem, Segment};
use crate::objects::{HeldPart, PartUpload};

/// Of which object parts are meant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PartsQuery {
    /// Length of the capsule in bytes.
    object_bytes: u64,
}

/// What the vault has of an object.
#[derive(Serialize, ToSchema)]
pub(super) struct PartsAnswer {
    /// Parts that need not be sent again, in no order.
    pub parts: Vec<PartAnswer>,
    /// The object, when it is complete already.
    pub stored: Option<StoreAnswer>,
}

/// A part the vault has.
#[derive(Serialize, ToSchema)]
pub(super) struct PartAnswer {
    /// Its number, from 0.
    pub number: u64,
    /// RFC 6962 root over its leaves.
    pub root: B64,
}

impl PartAnswer {
    fn of(held: &HeldPart) -> Self {
        Self {
            number: held.number,
            root: B64(held.root.to_vec()),
        }
    }
}

/// Lists the parts of an unfinished upload.
#[utoipa::path(get, path = "/v1/vaults/{vault}/objects/{object}/parts", params(("vault" = String, Path), ("object" = String, Path), ("object_bytes" = u64, Query)),
    responses((status = 200, body = PartsAnswer)))]
pub(super) async fn list_parts(
    State(app): State<App>,
    vault: Vault,
    caller: Caller,
    Segment(object): Segment<ObjectId>,
    Params(query): Params<PartsQuery>,
) -> Result<Json<PartsAnswer>, Problem> {
    refuse_citizens(&caller)?;
    let (objects, vault) = (app.objects(), vault.id());
    let held = objects
        .held_parts(vault, object, query.object_bytes)
        .await?;
    let stored = if held.is_empty() {
        objects.find_stored(vault, object).await?
    } else {
        None
    };
    Ok(Json(PartsAnswer {
        parts: held.iter().map(PartAnswer::of).collect(),
        stored: stored.as_ref().map(StoreAnswer::of),
    }))
}

/// Stores a part. The same bytes again get the same answer, others are refused.
#[utoipa::path(put, path = "/v1/vaults/{vault}/objects/{object}/parts/{number}",
    params(("vault" = String, Path), ("object" = String, Path), ("number" = u64, Path), ("document" = String, Query), ("revision" = u64, Query), ("object_bytes" = u64, Query)),
    request_body(content_type = "application/octet-stream"), responses((status = 200, body = PartAnswer)))]
pub(super) async fn store_part(
    State(app): State<App>,
    vault: Vault,
    caller: Caller,
    Segment(object): Segment<ObjectId>,
    Segment(PartNumber(number)): Segment<PartNumber>,
    Params(query): Params<StorePartQuery>,
    request: Request,
) -> Result<Json<PartAnswer>, Problem> {
    refuse_citizens(&caller)?;
    let expected = query.expected(&app, vault.id())?;
    if number >= part_count(query.object_bytes) {
        return Err(Problem::reason(Kind::BadRequest, "part-number"));
    }
    let (start, end) = part_range(number, query.object_bytes);
    if announced_bytes(request.headers(), end - start)? != end - start {
        return Err(Problem::reason(Kind::ObjectInvalid, "length"));
    }
    let place = app.upload_places().acquire().await;
    let _place = place.map_err(|_| Kind::Unavailable)?;
    let part = app.objects().begin_part(number, query.object_bytes);
    let part = receive(part.await?, request.into_body(), &expected).await?;
    if number == 0 {
        let head = part.bytes().get(..HEADER_BYTES).unwrap_or_default();
        expected.check(head)?;
    }
    let root = app.objects().put_part(vault.id(), object, part).await?;
    Ok(Json(PartAnswer::of(&HeldPart { number, root })))
}

/// Makes the object of its parts. Asked again it gives the same answer.
#[utoipa::path(post, path = "/v1/vaults/{vault}/objects/{object}/completion",
    params(("vault" = String, Path), ("object" = String, Path), ("document" = String, Query), ("revision" = u64, Query), ("object_bytes" = u64, Query)),
    responses((status = 200, body = StoreAnswer)))]
pub(super) async fn complete(
    State(app): State<App>,
    vault: Vault,
    caller: Caller,
    Segment(object): Segment<ObjectId>,
    Params(query): Params<StorePartQuery>,
) -> Result<Json<StoreAnswer>, Problem> {
    refuse_citizens(&caller)?;
    query.expected(&app, vault.id())?;
    let objects = app.objects();
    let stored = objects
        .complete(vault.id(), object, query.object_bytes)
        .await?;
    let stored = stored.ok_or_else(|| Problem::reason(Kind::ObjectMissing, "parts"))?;
    Ok(Json(StoreAnswer::of(&stored)))
}

/// What the capsule's header must say, and its length.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StorePartQuery {
    document: String,
    revision: u64,
    object_bytes: u64,
}

impl StorePartQuery {
    fn expected(&self, app: &App, vault: VaultId) -> Result<Expected, Problem> {
        let query = StoreQuery {
            document: self.document.clone(),
            revision: self.revision,
        };
        Expected::of(app, vault, &query, self.object_bytes)
    }
}

fn refuse_citizens(caller: &Caller) -> Result<(), Problem> {
    if caller.is_citizen() {
        return Err(Problem::reason(Kind::Refused, "no-appointment"));
    }
    Ok(())
}

async fn receive(
    mut part: PartUpload,
    body: Body,
    expected: &Expected,
) -> Result<PartUpload, Problem> {
    let mut pieces = body.into_data_stream();
    while let Some(piece) = next_piece(&mut pieces, expected.idle).await? {
        part.write(piece)?;
    }
    Ok(part)
}
