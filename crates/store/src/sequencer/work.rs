//! What front ends hand to the sequencer.

use obhut_format::Hash;
use obhut_format::entry::Outcome;
use obhut_format::mutation::Committed;
use obhut_format::statement::Event;
use obhut_log::entry::EntryOpenings;
use obhut_log::replay::RecordLabel;
use obhut_log::{Core, Label, Recs};
use obhut_model::Refusal;
use tokio::sync::oneshot;

use crate::act::VerifiedAct;
use crate::proposal::Proposal;
use crate::{Clock, StoreError};

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

/// One thing to be logged.
pub(crate) enum Work {
    /// An act that reads, or a refused one.
    Entry(Box<EntryWork>),
    /// An act that writes records.
    Mutation(Box<MutationWork>),
    /// How an entry ended.
    Close(CloseWork),
    /// A statement by the vault itself.
    Statement(StatementWork),
}

/// An entry without records.
pub(crate) struct EntryWork {
    pub(crate) act: VerifiedAct,
    /// What it is about beyond what the act names.
    pub(crate) about: Vec<RecordLabel>,
    pub(crate) refusal: Option<Refusal>,
    pub(crate) reply: Reply<LoggedAct>,
}

/// Records, their rows and their entry.
pub(crate) struct MutationWork {
    pub(crate) act: VerifiedAct,
    pub(crate) proposal: Proposal,
    pub(crate) reply: Reply<Committed>,
}

/// A CLOSE leaf.
pub(crate) struct CloseWork {
    pub(crate) shard: String,
    pub(crate) entry: u64,
    pub(crate) labels: Vec<Label>,
    pub(crate) outcome: Outcome,
    pub(crate) receipt: Option<Hash>,
}

/// A record signed with the vault's own key.
pub(crate) struct StatementWork {
    pub(crate) event: Event,
    pub(crate) reply: Reply<()>,
}

/// Committed leaves of one act.
#[derive(Debug)]
pub(crate) struct LoggedAct {
    pub(crate) shard: String,
    pub(crate) leaves: Vec<LoggedLeaf>,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct LoggedLeaf {
    pub(crate) index: u64,
    pub(crate) core: Core,
    pub(crate) recs: Recs,
    pub(crate) openings: EntryOpenings,
}

impl Work {
    /// About how many leaves it makes.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Entry(_) | Self::Close(_) | Self::Statement(_) => 1,
            Self::Mutation(work) => 2 + work.proposal.mutation.records.len(),
        }
    }

    /// The act behind it, if there is one.
    pub(crate) fn act(&self) -> Option<&VerifiedAct> {
        match self {
            Self::Entry(work) => Some(&work.act),
            Self::Mutation(work) => Some(&work.act),
            Self::Close(_) | Self::Statement(_) => None,
        }
    }

    /// Tells whoever waits that it failed.
    pub(crate) fn fail(self, error: StoreError) {
        // A waiter that is gone needs no answer.
        match self {
            Self::Entry(work) => drop(work.reply.send(Err(error))),
            Self::Mutation(work) => drop(work.reply.send(Err(error))),
            Self::Statement(work) => drop(work.reply.send(Err(error))),
            Self::Close(_) => drop(error),
        }
    }
}

/// The time of a batch: never before the last entry.
pub(crate) fn batch_time_ms(clock: &Clock, last_ms: u64) -> Result<u64, StoreError> {
    /// A step back that clocks make when they are set by a second or so.
    const TOLERATED_MS: u64 = 5_000;
    let now_ms = clock.now_us() / 1_000;
    if now_ms.saturating_add(TOLERATED_MS) < last_ms {
        return Err(StoreError::ClockBackwards);
    }
    Ok(now_ms.max(last_ms))
}
