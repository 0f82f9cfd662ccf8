//! Cuts a capsule into the parts it is uploaded in, while it is sealed.

use std::collections::BTreeSet;
use std::io;

use bytes::{Bytes, BytesMut};
use obhut_crypto::CapsuleSink;
use obhut_format::Hash;
use obhut_format::capsule::{leaf_count, part_leaves, part_range};
use obhut_format::tree::root;
use tokio::sync::mpsc::Sender;

/// A part that is whole.
pub(crate) struct SealedPart {
    /// Its number, from 0.
    pub(crate) number: u64,
    /// Root over its leaves.
    pub(crate) root: Hash,
    /// Its bytes; none where the vault has them.
    pub(crate) bytes: Option<Bytes>,
}

/// Hands parts over as they become whole; keeps no bytes of those the vault has.
pub(crate) struct PartSink {
    object_bytes: u64,
    sender: Sender<SealedPart>,
    held: BTreeSet<u64>,
    number: u64,
    /// Bytes of the current part that came so far.
    filled: u64,
    buffer: BytesMut,
    leaves: Vec<Hash>,
}

impl PartSink {
    pub(crate) fn new(object_bytes: u64, held: BTreeSet<u64>, sender: Sender<SealedPart>) -> Self {
        Self {
            object_bytes,
            sender,
            held,
            number: 0,
            filled: 0,
            buffer: BytesMut::new(),
            leaves: Vec::new(),
        }
    }

    fn part_bytes(&self) -> u64 {
        let (start, end) = part_range(self.number, self.object_bytes);
        end.saturating_sub(start)
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let each = part_leaves(self.object_bytes);
        let left = leaf_count(self.object_bytes).saturating_sub(self.number * each);
        let count = usize::try_from(left.min(each)).unwrap_or(usize::MAX);
        if self.leaves.len() < count {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let rest = self.leaves.split_off(count);
        let leaves = std::mem::replace(&mut self.leaves, rest);
        let bytes = self.buffer.split().freeze();
        let part = SealedPart {
            number: self.number,
            root: root(&leaves),
            bytes: (!self.held.contains(&self.number)).then_some(bytes),
        };
        self.number += 1;
        self.filled = 0;
        self.sender
            .blocking_send(part)
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl CapsuleSink for PartSink {
    fn take(&mut self, mut bytes: &[u8], leaves: &[Hash]) -> io::Result<()> {
        self.leaves.extend_from_slice(leaves);
        while !bytes.is_empty() {
            let size = self.part_bytes();
            let room = size.saturating_sub(self.filled);
            if room == 0 {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let fits = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
            let (now, later) = bytes.split_at(fits);
            if !self.held.contains(&self.number) {
                if self.filled == 0 {
                    self.buffer.reserve(usize::try_from(size).unwrap_or(0));
                }
                self.buffer.extend_from_slice(now);
            }
            self.filled += now.len() as u64;
            if self.filled == size {
                self.hand_over()?;
            }
            bytes = later;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use obhut_format::capsule::{leaf_range, part_count};
    use obhut_format::tree::leaf_hash;

    #[test]
    fn parts_are_the_object_however_it_comes_and_carry_the_roots_of_their_leaves() {
        let object_bytes = 20_000_120_u64;
        let object: Vec<u8> = (0..object_bytes).map(|i| (i % 251) as u8).collect();
        let slice = |(start, end): (u64, u64)| &object[start as usize..end as usize];
        let leaves: Vec<Hash> = (0..leaf_count(object_bytes))
            .map(|leaf| leaf_hash(slice(leaf_range(leaf, object_bytes))))
            .collect();
        for stretch in [1, 3, 4, 40] {
            let (sender, mut receiver) = tokio::sync::mpsc::channel(16);
            let mut sink = PartSink::new(object_bytes, [1].into(), sender);
            for (number, group) in (0..).zip(leaves.chunks(stretch)) {
                let first = number * stretch as u64;
                let (start, _) = leaf_range(first, object_bytes);
                let (_, end) = leaf_range(first + group.len() as u64 - 1, object_bytes);
                sink.take(slice((start, end)), group).unwrap();
            }
            drop(sink);
            let mut count = 0;
            while let Ok(part) = receiver.try_recv() {
                assert_eq!(part.number, count);
                let range = part_range(count, object_bytes);
                let first = (count * part_leaves(object_bytes)) as usize;
                let last = leaves.len().min(first + part_leaves(object_bytes) as usize);
                assert_eq!(part.root, root(&leaves[first..last]));
                match part.bytes {
                    Some(bytes) => assert!(bytes == slice(range)),
                    None => assert_eq!(count, 1, "what is held is not kept"),
                }
                count += 1;
            }
            assert_eq!(count, part_count(object_bytes));
        }
    }
}
