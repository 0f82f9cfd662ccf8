//! Refusals and failures of the layers below, as problems.

use obhut_model::Refusal;
use obhut_sql::SqlError;
use obhut_store::{ActError, StoreError, Vault, VerifiedAct};

use super::problem::{Kind, Problem};
use crate::logging::chain;
use crate::objects::ObjectError;

/// Logs a refused act and says what its caller may know.
pub(crate) async fn refused(vault: &Vault, act: VerifiedAct, refusal: Refusal) -> Problem {
    let problem = Problem::from(refusal);
    match vault.log_refusal(act, refusal).await {
        Ok(()) => problem,
        Err(error) => error.into(),
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        if refusal.hides_existence() {
            Kind::NotFound.into()
        } else {
            Self::reason(Kind::Refused, refusal.as_str())
        }
    }
}

impl From<ActError> for Problem {
    fn from(error: ActError) -> Self {
        Self {
            reason: Some(act_code(error).to_owned()),
            ..Self::detail(Kind::ActInvalid, error.to_string())
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Act(error) => error.into(),
            StoreError::ActSeen => Self::reason(Kind::ActInvalid, "act-seen"),
            StoreError::BadLogin => Kind::LoginRefused.into(),
            StoreError::ClockBackwards => Self::reason(Kind::Unavailable, "clock-backwards"),
            StoreError::Conflict(what) => Self::reason(Kind::Conflict, what),
            StoreError::GateRefused { code, .. } if code == "unavailable" => {
                Kind::GateUnavailable.into()
            }
            StoreError::GateRefused { code, .. } => Self::reason(Kind::GateRefused, code),
            StoreError::GateUnavailable => Kind::GateUnavailable.into(),
            StoreError::NoQuorum => Kind::Unconfirmed.into(),
            StoreError::NotCommitted
            | StoreError::Stopped
            | StoreError::Sql(SqlError::Conflict(_)) => Kind::Unavailable.into(),
            error @ StoreError::Sql(SqlError::Unavailable(_) | SqlError::Undecided(_)) => {
                tracing::warn!(error = chain(&error), "the database does not answer");
                Kind::Unavailable.into()
            }
            StoreError::NotLeading => Kind::NoLeader.into(),
            StoreError::NotFound => Kind::NotFound.into(),
            StoreError::Refused(refusal) => refusal.into(),
            StoreError::Rejected { code, reason } => Self {
                reason: Some(code.to_owned()),
                ..Self::detail(Kind::RecordRefused, reason)
            },
            StoreError::DiskFull | StoreError::Sql(SqlError::DiskFull(_)) => {
                Kind::StorageFull.into()
            }
            StoreError::Behind { .. } | StoreError::Forked { .. } => {
                Self::reason(Kind::Unavailable, "vault-held")
            }
            StoreError::Uncompared(_) => Self::reason(Kind::Unavailable, "restored-uncompared"),
            StoreError::Unauthenticated => Kind::Unauthenticated.into(),
            other => Self::detail(Kind::Internal, chain(&other)),
        }
    }
}

impl From<ObjectError> for Problem {
    fn from(error: ObjectError) -> Self {
        match error {
            ObjectError::Full => Kind::StorageFull.into(),
            ObjectError::Occupied => Self::reason(Kind::Conflict, "object-occupied"),
            ObjectError::Io(_) => Self::detail(Kind::Internal, chain(&error)),
            ObjectError::Length => Self::reason(Kind::ObjectInvalid, "length"),
            ObjectError::Refused { .. } | ObjectError::Unavailable(_) => {
                tracing::error!(error = chain(&error), "the object store failed");
                Kind::ObjectsUnavailable.into()
            }
        }
    }
}

fn act_code(error: ActError) -> &'static str {
    match error {
        ActError::Early => "act-early",
        ActError::EphemeralKey => "act-ephemeral-key",
        ActError::Expired => "act-expired",
        ActError::Lifetime => "act-lifetime",
        ActError::Malformed => "act-malformed",
        ActError::Objects => "act-objects",
        ActError::Persons => "act-persons",
        ActError::Reason => "act-reason",
        ActError::Shard => "act-shard",
        ActError::Signature => "act-signature",
        ActError::Vault => "act-vault",
        _ => "act-invalid",
    }
}
