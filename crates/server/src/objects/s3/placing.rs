//! Creating keys once, with the store's help or without.

use aws_sdk_s3::error::ProvideErrorMetadata;
use bytes::Bytes;
use obhut_format::{ObjectId, VaultId};
use tokio::sync::{Mutex, MutexGuard};

use super::S3;
use super::connect::carrying;
use super::failed::{failed, status};
use super::settings::Checksum;
use crate::objects::ObjectError;

const LOCKS: usize = 64;

/// One of a few locks for each object: where the store cannot create keys once, looking and placing happen together.
/// They hold within this process; between processes the randomness of ids is what is left.
pub(super) struct Locks(Vec<Mutex<()>>);

impl Default for Locks {
    fn default() -> Self {
        Self((0..LOCKS).map(|_| Mutex::default()).collect())
    }
}

impl Locks {
    pub(super) async fn lock(&self, object: ObjectId) -> Option<MutexGuard<'_, ()>> {
        let number = usize::from(object.0[15]) % LOCKS;
        Some(self.0.get(number)?.lock().await)
    }
}

/// What became of an attempt to create a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Placed {
    /// It is there now.
    New,
    /// Something was there already.
    Occupied,
}

impl S3 {
    /// Creates a capsule that fits into one request, unless there is one.
    pub(super) async fn place(
        &self,
        vault: VaultId,
        object: ObjectId,
        body: Bytes,
    ) -> Result<Placed, ObjectError> {
        let key = self.0.keys.capsule(vault, object);
        if self.0.ways.conditional_put {
            return self.put_key(&key, body, true).await;
        }
        let _lock = self.0.placing.lock(object).await;
        if self.head_key(&key).await?.is_some() {
            return Ok(Placed::Occupied);
        }
        self.put_key(&key, body, false).await
    }

    /// Makes a capsule of the parts of a multipart upload, unless there is one.
    pub(super) async fn place_parts(
        &self,
        vault: VaultId,
        object: ObjectId,
        upload: &super::multipart::Multipart,
    ) -> Result<Placed, ObjectError> {
        // Also where the store says it creates keys once: SeaweedFS 4 does not when two completions meet.
        let _lock = self.0.placing.lock(object).await;
        if self.0.ways.conditional_complete {
            return upload.complete(self, true).await;
        }
        if self.head(vault, object).await?.is_some() {
            return Ok(Placed::Occupied);
        }
        upload.complete(self, false).await
    }

    /// Puts the leaf list of a capsule that stands in its place; whoever does, writes the same.
    pub(super) async fn place_leaves(
        &self,
        vault: VaultId,
        object: ObjectId,
        leaves: Vec<u8>,
    ) -> Result<(), ObjectError> {
        let key = self.0.keys.leaves(vault, object);
        self.put_key(&key, leaves.into(), false).await.map(drop)
    }

    pub(super) async fn put_key(
        &self,
        key: &str,
        body: Bytes,
        once: bool,
    ) -> Result<Placed, ObjectError> {
        let shared = &self.0;
        let checksum = shared.ways.checksum;
        let value = checksum.of(&body);
        let size = body.len() as u64;
        let put = shared.client.put_object().bucket(&shared.bucket).key(key);
        let put = put
            .content_type("application/octet-stream")
            .content_length(i64::try_from(size).unwrap_or(i64::MAX))
            .set_if_none_match(once.then(|| "*".to_owned()))
            .body(body.into());
        let put = checksum.on_put(put, value).customize();
        let put = put.config_override(carrying(size));
        let put = if checksum == Checksum::Signed {
            put
        } else {
            // The header says what the signature would say once more, at the cost of another pass.
            put.disable_payload_signing()
        };
        match put.send().await {
            Ok(_) => Ok(Placed::New),
            Err(error) if once && is_occupied(status(&error), error.code()) => Ok(Placed::Occupied),
            Err(error) => Err(failed(error)),
        }
    }
}

/// The answer to `If-None-Match: *` where there is something.
pub(super) fn is_occupied(status: Option<u16>, code: Option<&str>) -> bool {
    status == Some(412) || code == Some("PreconditionFailed")
}
