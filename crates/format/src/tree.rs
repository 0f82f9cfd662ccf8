//! RFC 6962 Merkle trees over SHA-256: roots, inclusion paths, consistency proofs.
//!
//! A leaf hashes as `SHA-256(0x00 ‖ data)`, an inner node as `SHA-256(0x01 ‖ left ‖ right)` and the
//! empty tree as `SHA-256("")` (RFC 6962 §2.1). Three shapes are offered: [`Tree`] keeps every node
//! and hands out paths, [`TreeBuilder`] keeps O(log n) nodes and only knows the root, and
//! [`inclusion_path`] / [`consistency_path`] work over nodes kept anywhere, such as tiles.
#![deny(clippy::indexing_slicing)]

use sha2::{Digest, Sha256};

/// A SHA-256 value: leaf hash, node or root.
pub type Hash = [u8; 32];

/// Root of a tree without leaves: SHA-256 of nothing.
pub const EMPTY_ROOT: Hash = [
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
    0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
];

/// Longest path or proof any tree with 64-bit sizes can have.
pub const MAX_PATH: usize = 65;

/// What is wrong with a tree, a path or a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TreeError {
    /// A frontier does not have one hash for each bit set in the size.
    #[error("the tree frontier does not fit its size")]
    FrontierLength,
    /// The leaf index is not below the tree size.
    #[error("the leaf index is outside the tree")]
    IndexOutOfRange,
    /// The caller could not supply a node that the proof needs.
    #[error("the tree node at level {level}, index {index} is missing")]
    MissingNode {
        /// Height above the leaves.
        level: u32,
        /// Position within the level.
        index: u64,
    },
    /// The path has more or fewer hashes than index and size demand.
    #[error("the tree path has the wrong length")]
    PathLength,
    /// The path leads to another root.
    #[error("the tree path leads to another root")]
    RootMismatch,
    /// The older tree is larger than the newer one.
    #[error("the older tree is larger than the newer one")]
    SizeOrder,
}

/// Hash of a leaf's bytes, `SHA-256(0x00 ‖ data)`.
pub fn leaf_hash(data: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([0x00])
        .chain_update(data)
        .finalize()
        .into()
}

/// Hash of an inner node, `SHA-256(0x01 ‖ left ‖ right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([0x01])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// Root over items in order: the leaves are the items' bytes.
pub fn root_of<T: AsRef<[u8]>>(items: impl Iterator<Item = T>) -> Hash {
    root(
        &items
            .map(|item| leaf_hash(item.as_ref()))
            .collect::<Vec<_>>(),
    )
}

/// Root over leaf hashes in order.
pub fn root(leaf_hashes: &[Hash]) -> Hash {
    let mut builder = TreeBuilder::new();
    for leaf in leaf_hashes {
        builder.append(*leaf);
    }
    builder.root()
}

/// A growing tree that keeps only its perfect subtrees, largest first: at most 64 hashes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TreeBuilder {
    size: u64,
    frontier: Vec<Hash>,
}

impl TreeBuilder {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Resumes from a stored [`frontier`](Self::frontier) of a tree of `size` leaves.
    pub fn resume(size: u64, frontier: Vec<Hash>) -> Result<Self, TreeError> {
        if frontier.len() == size.count_ones() as usize {
            Ok(Self { size, frontier })
        } else {
            Err(TreeError::FrontierLength)
        }
    }

    /// Adds a leaf, given its [`leaf_hash`].
    pub fn append(&mut self, leaf: Hash) {
        let mut node = leaf;
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.frontier.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.frontier.push(node);
        self.size += 1;
    }

    /// Number of leaves so far.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Roots of the perfect subtrees, largest first; all the state there is.
    pub fn frontier(&self) -> &[Hash] {
        &self.frontier
    }

    /// Root over the leaves so far.
    pub fn root(&self) -> Hash {
        let mut from_right = self.frontier.iter().rev();
        match from_right.next() {
            None => EMPTY_ROOT,
            Some(last) => from_right.fold(*last, |right, left| node_hash(left, &right)),
        }
    }
}

