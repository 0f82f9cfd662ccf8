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
    /// The act was logged before, and there is no answer that could be given again.
    #[error("the act was used before")]
    ActSeen,
    /// The challenge, origin or signature of a login is wrong, or the time is over.
    #[error("the login is not valid")]
    BadLogin,
    /// Others know more of a log than the database holds. Nothing may be signed: it would be a fork.
    #[error(
        "the database holds {here} entries of {origin}, but {seen} are known to {by}: was it restored from a backup?"
    )]
    Behind {
        /// The log.
        origin: String,
        /// Its size in the database.
        here: u64,
        /// Its size elsewhere.
        seen: u64,
        /// Who knows.
        by: &'static str,
    },
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
    /// The database holds another history of a log than others have seen. Nothing may be signed.
    #[error(
        "the first {size} entries of {origin} are not those known to {by}: was the database restored from a backup and written to?"
    )]
    Forked {
        /// The log.
        origin: String,
        /// The size that was compared.
        size: u64,
        /// Who knows another history.
        by: &'static str,
    },
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
    /// The database was restored, and nothing is signed before this one has said how far it knows the logs.
    #[error(
        "the vault was restored from a backup and waits for {0} to say how far it knows the logs"
    )]
    Uncompared(&'static str),
}

impl StoreError {
    /// Whether the database is older than what others have seen, or another one.
    pub fn is_fork(&self) -> bool {
        matches!(self, Self::Behind { .. } | Self::Forked { .. })
    }

    /// The same once more, of an error that says so ([`StoreError::is_fork`]).
    #[must_use]
    pub fn to_fork(&self) -> Self {
        match self {
            Self::Behind {
                origin,
                here,
                seen,
                by,
            } => Self::Behind {
                origin: origin.clone(),
                here: *here,
                seen: *seen,
                by,
            },
            Self::Forked { origin, size, by } => Self::Forked {
                origin: origin.clone(),
                size: *size,
                by,
            },
            _ => Self::Stopped,
        }
    }

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
