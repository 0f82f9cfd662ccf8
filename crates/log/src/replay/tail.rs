use obhut_format::release::LabelRecord;
use obhut_format::tree::TreeBuilder;
use obhut_format::{FormatError, Hash, record};
use rpds::HashTrieMapSync;

use crate::checkpoint::{Checkpoint, SignedCheckpoint};
use crate::error::LogError;
use crate::label::Label;
use crate::leaf::{ChainHead, Core, Leaf, Rec, Recs};
use crate::note::VerifierKey;

/// Where a log ends: its tree, its time and the chain of every label. Grows by entries it makes
/// itself ([`append`](Self::append)) or checks ([`accept`](Self::accept)). Clones are cheap.
#[derive(Debug, Clone)]
pub struct LogTail {
    origin: String,
    tree: TreeBuilder,
    time_ms: u64,
    heads: HashTrieMapSync<Label, ChainHead>,
}

impl LogTail {
    /// An empty log.
    pub fn new(origin: impl Into<String>) -> Self {
        Self {
            origin: origin.into(),
            tree: TreeBuilder::new(),
            time_ms: 0,
            heads: HashTrieMapSync::new_sync(),
        }
    }

    /// Which log.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// The perfect subtrees over them.
    pub fn tree(&self) -> &TreeBuilder {
        &self.tree
    }

    /// Time of the last entry, milliseconds since 1970 UTC.
    pub fn time_ms(&self) -> u64 {
        self.time_ms
    }

    /// Where a label's chain stands; at its start if it has no entries.
    pub fn head(&self, label: &Label) -> ChainHead {
        let head = self.heads.get(label).copied();
        head.unwrap_or_else(|| ChainHead::start(&self.origin, label))
    }

    /// The log's head, to be signed or compared.
    pub fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            origin: self.origin.clone(),
            size: self.tree.size(),
            root: self.tree.root(),
        }
    }

    /// Adds an entry under these labels, each with the state root it carries, and returns its leaf
    /// and records.
    pub fn append(
        &mut self,
        core: &Core,
        labels: &[(Label, Option<Hash>)],
    ) -> Result<(Leaf, Recs), LogError> {
        let digest = core.digest();
        let rec = |(label, state_root): &(Label, Option<Hash>)| Rec {
            label: *label,
            chain: self.head(label).advance(&digest),
            state_root: *state_root,
        };
        let recs = Recs::new(labels.iter().map(rec).collect())?;
        let leaf = self.accept(core, &recs)?;
        Ok((leaf, recs))
    }

    /// Takes the next entry of a log somebody else wrote, or refuses it and stays as it was: time
    /// must not run backwards and every chain must go on by exactly this entry.
    pub fn accept(&mut self, core: &Core, recs: &Recs) -> Result<Leaf, LogError> {
        if core.time_ms < self.time_ms {
            return Err(LogError::TimeBackwards);
        }
        let digest = core.digest();
        for rec in recs.as_slice() {
            let next = self.head(&rec.label).advance(&digest);
            if rec.chain.seq != next.seq {
                return Err(LogError::SeqSkipped);
            }
            if rec.chain.head != next.head {
                return Err(LogError::ChainMismatch);
            }
        }
        for rec in recs.as_slice() {
            self.heads.insert_mut(rec.label, rec.chain);
        }
        let leaf = Leaf::new(*core, recs);
        self.tree.append(leaf.hash());
        self.time_ms = core.time_ms;
        Ok(leaf)
    }

    /// Checks that the log signed exactly this head; says nothing of witnesses.
    pub fn verify_head(
        &self,
        signed: &SignedCheckpoint,
        log: &VerifierKey,
    ) -> Result<(), LogError> {
        if *signed.verify_log(log)? == self.checkpoint() {
            Ok(())
        } else {
            Err(LogError::HeadMismatch)
        }
    }

    pub(super) fn to_snapshot(&self) -> TailSnapshot {
        let mut heads: Vec<LabelHead> = self
            .heads
            .iter()
            .map(|(label, chain)| LabelHead {
                label: *label.as_bytes(),
                seq: chain.seq,
                head: chain.head,
            })
            .collect();
        heads.sort_unstable_by_key(|head| head.label);
        TailSnapshot {
            origin: self.origin.clone(),
            size: self.tree.size(),
            frontier: self.tree.frontier().to_vec(),
            time_ms: self.time_ms,
            heads,
        }
    }

    pub(super) fn from_snapshot(snapshot: TailSnapshot) -> Result<Self, FormatError> {
        let tree = TreeBuilder::resume(snapshot.size, snapshot.frontier)
            .map_err(|_| FormatError::OutOfRange)?;
        let heads = snapshot.heads.into_iter().map(|head| {
            let chain = ChainHead {
                seq: head.seq,
                head: head.head,
            };
            (Label::from_bytes(head.label), chain)
        });
        Ok(Self {
            origin: snapshot.origin,
            tree,
            time_ms: snapshot.time_ms,
            heads: heads.collect(),
        })
    }
}

record! {
    /// A label's chain, as kept.
    LabelHead {
        /// The label.
        1 => label: Hash,
        /// Entries so far.
        2 => seq: u64,
        /// Their fold.
        3 => head: Hash,
    }
}

record! {
    /// A [`LogTail`], as kept.
    TailSnapshot {
        /// Which log.
        1 => origin: String,
        /// Number of leaves.
        2 => size: u64,
        /// Perfect subtrees, largest first.
        3 => frontier: Vec<Hash>,
        /// Time of the last entry, milliseconds UTC.
        4 => time_ms: u64,
        /// All chains, by label.
        5 => heads: Vec<LabelHead>,
    }
}

impl From<&Rec> for LabelRecord {
    fn from(rec: &Rec) -> Self {
        Self {
            label: *rec.label.as_bytes(),
            seq: rec.chain.seq,
            head: rec.chain.head,
            state_root: rec.state_root,
        }
    }
}

impl From<&LabelRecord> for Rec {
    fn from(record: &LabelRecord) -> Self {
        Self {
            label: Label::from_bytes(record.label),
            chain: ChainHead {
                seq: record.seq,
                head: record.head,
            },
            state_root: record.state_root,
        }
    }
}

impl Recs {
    /// Label records as they travel.
    pub fn from_records(records: &[LabelRecord]) -> Result<Self, LogError> {
        Self::new(records.iter().map(Rec::from).collect())
    }

    /// As they travel.
    pub fn to_records(&self) -> Vec<LabelRecord> {
        self.as_slice().iter().map(LabelRecord::from).collect()
    }
}
