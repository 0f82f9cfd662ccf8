//! C2SP tlog-tiles: a log as immutable files that anybody can serve and anybody can check.
//!
//! Hash tiles hold 256 hashes of one level in eight, entry bundles the leaves with a two-byte
//! length; the rightmost ones are partial and carry their width in the path. All are pure functions
//! of the leaves, so writing one twice writes the same bytes.

use std::fmt;
use std::str::FromStr;

use obhut_format::tree::{self, Hash, Node, TreeBuilder};

use crate::checkpoint::parse_decimal;
use crate::error::LogError;

/// Hashes in a full tile, entries in a full bundle.
pub const TILE_WIDTH: u64 = 256;

/// What kind of tile a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes at this level: of leaves at 0, of full tiles below at 1 and above.
    Hashes(u8),
    /// The leaves themselves.
    Entries,
}

/// Address of a tile within a log's prefix, for example `tile/0/x001/067` or `tile/entries/003.p/5`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TilePath {
    /// Hashes of which level, or entries.
    pub kind: TileKind,
    /// Position within the level.
    pub index: u64,
    /// Hashes or entries in it, 1 to 256.
    pub width: u16,
}

impl TilePath {
    /// Level counted in tiles; entries stand beside level 0.
    fn level(self) -> u8 {
        match self.kind {
            TileKind::Hashes(level) => level,
            TileKind::Entries => 0,
        }
    }

    /// Whether it will never grow.
    pub fn is_full(self) -> bool {
        u64::from(self.width) == TILE_WIDTH
    }

    /// The tile as a log of `size` leaves has it; `None` beyond its right edge.
    pub fn in_log(kind: TileKind, index: u64, size: u64) -> Option<Self> {
        let mut path = Self {
            kind,
            index,
            width: 0,
        };
        let hashes = size.checked_shr(8 * u32::from(path.level())).unwrap_or(0);
        let start = index.checked_mul(TILE_WIDTH)?;
        let width = hashes.checked_sub(start)?.min(TILE_WIDTH);
        path.width = u16::try_from(width).ok().filter(|width| *width > 0)?;
        Some(path)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "tile/{level}/")?,
            TileKind::Entries => write!(f, "tile/entries/")?,
        }
        let mut groups = vec![self.index % 1_000];
        let mut rest = self.index / 1_000;
        while rest > 0 {
            groups.push(rest % 1_000);
            rest /= 1_000;
        }
        while let Some(group) = groups.pop() {
            let (mark, end) = if groups.is_empty() {
                ("", "")
            } else {
                ("x", "/")
            };
            write!(f, "{mark}{group:03}{end}")?;
        }
        if self.is_full() {
            Ok(())
        } else {
            write!(f, ".p/{}", self.width)
        }
    }
}

impl FromStr for TilePath {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        let rest = text.strip_prefix("tile/").ok_or(LogError::Malformed)?;
        let (kind, rest) = rest.split_once('/').ok_or(LogError::Malformed)?;
        let kind = if kind == "entries" {
            TileKind::Entries
        } else {
            let level = parse_decimal(kind)?;
            let level = u8::try_from(level).ok().filter(|level| *level < 64);
            TileKind::Hashes(level.ok_or(LogError::Malformed)?)
        };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, parse_decimal(width)?),
            None => (rest, TILE_WIDTH),
        };
        let mut index = 0_u64;
        for group in number.split('/') {
            let digits = group.trim_start_matches('x');
            if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(LogError::Malformed);
            }
            let value: u64 = digits.parse().map_err(|_| LogError::Malformed)?;
            index = index
                .checked_mul(1_000)
                .and_then(|index| index.checked_add(value))
                .ok_or(LogError::Malformed)?;
        }
        let width = u16::try_from(width).map_err(|_| LogError::Malformed)?;
        let path = Self { kind, index, width };
        // One spelling a tile: leading zero groups, stray marks and full partial tiles fail here.
        if path.to_string() == text && width > 0 {
            Ok(path)
        } else {
            Err(LogError::Malformed)
        }
    }
}

