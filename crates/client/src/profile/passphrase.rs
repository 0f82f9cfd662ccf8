use std::io::Read;
use std::path::Path;

use zeroize::Zeroizing;

use crate::ClientError;

/// Longest passphrase in bytes; a whole file chosen by mistake is refused.
const MAX_BYTES: u64 = 4_096;

/// Fewest characters of a new one: Argon2id makes guessing slow, not hopeless.
const MIN_CHARACTERS: usize = 12;

/// A passphrase; comes from a prompt, a file or a descriptor, never from an argument.
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// Takes what was typed.
    pub fn new(typed: String) -> Result<Self, ClientError> {
        Self::from_bytes(Zeroizing::new(typed.into_bytes()))
    }

    /// Reads the first line of a file.
    pub fn read_file(path: &Path) -> Result<Self, ClientError> {
        let failed = || ClientError::io("cannot read the passphrase from", path);
        let file = std::fs::File::open(path).map_err(failed())?;
        Self::from_bytes(first_line(file).map_err(failed())?)
    }

    /// Reads the first line of an open descriptor or of standard input.
    pub fn read_descriptor(descriptor: impl Read) -> Result<Self, ClientError> {
        let failed = ClientError::io("cannot read the passphrase from", Path::new("descriptor"));
        Self::from_bytes(first_line(descriptor).map_err(failed)?)
    }

    /// Fails when it is too short for new keys; older ones still open what they opened.
    pub fn check_new(&self) -> Result<(), ClientError> {
        let characters = str::from_utf8(&self.0).map_or(self.0.len(), |text| text.chars().count());
        if characters < MIN_CHARACTERS {
            return Err(ClientError::Usage(format!(
                "a new passphrase has at least {MIN_CHARACTERS} characters; four or five words that do not belong together are good"
            )));
        }
        Ok(())
    }

    fn from_bytes(bytes: Zeroizing<Vec<u8>>) -> Result<Self, ClientError> {
        if bytes.is_empty() || bytes.len() as u64 > MAX_BYTES {
            return Err(ClientError::Usage(
                "a passphrase has between 1 and 4,096 bytes on one line".into(),
            ));
        }
        Ok(Self(bytes))
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

fn first_line(source: impl Read) -> std::io::Result<Zeroizing<Vec<u8>>> {
    // Reserved at once, so that growing leaves no copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(2 * MAX_BYTES as usize));
    source.take(MAX_BYTES + 2).read_to_end(&mut bytes)?;
    let line = bytes.split(|byte| *byte == b'\n').next();
    let line = line.unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Ok(Zeroizing::new(line.to_vec()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_new_passphrase_has_twelve_characters_and_an_old_one_may_be_shorter() {
        let of = |text: &str| Passphrase::new(text.to_owned()).unwrap();
        assert!(of("short").check_new().is_err());
        // Eleven characters in more bytes.
        assert!(of("äöüäöüäöüäö").check_new().is_err());
        assert!(of("äöüäöüäöüäöü").check_new().is_ok());
        assert!(Passphrase::new(String::new()).is_err());
    }
}
