//! Uploads by part that outlive connections and processes: the store's multipart upload, and beside it a note for each
//! part with its leaf hashes, so that any server process can go on.

use std::collections::BTreeMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use obhut_format::{Hash, ObjectId, VaultId};
use serde::{Deserialize, Serialize};

use super::failed::{failed, is_missing};
use super::multipart::{Multipart, Target, send_part};
use super::placing::Placed;
use super::{S3, removal};
use crate::objects::part::{Note, WholePart, tree};
use crate::objects::{HeldPart, ObjectError, Stored};

/// Notes read at a time.
const AT_ONCE: usize = 16;
/// Notes are small; a longer one is none.
const NOTE_BYTES: u64 = 1 << 20;

/// The note that names an upload.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Opened {
    object_bytes: u64,
    target: Target,
}

impl S3 {
    /// Stores a part; the upload is opened with the first one. Other bytes where a part is are refused.
    pub(in crate::objects) async fn put_part(
        &self,
        vault: VaultId,
        object: ObjectId,
        part: WholePart,
    ) -> Result<Hash, ObjectError> {
        let opened = self.open_upload(vault, object, part.object_bytes).await?;
        let key = self.0.keys.part_note(vault, object, part.number);
        let mut note = Note::of(&part);
        let lying = self.find_note(&key, part.object_bytes).await?;
        let lying = lying.filter(|lying| lying.upload == opened.target.id);
        if lying.is_some_and(|lying| lying.held() != note.held()) {
            return Err(ObjectError::Occupied);
        }
        let number = i32::try_from(part.number + 1).unwrap_or(i32::MAX);
        let sent = send_part(self, &opened.target, number, part.bytes.clone()).await;
        let sent = match sent {
            Ok(sent) => sent,
            Err(error) => return Err(self.after_failure(vault, object, &opened, error).await),
        };
        note.upload.clone_from(&opened.target.id);
        note.tag = sent.e_tag().unwrap_or_default().to_owned();
        note.checksum = opened.target.checksum.of(&part.bytes);
        self.put_key(&key, note.to_bytes().into(), false).await?;
        Ok(part.root)
    }

    pub(in crate::objects) async fn held_parts(
        &self,
        vault: VaultId,
        object: ObjectId,
        object_bytes: u64,
    ) -> Result<Vec<HeldPart>, ObjectError> {
        let Some(opened) = self.find_upload(vault, object).await? else {
            return Ok(Vec::new());
        };
        let notes = self.notes(vault, object, object_bytes, &opened).await?;
        Ok(notes.iter().filter_map(Note::held).collect())
    }

    /// Makes the object of its parts when all are there.
    pub(in crate::objects) async fn complete(
        &self,
        vault: VaultId,
        object: ObjectId,
        object_bytes: u64,
    ) -> Result<Option<Stored>, ObjectError> {
        let Some(opened) = self.find_upload(vault, object).await? else {
            return self.find_stored(vault, object).await;
        };
        let mut notes = self.notes(vault, object, object_bytes, &opened).await?;
        let Some((stored, leaves)) = tree(&mut notes, object_bytes) else {
            // Completed before, with the notes left over, or not whole.
            let lying = self.find_stored(vault, object).await?;
            return Ok(lying.filter(|lying| lying.object_bytes == object_bytes));
        };
        let checksum = opened.target.checksum;
        let mut upload = Multipart::at(opened.target);
        for note in &notes {
            let number = i32::try_from(note.number + 1).unwrap_or(i32::MAX);
            upload.note(checksum.completed(number, &note.tag, note.checksum.clone()));
        }
        if self.place_parts(vault, object, &upload).await? == Placed::Occupied {
            let lying = self.find_stored(vault, object).await?;
            if lying != Some(stored) {
                return Err(ObjectError::Occupied);
            }
        } else {
            self.place_leaves(vault, object, leaves).await?;
        }
        self.forget(vault, object).await;
        Ok(Some(stored))
    }

    /// Removes uploads nobody will end any more, and notes of them; how many.
    pub(in crate::objects) async fn sweep(&self, now_s: i64) -> Result<u64, ObjectError> {
        let before_s = now_s - self.0.stale_seconds;
        let aborted = self.abort_older(before_s).await?;
        for vault in self.vaults().await? {
            let notes = format!("{vault}parts/");
            removal::remove_below(self, &notes, |_, changed| changed < before_s).await?;
        }
        Ok(aborted)
    }

    /// What the keys of each vault begin with.
    async fn vaults(&self) -> Result<Vec<String>, ObjectError> {
        let shared = &self.0;
        let list = shared.client.list_objects_v2().bucket(&shared.bucket);
        let list = list.prefix(shared.keys.prefix()).delimiter("/");
        let page = list.send().await.map_err(failed)?;
        let prefixes = page.common_prefixes().iter();
        let prefixes = prefixes.filter_map(|prefix| prefix.prefix());
        let own = prefixes.filter(|prefix| prefix.contains("vault_"));
        Ok(own.map(str::to_owned).collect())
    }

