//! Where a log stands in memory: its tree, its time, and the chains of its busiest labels.

use std::collections::HashMap;

use obhut_format::Hash;
use obhut_format::tree::TreeBuilder;
use obhut_log::{ChainHead, Core, Label, Leaf, LogError, Rec, Recs};

/// Most chain heads kept in memory for one log; the rest is read from the label rows.
const MAX_HEADS: usize = 200_000;

/// A log as committed.
pub(crate) struct LogState {
    /// Its number in the database; none before its first leaf is committed.
    pub(crate) log: Option<i64>,
    /// Its origin.
    pub(crate) origin: String,
    /// The records log, or an access shard.
    pub(crate) is_records: bool,
    /// Time of the last entry, milliseconds UTC.
    pub(crate) time_ms: u64,
    tree: TreeBuilder,
    heads: HashMap<Label, ChainHead>,
}

/// Leaves about to be committed to one log.
pub(crate) struct LogDraft {
    /// Size before them.
    pub(crate) from: u64,
    /// The leaves.
    pub(crate) leaves: Vec<DraftLeaf>,
    tree: TreeBuilder,
    heads: HashMap<Label, ChainHead>,
}

/// One of them.
pub(crate) struct DraftLeaf {
    /// Its core.
    pub(crate) core: Core,
    /// Its label records.
    pub(crate) recs: Recs,
}

impl LogState {
    /// A log whose leaves are still to be read.
    pub(crate) fn empty(log: i64, origin: &str, is_records: bool) -> Self {
        let tree = TreeBuilder::new();
        Self::new(Some(log), origin.to_owned(), is_records, tree, 0)
    }

    /// Adds the hash of a committed leaf.
    pub(crate) fn grow(&mut self, leaf: Hash) {
        self.tree.append(leaf);
    }

    /// A log that ends with this tree and time.
    pub(crate) fn new(
        log: Option<i64>,
        origin: String,
        is_records: bool,
        tree: TreeBuilder,
        time_ms: u64,
    ) -> Self {
        Self {
            log,
            origin,
            is_records,
            time_ms,
            tree,
            heads: HashMap::new(),
        }
    }

    /// Number of leaves.
    pub(crate) fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Root over them.
    pub(crate) fn root(&self) -> Hash {
        self.tree.root()
    }

    /// Labels whose head is not in memory.
    pub(crate) fn unknown_heads(&self, labels: impl Iterator<Item = Label>) -> Vec<Label> {
        let mut unknown: Vec<Label> = labels
            .filter(|label| !self.heads.contains_key(label))
            .collect();
        unknown.sort_unstable();
        unknown.dedup();
        unknown
    }

    /// Remembers heads read from the label rows; labels without a row are at their start.
    pub(crate) fn learn(&mut self, asked: &[Label], found: Vec<(Label, ChainHead)>) {
        for label in asked {
            let start = ChainHead::start(&self.origin, label);
            self.heads.insert(*label, start);
        }
        self.heads.extend(found);
    }

    /// Forgets heads when there are too many; called between batches.
    pub(crate) fn trim(&mut self) {
        if self.heads.len() > MAX_HEADS {
            self.heads.clear();
        }
    }

    /// Begins a draft.
    pub(crate) fn draft(&self) -> LogDraft {
        LogDraft {
            from: self.size(),
            leaves: Vec::new(),
            tree: self.tree.clone(),
            heads: HashMap::new(),
        }
    }

    /// Adds a leaf to the draft and gives its index. The heads of all labels must be known.
    pub(crate) fn append(
        &self,
        draft: &mut LogDraft,
        core: Core,
        labels: &[(Label, Option<Hash>)],
    ) -> Result<u64, LogError> {
        let digest = core.digest();
        let mut recs = Vec::with_capacity(labels.len());
        for (label, state_root) in labels {
            let head = draft.heads.get(label).or_else(|| self.heads.get(label));
            let chain = head.ok_or(LogError::ChainMismatch)?.advance(&digest);
            recs.push(Rec {
                label: *label,
                chain,
                state_root: *state_root,
            });
        }
        let recs = Recs::new(recs)?;
        for rec in recs.as_slice() {
            draft.heads.insert(rec.label, rec.chain);
        }
        let index = draft.tree.size();
        draft.tree.append(Leaf::new(core, &recs).hash());
        draft.leaves.push(DraftLeaf { core, recs });
        Ok(index)
    }

    /// The draft was committed.
    pub(crate) fn accept(&mut self, draft: LogDraft) {
        if let Some(last) = draft.leaves.last() {
            self.time_ms = last.core.time_ms;
        }
        self.tree = draft.tree;
        self.heads.extend(draft.heads);
    }
}

impl LogDraft {
    /// Root with the draft's leaves.
    pub(crate) fn root(&self) -> Hash {
        self.tree.root()
    }

    /// Size with the draft's leaves.
    pub(crate) fn size(&self) -> u64 {
        self.tree.size()
    }
}
