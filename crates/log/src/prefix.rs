//! A compact binary prefix tree: one root over a map from 32-byte keys to 32-byte values, with
//! proofs that a key has a value or is absent.
//!
//! ```text
//! empty  = 32 zero bytes
//! leaf   = SHA-256(0x21 key value)
//! inner  = SHA-256(0x22 left right)
//! ```
//!
//! Bit 0 is the most significant bit of the key's first byte. A subtree without keys is `empty`, one
//! with a single key is that key's leaf whatever its depth, any other is an inner node. The root is
//! therefore a function of the map alone, not of the order in which it was filled.

use std::sync::{Arc, OnceLock};

use obhut_format::tree::Hash;
use sha2::{Digest, Sha256};

use crate::error::LogError;

const LEAF: u8 = 0x21;
const INNER: u8 = 0x22;

/// Root of the empty map.
pub const EMPTY_MAP: Hash = [0; 32];

/// The map with its hashes. A change costs O(log n), hashing waits until the root is asked for, and
/// a clone shares everything until one of the two changes.
#[derive(Debug, Clone, Default)]
pub struct PrefixTree {
    root: Subtree,
    len: usize,
}

#[derive(Debug, Clone, Default)]
enum Subtree {
    #[default]
    Empty,
    Leaf(Hash, Hash),
    Inner(Arc<Inner>),
}

#[derive(Debug, Clone, Default)]
struct Inner {
    left: Subtree,
    right: Subtree,
    hash: OnceLock<Hash>,
}

impl PrefixTree {
    /// The empty map.
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the map has no keys.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Root over the map.
    pub fn root(&self) -> Hash {
        self.root.hash()
    }

    /// Sets a key's value; returns the one before.
    pub fn insert(&mut self, key: Hash, value: Hash) -> Option<Hash> {
        let old = self.root.insert(key, value, 0);
        self.len += usize::from(old.is_none());
        old
    }

    /// Takes a key out; returns its value.
    pub fn remove(&mut self, key: &Hash) -> Option<Hash> {
        let old = self.root.remove(key, 0);
        self.len -= usize::from(old.is_some());
        old
    }

    /// The key's value.
    pub fn find(&self, key: &Hash) -> Option<Hash> {
        let mut subtree = &self.root;
        for depth in 0.. {
            match subtree {
                Subtree::Empty => return None,
                Subtree::Leaf(found, value) => return (found == key).then_some(*value),
                Subtree::Inner(inner) => subtree = inner.side(bit(key, depth)).0,
            }
        }
        None
    }

    /// Proof of the key's value, or of its absence.
    pub fn prove(&self, key: &Hash) -> PrefixProof {
        let mut siblings = Vec::new();
        let mut subtree = &self.root;
        let end = loop {
            match subtree {
                Subtree::Empty => break PrefixEnd::Empty,
                Subtree::Leaf(found, value) if found == key => break PrefixEnd::Present(*value),
                Subtree::Leaf(found, value) => break PrefixEnd::Other(*found, *value),
                Subtree::Inner(inner) => {
                    let (next, sibling) = inner.side(bit(key, siblings.len()));
                    siblings.push(sibling.hash());
                    subtree = next;
                }
            }
        };
        PrefixProof { siblings, end }
    }
}

impl FromIterator<(Hash, Hash)> for PrefixTree {
    fn from_iter<I: IntoIterator<Item = (Hash, Hash)>>(entries: I) -> Self {
        let mut tree = Self::new();
        for (key, value) in entries {
            tree.insert(key, value);
        }
        tree
    }
}

impl Subtree {
    fn hash(&self) -> Hash {
        match self {
            Self::Empty => EMPTY_MAP,
            Self::Leaf(key, value) => leaf_hash(key, value),
            Self::Inner(inner) => *inner
                .hash
                .get_or_init(|| inner_hash(&inner.left.hash(), &inner.right.hash())),
        }
    }

    fn insert(&mut self, key: Hash, value: Hash, depth: usize) -> Option<Hash> {
        match self {
            Self::Empty => {
                *self = Self::Leaf(key, value);
                None
            }
            Self::Leaf(found, old) if *found == key => Some(std::mem::replace(old, value)),
            Self::Leaf(found, old) => {
                let mut inner = Inner::default();
                *inner.side_mut(bit(found, depth)) = Self::Leaf(*found, *old);
                inner
                    .side_mut(bit(&key, depth))
                    .insert(key, value, depth + 1);
                *self = Self::Inner(Arc::new(inner));
                None
            }
            Self::Inner(inner) => {
                Arc::make_mut(inner)
                    .side_mut(bit(&key, depth))
                    .insert(key, value, depth + 1)
            }
        }
    }

