//! Versions of objects: whether they are kept, and whether each can be named and removed.

use aws_sdk_s3::types::BucketVersioningStatus;

use super::report::told;
use super::{Finding, Report, Scratch};

/// Everything about versions.
pub(super) async fn check(scratch: &Scratch, report: &mut Report) {
    let status = scratch.client().get_bucket_versioning();
    let status = status.bucket(&scratch.bucket).send().await;
    let enabled = match status {
        Ok(answer) => match answer.status() {
            Some(BucketVersioningStatus::Enabled) => Finding::Holds,
            Some(other) => {
                Finding::Absent(format!("versioning of the bucket is {}", other.as_str()))
            }
            None => Finding::Absent("versioning of the bucket is off".to_owned()),
        },
        Err(error) => Finding::Absent(told(&error)),
    };
    report.note("versioning", "keeps versions in this bucket", enabled);
    let versioned = report.holds("versioning");
    let finding = ids(scratch, versioned).await;
    report.note(
        "version-ids",
        "names and removes each version on its own",
        finding,
    );
    let finding = if versioned {
        marker(scratch).await
    } else {
        Finding::Skipped("the bucket keeps no versions".to_owned())
    };
    report.note(
        "delete-marker",
        "hides instead of destroying where no version is named",
        finding,
    );
}

async fn ids(scratch: &Scratch, versioned: bool) -> Finding {
    let key = scratch.key("versions");
    for body in [b"one".as_slice(), b"two"] {
        if let Err(error) = scratch.put(&key, body).await {
            return Finding::Fails(error);
        }
    }
    let listed = match list(scratch, &key).await {
        Ok(listed) => listed,
        Err(error) => return Finding::Absent(error),
    };
    let expected = if versioned { 2 } else { 1 };
    if listed.len() != expected {
        return Finding::Fails(format!("{} versions of {expected}", listed.len()));
    }
    for Named { key, id, .. } in listed {
        let delete = scratch.client().delete_object().bucket(&scratch.bucket);
        if let Err(error) = delete.key(key).version_id(id).send().await {
            return Finding::Fails(told(&error));
        }
    }
    match (list(scratch, &key).await, scratch.read(&key).await) {
        (Ok(left), Ok(None)) if left.is_empty() => Finding::Holds,
        (Ok(left), _) => {
            Finding::Fails(format!("{} are left after the removal of all", left.len()))
        }
        (Err(error), _) => Finding::Fails(error),
    }
}

async fn marker(scratch: &Scratch) -> Finding {
    let key = scratch.key("marker");
    if let Err(error) = scratch.put(&key, b"hidden").await {
        return Finding::Fails(error);
    }
    let delete = scratch.client().delete_object().bucket(&scratch.bucket);
    if let Err(error) = delete.key(&key).send().await {
        return Finding::Fails(told(&error));
    }
    match list(scratch, &key).await {
        Ok(listed) if listed.len() == 2 && listed.iter().any(|one| one.marker) => Finding::Holds,
        Ok(listed) => Finding::Fails(format!("{} versions and markers of 2", listed.len())),
        Err(error) => Finding::Fails(error),
    }
}

/// A version or marker.
pub(super) struct Named {
    pub(super) key: String,
    pub(super) id: String,
    pub(super) marker: bool,
}

/// Versions and markers below a prefix.
pub(super) async fn list(scratch: &Scratch, prefix: &str) -> Result<Vec<Named>, String> {
    let (mut key_marker, mut id_marker) = (None, None);
    let mut found = Vec::new();
    loop {
        let list = scratch.client().list_object_versions();
        let list = list.bucket(&scratch.bucket).prefix(prefix);
        let page = list
            .set_key_marker(key_marker)
            .set_version_id_marker(id_marker)
            .send()
            .await
            .map_err(|error| told(&error))?;
        let versions = page.versions().iter();
        let versions = versions.map(|one| (one.key(), one.version_id(), false));
        let markers = page.delete_markers().iter();
        let markers = markers.map(|one| (one.key(), one.version_id(), true));
        for (key, id, marker) in versions.chain(markers) {
            found.push(Named {
                key: key.unwrap_or_default().to_owned(),
                id: id.unwrap_or("null").to_owned(),
                marker,
            });
        }
        if page.is_truncated() != Some(true) || page.next_key_marker.is_none() {
            found.retain(|one| one.key.starts_with(prefix));
            return Ok(found);
        }
        key_marker = page.next_key_marker;
        id_marker = page.next_version_id_marker;
    }
}

/// Removes everything below a prefix, lifting locks that can be lifted; how many could not be removed.
pub(super) async fn remove_below(scratch: &Scratch, prefix: &str) -> Result<usize, String> {
    if let Ok(all) = list(scratch, prefix).await {
        for Named { key, id, .. } in &all {
            let delete = scratch.client().delete_object().bucket(&scratch.bucket);
            let delete = delete.key(key).version_id(id);
            if delete.clone().send().await.is_err() {
                let _ = delete.bypass_governance_retention(true).send().await;
            }
        }
        return Ok(list(scratch, prefix).await?.len());
    }
    // A store that knows no versions.
    loop {
        let keys = scratch.client().list_objects_v2().bucket(&scratch.bucket);
        let page = keys.prefix(prefix).send().await;
        let page = page.map_err(|error| told(&error))?;
        if page.contents().is_empty() {
            return Ok(0);
        }
        for key in page.contents().iter().filter_map(|object| object.key()) {
            let delete = scratch.client().delete_object().bucket(&scratch.bucket);
            let deleted = delete.key(key).send().await;
            deleted.map_err(|error| told(&error))?;
        }
    }
}