/// A tile to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TileFile {
    /// Where.
    pub path: TilePath,
    /// What.
    pub bytes: Vec<u8>,
}

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

    /// Every tile that a checkpoint of the present size needs and that was not handed out before:
    /// the full ones since the last call and the partial ones of this size.
    pub fn flush(&mut self) -> Vec<TileFile> {
        let mut files = std::mem::take(&mut self.full);
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

/// Reads a hash tile of exactly `width` hashes.
pub fn parse_hashes(bytes: &[u8], width: u16) -> Result<Vec<Hash>, LogError> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    if rest.is_empty() && hashes.len() == usize::from(width) {
        Ok(hashes.to_vec())
    } else {
        Err(LogError::Malformed)
    }
}

/// Reads an entry bundle of exactly `width` entries.
pub fn parse_entries(bytes: &[u8], width: u16) -> Result<Vec<Vec<u8>>, LogError> {
    let mut rest = bytes;
    let mut entries = Vec::with_capacity(usize::from(width));
    for _ in 0..width {
        let (len, tail) = rest.split_first_chunk().ok_or(LogError::Malformed)?;
        let len = usize::from(u16::from_be_bytes(*len));
        let (entry, tail) = tail.split_at_checked(len).ok_or(LogError::Malformed)?;
        entries.push(entry.to_vec());
        rest = tail;
    }
    if rest.is_empty() {
        Ok(entries)
    } else {
        Err(LogError::Malformed)
    }
}

/// Finds a perfect subtree of the log of `size` leaves in its tiles, for
/// [`tree::inclusion_path`] and [`tree::consistency_path`].
pub fn find_node(
    node: Node,
    size: u64,
    read: &mut impl FnMut(TilePath) -> Option<Vec<u8>>,
) -> Option<Hash> {
    let level = u8::try_from(node.level / 8).ok()?;
    let height = node.level % 8;
    let first = node.index.checked_shl(height)?;
    let path = TilePath::in_log(TileKind::Hashes(level), first / TILE_WIDTH, size)?;
    let hashes = parse_hashes(&read(path)?, path.width).ok()?;
    let start = usize::try_from(first % TILE_WIDTH).ok()?;
    let subtree = hashes.get(start..start.checked_add(1 << height)?)?;
    Some(tree::root(subtree))
}

/// Reads a whole published log: every entry bundle is hashed, every hash tile compared, the root
/// checked at the end. `entry` gets each leaf's index and bytes before the root is known; whoever
/// acts on them must wait for `Ok`.
pub fn verify_log<E: From<LogError>>(
    size: u64,
    root: &Hash,
    mut read: impl FnMut(TilePath) -> Option<Vec<u8>>,
    mut entry: impl FnMut(u64, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut writer = TileWriter::new();
    while writer.size() < size {
        let index = writer.size() / TILE_WIDTH;
        let path = TilePath::in_log(TileKind::Entries, index, size).ok_or(LogError::Malformed)?;
        let bytes = read(path).ok_or(LogError::TileMissing(path))?;
        for bytes in parse_entries(&bytes, path.width)? {
            entry(writer.size(), &bytes)?;
            writer.append(&bytes)?;
        }
        for full in std::mem::take(&mut writer.full) {
            compare(&full, &mut read)?;
        }
    }
    for partial in writer.flush() {
        compare(&partial, &mut read)?;
    }
    if writer.root() == *root {
        Ok(())
    } else {
        Err(LogError::TileMismatch.into())
    }
}

fn compare(
    expected: &TileFile,
    read: &mut impl FnMut(TilePath) -> Option<Vec<u8>>,
) -> Result<(), LogError> {
    if expected.path.kind == TileKind::Entries {
        return Ok(());
    }
    let bytes = read(expected.path).ok_or(LogError::TileMissing(expected.path))?;
    if bytes == expected.bytes {
        Ok(())
    } else {
        Err(LogError::TileMismatch)
    }
}

#[cfg(test)]
#[path = "tile_tests.rs"]
mod tests;
