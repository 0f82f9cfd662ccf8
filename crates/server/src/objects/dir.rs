//! Objects in a folder: one file each, group fsync, rename into place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use obhut_format::{ObjectId, VaultId};
use tokio::sync::{Mutex, mpsc};
use tokio::task::{JoinHandle, spawn_blocking};

use super::part::Memory;
use super::{ContentHasher, ObjectError, Stored};

/// Pieces that may wait for the disk, per upload.
const QUEUE: usize = 4;
/// Memory for parts of resumable uploads.
const MEMORY_MIB: u32 = 256;
const READ_BYTES: usize = 256 << 10;
pub(super) const LEAVES: &str = "leaves";
/// Temporary files live in a folder of this name, emptied when the store is opened.
const TEMPORARY: &str = ".uploads";
/// Folders that uploads start in, in turn: a folder lets one thread at a time make or rename a file.
const LANES: u64 = 32;

/// A folder of objects: `<vault>/<two characters>/<object>`, with `<object>.leaves` where the content tree has more than
/// one leaf.
#[derive(Clone)]
pub struct Dir(Arc<Shared>);

struct Shared {
    folder: PathBuf,
    temporary: PathBuf,
    uploads: AtomicU64,
    /// Leaf list and object take their places together; objects that share a lock wait for each other.
    placing: [std::sync::Mutex<()>; LANES as usize],
    flush: Flush,
    memory: Memory,
}

/// Whoever comes while a flush runs takes part in the next one.
#[derive(Default)]
struct Flush {
    asked: AtomicU64,
    done: Mutex<u64>,
}

