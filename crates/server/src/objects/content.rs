//! The content tree of an object, computed while its bytes pass.

use obhut_format::Hash;
use obhut_format::capsule::{LEAF_BYTES, PREFIX_BYTES};
use obhut_format::tree::TreeBuilder;
use sha2::{Digest, Sha256};

use super::Stored;

const LEAF_PREFIX: u8 = 0;

/// Hashes an object leaf by leaf: RFC 6962 leaves of 262,400 bytes, the first with 120 bytes more.
pub struct ContentHasher {
    leaf: Sha256,
    room: u64,
    leaves: Vec<u8>,
    tree: TreeBuilder,
    total: u64,
}

impl Default for ContentHasher {
    fn default() -> Self {
        Self::new()
    }
}

impl ContentHasher {
    /// Nothing hashed yet.
    pub fn new() -> Self {
        Self {
            leaf: started(),
            room: PREFIX_BYTES + LEAF_BYTES,
            leaves: Vec::new(),
            tree: TreeBuilder::new(),
            total: 0,
        }
    }

    /// For a part of an upload, `number` from 0: the root is that over the part's leaves.
    pub fn of_part(number: u64) -> Self {
        let first = if number == 0 { PREFIX_BYTES } else { 0 };
        Self {
            room: first + LEAF_BYTES,
            ..Self::new()
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.room == 0 {
                self.end_leaf();
            }
            let fits = usize::try_from(self.room).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(fits.min(bytes.len()));
            self.leaf.update(now);
            self.room -= now.len() as u64;
            self.total += now.len() as u64;
            bytes = later;
        }
    }

    /// Bytes taken so far.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Root, leaf list and length.
    pub fn finish(mut self) -> (Stored, Vec<u8>) {
        self.end_leaf();
        let stored = Stored {
            content_root: self.tree.root(),
            leaf_count: self.tree.size(),
            object_bytes: self.total,
        };
        (stored, self.leaves)
    }

    fn end_leaf(&mut self) {
        let hash: Hash = core::mem::replace(&mut self.leaf, started())
            .finalize()
            .into();
        self.leaves.extend(hash);
        self.tree.append(hash);
        self.room = LEAF_BYTES;
    }
}

fn started() -> Sha256 {
    Sha256::new_with_prefix([LEAF_PREFIX])
}

#[cfg(test)]
mod tests {
    use super::*;
    use obhut_format::capsule::{leaf_count, leaf_range};
    use obhut_format::tree::{leaf_hash, root};

    #[test]
    fn agrees_with_the_tree_over_the_whole_object_however_it_is_cut() {
        for len in [4_232_u64, 262_519, 262_520, 262_521, 600_000, 1_049_912] {
            let bytes: Vec<u8> = (0..len).map(|i| (i % 251) as u8).collect();
            let leaves: Vec<Hash> = (0..leaf_count(len))
                .map(|leaf| {
                    let (start, end) = leaf_range(leaf, len);
                    leaf_hash(&bytes[start as usize..end as usize])
                })
                .collect();
            for step in [1_000, 262_400, 2_000_000] {
                let mut hasher = ContentHasher::new();
                bytes.chunks(step).for_each(|part| hasher.update(part));
                let (stored, list) = hasher.finish();
                assert_eq!(stored.content_root, root(&leaves), "{len} by {step}");
                assert_eq!(stored.leaf_count, leaves.len() as u64);
                assert_eq!(stored.object_bytes, len);
                assert_eq!(list, leaves.concat());
            }
        }
    }
}
