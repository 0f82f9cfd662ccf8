//! What every object store does, run over each.
#![allow(clippy::unwrap_used, reason = "tests")]

use bytes::Bytes;
use obhut_format::{ObjectId, VaultId};

use super::{ContentHasher, ObjectError, Objects, Stored};

const VAULT: VaultId = VaultId([1; 16]);
const OTHER: VaultId = VaultId([2; 16]);

fn bytes(len: usize, seed: u8) -> Vec<u8> {
    (0..len).map(|i| (i % 253) as u8 ^ seed).collect()
}

async fn put(objects: &Objects, id: ObjectId, body: &[u8]) -> Result<Stored, ObjectError> {
    let mut upload = objects.put(VAULT, id);
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

async fn keeps_what_it_is_given(objects: &Objects) {
    for (number, len) in [0_usize, 1, 4_232, 262_520, 262_521, 1_100_000]
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
        assert_eq!(read(objects, id, 0, len as u64).await.unwrap(), body);
        let (from, to) = (len / 3, len - len / 4);
        let part = read(objects, id, from as u64, to as u64).await.unwrap();
        assert_eq!(part, body[from..to]);
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
    let mut upload = objects.put(VAULT, id);
    upload.write(Bytes::from(bytes(1_000, 0))).await.unwrap();
    drop(upload);
    assert_eq!(objects.head(VAULT, id).await.unwrap(), None);
    assert!(objects.find_stored(VAULT, id).await.unwrap().is_none());
}

async fn deletes_and_lists_within_a_vault(objects: &Objects) {
    let all = objects.list(VAULT, None, 100).await.unwrap();
    assert!(all.is_sorted() && all.len() >= 7);
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
    let id = ObjectId([52; 16]);
    let (a, b) = (bytes(400_000, 3), bytes(400_000, 4));
    let (first, second) = tokio::join!(put(objects, id, &a), put(objects, id, &b));
    assert!(first.is_ok() != second.is_ok());
    let won = if first.is_ok() { &a } else { &b };
    assert_eq!(&read(objects, id, 0, 400_000).await.unwrap(), won);
    let stored = objects.find_stored(VAULT, id).await.unwrap();
    assert_eq!(stored, first.or(second).ok());
}

async fn conforms(objects: &Objects) {
    keeps_what_it_is_given(objects).await;
    takes_the_same_bytes_again_and_refuses_others(objects).await;
    shows_nothing_of_an_upload_that_was_dropped(objects).await;
    deletes_and_lists_within_a_vault(objects).await;
    one_of_two_rivals_wins(objects).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_conforms() {
    let folder = tempfile::tempdir().unwrap();
    conforms(&Objects::open_dir(folder.path()).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_keeps_files_to_itself_and_forgets_uploads_of_an_earlier_run() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let objects = Objects::open_dir(folder.path()).unwrap();
    put(&objects, ObjectId([9; 16]), &bytes(300_000, 0))
        .await
        .unwrap();
    let temporary = folder.path().join(".uploads/0");
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
