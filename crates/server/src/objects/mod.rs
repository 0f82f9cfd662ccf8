//! Where capsules lie: immutable objects under random keys, each with the leaf list of its content tree.

mod content;
mod dir;
mod staged;
#[cfg(test)]
mod suite;

use std::ops::Range;
use std::path::Path;

use bytes::Bytes;
use obhut_format::{Hash, ObjectId, VaultId};

pub use content::ContentHasher;
pub use dir::{Dir, DirReader, DirUpload};
pub use staged::Staged;

/// Why an object cannot be stored or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// The store failed.
    #[error("the object store failed")]
    Io(#[from] std::io::Error),
    /// No room left.
    #[error("the object store is full")]
    Full,
    /// Another object lies under this id.
    #[error("another object lies under this id")]
    Occupied,
}

/// What is known of a stored object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// RFC 6962 root over the leaves of the whole object.
    pub content_root: Hash,
    /// Number of leaves.
    pub leaf_count: u64,
    /// Length in bytes.
    pub object_bytes: u64,
}

/// The object stores: a closed set.
#[derive(Clone)]
pub enum Objects {
    /// A folder on this machine.
    Dir(Dir),
}

impl Objects {
    /// Opens (and makes) a folder as an object store.
    pub fn open_dir(folder: &Path) -> Result<Self, ObjectError> {
        Dir::open(folder).map(Self::Dir)
    }

    /// Starts storing an object; nothing is visible before [`Upload::finish`].
    pub fn put(&self, vault: VaultId, object: ObjectId) -> Upload {
        match self {
            Self::Dir(dir) => Upload::Dir(dir.put(vault, object)),
        }
    }

    /// Length of an object in bytes, or `None`.
    pub async fn head(&self, vault: VaultId, object: ObjectId) -> Result<Option<u64>, ObjectError> {
        match self {
            Self::Dir(dir) => dir.head(vault, object).await,
        }
    }

    /// What is known of an object; of one with a single leaf the bytes are read for it.
    pub async fn find_stored(
        &self,
        vault: VaultId,
        object: ObjectId,
    ) -> Result<Option<Stored>, ObjectError> {
        match self {
            Self::Dir(dir) => dir.find_stored(vault, object).await,
        }
    }

    /// Opens bytes `range` of an object, or `None` where there is no object.
    pub async fn get_range(
        &self,
        vault: VaultId,
        object: ObjectId,
        range: Range<u64>,
    ) -> Result<Option<Reader>, ObjectError> {
        match self {
            Self::Dir(dir) => Ok(dir.get_range(vault, object, range).await?.map(Reader::Dir)),
        }
    }

    /// The leaf hashes of an object's content tree, 32 bytes each.
    pub async fn find_leaves(
        &self,
        vault: VaultId,
        object: ObjectId,
    ) -> Result<Option<Vec<u8>>, ObjectError> {
        match self {
            Self::Dir(dir) => dir.find_leaves(vault, object).await,
        }
    }

    /// Removes an object and its leaf list; an object that is not there is no error.
    pub async fn delete(&self, vault: VaultId, object: ObjectId) -> Result<(), ObjectError> {
        match self {
            Self::Dir(dir) => dir.delete(vault, object).await,
        }
    }

    /// At most `limit` ids after `after`, in ascending order.
    pub async fn list(
        &self,
        vault: VaultId,
        after: Option<ObjectId>,
        limit: usize,
    ) -> Result<Vec<ObjectId>, ObjectError> {
        match self {
            Self::Dir(dir) => dir.list(vault, after, limit).await,
        }
    }

    /// Makes every object finished before this call durable. MUST be called before a registration that names it is
    /// committed; one call serves all registrations that wait.
    pub async fn flush(&self) -> Result<(), ObjectError> {
        match self {
            Self::Dir(dir) => dir.flush().await,
        }
    }
}

/// An object being stored. Dropped unfinished, it leaves nothing behind.
pub enum Upload {
    /// Into a folder.
    Dir(DirUpload),
}

impl Upload {
    /// Appends bytes; waits while the disk is behind.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), ObjectError> {
        match self {
            Self::Dir(upload) => upload.write(bytes).await,
        }
    }

    /// Puts the object in its place. The same bytes under the same id are no error, others are [`ObjectError::Occupied`].
    pub async fn finish(self) -> Result<Stored, ObjectError> {
        match self {
            Self::Dir(upload) => upload.finish().await,
        }
    }
}

/// Bytes of an object, read piece by piece.
pub enum Reader {
    /// From a folder.
    Dir(DirReader),
}

impl Reader {
    /// The next piece, or `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ObjectError> {
        match self {
            Self::Dir(reader) => reader.next().await,
        }
    }
}
