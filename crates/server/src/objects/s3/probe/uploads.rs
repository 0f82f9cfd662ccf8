//! Multipart uploads: with each checksum, created once, listed and aborted.

use std::sync::Arc;

use bytes::Bytes;
use obhut_format::capsule::part_range;
use obhut_format::{ObjectId, VaultId};

use super::{Checksum, Finding, Report, S3, Scratch, Ways};
use crate::logging::chain;
use crate::objects::s3::Shared;
use crate::objects::s3::multipart::send_part;
use crate::objects::s3::placing::Placed;
use crate::objects::{ObjectError, Stored};

const VAULT: VaultId = VaultId([0; 16]);
/// Two parts, the second of one byte.
const OBJECT_BYTES: u64 = 8_396_921;

/// Everything about uploads in parts.
pub(super) async fn check(scratch: &Scratch, report: &mut Report, flavours: &[Checksum]) {
    let held = flavours.iter().copied();
    let beside = held.filter(|flavour| *flavour != Checksum::Signed);
    // Without a checksum header it must go in any case.
    for flavour in std::iter::once(Checksum::Signed).chain(beside) {
        let name = flavour.name();
        let ways = Ways {
            checksum: flavour,
            ..Ways::default()
        };
        let object = ObjectId([flavour as u8; 16]);
        let stored = store(&with_ways(scratch, ways), object).await;
        let finding = match stored {
            Ok(_) => Finding::Holds,
            Err(error) => Finding::Fails(chain(&error)),
        };
        let about = format!("takes uploads in parts ({name})");
        let plain = if flavour == Checksum::Signed {
            "multipart".to_owned()
        } else {
            format!("multipart-{name}")
        };
        report.note(&plain, &about, finding);
    }
    let finding = once(scratch).await;
    report.note(
        "create-once-multipart",
        "creates a key once from an upload in parts",
        finding,
    );
    let finding = abort(scratch).await;
    report.note(
        "abort",
        "lists unfinished uploads and removes them",
        finding,
    );
}

fn with_ways(scratch: &Scratch, ways: Ways) -> S3 {
    let shared = &scratch.s3.0;
    S3(Arc::new(Shared {
        client: shared.client.clone(),
        bucket: shared.bucket.clone(),
        keys: shared.keys.clone(),
        ways,
        memory: shared.memory.clone(),
        placing: super::super::placing::Locks::default(),
        stale_seconds: shared.stale_seconds,
    }))
}

async fn store(s3: &S3, object: ObjectId) -> Result<Stored, ObjectError> {
    let mut upload = s3.put(VAULT, object, OBJECT_BYTES);
    let piece = Bytes::from(vec![7; 1 << 20]);
    let mut left = OBJECT_BYTES;
    while left > 0 {
        let now = left.min(piece.len() as u64);
        upload
            .write(piece.slice(..usize::try_from(now).unwrap_or_default()))
            .await?;
        left -= now;
    }
    let stored = upload.finish().await?;
    let found = s3.find_stored(VAULT, object).await?;
    if found == Some(stored) {
        Ok(stored)
    } else {
        Err(ObjectError::Refused {
            code: "the object is not there as it was stored".to_owned(),
        })
    }
}

/// A second upload to a key that is there.
async fn once(scratch: &Scratch) -> Finding {
    let object = ObjectId([Checksum::Signed as u8; 16]);
    let s3 = &scratch.s3;
    let tried = async {
        let mut upload = s3.begin(VAULT, object).await?;
        let body = Bytes::from_static(b"another object under the same key");
        let part = send_part(s3, &upload.target(), 1, body).await?;
        upload.note(part);
        let placed = upload.complete(s3, true).await?;
        let length = s3.head(VAULT, object).await?;
        Ok::<_, ObjectError>((placed, length))
    };
    match tried.await {
        Ok((Placed::Occupied, Some(OBJECT_BYTES))) => Finding::Holds,
        Ok(_) => Finding::Absent("the second upload replaced the first".to_owned()),
        Err(error) => Finding::Absent(chain(&error)),
    }
}

async fn abort(scratch: &Scratch) -> Finding {
    let s3 = &scratch.s3;
    let tried = async {
        let upload = s3.begin(VAULT, ObjectId([200; 16])).await?;
        let (_, end) = part_range(0, OBJECT_BYTES);
        let body = Bytes::from(vec![1; usize::try_from(end).unwrap_or_default()]);
        send_part(s3, &upload.target(), 1, body).await?;
        let aborted = s3.abort_uploads_below(upload.key()).await?;
        let left = s3.abort_uploads_below(upload.key()).await?;
        Ok::<_, ObjectError>((aborted, left))
    };
    match tried.await {
        Ok((1, 0)) => Finding::Holds,
        Ok((aborted, left)) => Finding::Fails(format!(
            "{aborted} of 1 uploads were listed, {left} were left"
        )),
        Err(error) => Finding::Fails(chain(&error)),
    }
}
