//! The life of a case file as far as writing goes: open, closed (z. d. A.), open again.

use crate::Refusal;

/// Where a case stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaseState {
    /// Documents are filed.
    Open,
    /// Closed; its retention period may begin.
    Closed,
}

/// What is about to happen to a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CaseStep {
    /// Documents, cards, subjects, keys.
    Write,
    /// Closing.
    Close,
    /// Opening again.
    Reopen,
}

impl CaseState {
    /// The state after the step, or why it cannot be taken.
    pub fn after(self, step: CaseStep) -> Result<Self, Refusal> {
        match (self, step) {
            (Self::Open, CaseStep::Write) | (Self::Closed, CaseStep::Reopen) => Ok(Self::Open),
            (Self::Open, CaseStep::Close) => Ok(Self::Closed),
            (Self::Closed, CaseStep::Write | CaseStep::Close) => Err(Refusal::CaseClosed),
            (Self::Open, CaseStep::Reopen) => Err(Refusal::CaseOpen),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_case_takes_nothing_until_it_is_opened_again() {
        let closed = CaseState::Open.after(CaseStep::Close);
        assert_eq!(closed, Ok(CaseState::Closed));
        assert_eq!(
            CaseState::Closed.after(CaseStep::Write),
            Err(Refusal::CaseClosed)
        );
        assert_eq!(
            CaseState::Closed.after(CaseStep::Close),
            Err(Refusal::CaseClosed)
        );
        assert_eq!(
            CaseState::Closed.after(CaseStep::Reopen),
            Ok(CaseState::Open)
        );
        assert_eq!(
            CaseState::Open.after(CaseStep::Reopen),
            Err(Refusal::CaseOpen)
        );
    }
}
