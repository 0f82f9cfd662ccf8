//! What every object store does, run over each.
#![allow(clippy::large_futures, clippy::unwrap_used, reason = "tests")]

use bytes::Bytes;
use obhut_format::capsule::{CapsuleHeader, part_count, part_range};
use obhut_format::{DocumentId, Hash, ObjectId, VaultId};

use super::testing::{Bucket, Keeping};
use super::{Checksum, ContentHasher, HeldPart, ObjectError, Objects, Stored, Ways};

const VAULT: VaultId = VaultId([1; 16]);
const OTHER: VaultId = VaultId([2; 16]);

fn bytes(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|i| (i % 253) as u8 ^ seed).collect()
}

async fn put(objects: &Objects, id: ObjectId, body: &[u8]) -> Result<Stored, ObjectError> {
    let mut upload = objects.put(VAULT, id, body.len() as u64);
    for piece in body.chunks(100_000) {
        upload.write(Bytes::copy_from_slice(piece)).await?;
    }
    upload.finish().await
}

async fn read(objects: &Objects, id: ObjectId, from: u64, to: u64) -> Option<Vec<u8>> {
    let mut reader = objects.get_range(VAULT, id, from..to).await.unwrap()?;
    let mut out = Vec::new();
    while let Some(piece) = reader.next().await.unwrap() {
        out.extend(piece);
    }
    Some(out)
}

async fn knows_a_capsule_by_its_header(objects: &Objects) {
    let document = DocumentId([7; 16]);
    for (number, padded_bytes) in [4_096_u64, 262_144, 270_336, 1 << 20]
        .into_iter()
        .enumerate()
    {
        let id = ObjectId([0xc0 + number as u8; 16]);
        let header = CapsuleHeader {
            vault: VAULT,
            document,
            revision: 1,
            padded_bytes,
        };
        let mut body = header.to_bytes().to_vec();
        body.resize(header.object_bytes() as usize, number as u8);
        let stored = put(objects, id, &body).await.unwrap();
        let found = objects.find_capsule(VAULT, id).await.unwrap();
        assert_eq!(found, Some((header, stored)));
    }
    let other = ObjectId([0xcf; 16]);
    assert_eq!(objects.find_capsule(VAULT, other).await.unwrap(), None);
    for (len, seed) in [(0, 1), (63, 2), (4_232, 3)] {
        let id = ObjectId([0xd0 + seed; 16]);
        put(objects, id, &bytes(len, seed)).await.unwrap();
        assert_eq!(objects.find_capsule(VAULT, id).await.unwrap(), None);
    }
}

async fn keeps_what_it_is_given(objects: &Objects) {
    for (number, len) in [
        0_usize, 1, 4_232, 262_520, 262_521, 1_100_000, 8_396_920, 17_000_000,
    ]
    .into_iter()
    .enumerate()
    {
        let id = ObjectId([number as u8; 16]);
        let body = bytes(len, number as u8);
        let mut hasher = ContentHasher::new();
        hasher.update(&body);
        let (expected, leaves) = hasher.finish();
        assert_eq!(put(objects, id, &body).await.unwrap(), expected);
        assert_eq!(
            objects.find_stored(VAULT, id).await.unwrap(),
            Some(expected)
        );
        assert_eq!(objects.head(VAULT, id).await.unwrap(), Some(len as u64));
        assert_eq!(objects.find_leaves(VAULT, id).await.unwrap(), Some(leaves));
        assert!(read(objects, id, 0, len as u64).await.unwrap() == body);
        let (from, to) = (len / 3, len - len / 4);
        let part = read(objects, id, from as u64, to as u64).await.unwrap();
        assert!(part == body[from..to]);
    }
    objects.flush().await.unwrap();
}

