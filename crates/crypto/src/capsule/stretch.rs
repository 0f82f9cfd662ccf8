//! A stretch of a capsule: a few leaves of consecutive chunks that one thread works on.

use obhut_format::Hash;
use obhut_format::capsule::{self, CHUNK_BYTES, LEAF_BYTES, LEAF_CHUNKS, PREFIX_BYTES};
use obhut_format::leaf_hash_pair;
use obhut_format::tree::leaf_hash;
use obhut_suite::{CHUNK, SEALED_CHUNK, TAG};
use zeroize::Zeroize;

use super::{CapsuleKey, Prefix};
use crate::CryptoError;

/// Most leaves in a stretch: about 1 MiB, so that a handful of stretches in flight stay small.
const MAX_LEAVES: u64 = 4;

/// How many stretches each thread should get at least, so that all end at about the same time.
const STRETCHES_PER_THREAD: u64 = 8;

/// How a capsule is cut into stretches.
#[derive(Clone, Copy)]
pub(crate) struct Cut {
    padded_bytes: u64,
    stretch_chunks: u64,
}

impl Cut {
    pub(crate) fn new(padded_bytes: u64, threads: usize) -> Self {
        let leaves = capsule::chunk_count(padded_bytes).div_ceil(LEAF_CHUNKS);
        let shares = STRETCHES_PER_THREAD.saturating_mul(threads as u64);
        let stretch_chunks = (leaves / shares).clamp(PAIR as u64, MAX_LEAVES) * LEAF_CHUNKS;
        Self {
            padded_bytes,
            stretch_chunks,
        }
    }

    /// Number of stretches.
    pub(crate) fn count(&self) -> u64 {
        capsule::chunk_count(self.padded_bytes).div_ceil(self.stretch_chunks)
    }
}

/// Ciphertext of consecutive leaves, in memory as in the object; while it is opened or not yet
/// sealed, each slot of a chunk holds plaintext and room for its tag.
pub(crate) struct Stretch {
    bytes: Vec<u8>,
    /// Where the first slot starts: behind the prefix in the first stretch, else 0.
    body_at: usize,
    first_chunk: u64,
    leaves: Vec<Hash>,
}

/// Opened content goes no further than this, unless it was handed out.
impl Drop for Stretch {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl Stretch {
    pub(crate) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            body_at: 0,
            first_chunk: 0,
            leaves: Vec::new(),
        }
    }

    /// Makes this the stretch of that number, its slots holding whatever they held.
    pub(crate) fn reset(&mut self, number: u64, cut: &Cut, prefix: &Prefix) {
        self.first_chunk = number * cut.stretch_chunks;
        let prefix = if number == 0 { prefix.as_slice() } else { &[] };
        let chunks = capsule::chunk_count(cut.padded_bytes) - self.first_chunk;
        let slots = if chunks > cut.stretch_chunks {
            cut.stretch_chunks * capsule::SEALED_CHUNK_BYTES
        } else {
            let plain = cut.padded_bytes - self.first_chunk * CHUNK_BYTES;
            plain + chunks * TAG as u64
        };
        self.leaves.clear();
        self.body_at = prefix.len();
        self.bytes.resize(prefix.len() + slots as usize, 0);
        self.bytes
            .split_at_mut(prefix.len())
            .0
            .copy_from_slice(prefix);
    }

    /// The bytes as they lie in the object.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// All slots in a row, to be filled with ciphertext.
    pub(crate) fn body_mut(&mut self) -> &mut [u8] {
        self.bytes.split_at_mut(self.body_at).1
    }

    /// The plaintext part of every slot, with its offset in the padded content.
    pub(crate) fn plaintext_mut(&mut self) -> impl Iterator<Item = (u64, &mut [u8])> {
        let first = self.first_chunk;
        let slots = self.bytes.split_at_mut(self.body_at).1;
        (first..)
            .zip(slots.chunks_mut(SEALED_CHUNK))
            .map(|(chunk, slot)| {
                let len = slot.len() - TAG;
                (chunk * CHUNK as u64, slot.split_at_mut(len).0)
            })
    }

    /// As [`Self::plaintext_mut`], to read.
    pub(crate) fn plaintext(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let slots = self.bytes.split_at(self.body_at).1;
        (self.first_chunk..)
            .zip(slots.chunks(SEALED_CHUNK))
            .map(|(chunk, slot)| (chunk * CHUNK as u64, slot.split_at(slot.len() - TAG).0))
    }

    /// Hashes of the leaves, once sealed or opened.
    pub(crate) fn leaves(&self) -> &[Hash] {
        &self.leaves
    }

    /// Seals every chunk in place and hashes each leaf while it is in the cache.
    pub(crate) fn seal(&mut self, key: &CapsuleKey) -> Result<(), CryptoError> {
        let mut leaves = cut_leaves(&mut self.bytes, self.body_at, self.first_chunk);
        for pair in leaves.chunks_mut(PAIR) {
            for (chunk, slot) in pair.iter_mut().flat_map(Leaf::slots_mut) {
                key.cipher.seal_chunk_in_place(chunk, slot)?;
            }
            self.leaves.extend(hashes(pair));
        }
        Ok(())
    }

    /// Hashes each leaf and opens its chunks in place.
    pub(crate) fn open(&mut self, key: &CapsuleKey) -> Result<(), CryptoError> {
        let mut leaves = cut_leaves(&mut self.bytes, self.body_at, self.first_chunk);
        for pair in leaves.chunks_mut(PAIR) {
            self.leaves.extend(hashes(pair));
            for (chunk, slot) in pair.iter_mut().flat_map(Leaf::slots_mut) {
                key.cipher
                    .open_chunk_in_place(chunk, slot)
                    .map_err(|_| CryptoError::Damaged)?;
            }
        }
        Ok(())
    }
}

/// Leaves are hashed two by two: see [`leaf_hash_pair`].
const PAIR: usize = 2;

/// One leaf's bytes in a stretch.
struct Leaf<'a> {
    first_chunk: u64,
    bytes: &'a mut [u8],
    /// Where in them the first slot starts.
    body_at: usize,
}

impl Leaf<'_> {
    fn slots_mut(&mut self) -> impl Iterator<Item = (u64, &mut [u8])> {
        let slots = self.bytes.split_at_mut(self.body_at).1;
        (self.first_chunk..).zip(slots.chunks_mut(SEALED_CHUNK))
    }
}

fn cut_leaves(mut bytes: &mut [u8], mut body_at: usize, mut first_chunk: u64) -> Vec<Leaf<'_>> {
    let mut leaves = Vec::with_capacity(MAX_LEAVES as usize);
    while !bytes.is_empty() {
        let end = bytes.len().min(body_at + LEAF_BYTES as usize);
        let (leaf, after) = bytes.split_at_mut(end);
        leaves.push(Leaf {
            first_chunk,
            bytes: leaf,
            body_at,
        });
        (first_chunk, body_at, bytes) = (first_chunk + LEAF_CHUNKS, 0, after);
    }
    leaves
}

fn hashes(leaves: &[Leaf<'_>]) -> Vec<Hash> {
    match leaves {
        [left, right] => leaf_hash_pair(left.bytes, right.bytes).to_vec(),
        rest => rest.iter().map(|leaf| leaf_hash(leaf.bytes)).collect(),
    }
}

const _: () = assert!(PREFIX_BYTES == 120 && CHUNK_BYTES == CHUNK as u64);
