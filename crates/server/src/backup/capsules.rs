//! Capsules: copied from one store to another, or looked after in one.

use std::fmt::Write as _;

use obhut_format::{Hash, ObjectId, VaultId};

use super::BackupError;
use crate::objects::{ContentHasher, ObjectError, Objects, Stored};
use crate::progress::Progress;

/// Capsules copied or looked after at a time.
const AT_A_TIME: usize = 16;

/// A capsule as its row says it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Capsule {
    pub(crate) vault: VaultId,
    pub(crate) object: ObjectId,
    pub(crate) content_root: Hash,
    pub(crate) object_bytes: u64,
}

impl Capsule {
    fn is(&self, stored: &Stored) -> bool {
        (stored.content_root, stored.object_bytes) == (self.content_root, self.object_bytes)
    }
}

/// What was found of a list of capsules.
#[derive(Debug, Default)]
pub(crate) struct Inspected {
    /// There, with the right root and length.
    pub(crate) whole: u64,
    /// Copied by this run.
    pub(crate) copied: u64,
    /// Their bytes together.
    pub(crate) bytes: u64,
    /// Not there.
    pub(crate) missing: Vec<Capsule>,
    /// There, and something else.
    pub(crate) damaged: Vec<Capsule>,
}

enum Found {
    Whole,
    Copied,
    Missing,
    Damaged,
}

impl Inspected {
    fn note(&mut self, capsule: Capsule, found: &Found) {
        match found {
            Found::Whole | Found::Copied => {
                self.whole += 1;
                self.bytes += capsule.object_bytes;
                self.copied += u64::from(matches!(found, Found::Copied));
            }
            Found::Missing => self.missing.push(capsule),
            Found::Damaged => self.damaged.push(capsule),
        }
    }

    /// The ids of what is missing and damaged, for an operator; none where everything is whole.
    pub(crate) fn complaint(&self) -> Option<String> {
        if self.missing.is_empty() && self.damaged.is_empty() {
            return None;
        }
        let mut text = format!(
            "{} registered capsule(s) are missing and {} are damaged; their documents do not open:\n",
            self.missing.len(),
            self.damaged.len()
        );
        for (word, capsules) in [("missing", &self.missing), ("damaged", &self.damaged)] {
            for capsule in capsules {
                // Writing to a String cannot fail.
                let _ = writeln!(text, "  {word}  {}  {}", capsule.vault, capsule.object);
            }
        }
        text.push_str(
            "Bring them back from a copy of the object store, then run the same command again.",
        );
        Some(text)
    }
}

/// Looks whether each capsule is there with its length and root. With `read` every byte is hashed; else the leaf list
/// counts for capsules of more than one leaf.
pub(crate) async fn inspect_capsules(
    objects: &Objects,
    capsules: &[Capsule],
    read: bool,
    progress: &mut Progress,
) -> Result<Inspected, BackupError> {
    each(capsules, progress, async |capsule| {
        let Some(stored) = objects.find_stored(capsule.vault, capsule.object).await? else {
            return Ok(Found::Missing);
        };
        let whole = capsule.is(&stored) && (!read || holds(objects, &capsule).await?);
        Ok(if whole { Found::Whole } else { Found::Damaged })
    })
    .await
}

/// Copies capsules that the other store does not have yet, hashing what passes; what is there with the same root stays.
pub(crate) async fn copy_capsules(
    from: &Objects,
    to: &Objects,
    capsules: &[Capsule],
    progress: &mut Progress,
) -> Result<Inspected, BackupError> {
    let found = each(capsules, progress, async |capsule| {
        let there = to.find_stored(capsule.vault, capsule.object).await?;
        if there.is_some_and(|stored| capsule.is(&stored)) {
            return Ok(Found::Whole);
        }
        if there.is_some() {
            to.delete(capsule.vault, capsule.object).await?;
        }
        copy(from, to, capsule).await
    })
    .await?;
    to.flush().await?;
    Ok(found)
}

async fn copy(from: &Objects, to: &Objects, capsule: Capsule) -> Result<Found, ObjectError> {
    let (vault, object, bytes) = (capsule.vault, capsule.object, capsule.object_bytes);
    match from.head(vault, object).await? {
        None => return Ok(Found::Missing),
        Some(length) if length != bytes => return Ok(Found::Damaged),
        Some(_) => {}
    }
    let Some(mut reader) = from.get_range(vault, object, 0..bytes).await? else {
        return Ok(Found::Missing);
    };
    let mut upload = to.put(vault, object, bytes);
    while let Some(piece) = reader.next().await? {
        upload.write(piece).await?;
    }
    let stored = match upload.finish().await {
        Err(ObjectError::Length) => return Ok(Found::Damaged),
        stored => stored?,
    };
    if capsule.is(&stored) {
        return Ok(Found::Copied);
    }
    // Something else was read than was registered: it must not lie there as if it were whole.
    to.delete(vault, object).await?;
    Ok(Found::Damaged)
}

/// Whether the bytes lead to the root.
async fn holds(objects: &Objects, capsule: &Capsule) -> Result<bool, ObjectError> {
    let range = 0..capsule.object_bytes;
    let Some(mut reader) = objects
        .get_range(capsule.vault, capsule.object, range)
        .await?
    else {
        return Ok(false);
    };
    let mut hasher = ContentHasher::new();
    while let Some(piece) = reader.next().await? {
        hasher.update(&piece);
    }
    Ok(capsule.is(&hasher.finish().0))
}

async fn each(
    capsules: &[Capsule],
    progress: &mut Progress,
    work: impl AsyncFn(Capsule) -> Result<Found, ObjectError>,
) -> Result<Inspected, BackupError> {
    use futures_util::StreamExt as _;
    let work = &work;
    let mut inspected = Inspected::default();
    let done = futures_util::stream::iter(capsules)
        .map(|capsule| async move { (*capsule, work(*capsule).await) })
        .buffer_unordered(AT_A_TIME);
    let mut done = std::pin::pin!(done);
    let mut number = 0_usize;
    while let Some((capsule, found)) = done.next().await {
        inspected.note(capsule, &found?);
        number += 1;
        progress.say(|| {
            format!(
                "{number} of {} capsules, {} MiB",
                capsules.len(),
                inspected.bytes >> 20
            )
        });
    }
    Ok(inspected)
}