async fn takes_the_same_bytes_again_and_refuses_others(objects: &Objects) {
    let id = ObjectId([50; 16]);
    let first = put(objects, id, &bytes(300_000, 0)).await.unwrap();
    assert_eq!(put(objects, id, &bytes(300_000, 0)).await.unwrap(), first);
    let other = put(objects, id, &bytes(300_000, 1)).await;
    assert!(matches!(other, Err(ObjectError::Occupied)));
    let shorter = put(objects, id, &bytes(10, 0)).await;
    assert!(matches!(shorter, Err(ObjectError::Occupied)));
    assert_eq!(
        read(objects, id, 0, 300_000).await.unwrap(),
        bytes(300_000, 0)
    );
}

async fn shows_nothing_of_an_upload_that_was_dropped(objects: &Objects) {
    let id = ObjectId([51; 16]);
    for len in [1_000, 20_000_000] {
        let mut upload = objects.put(VAULT, id, len as u64 + 1);
        upload.write(Bytes::from(bytes(len, 0))).await.unwrap();
        drop(upload);
        assert_eq!(objects.head(VAULT, id).await.unwrap(), None);
        assert!(objects.find_stored(VAULT, id).await.unwrap().is_none());
    }
}

async fn refuses_another_length_than_was_announced(objects: &Objects) {
    let id = ObjectId([53; 16]);
    for (announced, sent) in [(100, 99), (100, 101), (20_000_000, 19_000_000)] {
        let mut upload = objects.put(VAULT, id, announced);
        let written = upload.write(Bytes::from(bytes(sent, 0))).await;
        let ended = match written {
            Ok(()) => upload.finish().await.map(drop),
            Err(error) => Err(error),
        };
        assert!(
            matches!(ended, Err(ObjectError::Length)),
            "{announced} {sent}"
        );
        assert_eq!(objects.head(VAULT, id).await.unwrap(), None);
    }
}

async fn deletes_and_lists_within_a_vault(objects: &Objects) {
    let all = objects.list(VAULT, None, 100).await.unwrap();
    assert!(all.is_sorted_by_key(ToString::to_string) && all.len() >= 9);
    assert!(
        !all.is_sorted(),
        "ids whose text sorts otherwise than their bytes"
    );
    let (head, tail) = all.split_at(3);
    assert_eq!(objects.list(VAULT, None, 3).await.unwrap(), head);
    let after = objects
        .list(VAULT, head.last().copied(), 100)
        .await
        .unwrap();
    assert_eq!(after, tail);
    objects.delete(VAULT, all[0]).await.unwrap();
    objects.delete(VAULT, all[0]).await.unwrap();
    assert_eq!(objects.head(VAULT, all[0]).await.unwrap(), None);
    assert_eq!(objects.find_leaves(VAULT, all[0]).await.unwrap(), None);
    assert_eq!(objects.head(OTHER, all[1]).await.unwrap(), None);
    assert!(objects.list(OTHER, None, 100).await.unwrap().is_empty());
}

async fn one_of_two_rivals_wins(objects: &Objects) {
    for (number, len) in [(52, 400_000), (54, 9_000_000)] {
        let id = ObjectId([number; 16]);
        let (a, b) = (bytes(len, 3), bytes(len, 4));
        let (first, second) = tokio::join!(put(objects, id, &a), put(objects, id, &b));
        assert!(
            first.is_ok() != second.is_ok(),
            "{len}: {first:?} {second:?}"
        );
        let won = if first.is_ok() { &a } else { &b };
        assert!(read(objects, id, 0, len as u64).await.unwrap() == *won);
        let stored = objects.find_stored(VAULT, id).await.unwrap();
        assert_eq!(stored, first.or(second).ok());
    }
}

/// The parts of an object, cut as both sides cut them.
fn cut(body: &[u8]) -> Vec<&[u8]> {
    let len = body.len() as u64;
    (0..part_count(len))
        .map(|number| part_range(number, len))
        .map(|(start, end)| &body[start as usize..end as usize])
        .collect()
}

