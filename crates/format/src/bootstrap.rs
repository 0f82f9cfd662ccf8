//! The one-time code with which a vault is founded.

use crate::FormatError;
use crate::id::{Hash, base32, parse_base32};

const GROUP: usize = 4;
const HALF: usize = 16;

/// What `obhut-server init` prints: a 128-bit secret that the server stores hashed, and the first 16 bytes of
/// [`crate::card::bootstrap_hash`], by which the founding client recognises the vault's keys.
#[derive(Clone, PartialEq, Eq)]
pub struct BootstrapCode {
    /// Proves to the server that its operator sent the caller.
    pub secret: [u8; HALF],
    /// Proves to the caller that the server shows its true keys.
    pub check: [u8; HALF],
}

impl BootstrapCode {
    /// A code for a vault whose [`crate::card::bootstrap_hash`] is `hash`.
    pub fn new(secret: [u8; HALF], hash: &Hash) -> Self {
        let (check, _) = hash.split_at(HALF);
        let mut code = Self {
            secret,
            check: [0; HALF],
        };
        code.check.copy_from_slice(check);
        code
    }

    /// The printed form: 52 base32 characters in groups of four.
    pub fn to_text(&self) -> String {
        let letters = base32(&[self.secret, self.check].concat()).to_uppercase();
        let groups = letters
            .as_bytes()
            .chunks(GROUP)
            .map(|group| String::from_utf8_lossy(group).into_owned());
        groups.collect::<Vec<_>>().join("-")
    }

    /// Reads the printed form; case, spaces and hyphens do not matter.
    pub fn parse_text(text: &str) -> Result<Self, FormatError> {
        let bytes = parse_letters(text)?;
        let (secret, check) = bytes.split_first_chunk().ok_or(FormatError::WrongLength)?;
        Ok(Self {
            secret: *secret,
            check: check.try_into().map_err(|_| FormatError::WrongLength)?,
        })
    }

    /// The secret half as it travels to the server: 26 base32 characters.
    pub fn secret_text(&self) -> String {
        base32(&self.secret)
    }

    /// Reads [`Self::secret_text`].
    pub fn parse_secret(text: &str) -> Result<[u8; HALF], FormatError> {
        parse_letters(text)?
            .try_into()
            .map_err(|_| FormatError::WrongLength)
    }

    /// True when the hash over the keys a server shows is the one the code commits to.
    pub fn matches(&self, hash: &Hash) -> bool {
        hash.starts_with(&self.check)
    }
}

fn parse_letters(text: &str) -> Result<Vec<u8>, FormatError> {
    let letters: String = text.chars().filter(char::is_ascii_alphanumeric).collect();
    parse_base32(&letters.to_lowercase())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn reads_back_its_text_and_its_secret() {
        let code = BootstrapCode::new([7; 16], &[9; 32]);
        let text = code.to_text();
        assert_eq!(text.len(), 52 + 12);
        let read = BootstrapCode::parse_text(&text.to_lowercase().replace('-', " ")).unwrap();
        assert!(read == code && read.matches(&[9; 32]) && !read.matches(&[8; 32]));
        assert_eq!(
            BootstrapCode::parse_secret(&code.secret_text()),
            Ok([7; 16])
        );
    }

    #[test]
    fn refuses_a_code_that_was_cut_short() {
        let text = BootstrapCode::new([7; 16], &[9; 32]).to_text();
        assert!(BootstrapCode::parse_text(&text[..text.len() - 5]).is_err());
        assert!(BootstrapCode::parse_secret(&text).is_err());
    }
}
