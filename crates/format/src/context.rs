//! Domain separation: every hash, key and seal is bound to a label and fields of fixed length.

use crate::id::Hash;
use sha2::{Digest, Sha256};

/// `label || 0 || fields`, the fields being of fixed length so that no two contexts collide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context(Vec<u8>);

impl Context {
    /// Starts with an ASCII label such as `obhut/dek/v1`.
    pub fn new(label: &str) -> Self {
        let mut bytes = label.as_bytes().to_vec();
        bytes.push(0);
        Self(bytes)
    }

    /// Appends a field of fixed length.
    #[must_use]
    pub fn field(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// Appends a big-endian number.
    #[must_use]
    pub fn number(self, value: u64) -> Self {
        self.field(&value.to_be_bytes())
    }

    /// Appends a text of any length, preceded by its length.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.number(text.len() as u64).field(text.as_bytes())
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// SHA-256 of the context.
    pub fn hash(&self) -> Hash {
        sha256(&[&self.0])
    }
}

impl AsRef<[u8]> for Context {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// SHA-256 over the parts in a row.
pub fn sha256(parts: &[&[u8]]) -> Hash {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().into()
}
