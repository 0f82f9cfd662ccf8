//! What a mutation's records change, as far as the policy needs to know.

use obhut_format::act::ActKind;
use obhut_format::{CaseId, PersonId};

use crate::CaseStep;

/// One record of a mutation, seen by the policy. Whether its signer may make it is checked once
/// more, and by every replayer, when the record is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The vault card (founding).
    Card,
    /// A person id comes into being, or gets an invitation.
    Enrol {
        /// The person.
        person: PersonId,
        /// Reads as a citizen.
        citizen: bool,
    },
    /// A person's own keys: bundle rotated or device added.
    OwnKeys(PersonId),
    /// A device is revoked.
    RevokeDevice(PersonId),
    /// A role is given or taken.
    Appoint,
    /// A unit or its next epoch.
    Unit,
    /// A case is created (see its [`crate::CaseFacts`]).
    CreateCase(CaseId),
    /// A case changes.
    Case(CaseId, CaseStep),
    /// Documents are registered in a case, or a card replaced.
    File(CaseId),
    /// Keys of a case are granted.
    Grant {
        /// The case.
        case: CaseId,
        /// Every recipient is the caller's current bundle.
        to_self: bool,
    },
    /// A grant is revoked.
    RevokeGrant(CaseId),
    /// Agency recovery is set up, asked for, finished or withdrawn.
    Recovery,
    /// A trustee tries their share or hands it over; the replay checks whose it is.
    OwnShare,
    /// Somebody stands in for a caseworker, or does no longer.
    Deputy {
        /// For whom.
        on_behalf_of: PersonId,
        /// Who, where they may say so themselves.
        deputy: Option<PersonId>,
    },
    /// What only the vault states: shards, heads of the gatekeeper's chain.
    Vault,
}

impl Change {
    /// Whether an act of this kind makes such changes.
    pub(crate) fn belongs_to(self, kind: ActKind) -> bool {
        match self {
            Self::Card | Self::Vault => false,
            Self::Enrol { .. } => kind == ActKind::EnrolPerson,
            Self::OwnKeys(_) | Self::RevokeDevice(_) => kind == ActKind::ManageIdentity,
            Self::Appoint => matches!(
                kind,
                ActKind::Appoint | ActKind::ManageUnit | ActKind::Recover
            ),
            // Units get new keys with every change of who may hold them.
            Self::Unit => matches!(
                kind,
                ActKind::Appoint | ActKind::ManageUnit | ActKind::ManageIdentity | ActKind::Recover
            ),
            Self::Recovery | Self::OwnShare => kind == ActKind::Recover,
            Self::Deputy { .. } => matches!(kind, ActKind::Appoint | ActKind::ManageUnit),
            Self::CreateCase(_) => kind == ActKind::CreateCase,
            Self::Case(..) => kind == ActKind::ChangeCase,
            Self::File(_) => matches!(kind, ActKind::FileDocuments | ActKind::ChangeCase),
            Self::Grant { to_self, .. } => match kind {
                ActKind::Grant | ActKind::FileDocuments => true,
                ActKind::ManageIdentity => to_self,
                _ => false,
            },
            Self::RevokeGrant(_) => kind == ActKind::RevokeGrant,
        }
    }
}
