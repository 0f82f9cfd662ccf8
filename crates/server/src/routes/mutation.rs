//! What all mutations share: their bodies, and the way from an act to a commit.

use futures_util::{StreamExt, stream};
use obhut_format::act::{ActKind, ActRequest};
use obhut_format::batch::{RecordPayload, RegisterItem};
use obhut_format::capsule::CapsuleHeader;
use obhut_format::manifest::Manifest;
use obhut_format::mutation::Committed;
use obhut_format::mutation::Mutation;
use obhut_format::{Cbor, FormatError, ObjectId};
use obhut_model::{Caller, Refusal};
use obhut_store::{Proposal, StoredObject, Vault};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::{B64, Json, Kind, Problem};
use crate::objects::Stored;

/// Capsules of one registration that are read from the store at once.
const READ_AGAIN: usize = 32;

/// A signed act and what it writes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MutationRequest {
    /// Canonical bytes of an `ActRequest`; the act names the mutation by its hash.
    pub request: B64,
    /// Canonical bytes of a `Mutation`.
    pub mutation: B64,
}

/// Where the records stand. "Stored" is said only with a receipt of the leaf.
#[derive(Serialize, ToSchema)]
pub(super) struct MutationAnswer {
    /// Canonical bytes of a `Committed`.
    pub committed: B64,
}

impl MutationAnswer {
    pub(super) fn of(committed: &Committed) -> Json<Self> {
        Json(Self {
            committed: B64::of(committed),
        })
    }
}

/// From an act of one of `kinds` to its commit; a repeat of the same records gets the same answer.
pub(super) async fn commit(
    app: &App,
    vault: &Vault,
    caller: &Caller,
    body: &MutationRequest,
    kinds: &[ActKind],
) -> Result<Json<MutationAnswer>, Problem> {
    let request: ActRequest = body.request.record()?;
    let act = vault.verify_act(caller, request)?;
    if !kinds.contains(&act.act().kind) {
        return Err(Problem::detail(
            Kind::BadRequest,
            "this address takes other acts",
        ));
    }
    let proposal = match prepare(app, vault, caller, body).await {
        Ok(proposal) => proposal,
        Err(problem) if problem.kind.is_about_records() => {
            vault.log_refusal(act, Refusal::RecordRefused).await?;
            return Err(problem);
        }
        Err(problem) => return Err(problem),
    };
    let grant = match vault.authorise_mutation(caller, &act, &proposal) {
        Ok(grant) => grant,
        Err(refusal) => {
            vault.log_refused_change(act, refusal, &proposal).await?;
            return Err(refusal.into());
        }
    };
    let committed = vault.commit(grant, act, proposal).await?;
    Ok(MutationAnswer::of(&committed))
}

/// Tries the records; what they register must lie in the object store.
async fn prepare(
    app: &App,
    vault: &Vault,
    caller: &Caller,
    body: &MutationRequest,
) -> Result<Proposal, Problem> {
    let mutation: Mutation = body.mutation.record()?;
    if !mutation.documents.is_empty() {
        let stored = find_objects(app, vault, &mutation).await?;
        app.objects().flush().await?;
        vault.note_objects(caller, &stored).await?;
    }
    Ok(vault.propose(&body.mutation.0).await?)
}

/// Every capsule of a registration, as its manifest says.
async fn find_objects(
    app: &App,
    vault: &Vault,
    mutation: &Mutation,
) -> Result<Vec<StoredObject>, Problem> {
    let manifests = parse_manifests(mutation)?;
    let objects: Vec<ObjectId> = mutation.documents.iter().map(|row| row.object).collect();
    let mut found = Vec::with_capacity(objects.len());
    // Another server may have taken half of them: one after another is as slow as the line to the store is long.
    let mut known = stream::iter(objects)
        .map(|object| async move { (object, find_known(app, vault, object).await) })
        .buffered(READ_AGAIN);
    for manifest in manifests {
        let Some((object, known)) = known.next().await else {
            break;
        };
        if !known?.is_some_and(|(header, stored)| agrees(&manifest, &header, &stored)) {
            return Err(Problem::reason(Kind::ObjectMissing, object.to_string()));
        }
        found.push(StoredObject {
            object,
            document: manifest.document,
            revision: manifest.revision,
            content_root: manifest.content_root,
            object_bytes: manifest.object_bytes,
        });
    }
    Ok(found)
}

fn parse_manifests(mutation: &Mutation) -> Result<Vec<Manifest>, Problem> {
    let items = mutation.records.iter().filter_map(|record| {
        let RecordPayload::Document(item) = &record.payload else {
            return None;
        };
        Some(RegisterItem::from_bytes(&item.item.0))
    });
    let manifests = items.map(|item| item?.parse_manifest());
    let manifests: Result<_, FormatError> = manifests.collect();
    manifests.map_err(|_| Problem::reason(Kind::RecordRefused, "malformed"))
}

/// What is known of a capsule. After a restart, and when another server took it, the store itself is asked.
async fn find_known(
    app: &App,
    vault: &Vault,
    object: ObjectId,
) -> Result<Option<(CapsuleHeader, Stored)>, Problem> {
    match app.staged().find(vault.id(), object) {
        Some(known) => Ok(Some(known)),
        None => Ok(app.objects().find_capsule(vault.id(), object).await?),
    }
}

fn agrees(manifest: &Manifest, header: &CapsuleHeader, stored: &Stored) -> bool {
    (header.vault, header.document, header.revision)
        == (manifest.vault, manifest.document, manifest.revision)
        && stored.content_root == manifest.content_root
        && stored.leaf_count == manifest.leaf_count
        && stored.object_bytes == manifest.object_bytes
}