impl Dir {
    /// Opens the folder; removes what uploads of an earlier run of this server left. `server` tells it from others that
    /// share the folder.
    pub fn open(folder: &Path, server: &str) -> Result<Self, ObjectError> {
        make_folder(folder)?;
        make_folder(&folder.join(TEMPORARY))?;
        let temporary = folder.join(TEMPORARY).join(server);
        match fs::remove_dir_all(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        for lane in 0..LANES {
            make_folder(&temporary.join(lane.to_string()))?;
        }
        Ok(Self(Arc::new(Shared {
            folder: folder.to_owned(),
            temporary,
            uploads: AtomicU64::new(0),
            placing: std::array::from_fn(|_| std::sync::Mutex::default()),
            flush: Flush::default(),
            memory: Memory::new(MEMORY_MIB),
        })))
    }

    pub(super) fn put(&self, vault: VaultId, object: ObjectId, object_bytes: u64) -> DirUpload {
        let number = self.0.uploads.fetch_add(1, Ordering::Relaxed);
        let lane = self.0.temporary.join((number % LANES).to_string());
        let temporary = lane.join(number.to_string());
        let target = self.path(vault, object);
        let (send, receive) = mpsc::channel(QUEUE);
        DirUpload {
            shared: Arc::clone(&self.0),
            pieces: send,
            placing: usize::from(object.0[15]) % LANES as usize,
            object_bytes,
            work: spawn_blocking(move || Writing::start(temporary, target)?.run(receive)),
        }
    }

    pub(super) async fn head(
        &self,
        vault: VaultId,
        object: ObjectId,
    ) -> Result<Option<u64>, ObjectError> {
        let path = self.path(vault, object);
        blocking(move || Ok(found(fs::metadata(path))?.map(|file| file.len()))).await
    }

    pub(super) async fn find_stored(
        &self,
        vault: VaultId,
        object: ObjectId,
    ) -> Result<Option<Stored>, ObjectError> {
        let path = self.path(vault, object);
        blocking(move || stored_at(&path)).await
    }

    pub(super) async fn find_leaves(
        &self,
        vault: VaultId,
        object: ObjectId,
    ) -> Result<Option<Vec<u8>>, ObjectError> {
        let path = self.path(vault, object);
        blocking(move || {
            if let Some(list) = found(fs::read(path.with_extension(LEAVES)))? {
                return Ok(Some(list));
            }
            // The tree of a single leaf: its root is the leaf.
            Ok(stored_at(&path)?.map(|stored| stored.content_root.to_vec()))
        })
        .await
    }

    pub(super) async fn get_range(
        &self,
        vault: VaultId,
        object: ObjectId,
        range: Range<u64>,
    ) -> Result<Option<DirReader>, ObjectError> {
        let path = self.path(vault, object);
        blocking(move || {
            let Some(mut file) = found(File::open(path))? else {
                return Ok(None);
            };
            file.seek(SeekFrom::Start(range.start))?;
            Ok(Some(DirReader {
                file: Some(file),
                left: range.end.saturating_sub(range.start),
            }))
        })
        .await
    }

    pub(super) async fn delete(&self, vault: VaultId, object: ObjectId) -> Result<(), ObjectError> {
        let path = self.path(vault, object);
        blocking(move || {
            found(fs::remove_file(&path))?;
            found(fs::remove_file(path.with_extension(LEAVES)))?;
            Ok(())
        })
        .await
    }

    pub(super) async fn list(
        &self,
        vault: VaultId,
        after: Option<ObjectId>,
        limit: usize,
    ) -> Result<Vec<ObjectId>, ObjectError> {
        let folder = self.0.folder.join(vault.to_string());
        let after = after.map(|after| after.to_string());
        blocking(move || {
            let mut ids = Vec::new();
            for fan in sorted_names(&folder)? {
                for name in sorted_names(&folder.join(fan))? {
                    // Leaf lists carry an extension and do not parse.
                    let Ok(id) = name.parse::<ObjectId>() else {
                        continue;
                    };
                    if after.as_ref().is_none_or(|after| name > *after) {
                        ids.push(id);
                    }
                    if ids.len() == limit {
                        return Ok(ids);
                    }
                }
            }
            Ok(ids)
        })
        .await
    }

    pub(super) async fn flush(&self) -> Result<(), ObjectError> {
        let flush = &self.0.flush;
        let ticket = flush.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut done = flush.done.lock().await;
        if *done >= ticket {
            return Ok(());
        }
        let covers = flush.asked.load(Ordering::SeqCst);
        let folder = self.0.folder.clone();
        blocking(move || {
            let folder = File::open(folder)?;
            rustix::fs::syncfs(&folder).map_err(io::Error::from)?;
            Ok(())
        })
        .await?;
        *done = covers;
        Ok(())
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.0.memory
    }

    pub(super) fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// Held while an object takes its place.
    pub(super) fn placing(&self, object: ObjectId) -> Option<std::sync::MutexGuard<'_, ()>> {
        let lock = self
            .0
            .placing
            .get(usize::from(object.0[15]) % LANES as usize);
        lock.map(|lock| lock.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn path(&self, vault: VaultId, object: ObjectId) -> PathBuf {
        let name = object.to_string();
        let fan: String = name.chars().skip("obj_".len()).take(2).collect();
        self.0.folder.join(vault.to_string()).join(fan).join(name)
    }
}

/// An upload into a folder: a thread hashes and writes what is sent to it.
pub struct DirUpload {
    shared: Arc<Shared>,
    pieces: mpsc::Sender<Bytes>,
    /// Which of the locks of [`Shared::placing`] is this object's.
    placing: usize,
    object_bytes: u64,
    work: JoinHandle<Result<Writing, ObjectError>>,
}

impl DirUpload {
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), ObjectError> {
        if self.pieces.send(bytes).await.is_ok() {
            return Ok(());
        }
        // The thread ended before its time and knows why.
        match (&mut self.work).await.map_err(io::Error::other)? {
            Err(error) => Err(error),
            Ok(_) => Err(io::Error::from(io::ErrorKind::BrokenPipe).into()),
        }
    }

    pub(super) async fn finish(self) -> Result<Stored, ObjectError> {
        drop(self.pieces);
        let writing = self.work.await.map_err(io::Error::other)??;
        if writing.hasher.total() != self.object_bytes {
            return Err(ObjectError::Length);
        }
        blocking(move || {
            let placing = self.shared.placing.get(self.placing);
            let _placing = placing.map(|lock| lock.lock().unwrap_or_else(PoisonError::into_inner));
            writing.settle()
        })
        .await
    }
}

struct Writing {
    file: File,
    temporary: Temporary,
    target: PathBuf,
    hasher: ContentHasher,
}

impl Writing {
    fn start(temporary: PathBuf, target: PathBuf) -> Result<Self, ObjectError> {
        Ok(Self {
            file: create(&temporary)?,
            temporary: Temporary(temporary),
            target,
            hasher: ContentHasher::new(),
        })
    }

