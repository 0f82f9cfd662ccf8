//! An act that stands in the log.

use std::marker::PhantomData;
use std::sync::OnceLock;

use obhut_format::Hash;
use obhut_format::entry::Outcome;
use obhut_log::Label;
use tokio::sync::mpsc;

use crate::act::VerifiedAct;
use crate::sequencer::{CloseWork, LoggedAct, LoggedLeaf, Work};

/// Proof that an act was allowed and its entry committed. Every read of what a vault keeps for
/// others demands a reference to one; it names no objects itself, because they are the act's.
///
/// Dropped without [`complete`](Self::complete) it closes the entry as aborted, unless the act was
/// only answered once more.
#[must_use = "an entry must be closed with its outcome"]
pub struct Logged<A> {
    act: VerifiedAct,
    entry: LoggedAct,
    /// Weak, so that an unfinished request does not keep a vault from stopping.
    queue: mpsc::WeakUnboundedSender<Work>,
    receipt: OnceLock<Hash>,
    completed: bool,
    repeated: bool,
    action: PhantomData<fn() -> A>,
}

impl<A> Logged<A> {
    /// Only after the entry is committed.
    pub(crate) fn new(
        act: VerifiedAct,
        entry: LoggedAct,
        queue: &mpsc::UnboundedSender<Work>,
    ) -> Self {
        Self {
            act,
            entry,
            queue: queue.downgrade(),
            receipt: OnceLock::new(),
            completed: false,
            repeated: false,
            action: PhantomData,
        }
    }

    /// Of an act that was logged before and is sent again because its answer was lost.
    pub(crate) fn again(
        act: VerifiedAct,
        entry: LoggedAct,
        queue: &mpsc::UnboundedSender<Work>,
    ) -> Self {
        let mut logged = Self::new(act, entry, queue);
        logged.repeated = true;
        logged
    }

    /// The act.
    pub fn act(&self) -> &VerifiedAct {
        &self.act
    }

    /// Origin of the shard with the entry.
    pub fn shard(&self) -> &str {
        &self.entry.shard
    }

    /// Indices of the entry's leaves, one for each part.
    pub fn indices(&self) -> Vec<u64> {
        self.leaves().iter().map(|leaf| leaf.index).collect()
    }

    /// Says how it ended: a CLOSE leaf under the same labels, committed with one of the next batches.
    /// That an act sent again fails says nothing about the first time.
    pub fn complete(mut self, outcome: Outcome) {
        self.completed = true;
        if !self.repeated || outcome == Outcome::Done {
            self.close(outcome);
        }
    }

    pub(crate) fn leaves(&self) -> &[LoggedLeaf] {
        &self.entry.leaves
    }

    /// Remembers the root of what the gatekeeper released, for the CLOSE leaf.
    pub(crate) fn remember_receipt(&self, root: Hash) {
        // A repeated release of the same act has the same receipt.
        let _: Result<(), Hash> = self.receipt.set(root);
    }

    fn close(&self, outcome: Outcome) {
        for leaf in &self.entry.leaves {
            let recs = leaf.recs.as_slice();
            let labels: Vec<Label> = recs.iter().map(|rec| rec.label).collect();
            let work = Work::Close(CloseWork {
                shard: self.entry.shard.clone(),
                entry: leaf.index,
                labels,
                outcome,
                receipt: self.receipt.get().copied(),
            });
            // Without a sequencer the entry stays open, and is closed as aborted after the restart.
            if let Some(queue) = self.queue.upgrade() {
                drop(queue.send(work));
            }
        }
    }
}

impl<A> Drop for Logged<A> {
    fn drop(&mut self) {
        if !self.completed && !self.repeated {
            self.close(Outcome::Aborted);
        }
    }
}