async fn put_part(
    objects: &Objects,
    id: ObjectId,
    (number, object_bytes): (u64, usize),
    part: &[u8],
) -> Result<Hash, ObjectError> {
    let mut upload = objects.begin_part(number, object_bytes as u64).await?;
    for piece in part.chunks(1_000_000) {
        upload.write(Bytes::copy_from_slice(piece))?;
    }
    objects.put_part(VAULT, id, upload).await
}

/// `again` is the same store as another process would open it.
async fn goes_on_with_uploads_by_part(objects: &Objects, again: &Objects) {
    let id = ObjectId([70; 16]);
    let body = bytes(17_000_000, 9);
    let len = body.len() as u64;
    let parts = cut(&body);
    assert_eq!(parts.len(), 3);
    let one = put_part(objects, id, (1, body.len()), parts[1])
        .await
        .unwrap();
    let zero = put_part(objects, id, (0, body.len()), parts[0])
        .await
        .unwrap();
    let mut held = again.held_parts(VAULT, id, len).await.unwrap();
    held.sort_by_key(|part| part.number);
    let expected = [(0, zero), (1, one)].map(|(number, root)| HeldPart { number, root });
    assert_eq!(held, expected);
    assert_eq!(again.complete(VAULT, id, len).await.unwrap(), None);
    assert_eq!(again.head(VAULT, id).await.unwrap(), None);
    let same = put_part(again, id, (1, body.len()), parts[1]).await;
    assert_eq!(same.unwrap(), one);
    let other = put_part(
        again,
        id,
        (1, body.len()),
        parts[0].split_at(parts[1].len()).0,
    )
    .await;
    assert!(matches!(other, Err(ObjectError::Occupied)), "{other:?}");
    let longer = put_part(again, id, (0, body.len() + 1), parts[0]).await;
    assert!(matches!(longer, Err(ObjectError::Occupied)), "{longer:?}");
    let short = put_part(again, id, (2, body.len()), &parts[2][1..]).await;
    assert!(matches!(short, Err(ObjectError::Length)), "{short:?}");
    put_part(again, id, (2, body.len()), parts[2])
        .await
        .unwrap();
    let mut hasher = ContentHasher::new();
    hasher.update(&body);
    let (stored, leaves) = hasher.finish();
    for store in [objects, again] {
        let completed = store.complete(VAULT, id, len).await.unwrap();
        assert_eq!(completed, Some(stored));
    }
    assert_eq!(objects.find_leaves(VAULT, id).await.unwrap(), Some(leaves));
    assert!(read(objects, id, 0, len).await.unwrap() == body);
    assert!(objects.held_parts(VAULT, id, len).await.unwrap().is_empty());
}

