//! Where capsules lie: immutable objects under random keys, each with the leaf list of its content tree.

mod content;
mod dir;
mod dir_parts;
mod part;
#[cfg(test)]
mod probe_tests;
mod s3;
mod staged;
#[cfg(test)]
mod suite;
#[cfg(test)]
mod testing;

use std::ops::Range;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use bytes::Bytes;
use obhut_format::capsule::{CapsuleHeader, HEADER_BYTES, LEAF_BYTES, PREFIX_BYTES};
use obhut_format::context::sha256;
use obhut_format::id::base32;
use obhut_format::{Hash, ObjectId, VaultId};

pub use content::ContentHasher;
pub(crate) use dir::make_folder;
pub use dir::{Dir, DirReader, DirUpload};
pub use part::{HeldPart, PartUpload};
pub use s3::{
    Check, Checksum, Credentials, Finding, Level, ProbeOptions, Report, S3, S3_PROBE_FILE,
    S3Reader, S3Settings, S3Upload, Ways, probe,
};
pub use staged::Staged;

use crate::ServerError;
use crate::config::ObjectsConfig;

/// Why an object cannot be stored or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectError {
    /// No room left.
    #[error("the object store is full")]
    Full,
    /// A folder failed.
    #[error("the object store failed")]
    Io(#[from] std::io::Error),
    /// More or fewer bytes came than were announced.
    #[error("the upload has another length than was announced")]
    Length,
    /// Another object lies under this id.
    #[error("another object lies under this id")]
    Occupied,
    /// The store does not take what is asked of it: an operator must mend it.
    #[error(
        "the object store refuses ({code}): check endpoint, region, bucket, credentials and clock with \
         `obhut-server s3-probe`"
    )]
    Refused {
        /// What the store calls it.
        code: String,
    },
    /// The store did not answer, or not usably; the same request may be sent again.
    #[error(
        "the object store does not answer usably: check that it runs and that the endpoint is right"
    )]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
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
    /// A bucket of an S3 store.
    S3(S3),
}

impl Objects {
    /// Opens (and makes) a folder as an object store.
    pub fn open_dir(folder: &Path) -> Result<Self, ObjectError> {
        Self::open_shared_dir(folder, "server")
    }

    /// As [`Objects::open_dir`], for a folder that several servers use; `server` names this one.
    pub fn open_shared_dir(folder: &Path, server: &str) -> Result<Self, ObjectError> {
        Dir::open(folder, server).map(Self::Dir)
    }

    /// Opens what the configuration names; relative paths count from `data`.
    pub fn open(config: &ObjectsConfig, data: &Path) -> Result<Self, ServerError> {
        let Some(settings) = &config.s3 else {
            let folder = data.join(&config.folder);
            return Self::open_shared_dir(&folder, &server_name(data))
                .map_err(|error| ServerError::file(&folder, std::io::Error::other(error)));
        };
        let credentials = settings.load_credentials(data)?;
        let probed = Report::find(data).filter(|report| report.is_about(settings));
        let found = probed.map(|report| report.ways);
        let ways = found.unwrap_or_default().overruled_by(settings);
        ways.announce(found.is_some());
        S3::new(settings, &credentials, ways, data).map(Self::S3)
    }

    /// As [`Objects::open`], beside a server that may be running on the same store.
    pub(crate) fn open_beside(config: &ObjectsConfig, data: &Path) -> Result<Self, ServerError> {
        if config.s3.is_some() {
            return Self::open(config, data);
        }
        let folder = data.join(&config.folder);
        let name = format!("beside-{}", std::process::id());
        Self::open_shared_dir(&folder, &name)
            .map_err(|error| ServerError::file(&folder, std::io::Error::other(error)))
    }

    /// Starts storing an object of so many bytes; nothing is visible before [`Upload::finish`].
    pub fn put(&self, vault: VaultId, object: ObjectId, object_bytes: u64) -> Upload {
        match self {
            Self::Dir(dir) => Upload::Dir(dir.put(vault, object, object_bytes)),
            Self::S3(s3) => Upload::S3(Box::new(s3.put(vault, object, object_bytes))),
        }
    }

    /// Starts taking a part of an object of so many bytes, `number` from 0; waits while memory is short.
    pub async fn begin_part(
        &self,
        number: u64,
        object_bytes: u64,
    ) -> Result<PartUpload, ObjectError> {
        let memory = match self {
            Self::Dir(dir) => dir.memory(),
            Self::S3(s3) => s3.memory(),
        };
        PartUpload::begin(memory, number, object_bytes).await
    }

    /// Stores a part and gives the root over its leaves. The same bytes again are no error, others are
    /// [`ObjectError::Occupied`].
    pub async fn put_part(
        &self,
        vault: VaultId,
        object: ObjectId,
        part: PartUpload,
    ) -> Result<Hash, ObjectError> {
        let part = part.finish()?;
        match self {
            Self::Dir(dir) => dir.put_part(vault, object, part).await,
            Self::S3(s3) => s3.put_part(vault, object, part).await,
        }
    }

    /// The parts of an unfinished upload that need not be sent again.
    pub async fn held_parts(
        &self,
        vault: VaultId,
        object: ObjectId,
        object_bytes: u64,
    ) -> Result<Vec<HeldPart>, ObjectError> {
        match self {
            Self::Dir(dir) => dir.held_parts(vault, object, object_bytes).await,
            Self::S3(s3) => s3.held_parts(vault, object, object_bytes).await,
        }
    }