/// A whole tree in memory: twice the leaves' hashes, paths in O(log n).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// `levels[k][i]` is the perfect subtree of 2^k leaves that starts at leaf i·2^k.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// Builds the tree over leaf hashes in order.
    pub fn new(leaf_hashes: Vec<Hash>) -> Self {
        let mut levels = Vec::new();
        let mut level = leaf_hashes;
        while !level.is_empty() {
            let above = level
                .as_chunks::<2>()
                .0
                .iter()
                .map(|[left, right]| node_hash(left, right))
                .collect();
            levels.push(level);
            level = above;
        }
        Self { levels }
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Root of the tree.
    pub fn root(&self) -> Hash {
        range_hash(0, self.size(), &mut |node| self.find_node(node)).unwrap_or(EMPTY_ROOT)
    }

    /// The perfect subtree `node`, if the tree has it.
    pub fn find_node(&self, node: Node) -> Option<Hash> {
        let level = self.levels.get(usize::try_from(node.level).ok()?)?;
        level.get(usize::try_from(node.index).ok()?).copied()
    }

    /// Inclusion path of leaf `index`, sibling of the leaf first.
    pub fn inclusion_path(&self, index: u64) -> Result<Vec<Hash>, TreeError> {
        inclusion_path(index, self.size(), |node| self.find_node(node))
    }

    /// Proof that the first `old_size` leaves are a prefix of this tree.
    pub fn consistency_path(&self, old_size: u64) -> Result<Vec<Hash>, TreeError> {
        consistency_path(old_size, self.size(), |node| self.find_node(node))
    }
}

/// Address of a perfect subtree: 2^level leaves from leaf `index`·2^level on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Height above the leaves; 0 is a leaf hash.
    pub level: u32,
    /// Position within the level.
    pub index: u64,
}

/// Inclusion path of leaf `index` in the tree of `size` leaves (RFC 6962 §2.1.1). `find` is asked for
/// perfect subtrees within the tree only, so they may come from tiles.
pub fn inclusion_path(
    index: u64,
    size: u64,
    mut find: impl FnMut(Node) -> Option<Hash>,
) -> Result<Vec<Hash>, TreeError> {
    if index >= size {
        return Err(TreeError::IndexOutOfRange);
    }
    let mut path = Vec::new();
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(range_hash(middle, end, &mut find)?);
            end = middle;
        } else {
            path.push(range_hash(start, middle, &mut find)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Proof that the tree of `old_size` leaves is a prefix of the tree of `new_size` leaves
/// (RFC 6962 §2.1.2); empty if the sizes are equal or the older tree is empty. `find` as above.
pub fn consistency_path(
    old_size: u64,
    new_size: u64,
    mut find: impl FnMut(Node) -> Option<Hash>,
) -> Result<Vec<Hash>, TreeError> {
    if old_size > new_size {
        return Err(TreeError::SizeOrder);
    }
    let mut path = Vec::new();
    if old_size == 0 || old_size == new_size {
        return Ok(path);
    }
    let (mut start, mut end) = (0, new_size);
    while end != old_size {
        let middle = start + split(end - start);
        if old_size <= middle {
            path.push(range_hash(middle, end, &mut find)?);
            end = middle;
        } else {
            path.push(range_hash(start, middle, &mut find)?);
            start = middle;
        }
    }
    // The older root itself is known to the verifier, a right-hand part of it is not.
    if start != 0 {
        path.push(range_hash(start, end, &mut find)?);
    }
    path.reverse();
    Ok(path)
}

/// Root that `path` leads to from `leaf` at `index` of `size`; checks index and length.
pub fn root_from_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    path: &[Hash],
) -> Result<Hash, TreeError> {
    if index >= size {
        return Err(TreeError::IndexOutOfRange);
    }
    let (mut position, mut last) = (index, size - 1);
    let mut node = *leaf;
    for sibling in path {
        if last == 0 {
            return Err(TreeError::PathLength);
        }
        if position & 1 == 1 || position == last {
            node = node_hash(sibling, &node);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            node = node_hash(&node, sibling);
        }
        position >>= 1;
        last >>= 1;
    }
    if last == 0 {
        Ok(node)
    } else {
        Err(TreeError::PathLength)
    }
}

/// Checks that `leaf` stands at `index` of the tree of `size` leaves with this root.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    path: &[Hash],
    root: &Hash,
) -> Result<(), TreeError> {
    if root_from_inclusion(leaf, index, size, path)? == *root {
        Ok(())
    } else {
        Err(TreeError::RootMismatch)
    }
}

/// Checks that the tree (`old_size`, `old_root`) is a prefix of (`new_size`, `new_root`)
/// (RFC 9162 §2.1.4.2; an empty older tree needs an empty path and the empty root).
pub fn verify_consistency(
    old_size: u64,
    new_size: u64,
    old_root: &Hash,
    new_root: &Hash,
    path: &[Hash],
) -> Result<(), TreeError> {
    if old_size > new_size {
        return Err(TreeError::SizeOrder);
    }
    if old_size == 0 || old_size == new_size {
        if !path.is_empty() {
            return Err(TreeError::PathLength);
        }
        let expected = if old_size == 0 { &EMPTY_ROOT } else { new_root };
        return same_root(old_root, expected);
    }
    let (old, new) = fold_consistency(old_size, new_size, old_root, path)?;
    same_root(&old, old_root)?;
    same_root(&new, new_root)
}