async fn conforms(objects: &Objects) {
    keeps_what_it_is_given(objects).await;
    takes_the_same_bytes_again_and_refuses_others(objects).await;
    shows_nothing_of_an_upload_that_was_dropped(objects).await;
    refuses_another_length_than_was_announced(objects).await;
    deletes_and_lists_within_a_vault(objects).await;
    one_of_two_rivals_wins(objects).await;
    knows_a_capsule_by_its_header(objects).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let objects = Objects::open_dir(folder.path()).unwrap();
    conforms(&objects).await;
    let again = Objects::open_dir(folder.path()).unwrap();
    goes_on_with_uploads_by_part(&objects, &again).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_forgets_uploads_by_part_after_a_week() {
    let folder = tempfile::tempdir().unwrap();
    let objects = Objects::open_dir(folder.path()).unwrap();
    let (id, body) = (ObjectId([71; 16]), bytes(9_000_000, 0));
    put_part(&objects, id, (0, body.len()), cut(&body)[0])
        .await
        .unwrap();
    let now = i64::try_from(crate::clock::now_us() / 1_000_000).unwrap();
    assert_eq!(objects.sweep(now + 167 * 3_600).await.unwrap(), 0);
    assert_eq!(objects.sweep(now + 169 * 3_600).await.unwrap(), 1);
    let held = objects.held_parts(VAULT, id, 9_000_000).await.unwrap();
    assert!(held.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a19_parts_of_an_aborted_upload_never_count() {
    let Some(bucket) = Bucket::make(Keeping::Nothing).await else {
        return;
    };
    let objects = bucket.objects(Ways::default());
    let (id, body) = (ObjectId([72; 16]), bytes(17_000_000, 5));
    let len = body.len() as u64;
    let parts = cut(&body);
    for number in [0, 1] {
        let part = parts[number];
        put_part(&objects, id, (number as u64, body.len()), part)
            .await
            .unwrap();
    }
    bucket.abort_uploads().await;
    assert!(objects.held_parts(VAULT, id, len).await.unwrap().is_empty());
    assert_eq!(objects.complete(VAULT, id, len).await.unwrap(), None);
    // The note of the upload that is gone is dropped with the first failure; the next attempt opens another.
    let lost = put_part(&objects, id, (2, body.len()), parts[2]).await;
    assert!(matches!(lost, Err(ObjectError::Unavailable(_))), "{lost:?}");
    put_part(&objects, id, (2, body.len()), parts[2])
        .await
        .unwrap();
    let held = objects.held_parts(VAULT, id, len).await.unwrap();
    assert_eq!(held.iter().map(|part| part.number).collect::<Vec<_>>(), [2]);
    // A note of an earlier upload beside the new one, with the same part sent behind the server's back.
    let stale = bucket
        .note_of(&format!("test/{VAULT}/parts/{id}/00002"))
        .await;
    let stale = stale.replace("\"number\":2", "\"number\":0");
    bucket
        .write(&format!("test/{VAULT}/parts/{id}/00000"), stale)
        .await;
    assert_eq!(objects.complete(VAULT, id, len).await.unwrap(), None);
    bucket
        .remove(&format!("test/{VAULT}/parts/{id}/00000"))
        .await;
    for number in [0, 1] {
        let part = parts[number];
        put_part(&objects, id, (number as u64, body.len()), part)
            .await
            .unwrap();
    }
    let stored = objects.complete(VAULT, id, len).await.unwrap().unwrap();
    assert_eq!(objects.find_stored(VAULT, id).await.unwrap(), Some(stored));
    assert!(read(&objects, id, 0, len).await.unwrap() == body);
    assert_eq!(bucket.keys().await.len(), 2, "notes are gone");
    bucket.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_conforms_with_every_checksum() {
    for checksum in [
        Checksum::Crc64nvme,
        Checksum::Crc32c,
        Checksum::Sha256,
        Checksum::Signed,
    ] {
        let Some(bucket) = Bucket::make(Keeping::Nothing).await else {
            return;
        };
        let ways = Ways {
            checksum,
            conditional_put: true,
            conditional_complete: true,
            versions: true,
        };
        let objects = bucket.objects(ways);
        conforms(&objects).await;
        if checksum == Checksum::Crc64nvme {
            goes_on_with_uploads_by_part(&objects, &bucket.objects(ways)).await;
        }
        bucket.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_of_a_store_that_can_do_little_conforms() {
    let Some(bucket) = Bucket::make(Keeping::Nothing).await else {
        return;
    };
    let objects = bucket.objects(Ways::default());
    conforms(&objects).await;
    goes_on_with_uploads_by_part(&objects, &bucket.objects(Ways::default())).await;
    bucket.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_with_versioning_conforms_and_keeps_nothing_that_was_deleted() {
    let Some(bucket) = Bucket::make(Keeping::Versions).await else {
        return;
    };
    let ways = Ways {
        conditional_put: true,
        conditional_complete: true,
        versions: true,
        ..Ways::default()
    };
    let objects = bucket.objects(ways);
    conforms(&objects).await;
    goes_on_with_uploads_by_part(&objects, &bucket.objects(ways)).await;
    for id in objects.list(VAULT, None, 100).await.unwrap() {
        objects.delete(VAULT, id).await.unwrap();
    }
    assert_eq!(bucket.versions().await, 0);
    bucket.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_makes_a_lost_leaf_list_again() {
    let Some(bucket) = Bucket::make(Keeping::Nothing).await else {
        return;
    };
    let objects = bucket.objects(Ways::default());
    let (id, body) = (ObjectId([60; 16]), bytes(1_000_000, 0));
    let stored = put(&objects, id, &body).await.unwrap();
    let leaves = objects.find_leaves(VAULT, id).await.unwrap();
    bucket.remove(&format!("test/{VAULT}/leaves/{id}")).await;
    assert_eq!(objects.find_stored(VAULT, id).await.unwrap(), Some(stored));
    assert_eq!(objects.find_leaves(VAULT, id).await.unwrap(), leaves);
    assert_eq!(bucket.keys().await.len(), 2);
    bucket.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_swept_of_old_uploads_below_the_own_prefix_only() {
    let Some(bucket) = Bucket::make(Keeping::Nothing).await else {
        return;
    };
    let objects = bucket.objects(Ways::default());
    let id = ObjectId([61; 16]);
    let mut upload = objects.put(VAULT, id, 30_000_000);
    upload
        .write(Bytes::from(bytes(20_000_000, 0)))
        .await
        .unwrap();
    let foreign = format!("other/{VAULT}/capsules/{id}");
    bucket.begin_upload(&foreign).await;
    assert_eq!(bucket.uploads().await, 2);
    let now = i64::try_from(crate::clock::now_us() / 1_000_000).unwrap();
    assert_eq!(objects.sweep(now).await.unwrap(), 0);
    assert_eq!(objects.sweep(now + 169 * 3_600).await.unwrap(), 1);
    assert_eq!(bucket.uploads().await, 1);
    drop(upload);
    bucket.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_upload_leaves_no_parts_in_a_bucket() {
    let Some(bucket) = Bucket::make(Keeping::Nothing).await else {
        return;
    };
    let objects = bucket.objects(Ways::default());
    let mut upload = objects.put(VAULT, ObjectId([62; 16]), 30_000_000);
    upload
        .write(Bytes::from(bytes(20_000_000, 0)))
        .await
        .unwrap();
    assert_eq!(bucket.uploads().await, 1);
    drop(upload);
    for _ in 0..100 {
        if bucket.uploads().await == 0 {
            return bucket.finish().await;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the upload is still there");
}

#[tokio::test(flavor = "multi_thread")]
async fn tells_a_silent_store_from_one_that_refuses() {
    let Some(bucket) = Bucket::make(Keeping::Nothing).await else {
        return;
    };
    let gone = bucket.objects_at("http://127.0.0.1:9", "secret", Ways::default());
    let error = gone.head(VAULT, ObjectId([0; 16])).await.unwrap_err();
    assert!(matches!(error, ObjectError::Unavailable(_)), "{error:?}");
    let stranger = bucket.objects_at(bucket.endpoint(), "wrong", Ways::default());
    let error = put(&stranger, ObjectId([0; 16]), b"x").await.unwrap_err();
    assert!(matches!(error, ObjectError::Refused { .. }), "{error:?}");
    bucket.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_keeps_files_to_itself_and_forgets_uploads_of_an_earlier_run() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let objects = Objects::open_dir(folder.path()).unwrap();
    put(&objects, ObjectId([9; 16]), &bytes(300_000, 0))
        .await
        .unwrap();
    let temporary = folder.path().join(".uploads/server/0");
    std::fs::write(temporary.join("17"), b"left").unwrap();
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 1);
    for entry in walk(folder.path()) {
        let mode = std::fs::metadata(&entry).unwrap().permissions().mode() & 0o777;
        if entry != temporary.join("17") && entry != folder.path() {
            assert!(
                mode == 0o600 || mode == 0o700,
                "{mode:o} {}",
                entry.display()
            );
        }
    }
    Objects::open_dir(folder.path()).unwrap();
    assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0);
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut all = vec![folder.to_owned()];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(walk(&path));
        } else {
            all.push(path);
        }
    }
    all
}
