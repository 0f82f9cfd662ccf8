//! Tiles in a folder. Every file is a pure function of the leaves: written whole, then renamed, and
//! written again when in doubt.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use obhut_format::Hash;
use obhut_format::tree::{TreeError, inclusion_path};
use obhut_log::tile::{TILE_WIDTH, TileFile, TileKind, TilePath, find_node};
use obhut_log::{Checkpoint, SignedCheckpoint};

/// The folder, with a folder for every log origin below it.
#[derive(Clone, Debug)]
pub(crate) struct Tiles {
    folder: PathBuf,
}

impl Tiles {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Writes tiles of a log. Partial tiles that a full one replaces are removed.
    pub(crate) fn write(&self, origin: &str, files: &[TileFile]) -> io::Result<()> {
        for file in files {
            write_whole(&self.path(origin, file.path), &file.bytes)?;
        }
        for full in files.iter().filter(|file| file.path.is_full()) {
            self.drop_partial(origin, full.path)?;
        }
        Ok(())
    }

    /// Publishes a checkpoint beside the tiles it covers.
    pub(crate) fn write_checkpoint(&self, origin: &str, text: &str) -> io::Result<()> {
        write_whole(
            &self.folder.join(origin).join("checkpoint"),
            text.as_bytes(),
        )
    }

    /// The checkpoint published last, its signatures unchecked: it is one's own folder.
    pub(crate) fn read_checkpoint(&self, origin: &str) -> Option<Checkpoint> {
        let text = fs::read_to_string(self.folder.join(origin).join("checkpoint")).ok()?;
        let signed: SignedCheckpoint = text.parse().ok()?;
        Some(signed.unverified().clone())
    }

    /// A tile of exactly this width, cut from a wider one where that replaced it.
    pub(crate) fn read(&self, origin: &str, tile: TilePath) -> Option<Vec<u8>> {
        if let Ok(bytes) = fs::read(self.path(origin, tile)) {
            return Some(bytes);
        }
        let full = TilePath {
            width: TILE_WIDTH as u16,
            ..tile
        };
        let bytes = fs::read(self.path(origin, full)).ok()?;
        match tile.kind {
            TileKind::Hashes(_) => Some(bytes.get(..usize::from(tile.width) * 32)?.to_vec()),
            TileKind::Entries => None,
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

    fn path(&self, origin: &str, tile: TilePath) -> PathBuf {
        self.folder.join(origin).join(tile.to_string())
    }

    fn drop_partial(&self, origin: &str, full: TilePath) -> io::Result<()> {
        let mut folder = self.path(origin, full).into_os_string();
        folder.push(".p");
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
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
