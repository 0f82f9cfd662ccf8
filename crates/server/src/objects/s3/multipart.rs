//! A multipart upload: parts in any order, then one completion or nothing.

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use obhut_format::{ObjectId, VaultId};
use serde::{Deserialize, Serialize};

use super::connect::carrying;
use super::failed::{failed, is_missing, status};
use super::placing::{Placed, is_occupied};
use super::settings::Checksum;
use super::{S3, keys};
use crate::objects::ObjectError;

/// Where parts go: an upload that the store has opened.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Target {
    pub(super) key: String,
    pub(super) id: String,
    /// Which checksum was announced when it was opened.
    pub(super) checksum: Checksum,
}

/// An upload the store has opened, with the parts it has acknowledged.
pub(super) struct Multipart {
    target: Target,
    parts: Vec<CompletedPart>,
}

impl S3 {
    /// Opens a multipart upload of a capsule.
    pub(super) async fn begin(
        &self,
        vault: VaultId,
        object: ObjectId,
    ) -> Result<Multipart, ObjectError> {
        let shared = &self.0;
        let key = shared.keys.capsule(vault, object);
        let (algorithm, kind) = shared.ways.checksum.announced();
        let create = shared.client.create_multipart_upload();
        let created = create
            .bucket(&shared.bucket)
            .key(&key)
            .content_type("application/octet-stream")
            .set_checksum_algorithm(algorithm)
            .set_checksum_type(kind)
            .send()
            .await
            .map_err(failed)?;
        let Some(id) = created.upload_id else {
            return Err(ObjectError::Unavailable(
                "the store opened an upload without an id".into(),
            ));
        };
        let checksum = shared.ways.checksum;
        Ok(Multipart::at(Target { key, id, checksum }))
    }

    /// Removes an upload and its parts; one that is gone is no error.
    pub(super) async fn abort(&self, key: &str, id: &str) -> Result<(), ObjectError> {
        let shared = &self.0;
        let abort = shared.client.abort_multipart_upload();
        let abort = abort.bucket(&shared.bucket).key(key).upload_id(id);
        match abort.send().await {
            Ok(_) => Ok(()),
            Err(error) if is_missing(&error) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Aborts the uploads below the prefix that were begun before this second; how many.
    pub(super) async fn abort_older(&self, before_s: i64) -> Result<u64, ObjectError> {
        self.abort_matching(self.0.keys.prefix(), |begun| begun < before_s)
            .await
    }

    /// Aborts all uploads whose key begins with `prefix`; how many.
    pub(super) async fn abort_uploads_below(&self, prefix: &str) -> Result<u64, ObjectError> {
        self.abort_matching(prefix, |_| true).await
    }

    async fn abort_matching(
        &self,
        prefix: &str,
        matches: impl Fn(i64) -> bool,
    ) -> Result<u64, ObjectError> {
        let shared = &self.0;
        let (mut key_marker, mut id_marker) = (None, None);
        let mut aborted = 0;
        loop {
            let list = shared.client.list_multipart_uploads();
            let page = list
                .bucket(&shared.bucket)
                .prefix(prefix)
                .set_key_marker(key_marker)
                .set_upload_id_marker(id_marker)
                .send()
                .await
                .map_err(failed)?;
            for upload in page.uploads() {
                let (Some(key), Some(id)) = (upload.key(), upload.upload_id()) else {
                    continue;
                };
                let begun = upload.initiated().map_or(i64::MAX, DateTime::secs);
                // Some stores list more than the prefix asks for.
                let own = key.starts_with(prefix) && keys::object_of(key).is_some();
                if own && matches(begun) {
                    self.abort(key, id).await?;
                    aborted += 1;
                }
            }
            if page.is_truncated() != Some(true) {
                return Ok(aborted);
            }
            key_marker = page.next_key_marker;
            id_marker = page.next_upload_id_marker;
            if key_marker.is_none() {
                return Ok(aborted);
            }
        }
    }
}

impl Multipart {
    /// An upload whose parts are still to be noted.
    pub(super) fn at(target: Target) -> Self {
        Self {
            target,
            parts: Vec::new(),
        }
    }

    pub(super) fn key(&self) -> &str {
        &self.target.key
    }

    pub(super) fn id(&self) -> &str {
        &self.target.id
    }

    pub(super) fn target(&self) -> Target {
        self.target.clone()
    }

    /// Notes an acknowledged part.
    pub(super) fn note(&mut self, part: CompletedPart) {
        self.parts.push(part);
    }

    /// The completion. An answer that was lost is found out by whoever looks at the key afterwards.
    pub(super) async fn complete(&self, s3: &S3, once: bool) -> Result<Placed, ObjectError> {
        let shared = &s3.0;
        let mut parts = self.parts.clone();
        parts.sort_by_key(|part| part.part_number);
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts));
        let complete = shared.client.complete_multipart_upload();
        let complete = complete
            .bucket(&shared.bucket)
            .key(self.key())
            .upload_id(self.id())
            .set_checksum_type(self.target.checksum.announced().1)
            .multipart_upload(parts.build())
            .set_if_none_match(once.then(|| "*".to_owned()))
            .customize()
            // Some stores copy the parts before they answer.
            .config_override(carrying(1 << 30));
        match complete.send().await {
            Ok(_) => Ok(Placed::New),
            Err(error) if once && is_occupied(status(&error), error.code()) => Ok(Placed::Occupied),
            // Completed by an attempt whose answer was lost, or aborted: the key tells which.
            Err(error) if is_missing(&error) => match s3.head_key(self.key()).await? {
                Some(_) => Ok(Placed::Occupied),
                None => Err(ObjectError::Unavailable("the upload is gone".into())),
            },
            Err(error) => Err(failed(error)),
        }
    }
}

/// Sends one part, `number` from 1.
pub(super) async fn send_part(
    s3: &S3,
    to: &Target,
    number: i32,
    body: Bytes,
) -> Result<CompletedPart, ObjectError> {
    let (shared, checksum) = (&s3.0, to.checksum);
    let value = checksum.of(&body);
    let size = body.len() as u64;
    let part = shared.client.upload_part().bucket(&shared.bucket);
    let part = part
        .key(&to.key)
        .upload_id(&to.id)
        .part_number(number)
        .content_length(i64::try_from(size).unwrap_or(i64::MAX))
        .body(body.into());
    let part = checksum.on_part(part, value.clone()).customize();
    let part = part.config_override(carrying(size));
    let part = if checksum == Checksum::Signed {
        part
    } else {
        part.disable_payload_signing()
    };
    let sent = part.send().await.map_err(failed)?;
    let etag = sent.e_tag().unwrap_or_default();
    Ok(checksum.completed(number, etag, value))
}
