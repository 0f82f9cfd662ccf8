//! Objects in a bucket of an S3 store.

mod connect;
mod failed;
mod keys;
mod multipart;
mod parts;
mod placing;
mod probe;
mod reader;
mod removal;
mod settings;
mod transport;
mod upload;
mod ways;

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use bytes::{Bytes, BytesMut};
use obhut_format::capsule::leaf_count;
use obhut_format::{ObjectId, VaultId};

use super::part::Memory;
use super::{ContentHasher, ObjectError, Stored};
use crate::ServerError;
use failed::{failed, is_missing};
use keys::{Keys, object_of};
pub use probe::{Check, Finding, Level, ProbeOptions, Report, S3_PROBE_FILE, probe};
pub use reader::S3Reader;
pub use settings::{Checksum, Credentials, S3Settings};
pub use upload::S3Upload;
pub use ways::Ways;

/// Most keys of one answer of a listing.
const PAGE: usize = 1_000;
/// How long a presigned address holds.
const PRESIGNED: Duration = Duration::from_mins(10);

/// A bucket. `<prefix><vault>/capsules/<object>`, with `<prefix><vault>/leaves/<object>` where the content tree has more
/// than one leaf.
#[derive(Clone)]
pub struct S3(Arc<Shared>);

struct Shared {
    client: Client,
    bucket: String,
    keys: Keys,
    ways: Ways,
    memory: Memory,
    placing: placing::Locks,
    stale_seconds: i64,
}

impl S3 {
    /// Prepares to work with a bucket; nothing is sent yet. Files named by the settings count from `data`.
    pub fn new(
        settings: &S3Settings,
        credentials: &Credentials,
        ways: Ways,
        data: &Path,
    ) -> Result<Self, ServerError> {
        settings.check()?;
        Ok(Self(Arc::new(Shared {
            client: connect::client(settings, credentials, data)?,
            bucket: settings.bucket.clone(),
            keys: Keys::new(&settings.prefix),
            ways,
            memory: Memory::new(settings.buffer_mib),
            placing: placing::Locks::default(),
            stale_seconds: i64::from(settings.stale_upload_hours) * 3_600,
        })))
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.0.memory
    }

    /// How the store is worked with.
    #[cfg(test)]
    pub(super) fn ways(&self) -> &Ways {
        &self.0.ways
    }

    /// The client, for what only tests and the probe do.
    #[cfg(test)]
    pub(super) fn client(&self) -> &Client {
        &self.0.client
    }

    pub(super) fn put(&self, vault: VaultId, object: ObjectId, object_bytes: u64) -> S3Upload {
        S3Upload::new(self.clone(), vault, object, object_bytes)
    }

    pub(super) async fn head(
        &self,
        vault: VaultId,
        object: ObjectId,
    ) -> Result<Option<u64>, ObjectError> {
        self.head_key(&self.0.keys.capsule(vault, object)).await
    }

