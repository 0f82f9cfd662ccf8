//! What can go wrong between a request and the database.

use obhut_log::LogError;
use obhut_model::Refusal;
use obhut_sql::SqlError;

use crate::act::ActError;

/// An error of the store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The act itself is not acceptable: signature, time, openings.
    #[error("the act is not acceptable")]
    Act(#[from] ActError),
    /// The act was logged before; every request needs a new one.
    #[error("the act was used before")]
    ActSeen,
    /// The challenge, origin or signature of a login is wrong, or the time is over.
    #[error("the login is not valid")]
    BadLogin,
    /// The machine's clock stands before the time of the last entry.
    #[error("the clock runs backwards: set it right and start again")]
    ClockBackwards,
    /// Something else is stored under this id.
    #[error("{0} exists with other contents")]
    Conflict(&'static str),
    /// What the database or the tiles hold does not fit together.
    #[error("stored data is damaged: {0}")]
    Damaged(&'static str),
    /// The database's disk is full; nothing was written.
    #[error("the database's disk is full")]
    DiskFull,
    /// Another process has written to this vault's logs; this one must stop.
    #[error("another process writes this vault's logs")]
    Fenced,
    /// The gatekeeper refused.
    #[error("the gatekeeper refused: {text}")]
    GateRefused {
        /// Stable name.
        code: String,
        /// One sentence; names ids only.
        text: String,
    },
    /// The gatekeeper cannot be reached or answered something unexpected.
    #[error("the gatekeeper is not available")]
    GateUnavailable,
    /// Bytes of a log could not be built or read.
    #[error("the log cannot take the entry")]
    Log(#[from] LogError),
    /// No quorum of cosignatures yet; the same request may succeed a little later.
    #[error("the entry is committed but not yet confirmed by a quorum")]
    NoQuorum,
    /// The batch the work was in could not be committed; nothing was written. Worth another try.
    #[error("the work was not committed: try again")]
    NotCommitted,
    /// Another server writes this database's logs, or this one has just lost the right to.
    #[error("another server leads")]
    NotLeading,
    /// No such thing, or not for this caller.
    #[error("not found")]
    NotFound,
    /// A grant was brought for another act.
    #[error("the permission belongs to another act")]
    OtherAct,
    /// The policy refused.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The mutation's records or rows are not valid.
    #[error("the mutation is not valid: {reason}")]
    Rejected {
        /// Stable name of what is wrong.
        code: &'static str,
        /// One sentence; names no content.
        reason: String,
    },
    /// The database.
    #[error("the database failed")]
    Sql(#[from] SqlError),
    /// The sequencer has stopped; the server must be restarted.
    #[error("the vault's sequencer has stopped")]
    Stopped,
    /// Tiles could not be read or written.
    #[error("the tiles folder cannot be used")]
    Tiles(#[source] std::io::Error),
    /// No session, or it has ended.
    #[error("not logged in")]
    Unauthenticated,
}

impl StoreError {
    /// A mutation whose rows do not fit its records.
    pub(crate) fn rejected(code: &'static str, reason: impl Into<String>) -> Self {
        Self::Rejected {
            code,
            reason: reason.into(),
        }
    }
}

impl From<Refusal> for StoreError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
