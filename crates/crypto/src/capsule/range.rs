use std::io::{Read, Write};
use std::ops::Range;

use obhut_format::Hash;
use obhut_format::capsule::{CHUNK_BYTES, LEAF_CHUNKS, PREFIX_BYTES, leaf_count, leaf_range};
use obhut_format::tree::{leaf_hash, root};
use obhut_suite::SEALED_CHUNK;

use super::CapsuleKey;
use crate::CryptoError;

/// Plaintext bytes of a full leaf.
const LEAF_PLAIN: u64 = LEAF_CHUNKS * CHUNK_BYTES;

/// Opens parts of a capsule; each leaf is checked against the author's content root before a byte
/// of it comes out.
pub struct RangeReader {
    key: CapsuleKey,
    leaves: Vec<Hash>,
    true_bytes: u64,
}

/// Which bytes of the object to fetch for a range of the content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Bytes of the object, to be handed to [`RangeReader::open`] in full.
    pub object: Range<u64>,
    /// The range of the content, cut at the content's end.
    pub content: Range<u64>,
}

impl RangeReader {
    pub(crate) fn new(
        key: CapsuleKey,
        leaves: Vec<Hash>,
        content_root: &Hash,
        true_bytes: u64,
    ) -> Result<Self, CryptoError> {
        let expected = leaf_count(key.header.object_bytes());
        if leaves.len() as u64 != expected || root(&leaves) != *content_root {
            return Err(CryptoError::Damaged);
        }
        Ok(Self {
            key,
            leaves,
            true_bytes,
        })
    }

    /// Where a range of the content lies in the object; ranges beyond the end are cut.
    pub fn locate(&self, content: Range<u64>) -> Located {
        let end = content.end.min(self.true_bytes);
        let content = content.start.min(end)..end;
        if content.is_empty() {
            return Located {
                object: 0..0,
                content,
            };
        }
        let object_bytes = self.key.header.object_bytes();
        let (start, _) = leaf_range(content.start / LEAF_PLAIN, object_bytes);
        let (_, end) = leaf_range((content.end - 1) / LEAF_PLAIN, object_bytes);
        Located {
            object: start..end,
            content,
        }
    }

    /// Reads exactly the located bytes of the object and writes the range of the content. Stops at
    /// the first leaf that is not the author's; what was written before it is.
    pub fn open(
        &self,
        located: &Located,
        mut source: impl Read,
        mut sink: impl Write,
    ) -> Result<(), CryptoError> {
        if *located != self.locate(located.content.clone()) {
            return Err(CryptoError::Damaged);
        }
        if located.content.is_empty() {
            return Ok(());
        }
        let object_bytes = self.key.header.object_bytes();
        let first = located.content.start / LEAF_PLAIN;
        let last = (located.content.end - 1) / LEAF_PLAIN;
        let mut buffer = Vec::new();
        for (number, leaf) in (0..=last).zip(&self.leaves).skip(first as usize) {
            let (start, end) = leaf_range(number, object_bytes);
            buffer.resize((end - start) as usize, 0);
            source.read_exact(&mut buffer)?;
            self.open_leaf(number, leaf, &mut buffer, &located.content, &mut sink)?;
        }
        Ok(())
    }

    fn open_leaf(
        &self,
        number: u64,
        leaf: &Hash,
        bytes: &mut [u8],
        wanted: &Range<u64>,
        sink: &mut impl Write,
    ) -> Result<(), CryptoError> {
        if leaf_hash(bytes) != *leaf {
            return Err(CryptoError::Damaged);
        }
        let body_at = if number == 0 {
            PREFIX_BYTES as usize
        } else {
            0
        };
        let slots = bytes.split_at_mut(body_at).1;
        let first_chunk = number * LEAF_CHUNKS;
        for (chunk, slot) in (first_chunk..).zip(slots.chunks_mut(SEALED_CHUNK)) {
            let plain = self
                .key
                .cipher
                .open_chunk_in_place(chunk, slot)
                .map_err(|_| CryptoError::Damaged)?;
            let offset = chunk * CHUNK_BYTES;
            let within = |at: u64| (at.saturating_sub(offset) as usize).min(plain.len());
            let (from, to) = (within(wanted.start), within(wanted.end));
            let piece = plain.get(from..to).unwrap_or_default();
            sink.write_all(piece).map_err(CryptoError::Io)?;
        }
        Ok(())
    }
}
