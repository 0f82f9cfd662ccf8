//! The capsule: one immutable object per revision. Layout in `docs/format.md`.

use crate::FormatError;
use crate::context::Context;
use crate::id::{CaseId, DocumentId, Kid, VaultId};

/// The only suite.
pub const SUITE: u8 = 1;
/// Bytes of the header.
pub const HEADER_BYTES: usize = 64;
/// Bytes before the first chunk: header, salt, commitment.
pub const PREFIX_BYTES: u64 = 120;
/// Plaintext bytes of a full chunk.
pub const CHUNK_BYTES: u64 = 16_384;
/// Ciphertext bytes of a full chunk.
pub const SEALED_CHUNK_BYTES: u64 = CHUNK_BYTES + 16;
/// Chunks of a leaf of the content tree.
pub const LEAF_CHUNKS: u64 = 16;
/// Ciphertext bytes of a full leaf.
pub const LEAF_BYTES: u64 = LEAF_CHUNKS * SEALED_CHUNK_BYTES;
/// Leaves of a part of an upload: 512 chunks, 8,396,800 bytes.
pub const PART_LEAVES: u64 = 32;
/// Most parts of an upload.
pub const MAX_PARTS: u64 = 10_000;
/// The smallest padded length.
pub const MIN_PADDED_BYTES: u64 = 4_096;
/// The largest padded length, 4 TiB.
pub const MAX_PADDED_BYTES: u64 = 1 << 42;

const MAGIC: &[u8; 4] = b"OBH1";
const PADDING: u8 = 1;
const LEAF_LOG2: u8 = 4;

/// The public header of a capsule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CapsuleHeader {
    /// The vault.
    pub vault: VaultId,
    /// The document.
    pub document: DocumentId,
    /// The revision, from 1.
    pub revision: u64,
    /// Content length after Padmé, in bytes.
    pub padded_bytes: u64,
}

impl CapsuleHeader {
    /// The 64 bytes.
    pub fn to_bytes(&self) -> [u8; HEADER_BYTES] {
        let mut out = Vec::with_capacity(HEADER_BYTES);
        out.extend(MAGIC);
        out.extend([SUITE, PADDING, LEAF_LOG2, 0]);
        out.extend(self.vault.0);
        out.extend(self.document.0);
        out.extend(self.revision.to_be_bytes());
        out.extend(self.padded_bytes.to_be_bytes());
        out.resize(HEADER_BYTES, 0);
        let mut bytes = [0; HEADER_BYTES];
        bytes.copy_from_slice(&out);
        bytes
    }

    /// Parses and checks every bit; nothing is allocated from the length.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let bytes: &[u8; HEADER_BYTES] = bytes
            .get(..HEADER_BYTES)
            .and_then(|head| head.try_into().ok())
            .ok_or(FormatError::Truncated)?;
        let [m0, m1, m2, m3, suite, padding, leaf_log2, zero, rest @ ..] = bytes;
        if [*m0, *m1, *m2, *m3] != *MAGIC {
            return Err(FormatError::BadMagic);
        }
        if [*suite, *padding, *leaf_log2] != [SUITE, PADDING, LEAF_LOG2] {
            return Err(FormatError::UnsupportedVersion);
        }
        if *zero != 0 {
            return Err(FormatError::Reserved(7));
        }
        let mut fields = crate::fixed::FixedReader::new(rest);
        let header = Self {
            vault: VaultId(fields.take()?),
            document: DocumentId(fields.take()?),
            revision: fields.number()?,
            padded_bytes: fields.number()?,
        };
        if fields.number()? != 0 {
            return Err(FormatError::Reserved(56));
        }
        if header.revision == 0
            || header.padded_bytes > MAX_PADDED_BYTES
            || padme(header.padded_bytes) != header.padded_bytes
        {
            return Err(FormatError::OutOfRange);
        }
        Ok(header)
    }

    /// Length of the whole object in bytes.
    pub fn object_bytes(&self) -> u64 {
        object_bytes(self.padded_bytes)
    }

    /// The context of the capsule's seal: header, case and author.
    pub fn seal_context(&self, case: CaseId, author: Kid) -> Context {
        Context::new("obhut/capsule/v1")
            .field(&self.to_bytes())
            .field(&case.0)
            .field(&author.0)
    }
}

/// Number of chunks for a padded length; the last one is shorter than a full chunk, perhaps empty.
pub fn chunk_count(padded_bytes: u64) -> u64 {
    padded_bytes / CHUNK_BYTES + 1
}

/// Length of the object for a padded length.
pub fn object_bytes(padded_bytes: u64) -> u64 {
    PREFIX_BYTES + padded_bytes + 16 * chunk_count(padded_bytes)
}

