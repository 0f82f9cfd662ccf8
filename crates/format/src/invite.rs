//! Invitations and letters: how a secret reaches a person without passing the server.

use crate::FormatError;
use crate::cbor::Cbor;
use crate::context::{Context, sha256};
use crate::id::{Hash, PersonId, VaultId, base32, parse_base32};
use crate::statement::Role;
use crate::{SecretField, record};

record! {
    /// What an invitation file, a letter's QR code or its text form carries.
    Invitation {
        /// Where the vault is reached.
        1 => url: String,
        /// The vault.
        2 => vault: VaultId,
        /// Fingerprint of the vault card.
        3 => card: Hash,
        /// Whom it is for.
        4 => person: PersonId,
        /// The 32-byte secret the first bundle is derived from.
        5 => secret: SecretField,
        /// Role it leads to.
        6 => role: Role,
        /// Until when it may be used, microseconds UTC.
        7 => expires_us: u64,
    }
}

const PREFIX: &str = "OBHUT1";
const GROUP: usize = 5;

/// The text form: groups of five base32 characters, the last eight characters being a checksum.
pub fn to_text(invitation: &Invitation) -> String {
    let mut bytes = invitation.to_bytes();
    bytes.extend(checksum(&bytes));
    let letters = base32(&bytes).to_uppercase();
    let groups = letters
        .as_bytes()
        .chunks(GROUP)
        .map(|group| String::from_utf8_lossy(group).into_owned());
    core::iter::once(PREFIX.to_owned())
        .chain(groups)
        .collect::<Vec<_>>()
        .join("-")
}

/// Reads the text form; case, spaces, line breaks and hyphens do not matter.
pub fn parse_text(text: &str) -> Result<Invitation, FormatError> {
    let letters: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    let letters = letters.to_uppercase();
    let body = letters.strip_prefix(PREFIX).ok_or(FormatError::BadMagic)?;
    let bytes = parse_base32(&body.to_lowercase()).map_err(|_| FormatError::Checksum)?;
    let (body, sum) = bytes
        .split_last_chunk::<5>()
        .ok_or(FormatError::Truncated)?;
    if checksum(body) != *sum {
        return Err(FormatError::Checksum);
    }
    Invitation::from_bytes(body)
}

fn checksum(bytes: &[u8]) -> [u8; 5] {
    let hash = Context::new("obhut/invitation-checksum/v1")
        .field(&sha256(&[bytes]))
        .hash();
    let mut sum = [0; 5];
    sum.iter_mut()
        .zip(hash)
        .for_each(|(byte, hashed)| *byte = hashed);
    sum
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn reads_back_its_text_and_notices_a_typing_error() {
        let invitation = Invitation {
            url: "http://127.0.0.1:8080".to_owned(),
            vault: VaultId([1; 16]),
            card: [2; 32],
            person: PersonId([3; 16]),
            secret: SecretField::new([4; 32]),
            role: Role::Citizen,
            expires_us: 5,
        };
        let text = to_text(&invitation);
        assert_eq!(
            parse_text(&text.to_lowercase().replace('-', " \n")).unwrap(),
            invitation
        );
        let typo = text.replacen('A', "B", 1);
        assert_eq!(parse_text(&typo), Err(FormatError::Checksum));
    }
}