    async fn head_key(&self, key: &str) -> Result<Option<u64>, ObjectError> {
        let shared = &self.0;
        let head = shared.client.head_object().bucket(&shared.bucket).key(key);
        match head.send().await {
            Ok(head) => Ok(Some(
                head.content_length()
                    .and_then(|len| u64::try_from(len).ok())
                    .unwrap_or_default(),
            )),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    pub(super) async fn find_stored(
        &self,
        vault: VaultId,
        object: ObjectId,
    ) -> Result<Option<Stored>, ObjectError> {
        let Some((object_bytes, leaves)) = self.load_tree(vault, object).await? else {
            return Ok(None);
        };
        let leaves: Vec<_> = leaves.as_chunks::<32>().0.to_vec();
        Ok(Some(Stored {
            content_root: obhut_format::tree::root(&leaves),
            leaf_count: leaves.len() as u64,
            object_bytes,
        }))
    }

    pub(super) async fn find_leaves(
        &self,
        vault: VaultId,
        object: ObjectId,
    ) -> Result<Option<Vec<u8>>, ObjectError> {
        Ok(self.load_tree(vault, object).await?.map(|tree| tree.1))
    }

    /// Length and leaf list; where the list is missing (an upload ended between the two) it is made from the bytes.
    async fn load_tree(
        &self,
        vault: VaultId,
        object: ObjectId,
    ) -> Result<Option<(u64, Vec<u8>)>, ObjectError> {
        let Some(object_bytes) = self.head(vault, object).await? else {
            return Ok(None);
        };
        let expected = leaf_count(object_bytes) * 32;
        if expected > 32 {
            let key = self.0.keys.leaves(vault, object);
            let list = self.read_key(&key, 0..expected).await?;
            if let Some(list) = list.filter(|list| list.len() as u64 == expected) {
                return Ok(Some((object_bytes, list.to_vec())));
            }
        }
        let Some(mut reader) = self.get_range(vault, object, 0..object_bytes).await? else {
            return Ok(None);
        };
        let mut hasher = ContentHasher::new();
        while let Some(piece) = reader.next().await? {
            hasher.update(&piece);
        }
        let (_, leaves) = hasher.finish();
        if expected > 32 {
            self.place_leaves(vault, object, leaves.clone()).await?;
        }
        Ok(Some((object_bytes, leaves)))
    }

    /// All of a small object, or `None`.
    async fn read_key(&self, key: &str, range: Range<u64>) -> Result<Option<Bytes>, ObjectError> {
        let Some(mut reader) = S3Reader::open(self, key.to_owned(), range).await? else {
            return Ok(None);
        };
        let mut all = BytesMut::new();
        loop {
            match reader.next().await {
                Ok(Some(piece)) => all.extend_from_slice(&piece),
                Ok(None) => return Ok(Some(all.freeze())),
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) async fn get_range(
        &self,
        vault: VaultId,
        object: ObjectId,
        range: Range<u64>,
    ) -> Result<Option<S3Reader>, ObjectError> {
        let key = self.0.keys.capsule(vault, object);
        S3Reader::open(self, key, range).await
    }

    pub(super) async fn presign(
        &self,
        vault: VaultId,
        object: ObjectId,
    ) -> Result<String, ObjectError> {
        let shared = &self.0;
        let unusable = |error| ObjectError::Unavailable(Box::new(error));
        let holds = PresigningConfig::expires_in(PRESIGNED).map_err(unusable)?;
        let get = shared.client.get_object().bucket(&shared.bucket);
        let get = get.key(shared.keys.capsule(vault, object));
        let signed = get.presigned(holds).await.map_err(failed)?;
        Ok(signed.uri().to_owned())
    }

    pub(super) async fn delete(&self, vault: VaultId, object: ObjectId) -> Result<(), ObjectError> {
        for key in [
            self.0.keys.capsule(vault, object),
            self.0.keys.leaves(vault, object),
        ] {
            removal::remove(self, &key).await?;
        }
        Ok(())
    }

    pub(super) async fn list(
        &self,
        vault: VaultId,
        after: Option<ObjectId>,
        limit: usize,
    ) -> Result<Vec<ObjectId>, ObjectError> {
        let shared = &self.0;
        let prefix = shared.keys.capsules(vault);
        let mut after = after.map(|after| shared.keys.capsule(vault, after));
        let mut ids = Vec::new();
        while ids.len() < limit {
            let page = PAGE.min(limit - ids.len());
            let asked = shared.client.list_objects_v2().bucket(&shared.bucket);
            let answer = asked
                .prefix(&prefix)
                .set_start_after(after.take())
                .max_keys(i32::try_from(page).unwrap_or(i32::MAX))
                .send()
                .await
                .map_err(failed)?;
            let mut keys = answer.contents().iter().filter_map(|object| object.key());
            ids.extend(keys.clone().filter_map(object_of));
            after = keys.next_back().map(str::to_owned);
            if answer.is_truncated() != Some(true) || after.is_none() {
                break;
            }
        }
        ids.truncate(limit);
        Ok(ids)
    }
}
