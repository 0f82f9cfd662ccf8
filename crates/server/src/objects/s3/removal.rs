//! Removing keys with all their versions: a plain DELETE in a bucket with versioning only hides them.

use aws_sdk_s3::primitives::DateTime;

use super::S3;
use super::failed::{failed, is_missing};
use crate::objects::ObjectError;

/// Removes a key: every version and marker of it, and uploads of it that never ended.
pub(super) async fn remove(s3: &S3, key: &str) -> Result<(), ObjectError> {
    if s3.0.ways.versions {
        for (of, version) in versions(s3, key).await? {
            if of == key {
                remove_version(s3, key, Some(version)).await?;
            }
        }
    } else {
        remove_version(s3, key, None).await?;
    }
    s3.abort_uploads_below(key).await?;
    match s3.head_key(key).await? {
        None => Ok(()),
        Some(_) => Err(ObjectError::Refused {
            code: "the object is still there after its removal".to_owned(),
        }),
    }
}

/// Removes all keys below a prefix that `matches` says, by key and time of change in seconds, with their versions; how many
/// versions. What is locked stays.
pub(super) async fn remove_below(
    s3: &S3,
    prefix: &str,
    matches: impl Fn(&str, i64) -> bool,
) -> Result<u64, ObjectError> {
    let shared = &s3.0;
    let (mut after, mut removed) = (None, 0);
    loop {
        let list = shared.client.list_objects_v2().bucket(&shared.bucket);
        let list = list.prefix(prefix).set_start_after(after.take());
        let page = list.send().await.map_err(failed)?;
        for object in page.contents() {
            let changed = object.last_modified().map_or(i64::MAX, DateTime::secs);
            let Some(key) = object.key().filter(|key| key.starts_with(prefix)) else {
                continue;
            };
            after = Some(key.to_owned());
            if !matches(key, changed) {
                continue;
            }
            if shared.ways.versions {
                for (of, version) in versions(s3, key).await? {
                    if of == key {
                        remove_version(s3, key, Some(version)).await?;
                    }
                }
            } else {
                remove_version(s3, key, None).await?;
            }
            removed += 1;
        }
        if page.is_truncated() != Some(true) || after.is_none() {
            return Ok(removed);
        }
    }
}

async fn remove_version(s3: &S3, key: &str, version: Option<String>) -> Result<(), ObjectError> {
    let shared = &s3.0;
    let delete = shared.client.delete_object().bucket(&shared.bucket);
    match delete.key(key).set_version_id(version).send().await {
        Ok(_) => Ok(()),
        Err(error) if is_missing(&error) => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

/// Keys and ids of all versions and markers whose key begins so.
async fn versions(s3: &S3, key: &str) -> Result<Vec<(String, String)>, ObjectError> {
    let shared = &s3.0;
    let (mut key_marker, mut id_marker) = (None, None);
    let mut found = Vec::new();
    loop {
        let list = shared.client.list_object_versions().bucket(&shared.bucket);
        let page = list
            .prefix(key)
            .set_key_marker(key_marker)
            .set_version_id_marker(id_marker)
            .send()
            .await
            .map_err(failed)?;
        let versions = page.versions().iter();
        let versions = versions.map(|version| (version.key(), version.version_id()));
        let markers = page.delete_markers().iter();
        let markers = markers.map(|marker| (marker.key(), marker.version_id()));
        for (of, id) in versions.chain(markers) {
            let of = of.unwrap_or_default().to_owned();
            found.push((of, id.unwrap_or("null").to_owned()));
        }
        if page.is_truncated() != Some(true) || page.next_key_marker.is_none() {
            return Ok(found);
        }
        key_marker = page.next_key_marker;
        id_marker = page.next_version_id_marker;
    }
}
