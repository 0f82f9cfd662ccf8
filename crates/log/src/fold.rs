//! Folding a label's chain: nothing left out, nothing added, in order.

use obhut_format::tree::Hash;

use crate::error::LogError;
use crate::label::Label;
use crate::leaf::{ChainHead, Leaf, Recs};

/// Follows one label through a log, entry by entry. What it accepted is exactly the label's chain
/// from its start (or from where the caller already stood) to [`head`](Self::head).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    label: Label,
    head: ChainHead,
    time_ms: u64,
    state_root: Option<Hash>,
}

impl Chain {
    /// A chain without entries in the log `origin`.
    pub fn start(origin: &str, label: Label) -> Self {
        Self {
            label,
            head: ChainHead::start(origin, &label),
            time_ms: 0,
            state_root: None,
        }
    }

    /// Goes on from a head and time the caller verified earlier; a vault that rolled the chain back
    /// or rewrote it cannot lead from there to what it claims now.
    pub fn resume(label: Label, head: ChainHead, time_ms: u64) -> Self {
        Self {
            label,
            head,
            time_ms,
            state_root: None,
        }
    }

    /// Takes the label's next entry: the records must be the leaf's, continue this chain by exactly
    /// one, and time must not run backwards. On an error the chain stays where it was.
    pub fn append(&mut self, leaf: &Leaf, recs: &Recs) -> Result<(), LogError> {
        leaf.verify_recs(recs)?;
        let rec = recs.find(&self.label).ok_or(LogError::ChainMismatch)?;
        let next = self.head.advance(&leaf.core.digest());
        if rec.chain.seq != next.seq {
            return Err(LogError::SeqSkipped);
        }
        if rec.chain.head != next.head {
            return Err(LogError::ChainMismatch);
        }
        if leaf.core.time_ms < self.time_ms {
            return Err(LogError::TimeBackwards);
        }
        self.head = next;
        self.time_ms = leaf.core.time_ms;
        self.state_root = rec.state_root.or(self.state_root);
        Ok(())
    }

    /// Where the chain stands; its `seq` is the number of entries.
    pub fn head(&self) -> ChainHead {
        self.head
    }

    /// Time of the last entry, milliseconds since 1970 UTC; 0 before the first.
    pub fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// The latest state root seen under this label.
    pub fn state_root(&self) -> Option<Hash> {
        self.state_root
    }

    /// Checks that the folded entries are all there are up to the claimed head.
    pub fn finish(&self, claimed: ChainHead) -> Result<(), LogError> {
        if self.head.seq != claimed.seq {
            return Err(LogError::SeqSkipped);
        }
        if self.head == claimed {
            Ok(())
        } else {
            Err(LogError::ChainMismatch)
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::leaf::{Core, Flags, Rec};

    const ORIGIN: &str = "vault.example/access/general/2026q4";

    fn label(byte: u8) -> Label {
        Label::from_bytes([byte; 32])
    }

    /// Entries under label 1, each also under a label of its own.
    fn log(count: u8) -> Vec<(Leaf, Recs)> {
        let mut head = ChainHead::start(ORIGIN, &label(1));
        let mut entries = Vec::new();
        for i in 0..count {
            let core = Core {
                kind: 1,
                flags: Flags::NONE,
                time_ms: 1_000 + u64::from(i),
                commitment: [i; 32],
                payload_hash: [i; 32],
            };
            head = head.advance(&core.digest());
            let own = label(100 + i);
            let own_chain = ChainHead::start(ORIGIN, &own).advance(&core.digest());
            let recs = Recs::new(vec![
                Rec {
                    label: own,
                    chain: own_chain,
                    state_root: None,
                },
                Rec {
                    label: label(1),
                    chain: head,
                    state_root: None,
                },
            ])
            .unwrap();
            entries.push((Leaf::new(core, &recs), recs));
        }
        entries
    }

    fn fold(entries: &[(Leaf, Recs)]) -> Result<Chain, LogError> {
        let mut chain = Chain::start(ORIGIN, label(1));
        for (leaf, recs) in entries {
            chain.append(leaf, recs)?;
        }
        Ok(chain)
    }

    #[test]
    fn folds_an_honest_chain_to_its_head() {
        let chain = fold(&log(5)).unwrap();
        assert_eq!(chain.head().seq, 5);
        assert_eq!(chain.finish(chain.head()), Ok(()));
    }

    #[test]
    fn e07_notices_an_omitted_a_repeated_and_a_reordered_entry() {
        let honest = log(5);
        let mut omitted = honest.clone();
        omitted.remove(2);
        assert_eq!(fold(&omitted), Err(LogError::SeqSkipped));
        let mut repeated = honest.clone();
        repeated.insert(2, honest.get(2).unwrap().clone());
        assert_eq!(fold(&repeated), Err(LogError::SeqSkipped));
        let mut reordered = honest.clone();
        reordered.swap(1, 2);
        assert_eq!(fold(&reordered), Err(LogError::SeqSkipped));
        let truncated = fold(honest.get(..4).unwrap()).unwrap();
        let claimed = fold(&honest).unwrap().head();
        assert_eq!(truncated.finish(claimed), Err(LogError::SeqSkipped));
    }

    #[test]
    fn e07_notices_a_rewritten_head_and_a_rewritten_core() {
        let honest = log(3);
        let (leaf, recs) = honest.last().unwrap().clone();
        let mut forged: Vec<Rec> = recs.as_slice().to_vec();
        forged.last_mut().unwrap().chain.head = [0; 32];
        let forged = Recs::new(forged).unwrap();
        let mut chain = fold(honest.get(..2).unwrap()).unwrap();
        assert_eq!(chain.append(&leaf, &forged), Err(LogError::RecsMismatch));
        let refitted = Leaf::new(leaf.core, &forged);
        assert_eq!(
            chain.append(&refitted, &forged),
            Err(LogError::ChainMismatch)
        );
        let mut core = leaf.core;
        core.payload_hash = [0xff; 32];
        let rewritten = Leaf::new(core, &recs);
        assert_eq!(
            chain.append(&rewritten, &recs),
            Err(LogError::ChainMismatch)
        );
        assert_eq!(
            chain.append(&leaf, &recs),
            Ok(()),
            "a refusal leaves the chain where it was"
        );
    }

    #[test]
    fn notices_a_rollback_behind_the_readers_own_head() {
        let honest = log(4);
        let known = fold(honest.get(..3).unwrap()).unwrap();
        let mut resumed = Chain::resume(label(1), known.head(), known.time_ms());
        let (leaf, recs) = honest.get(3).unwrap();
        assert_eq!(resumed.append(leaf, recs), Ok(()));
        let (old_leaf, old_recs) = honest.get(1).unwrap();
        assert_eq!(
            resumed.append(old_leaf, old_recs),
            Err(LogError::SeqSkipped)
        );
    }

    #[test]
    fn a_chain_of_another_origin_does_not_fold() {
        let mut chain = Chain::start("other.example/access", label(1));
        let entries = log(1);
        let (leaf, recs) = entries.first().unwrap();
        assert_eq!(chain.append(leaf, recs), Err(LogError::ChainMismatch));
    }

    #[test]
    fn refuses_time_that_runs_backwards() {
        let entries = log(1);
        let (leaf, recs) = entries.first().unwrap();
        let head = ChainHead::start(ORIGIN, &label(1));
        let mut chain = Chain::resume(label(1), head, 1_001);
        assert_eq!(chain.append(leaf, recs), Err(LogError::TimeBackwards));
    }
}