    /// Makes the object of its parts and puts it in its place; `None` while a part is missing. Once it is there, asking
    /// again gives the same.
    pub async fn complete(
        &self,
        vault: VaultId,
        object: ObjectId,
        object_bytes: u64,
    ) -> Result<Option<Stored>, ObjectError> {
        match self {
            Self::Dir(dir) => dir.complete(vault, object, object_bytes).await,
            Self::S3(s3) => s3.complete(vault, object, object_bytes).await,
        }
    }

    /// Length of an object in bytes, or `None`.
    pub async fn head(&self, vault: VaultId, object: ObjectId) -> Result<Option<u64>, ObjectError> {
        match self {
            Self::Dir(dir) => dir.head(vault, object).await,
            Self::S3(s3) => s3.head(vault, object).await,
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
            Self::S3(s3) => s3.find_stored(vault, object).await,
        }
    }

    /// The header and what is known of an object; `None` where there is none, or no capsule. Of one with a single leaf
    /// the bytes are read once for both.
    pub async fn find_capsule(
        &self,
        vault: VaultId,
        object: ObjectId,
    ) -> Result<Option<(CapsuleHeader, Stored)>, ObjectError> {
        let Some(object_bytes) = self.head(vault, object).await? else {
            return Ok(None);
        };
        let (known, read) = if object_bytes <= PREFIX_BYTES + LEAF_BYTES {
            (None, object_bytes)
        } else {
            let Some(stored) = self.find_stored(vault, object).await? else {
                return Ok(None);
            };
            (Some(stored), HEADER_BYTES as u64)
        };
        let Some(mut reader) = self.get_range(vault, object, 0..read).await? else {
            return Ok(None);
        };
        let mut hasher = ContentHasher::new();
        let mut head = Vec::with_capacity(HEADER_BYTES);
        while let Some(piece) = reader.next().await? {
            head.extend(piece.iter().take(HEADER_BYTES - head.len()));
            hasher.update(&piece);
        }
        let stored = known.unwrap_or_else(|| hasher.finish().0);
        let header = CapsuleHeader::parse(&head).ok();
        Ok(header.map(|header| (header, stored)))
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
            Self::S3(s3) => Ok(s3.get_range(vault, object, range).await?.map(Reader::S3)),
        }
    }

    /// An address at the store itself under which the object can be read for ten minutes; none in a folder.
    pub async fn presign(
        &self,
        vault: VaultId,
        object: ObjectId,
    ) -> Result<Option<String>, ObjectError> {
        match self {
            Self::Dir(_) => Ok(None),
            Self::S3(s3) => s3.presign(vault, object).await.map(Some),
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
            Self::S3(s3) => s3.find_leaves(vault, object).await,
        }
    }

    /// Removes an object and its leaf list; an object that is not there is no error.
    pub async fn delete(&self, vault: VaultId, object: ObjectId) -> Result<(), ObjectError> {
        match self {
            Self::Dir(dir) => dir.delete(vault, object).await,
            Self::S3(s3) => s3.delete(vault, object).await,
        }
    }

    /// At most `limit` ids after `after`, in the order of their text form.
    pub async fn list(
        &self,
        vault: VaultId,
        after: Option<ObjectId>,
        limit: usize,
    ) -> Result<Vec<ObjectId>, ObjectError> {
        match self {
            Self::Dir(dir) => dir.list(vault, after, limit).await,
            Self::S3(s3) => s3.list(vault, after, limit).await,
        }
    }

    /// Makes every object finished before this call durable. MUST be called before a registration that names it is
    /// committed; one call serves all registrations that wait.
    pub async fn flush(&self) -> Result<(), ObjectError> {
        match self {
            Self::Dir(dir) => dir.flush().await,
            // What a bucket has acknowledged is durable.
            Self::S3(_) => Ok(()),
        }
    }

    /// Removes what uploads left that ended without a word, where the store does not do it itself; `now_s` is the time in
    /// seconds. How many there were.
    pub async fn sweep(&self, now_s: i64) -> Result<u64, ObjectError> {
        match self {
            Self::Dir(dir) => dir.sweep(now_s).await,
            Self::S3(s3) => s3.sweep(now_s).await,
        }
    }
}

/// Tells servers apart that share a folder: each has a data folder to itself, on some machine.
fn server_name(data: &Path) -> String {
    let system = rustix::system::uname();
    let (machine, data) = (system.nodename().to_bytes(), data.as_os_str().as_bytes());
    let hash = sha256(&[machine, b"\0", data]);
    base32(hash.get(..10).unwrap_or_default())
}

/// An object being stored. Dropped unfinished, it leaves nothing behind.
pub enum Upload {
    /// Into a folder.
    Dir(DirUpload),
    /// Into a bucket.
    S3(Box<S3Upload>),
}

impl Upload {
    /// Appends bytes; waits while the store is behind.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), ObjectError> {
        match self {
            Self::Dir(upload) => upload.write(bytes).await,
            Self::S3(upload) => upload.write(bytes).await,
        }
    }

    /// Puts the object in its place. The same bytes under the same id are no error, others are [`ObjectError::Occupied`].
    pub async fn finish(self) -> Result<Stored, ObjectError> {
        match self {
            Self::Dir(upload) => upload.finish().await,
            Self::S3(upload) => upload.finish().await,
        }
    }
}

/// Bytes of an object, read piece by piece.
pub enum Reader {
    /// From a folder.
    Dir(DirReader),
    /// From a bucket.
    S3(S3Reader),
}

impl Reader {
    /// The next piece, or `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ObjectError> {
        match self {
            Self::Dir(reader) => reader.next().await,
            Self::S3(reader) => reader.next().await,
        }
    }
}