    fn run(mut self, mut pieces: mpsc::Receiver<Bytes>) -> Result<Self, ObjectError> {
        while let Some(piece) = pieces.blocking_recv() {
            self.hasher.update(&piece);
            self.file.write_all(&piece).map_err(full)?;
        }
        Ok(self)
    }

    /// Leaf list first: an object in its place always has one.
    fn settle(self) -> Result<Stored, ObjectError> {
        let (stored, leaves) = self.hasher.finish();
        drop(self.file);
        if let Some(folder) = self.target.parent() {
            make_folder(folder)?;
        }
        if let Some(lying) = stored_at(&self.target)? {
            return same(lying, stored);
        }
        if stored.leaf_count > 1 {
            let list = Temporary(self.temporary.0.with_extension(LEAVES));
            create(&list.0)?.write_all(&leaves).map_err(full)?;
            list.place(&self.target.with_extension(LEAVES))?;
        }
        self.temporary.place(&self.target)?;
        Ok(stored)
    }
}

pub(super) fn same(lying: Stored, new: Stored) -> Result<Stored, ObjectError> {
    if lying == new {
        Ok(new)
    } else {
        Err(ObjectError::Occupied)
    }
}

/// Removes its file when dropped, unless that took its place.
struct Temporary(PathBuf);

impl Temporary {
    fn place(mut self, target: &Path) -> Result<(), ObjectError> {
        fs::rename(&self.0, target).map_err(full)?;
        // Nothing lies at the old name any more; looking for it would cost the folder's lock.
        self.0 = PathBuf::new();
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.0.as_os_str().is_empty() {
            let _ = fs::remove_file(&self.0);
        }
    }
}

/// A range of a file, read in pieces of 256 KiB.
pub struct DirReader {
    file: Option<File>,
    left: u64,
}

impl DirReader {
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, ObjectError> {
        let wanted = self.left.min(READ_BYTES as u64) as usize;
        let Some(mut file) = self.file.take().filter(|_| wanted > 0) else {
            return Ok(None);
        };
        let (file, piece) = blocking(move || {
            let mut piece = vec![0; wanted];
            file.read_exact(&mut piece)?;
            Ok((file, piece))
        })
        .await?;
        self.file = Some(file);
        self.left -= piece.len() as u64;
        Ok(Some(Bytes::from(piece)))
    }
}

pub(super) fn stored_at(path: &Path) -> Result<Option<Stored>, ObjectError> {
    let Some(mut file) = found(File::open(path))? else {
        return Ok(None);
    };
    let object_bytes = file.metadata()?.len();
    if let Some(list) = found(fs::read(path.with_extension(LEAVES)))? {
        let leaves: Vec<_> = list.as_chunks::<32>().0.to_vec();
        return Ok(Some(Stored {
            content_root: obhut_format::tree::root(&leaves),
            leaf_count: leaves.len() as u64,
            object_bytes,
        }));
    }
    let mut hasher = ContentHasher::new();
    let mut piece = vec![0; READ_BYTES];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(Some(hasher.finish().0)),
            len => hasher.update(piece.get(..len).unwrap_or_default()),
        }
    }
}

pub(super) fn create(path: &Path) -> Result<File, ObjectError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(path).map_err(full)
}

pub(crate) fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

pub(super) fn sorted_names(folder: &Path) -> Result<Vec<String>, ObjectError> {
    let Some(entries) = found(fs::read_dir(folder))? else {
        return Ok(Vec::new());
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry?.file_name().into_string());
    }
    names.sort_unstable();
    Ok(names)
}

pub(super) fn found<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}

pub(super) fn full(error: io::Error) -> ObjectError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ObjectError::Full,
        _ => ObjectError::Io(error),
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ObjectError> + Send + 'static,
) -> Result<T, ObjectError> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}
