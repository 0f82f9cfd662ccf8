//! `PUT …/objects/{object}`: a capsule, streamed; its content root is computed while it passes.

use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::extract::State;
use axum::http::{HeaderMap, header::CONTENT_LENGTH};
use bytes::Bytes;
use futures_util::StreamExt;
use obhut_format::capsule::{CapsuleHeader, HEADER_BYTES};
use obhut_format::{DocumentId, ObjectId, VaultId};
use obhut_model::Caller;
use obhut_store::Vault;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::{B64, Json, Kind, Params, Problem, Segment};
use crate::objects::{Stored, Upload};

/// What the capsule's header must say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StoreQuery {
    /// The document.
    pub(super) document: String,
    /// Its revision.
    pub(super) revision: u64,
}

/// What the server computed over the bytes it received.
#[derive(Serialize, ToSchema)]
pub(super) struct StoreAnswer {
    /// RFC 6962 root over the leaves.
    pub content_root: B64,
    /// Number of leaves.
    pub leaf_count: u64,
    /// Length in bytes.
    pub object_bytes: u64,
}

/// Stores a capsule. The same bytes under the same id get the same answer, others are refused.
#[utoipa::path(put, path = "/v1/vaults/{vault}/objects/{object}", params(("vault" = String, Path), ("object" = String, Path), ("document" = String, Query), ("revision" = u64, Query)),
    request_body(content_type = "application/octet-stream"), responses((status = 200, body = StoreAnswer)))]
pub(super) async fn store_object(
    State(app): State<App>,
    vault: Vault,
    caller: Caller,
    Segment(object): Segment<ObjectId>,
    Params(query): Params<StoreQuery>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<StoreAnswer>, Problem> {
    if caller.is_citizen() {
        return Err(Problem::reason(Kind::Refused, "no-appointment"));
    }
    let expected = Expected::read(&app, &vault, &query, &headers)?;
    let place = app.upload_places().acquire().await;
    let _place = place.map_err(|_| Kind::Unavailable)?;
    let upload = app.objects().put(vault.id(), object, expected.announced);
    let (header, stored) = receive(upload, body, &expected).await?;
    app.staged().remember(object, header, stored);
    Ok(Json(StoreAnswer::of(&stored)))
}

impl StoreAnswer {
    pub(super) fn of(stored: &Stored) -> Self {
        Self {
            content_root: B64(stored.content_root.to_vec()),
            leaf_count: stored.leaf_count,
            object_bytes: stored.object_bytes,
        }
    }
}

pub(super) fn announced_bytes(headers: &HeaderMap, limit: u64) -> Result<u64, Problem> {
    let announced = headers.get(CONTENT_LENGTH).ok_or(Kind::LengthRequired)?;
    let announced = announced.to_str().ok().and_then(|text| text.parse().ok());
    let announced: u64 = announced.ok_or(Kind::LengthRequired)?;
    refuse_longer(announced, limit)?;
    Ok(announced)
}

fn refuse_longer(bytes: u64, limit: u64) -> Result<(), Problem> {
    if bytes > limit {
        let text = format!("at most {limit} bytes");
        return Err(Problem::detail(Kind::PayloadTooLarge, text));
    }
    Ok(())
}

pub(super) struct Expected {
    vault: VaultId,
    document: DocumentId,
    revision: u64,
    announced: u64,
    pub(super) idle: Duration,
}

impl Expected {
    fn read(
        app: &App,
        vault: &Vault,
        query: &StoreQuery,
        headers: &HeaderMap,
    ) -> Result<Self, Problem> {
        let announced = announced_bytes(headers, app.config().limits.capsule_bytes)?;
        Self::of(app, vault.id(), query, announced)
    }

    pub(super) fn of(
        app: &App,
        vault: VaultId,
        query: &StoreQuery,
        announced: u64,
    ) -> Result<Self, Problem> {
        let limits = &app.config().limits;
        refuse_longer(announced, limits.capsule_bytes)?;
        Ok(Self {
            vault,
            document: query.document.parse().map_err(|_| Kind::BadRequest)?,
            revision: query.revision,
            announced,
            idle: Duration::from_secs(limits.upload_idle_seconds),
        })
    }

    pub(super) fn check(&self, head: &[u8]) -> Result<CapsuleHeader, Problem> {
        let header = CapsuleHeader::parse(head)
            .map_err(|error| Problem::reason(Kind::ObjectInvalid, error.to_string()))?;
        if (header.vault, header.document, header.revision)
            != (self.vault, self.document, self.revision)
        {
            return Err(Problem::reason(
                Kind::ObjectInvalid,
                "header-of-another-document",
            ));
        }
        if header.object_bytes() != self.announced {
            return Err(Problem::reason(Kind::ObjectInvalid, "length"));
        }
        Ok(header)
    }
}

/// Takes the body; the header is checked before anything more is read, and the length decides what is taken at all.
async fn receive(
    mut upload: Upload,
    body: Body,
    expected: &Expected,
) -> Result<(CapsuleHeader, Stored), Problem> {
    let mut pieces = body.into_data_stream();
    let mut head = Vec::with_capacity(HEADER_BYTES);
    let mut header = None;
    let mut received = 0_u64;
    while let Some(piece) = next_piece(&mut pieces, expected.idle).await? {
        received += piece.len() as u64;
        if received > expected.announced {
            return Err(Problem::reason(Kind::ObjectInvalid, "length"));
        }
        if header.is_none() {
            head.extend(piece.iter().take(HEADER_BYTES - head.len()));
            if head.len() == HEADER_BYTES {
                header = Some(expected.check(&head)?);
            }
        }
        upload.write(piece).await?;
    }
    match header {
        Some(header) if received == expected.announced => Ok((header, upload.finish().await?)),
        _ => Err(Problem::reason(Kind::ObjectInvalid, "length")),
    }
}

/// What was stored so far is dropped with the upload when the caller goes away or falls silent.
pub(super) async fn next_piece(
    pieces: &mut BodyDataStream,
    idle: Duration,
) -> Result<Option<Bytes>, Problem> {
    match tokio::time::timeout(idle, pieces.next()).await {
        Ok(Some(Ok(piece))) => Ok(Some(piece)),
        Ok(None) => Ok(None),
        Ok(Some(Err(_))) => Err(Problem::reason(Kind::BadRequest, "body-broken-off")),
        Err(_) => Err(Problem::reason(Kind::Unavailable, "upload-idle")),
    }
}
