//! Secret bytes within a record.

use core::fmt;

use zeroize::Zeroize;

use crate::FormatError;
use crate::cbor::{Cbor, Decoder, Encoder};

/// 32 secret bytes of a record: wiped when they go, never printed. Encoded as the bytes they are.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretField([u8; 32]);

impl SecretField {
    /// Takes the bytes.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes; whoever calls says in an `EXPOSE:` comment where they go.
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl Drop for SecretField {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for SecretField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretField(..)")
    }
}

impl Cbor for SecretField {
    fn cddl() -> String {
        <[u8; 32]>::cddl()
    }

    fn encode(&self, out: &mut Encoder) {
        self.0.encode(out);
    }

    fn decode(input: &mut Decoder<'_>) -> Result<Self, FormatError> {
        Cbor::decode(input).map(Self)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::entry::{Opening, SubjectWrap};

    #[test]
    fn a_record_with_a_secret_prints_none_of_it_and_keeps_its_bytes() {
        let line = Opening {
            salt: [1; 32],
            body: Vec::new().into(),
        };
        let wrap = SubjectWrap {
            key: SecretField::new([171; 32]),
            index: 0,
            line,
        };
        assert!(!format!("{wrap:?}").contains("171"));
        let bytes = wrap.to_bytes();
        assert!(bytes.windows(32).any(|part| part == [171; 32]));
        assert_eq!(SubjectWrap::from_bytes(&bytes).unwrap(), wrap);
    }
}