    fn remove(&mut self, key: &Hash, depth: usize) -> Option<Hash> {
        match self {
            Self::Leaf(found, old) if found == key => {
                let old = *old;
                *self = Self::Empty;
                Some(old)
            }
            Self::Empty | Self::Leaf(..) => None,
            Self::Inner(inner) => {
                let inner = Arc::make_mut(inner);
                let old = inner.side_mut(bit(key, depth)).remove(key, depth + 1);
                if let Some(only) = inner.take_only_leaf() {
                    *self = only;
                }
                old
            }
        }
    }
}

impl Inner {
    /// The side a bit leads to, then the other one.
    fn side(&self, right: bool) -> (&Subtree, &Subtree) {
        if right {
            (&self.right, &self.left)
        } else {
            (&self.left, &self.right)
        }
    }

    /// As [`side`](Self::side), to be changed: the hash is no longer known.
    fn side_mut(&mut self, right: bool) -> &mut Subtree {
        self.hash = OnceLock::new();
        if right {
            &mut self.right
        } else {
            &mut self.left
        }
    }

    /// The leaf, if it is all that is left.
    fn take_only_leaf(&mut self) -> Option<Subtree> {
        match (&self.left, &self.right) {
            (Subtree::Empty, Subtree::Leaf(..) | Subtree::Empty) => {
                Some(std::mem::take(&mut self.right))
            }
            (Subtree::Leaf(..), Subtree::Empty) => Some(std::mem::take(&mut self.left)),
            _ => None,
        }
    }
}

/// Where the way to a key ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrefixEnd {
    /// In nothing: the key is absent.
    Empty,
    /// In another key's leaf (key, value): the key is absent.
    Other(Hash, Hash),
    /// In the key's own leaf, with this value.
    Present(Hash),
}

/// The way from the root to where a key is, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrefixProof {
    /// Hashes beside the way, the root's child first; at most 256.
    pub siblings: Vec<Hash>,
    /// Where it ends.
    pub end: PrefixEnd,
}

impl PrefixProof {
    /// What the map with this root holds for `key`: its value, or `None` if it is absent.
    pub fn verify(&self, key: &Hash, root: &Hash) -> Result<Option<Hash>, LogError> {
        if self.siblings.len() > 256 {
            return Err(LogError::MapMismatch);
        }
        let (end, value) = match self.end {
            PrefixEnd::Empty => (EMPTY_MAP, None),
            PrefixEnd::Present(value) => (leaf_hash(key, &value), Some(value)),
            PrefixEnd::Other(other, value) => {
                let on_the_way =
                    (0..self.siblings.len()).all(|depth| bit(&other, depth) == bit(key, depth));
                if other == *key || !on_the_way {
                    return Err(LogError::MapMismatch);
                }
                (leaf_hash(&other, &value), None)
            }
        };
        let depths = (0..self.siblings.len()).rev();
        let found = depths
            .zip(self.siblings.iter().rev())
            .fold(end, |node, (depth, sibling)| {
                if bit(key, depth) {
                    inner_hash(sibling, &node)
                } else {
                    inner_hash(&node, sibling)
                }
            });
        if found == *root {
            Ok(value)
        } else {
            Err(LogError::MapMismatch)
        }
    }
}

fn leaf_hash(key: &Hash, value: &Hash) -> Hash {
    let hash = Sha256::new().chain_update([LEAF]).chain_update(key);
    hash.chain_update(value).finalize().into()
}

fn inner_hash(left: &Hash, right: &Hash) -> Hash {
    let hash = Sha256::new().chain_update([INNER]).chain_update(left);
    hash.chain_update(right).finalize().into()
}

