//! Uploads by part into a folder: `.parts/<vault>/<object>` with the bytes in one file and a note for each part.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use obhut_format::capsule::part_range;
use obhut_format::{Hash, ObjectId, VaultId};

use super::dir::{
    Dir, LEAVES, blocking, create, found, full, make_folder, same, sorted_names, stored_at,
};
use super::part::{Note, WholePart, tree};
use super::{HeldPart, ObjectError, Stored};

const PARTS: &str = ".parts";
const BYTES: &str = "bytes";
const NOTE: &str = "note";
/// An upload without progress for so long is given up.
const STALE: Duration = Duration::from_hours(168);

impl Dir {
    /// Stores a part: durable before its note is written. Other bytes where a part is are refused.
    pub(super) async fn put_part(
        &self,
        vault: VaultId,
        object: ObjectId,
        part: WholePart,
    ) -> Result<Hash, ObjectError> {
        let folder = self.parts_folder(vault, object);
        let dir = self.clone();
        blocking(move || {
            let _placing = dir.placing(object);
            make_folder(&folder)?;
            let note = Note::of(&part);
            for lying in notes(&folder, None)? {
                let other_object = lying.object_bytes != part.object_bytes;
                if other_object || (lying.number == part.number && lying.held() != note.held()) {
                    return Err(ObjectError::Occupied);
                }
                if lying.number == part.number {
                    return Ok(part.root);
                }
            }
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(folder.join(BYTES))
                .map_err(full)?;
            let (start, _) = part_range(part.number, part.object_bytes);
            file.write_all_at(&part.bytes, start).map_err(full)?;
            file.sync_data().map_err(full)?;
            write_note(&folder, &note)?;
            Ok(part.root)
        })
        .await
    }

    pub(super) async fn held_parts(
        &self,
        vault: VaultId,
        object: ObjectId,
        object_bytes: u64,
    ) -> Result<Vec<HeldPart>, ObjectError> {
        let folder = self.parts_folder(vault, object);
        blocking(move || {
            let notes = notes(&folder, Some(object_bytes))?;
            Ok(notes.iter().filter_map(Note::held).collect())
        })
        .await
    }

    /// Puts the object in its place when all parts are there.
    pub(super) async fn complete(
        &self,
        vault: VaultId,
        object: ObjectId,
        object_bytes: u64,
    ) -> Result<Option<Stored>, ObjectError> {
        let (folder, target) = (self.parts_folder(vault, object), self.path(vault, object));
        let dir = self.clone();
        blocking(move || {
            let _placing = dir.placing(object);
            let mut notes = notes(&folder, Some(object_bytes))?;
            let whole = tree(&mut notes, object_bytes);
            if let Some(lying) = stored_at(&target)? {
                if let Some((stored, _)) = whole {
                    same(lying, stored)?;
                }
                found(fs::remove_dir_all(&folder))?;
                return Ok(Some(lying));
            }
            let Some((stored, leaves)) = whole else {
                return Ok(None);
            };
            let bytes = folder.join(BYTES);
            if fs::metadata(&bytes)?.len() != object_bytes {
                return Ok(None);
            }
            place(&folder, &target, &leaves)?;
            found(fs::remove_dir_all(&folder))?;
            Ok(Some(stored))
        })
        .await
    }

    /// Removes uploads that nobody has gone on with for a week; how many.
    pub(super) async fn sweep(&self, now_s: i64) -> Result<u64, ObjectError> {
        let parts = self.folder().join(PARTS);
        let now_s = u64::try_from(now_s).unwrap_or_default();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(now_s);
        blocking(move || {
            let mut removed = 0;
            for vault in sorted_names(&parts)? {
                for object in sorted_names(&parts.join(&vault))? {
                    let folder = parts.join(&vault).join(object);
                    let Some(changed) = found(fs::metadata(&folder))? else {
                        continue;
                    };
                    let idle = now.duration_since(changed.modified()?).unwrap_or_default();
                    if idle > STALE {
                        found(fs::remove_dir_all(&folder))?;
                        removed += 1;
                    }
                }
            }
            Ok(removed)
        })
        .await
    }

    fn parts_folder(&self, vault: VaultId, object: ObjectId) -> PathBuf {
        let parts = self.folder().join(PARTS).join(vault.to_string());
        parts.join(object.to_string())
    }
}

/// Leaf list first: an object in its place always has one.
fn place(folder: &Path, target: &Path, leaves: &[u8]) -> Result<(), ObjectError> {
    if let Some(parent) = target.parent() {
        make_folder(parent)?;
    }
    let list = folder.join(LEAVES);
    found(fs::remove_file(&list))?;
    std::io::Write::write_all(&mut create(&list)?, leaves).map_err(full)?;
    fs::rename(&list, target.with_extension(LEAVES)).map_err(full)?;
    fs::rename(folder.join(BYTES), target).map_err(full)?;
    Ok(())
}

fn write_note(folder: &Path, note: &Note) -> Result<(), ObjectError> {
    let path = folder.join(note.number.to_string()).with_extension(NOTE);
    let temporary = path.with_extension("new");
    found(fs::remove_file(&temporary))?;
    std::io::Write::write_all(&mut create(&temporary)?, &note.to_bytes()).map_err(full)?;
    fs::rename(&temporary, &path).map_err(full)?;
    Ok(())
}

/// All notes of an object of this length; of any length without one. What cannot be read is no note.
fn notes(folder: &Path, object_bytes: Option<u64>) -> Result<Vec<Note>, ObjectError> {
    let mut notes = Vec::new();
    for name in sorted_names(folder)? {
        let path = folder.join(&name);
        if path.extension().is_none_or(|extension| extension != NOTE) {
            continue;
        }
        let Some(bytes) = found(fs::read(&path))? else {
            continue;
        };
        let stated = || Some(serde_json::from_slice::<Note>(&bytes).ok()?.object_bytes);
        let Some(object_bytes) = object_bytes.or_else(stated) else {
            continue;
        };
        notes.extend(Note::parse(&bytes, object_bytes));
    }
    Ok(notes)
}
