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
            "Assurance witnessed: at least one other operator has seen these heads, but not both a gatekeeper and a \
             witness elsewhere stand behind each of them."
        }
        Assurance::Separated => {
            "Assurance separated: the gatekeeper and at least one witness are run by other operators than the vault, and \
             both stand behind each of these heads."
        }
    }
}

/// Whether "complete" may be said without a reservation.
pub fn may_claim_complete(assurance: Assurance) -> bool {
    assurance == Assurance::Separated
}
