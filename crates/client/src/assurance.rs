//! What may honestly be said at each assurance level.

use obhut_format::card::Assurance;

/// One sentence for the first line of every verification.
pub fn assurance_sentence(assurance: Assurance) -> &'static str {
    match assurance {
        Assurance::SelfAsserted => {
            "Assurance self: confirmed only by the agency itself. It runs the gatekeeper and witnesses its own \
             logs, so this shows that nothing was changed afterwards, not that nothing was left out."
        }
        Assurance::Witnessed => {
            "Assurance witnessed: at least one witness elsewhere has seen these heads. The agency runs the \
             gatekeeper itself."
        }
        Assurance::Separated => {
            "Assurance separated: witnesses and the gatekeeper are run by other operators than the vault."
        }
    }
}

/// Whether "complete" may be said without a reservation.
pub fn may_claim_complete(assurance: Assurance) -> bool {
    assurance == Assurance::Separated
}
