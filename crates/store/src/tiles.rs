//! Tiles of the logs: in a folder, where everything is a pure function of the leaves and written whole, and in memory as
//! far as they still grow.
//!
//! A busy log has a new head many times a second. Writing its right edge each time would make and drop files faster than
//! a file system likes, so the edge is served from memory and saved with its checkpoint now and then.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use obhut_format::Hash;
use obhut_format::tree::{TreeError, consistency_path, inclusion_path};
use obhut_log::tile::{TILE_WIDTH, TileFile, TileKind, TilePath, find_node};
use obhut_log::{Checkpoint, SignedCheckpoint};

const CHECKPOINT: &str = "checkpoint";

/// The published logs of all vaults of a server, a folder for every origin. Clones share one memory.
#[derive(Clone, Debug)]
pub struct Tiles {
    folder: PathBuf,
    edges: Arc<RwLock<BTreeMap<String, Edge>>>,
}

/// What of a log may be newer than the folder.
#[derive(Clone, Debug, Default)]
struct Edge {
    /// The tiles that are not full yet.
    partial: BTreeMap<(TileKind, u64), TileFile>,
    /// Full tiles whose partial forerunners still lie in the folder, where its checkpoint may need them.
    outgrown: BTreeSet<TilePath>,
    checkpoint: Option<String>,
}

impl Tiles {
    /// The tiles below a folder.
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            edges: Arc::default(),
        }
    }

    /// The file at a path below the folder as the public may read it: a tile or a checkpoint. The caller has made sure
    /// that the path does not leave the folder.
    pub fn find(&self, path: &str) -> Option<Vec<u8>> {
        let newer = match path.split_once("/tile/") {
            Some((origin, _)) => {
                let tile = path.get(origin.len() + 1..)?.parse().ok()?;
                return self.read(origin, tile);
            }
            None => self.newest_checkpoint(path.strip_suffix(CHECKPOINT)?.strip_suffix('/')?),
        };
        newer
            .map(String::into_bytes)
            .or_else(|| fs::read(self.folder.join(path)).ok())
    }

    /// Puts a checkpoint of an earlier life of the log into the folder, unless one that is as new lies there. Its tiles are
    /// written when the log is published next.
    pub fn keep_checkpoint(&self, origin: &str, note: &str) -> io::Result<()> {
        let size = |note: &str| {
            let signed = note.parse::<SignedCheckpoint>().ok();
            signed.map_or(0, |signed| signed.unverified().size)
        };
        let path = self.folder.join(origin).join(CHECKPOINT);
        match fs::read_to_string(&path) {
            Ok(there) if size(&there) >= size(note) => Ok(()),
            _ => write_whole(&path, note.as_bytes()),
        }
    }

    /// Takes tiles of a log over. Full ones are in the folder afterwards.
    pub(crate) fn write(&self, origin: &str, files: Vec<TileFile>) -> io::Result<()> {
        let (full, partial): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|file| file.path.is_full());
        for file in &full {
            write_whole(&self.path(origin, file.path), &file.bytes)?;
        }
        self.change(origin, |edge| {
            for file in full {
                edge.partial.remove(&(file.path.kind, file.path.index));
                edge.outgrown.insert(file.path);
            }
            for file in partial {
                edge.partial.insert((file.path.kind, file.path.index), file);
            }
        });
        Ok(())
    }

    /// Publishes a checkpoint of the tiles taken over last.
    pub(crate) fn publish(&self, origin: &str, checkpoint: String) {
        self.change(origin, |edge| edge.checkpoint = Some(checkpoint));
    }

    /// Brings the folder up to the checkpoint published last, which must be one of the tiles taken over last.
    pub(crate) fn save(&self, origin: &str) -> io::Result<()> {
        let edge = self.edges().get(origin).cloned().unwrap_or_default();
        let Some(checkpoint) = edge.checkpoint else {
            return Ok(());
        };
        for file in edge.partial.values() {
            write_whole(&self.path(origin, file.path), &file.bytes)?;
        }
        let path = self.folder.join(origin).join(CHECKPOINT);
        write_whole(&path, checkpoint.as_bytes())?;
        for full in &edge.outgrown {
            self.drop_partial(origin, *full)?;
        }
        self.change(origin, |now| {
            now.outgrown.retain(|full| !edge.outgrown.contains(full));
        });
        Ok(())
    }

    /// The checkpoint published last, its signatures unchecked: it is one's own.
    pub(crate) fn read_checkpoint(&self, origin: &str) -> Option<Checkpoint> {
        let signed = self.read_signed_checkpoint(origin)?;
        Some(signed.unverified().clone())
    }

    /// As [`Tiles::read_checkpoint`], with the signatures.
    pub(crate) fn read_signed_checkpoint(&self, origin: &str) -> Option<SignedCheckpoint> {
        let saved = || fs::read_to_string(self.folder.join(origin).join(CHECKPOINT)).ok();
        let text = self.newest_checkpoint(origin).or_else(saved)?;
        text.parse().ok()
    }

    /// A tile of exactly this width, cut from a wider one where there is one.
    pub(crate) fn read(&self, origin: &str, tile: TilePath) -> Option<Vec<u8>> {
        let growing = self.edges().get(origin).and_then(|edge| {
            let wider = edge.partial.get(&(tile.kind, tile.index))?;
            wider.cut(tile.width)
        });
        if growing.is_some() {
            return growing;
        }
        let path = TilePath {
            width: TILE_WIDTH as u16,
            ..tile
        };
        match fs::read(self.path(origin, path)) {
            Ok(bytes) => TileFile { path, bytes }.cut(tile.width),
            Err(_) => fs::read(self.path(origin, tile)).ok(),
        }
    }

    /// Inclusion path of a leaf in the tree of `size` leaves.
    pub(crate) fn inclusion_path(
        &self,
        origin: &str,
        index: u64,
        size: u64,
    ) -> Result<Vec<Hash>, TreeError> {
        let mut read = |tile| self.read(origin, tile);
        inclusion_path(index, size, |node| find_node(node, size, &mut read))
    }

    /// Proof that the log of `size` leaves continues the one of `old` leaves.
    pub(crate) fn consistency_path(
        &self,
        origin: &str,
        old: u64,
        size: u64,
    ) -> Result<Vec<Hash>, TreeError> {
        let mut read = |tile| self.read(origin, tile);
        consistency_path(old, size, |node| find_node(node, size, &mut read))
    }

    fn path(&self, origin: &str, tile: TilePath) -> PathBuf {
        self.folder.join(origin).join(tile.to_string())
    }

    fn newest_checkpoint(&self, origin: &str) -> Option<String> {
        self.edges().get(origin)?.checkpoint.clone()
    }

    fn drop_partial(&self, origin: &str, full: TilePath) -> io::Result<()> {
        let mut folder = self.path(origin, full).into_os_string();
        folder.push(".p");
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn edges(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<String, Edge>> {
        self.edges.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, origin: &str, change: impl FnOnce(&mut Edge)) {
        let mut edges = self.edges.write().unwrap_or_else(PoisonError::into_inner);
        change(edges.entry(origin.to_owned()).or_default());
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    fs::write(&temporary, bytes)?;
    fs::rename(&temporary, path)
}