/// Bit `depth` of a key; two different keys differ before bit 256, so no way is longer.
fn bit(key: &Hash, depth: usize) -> bool {
    let byte = key.get(depth / 8).copied().unwrap_or(0);
    byte >> (7 - depth % 8) & 1 == 1
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    /// The definition, written down a second time without any tree.
    fn root_of(map: &BTreeMap<Hash, Hash>, depth: usize) -> Hash {
        match map.len() {
            0 => EMPTY_MAP,
            1 => map
                .iter()
                .map(|(key, value)| leaf_hash(key, value))
                .next()
                .unwrap(),
            _ => {
                let (right, left): (BTreeMap<_, _>, BTreeMap<_, _>) =
                    map.iter().partition(|(key, _)| bit(key, depth));
                inner_hash(&root_of(&left, depth + 1), &root_of(&right, depth + 1))
            }
        }
    }

    /// Keys that share long prefixes, so that every shape occurs.
    fn key(seed: u16) -> Hash {
        let mut key = [0; 32];
        let bytes = seed.to_be_bytes();
        *key.first_mut().unwrap() = bytes[0] & 0xc0;
        *key.get_mut(31).unwrap() = bytes[1];
        key
    }

    fn tree(count: u16) -> PrefixTree {
        (0..count)
            .map(|i| (Sha256::digest(i.to_be_bytes()).into(), [i as u8; 32]))
            .collect()
    }

    #[test]
    fn hashes_are_the_documented_ones() {
        let mut tree = PrefixTree::new();
        assert_eq!(tree.root(), [0; 32]);
        tree.insert([0x00; 32], [1; 32]);
        let left: Hash = Sha256::digest([b"\x21".as_slice(), &[0; 32], &[1; 32]].concat()).into();
        assert_eq!(tree.root(), left);
        tree.insert([0x80; 32], [2; 32]);
        let right: Hash =
            Sha256::digest([b"\x21".as_slice(), &[0x80; 32], &[2; 32]].concat()).into();
        let both: Hash = Sha256::digest([b"\x22".as_slice(), &left, &right].concat()).into();
        assert_eq!(tree.root(), both);
    }

    #[test]
    fn c10_e03_a_hidden_key_cannot_be_called_absent() {
        let tree = tree(50);
        let root = tree.root();
        for i in 0..50_u16 {
            let key: Hash = Sha256::digest(i.to_be_bytes()).into();
            let proof = tree.prove(&key);
            assert_eq!(proof.verify(&key, &root), Ok(Some([i as u8; 32])));
            let hidden = PrefixProof {
                end: PrefixEnd::Empty,
                ..proof.clone()
            };
            assert_eq!(hidden.verify(&key, &root), Err(LogError::MapMismatch));
            let posed = PrefixProof {
                end: PrefixEnd::Other(key, [i as u8; 32]),
                ..proof.clone()
            };
            assert_eq!(posed.verify(&key, &root), Err(LogError::MapMismatch));
            for depth in 0..=proof.siblings.len() {
                // Another key's honest leaf, and a way cut short, do not prove absence either.
                let elsewhere: Hash = Sha256::digest((i + 1).to_be_bytes()).into();
                let mut cut = tree.prove(&elsewhere);
                cut.siblings.truncate(depth);
                assert_ne!(cut.verify(&key, &root), Ok(None));
            }
        }
    }

    #[test]
    fn refuses_another_value_key_root_and_a_longer_way() {
        let tree = tree(20);
        let key: Hash = Sha256::digest(3_u16.to_be_bytes()).into();
        let proof = tree.prove(&key);
        assert!(proof.verify(&key, &[1; 32]).is_err());
        assert!(proof.verify(&[1; 32], &tree.root()).is_err());
        let other = PrefixProof {
            end: PrefixEnd::Present([9; 32]),
            ..proof.clone()
        };
        assert!(other.verify(&key, &tree.root()).is_err());
        let mut longer = proof.clone();
        longer.siblings.push([0; 32]);
        assert!(longer.verify(&key, &tree.root()).is_err());
        longer.siblings = vec![[0; 32]; 257];
        assert!(longer.verify(&key, &tree.root()).is_err());
    }

    #[test]
    fn a_leaf_that_stands_where_its_key_does_not_lead_proves_nothing() {
        let (astray, sibling) = ([0xff; 32], [7; 32]);
        let root = inner_hash(&leaf_hash(&astray, &[1; 32]), &sibling);
        let proof = PrefixProof {
            siblings: vec![sibling],
            end: PrefixEnd::Other(astray, [1; 32]),
        };
        assert_eq!(proof.verify(&[0; 32], &root), Err(LogError::MapMismatch));
    }

    proptest! {
        #[test]
        fn the_tree_is_the_definition_whatever_the_order(
            steps in prop::collection::vec((any::<u16>(), prop::option::of(any::<u8>())), 0..60),
            asked in any::<u16>(),
        ) {
            let mut map = BTreeMap::new();
            let mut tree = PrefixTree::new();
            for (seed, value) in steps {
                let key = key(seed);
                let (old, expected) = match value {
                    Some(value) => (tree.insert(key, [value; 32]), map.insert(key, [value; 32])),
                    None => (tree.remove(&key), map.remove(&key)),
                };
                prop_assert_eq!(old, expected);
                prop_assert_eq!(tree.len(), map.len());
                prop_assert_eq!(tree.root(), root_of(&map, 0));
            }
            let key = key(asked);
            prop_assert_eq!(tree.find(&key), map.get(&key).copied());
            let proof = tree.prove(&key);
            prop_assert_eq!(proof.verify(&key, &tree.root()), Ok(map.get(&key).copied()));
        }
    }
}
