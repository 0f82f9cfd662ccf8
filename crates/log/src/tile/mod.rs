//! C2SP tlog-tiles: a log as immutable files that anybody can serve and anybody can check.
//!
//! Hash tiles hold 256 hashes of one level in eight, entry bundles the leaves with a two-byte
//! length; the rightmost ones are partial and carry their width in the path. All are pure functions
//! of the leaves, so writing one twice writes the same bytes.

mod writer;

use std::fmt;
use std::str::FromStr;

use obhut_format::tree::{self, Hash, Node};

use crate::checkpoint::parse_decimal;
use crate::error::LogError;

pub use writer::TileWriter;

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

impl TileFile {
    /// The same tile when it held only so many hashes or entries; `None` when it never was so wide.
    pub fn cut(&self, width: u16) -> Option<Vec<u8>> {
        if width > self.path.width {
            return None;
        }
        let len = match self.path.kind {
            TileKind::Hashes(_) => usize::from(width) * 32,
            TileKind::Entries => {
                let entries = parse_entries(&self.bytes, self.path.width).ok()?;
                let kept = entries.iter().take(usize::from(width));
                kept.map(|entry| 2 + entry.len()).sum()
            }
        };
        self.bytes.get(..len).map(<[u8]>::to_vec)
    }
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
        for full in writer.take_full() {
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
mod tests;
