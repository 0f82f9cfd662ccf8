//! Parts of an upload in memory, and what a store notes of the parts it has.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use data_encoding::BASE64;
use obhut_format::Hash;
use obhut_format::capsule::{part_count, part_leaves, part_range};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{ContentHasher, ObjectError, Stored};

/// One permit of the memory for parts.
const UNIT: u64 = 64 << 10;

/// Memory that parts share.
#[derive(Clone)]
pub(super) struct Memory {
    places: Arc<Semaphore>,
    units: u32,
}

impl Memory {
    pub(super) fn new(mib: u32) -> Self {
        let units = u64::from(mib) * (1 << 20) / UNIT;
        let units = u32::try_from(units).unwrap_or(u32::MAX);
        Self {
            places: Arc::new(Semaphore::new(units as usize)),
            units,
        }
    }

    /// Memory for a part; waits while others have it.
    pub(super) async fn reserve(&self, bytes: u64) -> Result<Part, ObjectError> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX);
        // A part larger than all the memory takes all of it.
        let permit = Arc::clone(&self.places).acquire_many_owned(units.min(self.units));
        let closed = |_| ObjectError::Unavailable("the server is stopping".into());
        let room = usize::try_from(bytes).unwrap_or(usize::MAX);
        Ok(Part {
            permit: permit.await.map_err(closed)?,
            bytes: BytesMut::with_capacity(room),
            room,
        })
    }
}

/// Bytes of a part, with their share of the memory.
pub(super) struct Part {
    pub(super) bytes: BytesMut,
    room: usize,
    pub(super) permit: OwnedSemaphorePermit,
}

impl Part {
    /// Takes what fits and leaves the rest; true when it is full.
    pub(super) fn take(&mut self, bytes: &mut Bytes) -> bool {
        let fits = bytes.len().min(self.room - self.bytes.len());
        self.bytes.extend_from_slice(&bytes.split_to(fits));
        self.bytes.len() == self.room
    }
}

/// A part on its way from a client; it lies in memory until it is whole, and is hashed while it comes.
pub struct PartUpload {
    part: Part,
    hasher: ContentHasher,
    number: u64,
    object_bytes: u64,
}

impl PartUpload {
    pub(super) async fn begin(
        memory: &Memory,
        number: u64,
        object_bytes: u64,
    ) -> Result<Self, ObjectError> {
        if number >= part_count(object_bytes) {
            return Err(ObjectError::Length);
        }
        let (start, end) = part_range(number, object_bytes);
        Ok(Self {
            part: memory.reserve(end - start).await?,
            hasher: ContentHasher::of_part(number),
            number,
            object_bytes,
        })
    }

    /// Takes the next bytes; more than the part has are [`ObjectError::Length`].
    pub fn write(&mut self, mut bytes: Bytes) -> Result<(), ObjectError> {
        self.hasher.update(&bytes);
        self.part.take(&mut bytes);
        if bytes.is_empty() {
            Ok(())
        } else {
            Err(ObjectError::Length)
        }
    }

    /// What has come so far.
    pub fn bytes(&self) -> &[u8] {
        &self.part.bytes
    }

    /// The whole part; fewer bytes than it has are [`ObjectError::Length`].
    pub(super) fn finish(self) -> Result<WholePart, ObjectError> {
        if self.part.bytes.len() != self.part.room {
            return Err(ObjectError::Length);
        }
        let (tree, leaves) = self.hasher.finish();
        Ok(WholePart {
            number: self.number,
            object_bytes: self.object_bytes,
            root: tree.content_root,
            leaves,
            bytes: self.part.bytes.freeze(),
            _permit: self.part.permit,
        })
    }
}

/// A part that came whole.
pub(super) struct WholePart {
    pub(super) number: u64,
    pub(super) object_bytes: u64,
    pub(super) root: Hash,
    pub(super) leaves: Vec<u8>,
    pub(super) bytes: Bytes,
    _permit: OwnedSemaphorePermit,
}

/// A part that the store has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldPart {
    /// Its number, from 0.
    pub number: u64,
    /// RFC 6962 root over its leaves.
    pub root: Hash,
}

/// What is noted beside a part. It says nothing that the ciphertext does not say.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    pub(super) number: u64,
    pub(super) object_bytes: u64,
    /// The store's name of the upload the part belongs to; parts of another one never count.
    pub(super) upload: String,
    /// The store's name of the part's bytes.
    pub(super) tag: String,
    /// The checksum they were sent with.
    pub(super) checksum: Option<String>,
    leaves: String,
}

impl Note {
    pub(super) fn of(part: &WholePart) -> Self {
        Self {
            number: part.number,
            object_bytes: part.object_bytes,
            upload: String::new(),
            tag: String::new(),
            checksum: None,
            leaves: BASE64.encode(&part.leaves),
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// A note that can be read and whose part fits into the object; anything else is no note.
    pub(super) fn parse(bytes: &[u8], object_bytes: u64) -> Option<Self> {
        let note: Self = serde_json::from_slice(bytes).ok()?;
        let fits = note.object_bytes == object_bytes && note.number < part_count(object_bytes);
        (fits && note.leaves()?.len() as u64 == leaves_of(note.number, object_bytes))
            .then_some(note)
    }

    /// The part's leaf hashes.
    pub(super) fn leaves(&self) -> Option<Vec<Hash>> {
        let bytes = BASE64.decode(self.leaves.as_bytes()).ok()?;
        let (leaves, rest) = bytes.as_chunks::<32>();
        rest.is_empty().then(|| leaves.to_vec())
    }

    pub(super) fn held(&self) -> Option<HeldPart> {
        Some(HeldPart {
            number: self.number,
            root: obhut_format::tree::root(&self.leaves()?),
        })
    }
}

/// Number of leaves of a part.
fn leaves_of(number: u64, object_bytes: u64) -> u64 {
    let all = obhut_format::capsule::leaf_count(object_bytes);
    let each = part_leaves(object_bytes);
    all.saturating_sub(number * each).min(each)
}

/// The tree of an object from the notes of all its parts; none while one is missing.
pub(super) fn tree(notes: &mut [Note], object_bytes: u64) -> Option<(Stored, Vec<u8>)> {
    notes.sort_by_key(|note| note.number);
    let numbers = notes.iter().map(|note| note.number);
    if !numbers.eq(0..part_count(object_bytes)) {
        return None;
    }
    let mut leaves = Vec::new();
    for note in notes.iter() {
        leaves.extend(note.leaves()?);
    }
    let stored = Stored {
        content_root: obhut_format::tree::root(&leaves),
        leaf_count: leaves.len() as u64,
        object_bytes,
    };
    Some((stored, leaves.concat()))
}
