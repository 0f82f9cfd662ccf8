use obhut_format::tree::{self, Hash, TreeBuilder};

use super::{TILE_WIDTH, TileFile, TileKind, TilePath, parse_entries, parse_hashes};
use crate::error::LogError;

/// Turns appended leaves into tiles. Holds only the unfinished tile of each level.
#[derive(Debug, Clone, Default)]
pub struct TileWriter {
    tree: TreeBuilder,
    /// Unfinished tile of each level, level 0 first; at most 255 hashes each.
    levels: Vec<Vec<Hash>>,
    entries: Vec<Vec<u8>>,
    /// Full tiles since the last [`flush`](Self::flush).
    full: Vec<TileFile>,
}

impl TileWriter {
    /// An empty log.
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on behind a log of `size` leaves, given the partial tiles it ends with; `read` is asked
    /// for at most one tile a level and one bundle. The root says whether they were the right ones.
    pub fn resume(
        size: u64,
        root: &Hash,
        mut read: impl FnMut(TilePath) -> Option<Vec<u8>>,
    ) -> Result<Self, LogError> {
        let mut writer = Self::new();
        let mut load = |kind| match TilePath::in_log(kind, writer_edge(size, kind), size) {
            Some(path) => read(path)
                .ok_or(LogError::TileMissing(path))
                .map(|b| (path, b)),
            None => Ok((
                TilePath {
                    kind,
                    index: 0,
                    width: 0,
                },
                Vec::new(),
            )),
        };
        for level in 0..8 {
            let (path, bytes) = load(TileKind::Hashes(level))?;
            writer.levels.push(parse_hashes(&bytes, path.width)?);
        }
        let (path, bytes) = load(TileKind::Entries)?;
        writer.entries = parse_entries(&bytes, path.width)?;
        let frontier = writer
            .levels
            .iter()
            .rev()
            .flat_map(|hashes| perfect_roots(hashes));
        writer.tree = TreeBuilder::resume(size, frontier.collect())?;
        let leaves = writer.entries.iter().map(|entry| tree::leaf_hash(entry));
        let same_leaves = writer
            .levels
            .first()
            .is_some_and(|tile| leaves.eq(tile.iter().copied()));
        if writer.tree.root() == *root && same_leaves {
            Ok(writer)
        } else {
            Err(LogError::TileMismatch)
        }
    }

    /// Adds a leaf by its bytes, at most 65,535 of them.
    pub fn append(&mut self, entry: &[u8]) -> Result<(), LogError> {
        if entry.len() > usize::from(u16::MAX) {
            return Err(LogError::Malformed);
        }
        let hash = tree::leaf_hash(entry);
        let index = self.tree.size() / TILE_WIDTH;
        self.entries.push(entry.to_vec());
        self.tree.append(hash);
        if self.entries.len() as u64 == TILE_WIDTH {
            let entries = std::mem::take(&mut self.entries);
            self.full.push(bundle(index, &entries));
        }
        self.push_hash(hash);
        Ok(())
    }

    fn push_hash(&mut self, hash: Hash) {
        let mut hash = hash;
        for level in 0_u8.. {
            if self.levels.len() <= usize::from(level) {
                self.levels.push(Vec::new());
            }
            let Some(tile) = self.levels.get_mut(usize::from(level)) else {
                return;
            };
            tile.push(hash);
            if (tile.len() as u64) < TILE_WIDTH {
                return;
            }
            let tile = std::mem::take(tile);
            hash = tree::root(&tile);
            let index = (self.tree.size() >> (8 * (u32::from(level) + 1))) - 1;
            self.full.push(hash_tile(level, index, &tile));
        }
    }

    /// Leaves so far.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Root over the leaves so far.
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// The perfect subtrees of the log, for keeping beside its head.
    pub fn tree(&self) -> &TreeBuilder {
        &self.tree
    }

    /// The tiles that have become full since they were last handed out.
    pub(super) fn take_full(&mut self) -> Vec<TileFile> {
        std::mem::take(&mut self.full)
    }

    /// Every tile that a checkpoint of the present size needs and that was not handed out before:
    /// the full ones since the last call and the partial ones of this size.
    pub fn flush(&mut self) -> Vec<TileFile> {
        let mut files = self.take_full();
        let size = self.tree.size();
        if !self.entries.is_empty() {
            files.push(bundle(writer_edge(size, TileKind::Entries), &self.entries));
        }
        for (level, tile) in (0_u8..).zip(&self.levels) {
            if !tile.is_empty() {
                files.push(hash_tile(
                    level,
                    writer_edge(size, TileKind::Hashes(level)),
                    tile,
                ));
            }
        }
        files
    }
}

/// Index of the unfinished tile.
fn writer_edge(size: u64, kind: TileKind) -> u64 {
    let level = match kind {
        TileKind::Hashes(level) => u32::from(level),
        TileKind::Entries => 0,
    };
    size.checked_shr(8 * (level + 1)).unwrap_or(0)
}

fn bundle(index: u64, entries: &[Vec<u8>]) -> TileFile {
    let mut bytes = Vec::new();
    for entry in entries {
        bytes.extend((entry.len() as u16).to_be_bytes());
        bytes.extend(entry);
    }
    let path = TilePath {
        kind: TileKind::Entries,
        index,
        width: entries.len() as u16,
    };
    TileFile { path, bytes }
}

fn hash_tile(level: u8, index: u64, hashes: &[Hash]) -> TileFile {
    let path = TilePath {
        kind: TileKind::Hashes(level),
        index,
        width: hashes.len() as u16,
    };
    TileFile {
        path,
        bytes: hashes.concat(),
    }
}

/// Roots of the perfect subtrees over a partial tile's hashes, largest first.
fn perfect_roots(hashes: &[Hash]) -> Vec<Hash> {
    let mut builder = TreeBuilder::new();
    for hash in hashes {
        builder.append(*hash);
    }
    builder.frontier().to_vec()
}
