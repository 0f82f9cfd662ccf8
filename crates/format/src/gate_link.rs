//! Between a vault and a gatekeeper of another operator: keys read out over the telephone, and the enrolment of a vault.

use std::fmt;
use std::str::FromStr;

use crate::FormatError;
use crate::bootstrap::BootstrapCode;
use crate::context::Context;
use crate::id::{Hash, base32, parse_base32};
use crate::record;
use crate::release::EnrolVault;

const GROUP: usize = 4;
const CHECK_LEN: usize = 3;

/// The Ed25519 key that a server or a gatekeeper proves on its connections, as people read it out: 56 base32 characters in
/// groups of four, the last five of which are a check against slips. It is the key itself, so nothing is left to look up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartyKey(pub [u8; 32]);

impl PartyKey {
    fn check(&self) -> [u8; CHECK_LEN] {
        let [a, b, c, ..] = Context::new("obhut/party-key-check/v1")
            .field(&self.0)
            .hash();
        [a, b, c]
    }

    /// What an enrolment code of this gatekeeper commits to.
    pub fn commitment(&self) -> Hash {
        Context::new("obhut/gate-fingerprint/v1")
            .field(&self.0)
            .hash()
    }
}

impl fmt::Display for PartyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letters = base32(&[self.0.as_slice(), &self.check()].concat()).to_uppercase();
        for (number, group) in letters.as_bytes().chunks(GROUP).enumerate() {
            let hyphen = if number == 0 { "" } else { "-" };
            write!(f, "{hyphen}{}", String::from_utf8_lossy(group))?;
        }
        Ok(())
    }
}

impl FromStr for PartyKey {
    type Err = FormatError;

    /// Case, spaces and hyphens do not matter.
    fn from_str(text: &str) -> Result<Self, FormatError> {
        let letters: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
        let bytes = parse_base32(&letters.to_lowercase())?;
        let (key, check) = bytes.split_first_chunk().ok_or(FormatError::WrongLength)?;
        let key = Self(*key);
        if key.check().as_slice() == check {
            Ok(key)
        } else {
            Err(FormatError::WrongLength)
        }
    }
}

/// What `obhut-gate enrol` prints for the founder of a vault: a 128-bit secret that the vault's server never learns, and
/// half of the gatekeeper's [`PartyKey::commitment`].
#[derive(Clone, PartialEq, Eq)]
pub struct EnrolmentCode(BootstrapCode);

impl EnrolmentCode {
    /// A code of the gatekeeper with this key.
    pub fn new(secret: [u8; 16], gate: PartyKey) -> Self {
        Self(BootstrapCode::new(secret, &gate.commitment()))
    }

    /// The printed form: 52 base32 characters in groups of four.
    pub fn to_text(&self) -> String {
        self.0.to_text()
    }

    /// Reads the printed form; case, spaces and hyphens do not matter.
    pub fn parse_text(text: &str) -> Result<Self, FormatError> {
        BootstrapCode::parse_text(text).map(Self)
    }

    /// Whether it is a code of the gatekeeper with this key (F30).
    pub fn is_of(&self, gate: PartyKey) -> bool {
        self.0.matches(&gate.commitment())
    }

    /// The secret, to prove an enrolment with.
    pub fn secret(&self) -> &[u8; 16] {
        &self.0.secret
    }

    /// Names the code without showing it: what the gatekeeper looks it up by.
    pub fn id_of(secret: &[u8; 16]) -> Hash {
        Context::new("obhut/gate-enrolment-code/v1")
            .field(secret)
            .hash()
    }
}

record! {
    /// A vault's enrolment at a gatekeeper of another operator, made by the founding client.
    CodedEnrolment {
        /// The vault; the root's fingerprint must be there.
        1 => enrol: EnrolVault,
        /// [`EnrolmentCode::id_of`] the code's secret.
        2 => code: Hash,
        /// HMAC-SHA-256 under the code's secret over [`enrolment_message`].
        3 => proof: Hash,
    }
}

/// What the proof of a [`CodedEnrolment`] is over: the vault, its root, and the gatekeeper it is meant for.
pub fn enrolment_message(enrol: &EnrolVault, gate: PartyKey) -> Context {
    Context::new("obhut/gate-enrolment/v1")
        .field(&gate.0)
        .field(&crate::Cbor::to_bytes(enrol))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_key_reads_back_from_what_is_read_out() {
        let key = PartyKey([7; 32]);
        let text = key.to_string();
        assert_eq!(text.len(), 56 + 13);
        assert_eq!(text.to_lowercase().replace('-', " ").parse(), Ok(key));
    }

    #[test]
    fn a_slip_in_a_key_is_noticed() {
        let text = PartyKey([7; 32]).to_string();
        let slip = text.replacen('O', "P", 1);
        assert_ne!(slip, text);
        assert!(slip.parse::<PartyKey>().is_err());
        assert!(text[..60].parse::<PartyKey>().is_err());
    }

    #[test]
    fn f30_a_code_names_its_gatekeeper() {
        let code = EnrolmentCode::new([1; 16], PartyKey([2; 32]));
        let read = EnrolmentCode::parse_text(&code.to_text()).unwrap();
        assert!(read == code && read.is_of(PartyKey([2; 32])));
        assert!(!read.is_of(PartyKey([3; 32])));
    }
}