    async fn find_upload(
        &self,
        vault: VaultId,
        object: ObjectId,
    ) -> Result<Option<Opened>, ObjectError> {
        let bytes = self
            .read_small(&self.0.keys.upload_note(vault, object))
            .await?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }

    async fn open_upload(
        &self,
        vault: VaultId,
        object: ObjectId,
        object_bytes: u64,
    ) -> Result<Opened, ObjectError> {
        let _lock = self.0.placing.lock(object).await;
        if let Some(opened) = self.find_upload(vault, object).await? {
            return if opened.object_bytes == object_bytes {
                Ok(opened)
            } else {
                Err(ObjectError::Occupied)
            };
        }
        let target = self.begin(vault, object).await?.target();
        let opened = Opened {
            object_bytes,
            target,
        };
        let note = serde_json::to_vec(&opened).unwrap_or_default();
        let key = self.0.keys.upload_note(vault, object);
        let once = self.0.ways.conditional_put;
        match self.put_key(&key, note.into(), once).await? {
            Placed::New => Ok(opened),
            // Another process was first.
            Placed::Occupied => {
                self.abort(&opened.target.key, &opened.target.id).await?;
                let gone = || ObjectError::Unavailable("the upload is gone".into());
                self.find_upload(vault, object).await?.ok_or_else(gone)
            }
        }
    }

    /// The notes of parts that belong to this upload and that the store says it has, byte for byte by its own tag.
    async fn notes(
        &self,
        vault: VaultId,
        object: ObjectId,
        object_bytes: u64,
        opened: &Opened,
    ) -> Result<Vec<Note>, ObjectError> {
        if opened.object_bytes != object_bytes {
            return Ok(Vec::new());
        }
        let Some(tags) = self.list_parts(&opened.target).await? else {
            return Ok(Vec::new());
        };
        let notes = stream::iter(tags).map(|(number, tag)| async move {
            let key = self.0.keys.part_note(vault, object, number);
            let note = self.find_note(&key, object_bytes).await?;
            let same = |note: &Note| {
                note.number == number && note.tag == tag && note.upload == opened.target.id
            };
            Ok::<_, ObjectError>(note.filter(same))
        });
        let notes: Vec<_> = notes.buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(notes.into_iter().flatten().collect())
    }

    /// Tags of the parts the store has, by number from 0; none where it does not know the upload.
    async fn list_parts(
        &self,
        target: &Target,
    ) -> Result<Option<BTreeMap<u64, String>>, ObjectError> {
        let shared = &self.0;
        let mut marker = None;
        let mut tags = BTreeMap::new();
        loop {
            let list = shared.client.list_parts().bucket(&shared.bucket);
            let list = list.key(&target.key).upload_id(&target.id);
            let page = match list.set_part_number_marker(marker.take()).send().await {
                Ok(page) => page,
                Err(error) if is_missing(&error) => return Ok(None),
                Err(error) => return Err(failed(error)),
            };
            for part in page.parts() {
                let number = part.part_number().and_then(|n| u64::try_from(n - 1).ok());
                if let (Some(number), Some(tag)) = (number, part.e_tag()) {
                    tags.insert(number, tag.to_owned());
                }
            }
            marker = page.next_part_number_marker;
            if page.is_truncated != Some(true) || marker.is_none() {
                return Ok(Some(tags));
            }
        }
    }

    async fn find_note(&self, key: &str, object_bytes: u64) -> Result<Option<Note>, ObjectError> {
        let bytes = self.read_small(key).await?;
        Ok(bytes.and_then(|bytes| Note::parse(&bytes, object_bytes)))
    }

    async fn read_small(&self, key: &str) -> Result<Option<bytes::Bytes>, ObjectError> {
        let Some(len) = self.head_key(key).await? else {
            return Ok(None);
        };
        self.read_key(key, 0..len.min(NOTE_BYTES)).await
    }

    /// An upload that the store has lost is forgotten, so that the next attempt opens another.
    async fn after_failure(
        &self,
        vault: VaultId,
        object: ObjectId,
        opened: &Opened,
        error: ObjectError,
    ) -> ObjectError {
        match self.list_parts(&opened.target).await {
            Ok(None) => {
                self.forget(vault, object).await;
                ObjectError::Unavailable(
                    "the upload is gone; the next attempt opens another".into(),
                )
            }
            _ => error,
        }
    }

    /// Removes the notes; what stays is swept later.
    async fn forget(&self, vault: VaultId, object: ObjectId) {
        let prefix = self.0.keys.notes(vault, object);
        if let Err(error) = removal::remove_below(self, &prefix, |_, _| true).await {
            let error = crate::logging::chain(&error);
            tracing::warn!(error, "notes of an upload stay in the object store");
        }
    }
}