/// Both roots as the path tells them, for 0 < old_size < new_size.
fn fold_consistency(
    old_size: u64,
    new_size: u64,
    old_root: &Hash,
    path: &[Hash],
) -> Result<(Hash, Hash), TreeError> {
    let shift = (old_size - 1).trailing_ones();
    let (mut position, mut last) = ((old_size - 1) >> shift, (new_size - 1) >> shift);
    // A power of two is a node of the newer tree: the verifier's own root starts the walk.
    let (seed, rest) = if old_size.is_power_of_two() {
        (old_root, path)
    } else {
        path.split_first().ok_or(TreeError::PathLength)?
    };
    let (mut old, mut new) = (*seed, *seed);
    for sibling in rest {
        if last == 0 {
            return Err(TreeError::PathLength);
        }
        if position & 1 == 1 || position == last {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
            while position & 1 == 0 && position != 0 {
                position >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, sibling);
        }
        position >>= 1;
        last >>= 1;
    }
    if last == 0 {
        Ok((old, new))
    } else {
        Err(TreeError::PathLength)
    }
}

fn same_root(left: &Hash, right: &Hash) -> Result<(), TreeError> {
    if left == right {
        Ok(())
    } else {
        Err(TreeError::RootMismatch)
    }
}

/// Root over leaves [start, end), a subtree of an RFC 6962 tree.
fn range_hash(
    start: u64,
    end: u64,
    find: &mut impl FnMut(Node) -> Option<Hash>,
) -> Result<Hash, TreeError> {
    let width = end - start;
    if width == 0 {
        return Ok(EMPTY_ROOT);
    }
    if width.is_power_of_two() {
        let level = width.trailing_zeros();
        let index = start >> level;
        return find(Node { level, index }).ok_or(TreeError::MissingNode { level, index });
    }
    let middle = start + split(width);
    let left = range_hash(start, middle, find)?;
    let right = range_hash(middle, end, find)?;
    Ok(node_hash(&left, &right))
}

