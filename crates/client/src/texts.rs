//! What people type in and carry about.

use obhut_format::FormatError;
use obhut_format::bootstrap::BootstrapCode;
use obhut_format::gate_link::EnrolmentCode;
use obhut_format::invite::{Invitation, to_text};
use zeroize::Zeroizing;

/// The text form of an invitation; it is the secret itself.
pub fn invitation_text(invitation: &Invitation) -> Zeroizing<String> {
    Zeroizing::new(to_text(invitation))
}

/// Reads the one-time code that `obhut-server init` prints.
pub fn parse_bootstrap_code(text: &str) -> Result<BootstrapCode, FormatError> {
    BootstrapCode::parse_text(text)
}

/// Reads the one-time code that `obhut-gate enrol` prints.
pub fn parse_enrolment_code(text: &str) -> Result<EnrolmentCode, FormatError> {
    EnrolmentCode::parse_text(text)
}