/// Number of leaves of the content tree of an object.
pub fn leaf_count(object_bytes: u64) -> u64 {
    object_bytes
        .saturating_sub(PREFIX_BYTES)
        .div_ceil(LEAF_BYTES)
        .max(1)
}

/// Byte range `[start, end)` of a leaf; leaf 0 includes header, salt and commitment.
pub fn leaf_range(leaf: u64, object_bytes: u64) -> (u64, u64) {
    let start = if leaf == 0 {
        0
    } else {
        PREFIX_BYTES + leaf * LEAF_BYTES
    };
    (
        start,
        (PREFIX_BYTES + (leaf + 1) * LEAF_BYTES).min(object_bytes),
    )
}

/// Leaves of every part but the last when an object is uploaded in parts: [`PART_LEAVES`], or the smallest multiple of it
/// that needs no more than [`MAX_PARTS`] parts.
pub fn part_leaves(object_bytes: u64) -> u64 {
    let multiple = leaf_count(object_bytes).div_ceil(PART_LEAVES * MAX_PARTS);
    PART_LEAVES * multiple.max(1)
}

/// Number of parts of an object.
pub fn part_count(object_bytes: u64) -> u64 {
    leaf_count(object_bytes).div_ceil(part_leaves(object_bytes))
}

/// Byte range `[start, end)` of a part, counted from 0: whole leaves, so that each part is hashed on its own.
pub fn part_range(part: u64, object_bytes: u64) -> (u64, u64) {
    let leaves = part_leaves(object_bytes);
    let (start, _) = leaf_range(part * leaves, object_bytes);
    let (_, end) = leaf_range((part + 1) * leaves - 1, object_bytes);
    (start, end)
}

/// Padmé (Nikitin et al. 2019) with a floor of 4,096 bytes: what a length is rounded up to.
pub fn padme(len: u64) -> u64 {
    if len <= MIN_PADDED_BYTES {
        return MIN_PADDED_BYTES;
    }
    let exponent = len.ilog2();
    let mantissa_bits = exponent.ilog2() + 1;
    let mask = (1_u64 << (exponent - mantissa_bits)) - 1;
    len.saturating_add(mask) & !mask
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn header() -> CapsuleHeader {
        CapsuleHeader {
            vault: VaultId([1; 16]),
            document: DocumentId([2; 16]),
            revision: 1,
            padded_bytes: 4096,
        }
    }

    #[test]
    fn a10_refuses_every_single_bit_flip_that_breaks_a_rule() {
        let good = header().to_bytes();
        assert_eq!(CapsuleHeader::parse(&good).unwrap(), header());
        for bit in 0..HEADER_BYTES * 8 {
            let mut bad = good;
            bad[bit / 8] ^= 1 << (bit % 8);
            let byte = bit / 8;
            match CapsuleHeader::parse(&bad) {
                // Ids, revision and some lengths are free values: the seal's context catches them.
                Ok(other) => assert!((8..56).contains(&byte) && other != header(), "bit {bit}"),
                Err(_) => assert!(!(8..40).contains(&byte), "bit {bit}"),
            }
        }
    }

    #[test]
    fn e10_padme_wastes_at_most_an_eighth_and_never_shrinks() {
        for len in (0..200_000).chain([1 << 20, (1 << 30) + 1, (1 << 40) + 12345]) {
            let padded = padme(len);
            assert!(padded >= len && padme(padded) == padded);
            assert!(
                padded == 4096 || (padded - len) * 8 <= len,
                "{len} -> {padded}"
            );
        }
    }

    #[test]
    fn lengths_and_leaves_agree() {
        for padded in [4096, 16_384, 262_144, 262_144 + 4096, 1 << 20] {
            let padded = padme(padded);
            let len = object_bytes(padded);
            let leaves = leaf_count(len);
            assert_eq!(leaf_range(leaves - 1, len).1, len);
            assert!(leaf_range(leaves - 1, len).0 < len);
        }
    }

    #[test]
    fn parts_are_whole_leaves_and_at_most_ten_thousand() {
        for len in [
            4_232,
            8_396_920,
            8_396_921,
            30_000_000,
            1 << 30,
            1 << 40,
            1 << 42,
        ] {
            let count = part_count(len);
            assert!((1..=MAX_PARTS).contains(&count), "{len}");
            let mut at = 0;
            for part in 0..count {
                let (start, end) = part_range(part, len);
                assert_eq!(start, at);
                assert!(end > start);
                at = end;
            }
            assert_eq!(at, len);
        }
        assert_eq!(part_range(0, 1 << 30), (0, 8_396_920));
        assert_eq!(part_range(1, 1 << 30), (8_396_920, 2 * 8_396_800 + 120));
        assert_eq!(part_count(8_396_920), 1);
        assert_eq!(part_count(8_396_921), 2);
    }
}