/// Largest power of two below `width`, for width > 1.
fn split(width: u64) -> u64 {
    1 << (u64::BITS - 1 - (width - 1).leading_zeros())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use ct_merkle::mem_backed_tree::MemoryBackedTree;
    use proptest::prelude::*;

    fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|i| leaf_hash(&i.to_be_bytes())).collect()
    }

    fn oracle(count: u64) -> MemoryBackedTree<Sha256, [u8; 8]> {
        let mut tree = MemoryBackedTree::new();
        for i in 0..count {
            tree.push(i.to_be_bytes());
        }
        tree
    }

    #[test]
    fn agrees_with_the_published_roots_of_rfc_6962_test_trees() {
        // Roots of the eight-leaf tree used by Certificate Transparency's own tests.
        let data: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let hashes: Vec<Hash> = data.iter().map(|d| leaf_hash(d)).collect();
        let hex = |hash: Hash| data_encoding::HEXLOWER.encode(&hash);
        assert_eq!(
            hex(root(hashes.get(..1).unwrap())),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
        assert_eq!(
            hex(root(&hashes)),
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
        );
        assert_eq!(root(&[]), EMPTY_ROOT);
    }

    #[test]
    fn agrees_with_the_oracle_on_every_small_tree() {
        for size in 0..70 {
            let (tree, oracle) = (Tree::new(leaves(size)), oracle(size));
            assert_eq!(tree.root().as_slice(), oracle.root().as_bytes().as_slice());
            assert_eq!(root(&leaves(size)), tree.root());
            for index in 0..size {
                let path = tree.inclusion_path(index).unwrap();
                let theirs = oracle.prove_inclusion(usize::try_from(index).unwrap());
                assert_eq!(path.concat(), theirs.as_bytes());
            }
            for old in 1..=size {
                let path = tree.consistency_path(old).unwrap();
                let additions = usize::try_from(size - old).unwrap();
                assert_eq!(
                    path.concat(),
                    oracle.prove_consistency(additions).as_bytes()
                );
            }
        }
    }

    #[test]
    fn c05_refuses_another_leaf_index_size_or_path() {
        for size in 1..20 {
            let tree = Tree::new(leaves(size));
            let root = tree.root();
            for index in 0..size {
                let leaf = leaf_hash(&index.to_be_bytes());
                let path = tree.inclusion_path(index).unwrap();
                assert_eq!(verify_inclusion(&leaf, index, size, &path, &root), Ok(()));
                for other in 0..size + 2 {
                    let same = other == index;
                    let holds = verify_inclusion(&leaf, other, size, &path, &root).is_ok();
                    assert_eq!(holds, same, "index {other} for {index} of {size}");
                }
                let other_leaf = leaf_hash(b"other");
                assert!(verify_inclusion(&other_leaf, index, size, &path, &root).is_err());
                let mut longer = path.clone();
                longer.push(root);
                assert_eq!(
                    verify_inclusion(&leaf, index, size, &longer, &root),
                    Err(TreeError::PathLength)
                );
                if let Some((_, shorter)) = path.split_last() {
                    assert!(verify_inclusion(&leaf, index, size, shorter, &root).is_err());
                    assert!(verify_inclusion(&leaf, index, size, &[], &root).is_err());
                }
                assert_eq!(
                    verify_inclusion(&leaf, index, 0, &path, &root),
                    Err(TreeError::IndexOutOfRange)
                );
            }
        }
    }

    #[test]
    fn c05_refuses_a_leaf_hashed_with_the_node_prefix() {
        let (left, right) = (leaf_hash(b"a"), leaf_hash(b"b"));
        let root = root(&[left, right]);
        let forged = leaf_hash(&[left, right].concat());
        assert_ne!(forged, root);
        assert!(verify_inclusion(&forged, 0, 1, &[], &root).is_err());
    }

    #[test]
    fn c04_refuses_a_shrunk_or_rewritten_tree() {
        let tree = Tree::new(leaves(11));
        let mut rewritten = leaves(11);
        *rewritten.get_mut(3).unwrap() = leaf_hash(b"other");
        let rewritten = Tree::new(rewritten);
        for old in 1..11 {
            let old_root = root(leaves(11).get(..usize::try_from(old).unwrap()).unwrap());
            let path = tree.consistency_path(old).unwrap();
            assert_eq!(
                verify_consistency(old, 11, &old_root, &tree.root(), &path),
                Ok(())
            );
            let forged = rewritten.consistency_path(old).unwrap();
            let forged_holds =
                verify_consistency(old, 11, &old_root, &rewritten.root(), &forged).is_ok();
            assert_eq!(
                forged_holds,
                old < 4,
                "leaf 3 lies beyond the older tree only below 4"
            );
            assert_eq!(
                verify_consistency(11, old, &tree.root(), &old_root, &path),
                Err(TreeError::SizeOrder)
            );
            assert!(verify_consistency(old, 11, &old_root, &tree.root(), &[]).is_err());
        }
        assert!(verify_consistency(0, 11, &old_root_of_nothing(), &tree.root(), &[]).is_ok());
        assert!(verify_consistency(0, 11, &tree.root(), &tree.root(), &[]).is_err());
        assert!(verify_consistency(11, 11, &rewritten.root(), &tree.root(), &[]).is_err());
    }

    fn old_root_of_nothing() -> Hash {
        EMPTY_ROOT
    }

    #[test]
    fn refuses_a_frontier_of_another_size() {
        let mut builder = TreeBuilder::new();
        for leaf in leaves(6) {
            builder.append(leaf);
        }
        let frontier = builder.frontier().to_vec();
        assert_eq!(TreeBuilder::resume(6, frontier.clone()), Ok(builder));
        assert_eq!(
            TreeBuilder::resume(7, frontier),
            Err(TreeError::FrontierLength)
        );
    }

    #[test]
    fn names_the_node_that_is_missing() {
        let refused = inclusion_path(0, 4, |node| (node.level == 0).then_some(EMPTY_ROOT));
        assert_eq!(refused, Err(TreeError::MissingNode { level: 1, index: 1 }));
    }

    proptest! {
        #[test]
        fn a_resumed_builder_and_the_whole_tree_agree(size in 0_u64..600, cut in 0_u64..600) {
            let all = leaves(size);
            let cut = usize::try_from(cut.min(size)).unwrap();
            let mut first = TreeBuilder::new();
            all.get(..cut).unwrap().iter().for_each(|leaf| first.append(*leaf));
            let mut second = TreeBuilder::resume(first.size(), first.frontier().to_vec()).unwrap();
            all.get(cut..).unwrap().iter().for_each(|leaf| second.append(*leaf));
            prop_assert_eq!(second.root(), Tree::new(all).root());
        }

        #[test]
        fn every_consistency_proof_holds_for_its_roots_alone(
            sizes in (1_u64..300, 1_u64..300),
            flip in any::<(usize, u8)>(),
        ) {
            let (old, new) = (sizes.0.min(sizes.1), sizes.0.max(sizes.1));
            let tree = Tree::new(leaves(new));
            let old_root = root(leaves(old).as_slice());
            let mut path = tree.consistency_path(old).unwrap();
            prop_assert_eq!(verify_consistency(old, new, &old_root, &tree.root(), &path), Ok(()));
            if !path.is_empty() {
                let at = flip.0 % path.len();
                *path.get_mut(at).unwrap().first_mut().unwrap() ^= flip.1 | 1;
                prop_assert!(verify_consistency(old, new, &old_root, &tree.root(), &path).is_err());
            }
        }
    }
}
