//! What was stored and not registered yet, remembered so that a registration need not read the bytes again.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use obhut_format::capsule::CapsuleHeader;
use obhut_format::{ObjectId, VaultId};

use super::Stored;

/// Entries kept; older ones are read from the store again when they are asked for.
const CAPACITY: usize = 65_536;

type Key = (VaultId, ObjectId);

/// A bounded memory of fresh uploads. Losing it (a restart) costs time only.
#[derive(Default)]
pub struct Staged(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    facts: HashMap<Key, (CapsuleHeader, Stored)>,
    order: VecDeque<Key>,
}

impl Staged {
    /// Remembers an upload.
    pub fn remember(&self, object: ObjectId, header: CapsuleHeader, stored: Stored) {
        let key = (header.vault, object);
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if memory.facts.insert(key, (header, stored)).is_none() {
            memory.order.push_back(key);
        }
        if memory.order.len() > CAPACITY
            && let Some(oldest) = memory.order.pop_front()
        {
            memory.facts.remove(&oldest);
        }
    }

    /// What is remembered of an upload.
    pub fn find(&self, vault: VaultId, object: ObjectId) -> Option<(CapsuleHeader, Stored)> {
        let memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        memory.facts.get(&(vault, object)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_the_oldest_beyond_its_capacity_and_keeps_vaults_apart() {
        let staged = Staged::default();
        let stored = Stored {
            content_root: [1; 32],
            leaf_count: 1,
            object_bytes: 4_232,
        };
        let header = CapsuleHeader {
            vault: VaultId([1; 16]),
            document: obhut_format::DocumentId([2; 16]),
            revision: 1,
            padded_bytes: 4_096,
        };
        let id = |number: usize| {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&(number as u64).to_be_bytes());
            ObjectId(id)
        };
        for number in 0..=CAPACITY {
            staged.remember(id(number), header, stored);
        }
        assert!(staged.find(header.vault, id(0)).is_none());
        assert!(staged.find(header.vault, id(CAPACITY)).is_some());
        assert!(staged.find(VaultId([2; 16]), id(CAPACITY)).is_none());
    }
}
