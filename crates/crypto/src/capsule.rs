//! The capsule: sealing and opening chunks on many threads while their ciphertext is hashed.

pub(crate) mod open;
mod pipeline;
mod range;
mod seal;
mod stretch;
mod workers;

use obhut_format::capsule::{CapsuleHeader, HEADER_BYTES, PREFIX_BYTES};
use obhut_format::context::Context;
use obhut_suite::{Backend, COMMITMENT, ChunkCipher, SALT, Secret};

pub use open::Quarantine;
pub use range::{Located, RangeReader};
pub use seal::{CapsuleSink, SealedCapsule};
pub(crate) use seal::{Plain, seal};
pub use workers::Workers;

use crate::CryptoError;

/// Header, salt and commitment: what stands before the first chunk.
pub(crate) type Prefix = [u8; PREFIX_BYTES as usize];

/// The cipher of one capsule, with the header that says how long it is.
pub(crate) struct CapsuleKey {
    cipher: ChunkCipher,
    header: CapsuleHeader,
}

impl CapsuleKey {
    /// For sealing: the key and the bytes to write first.
    pub(crate) fn derive(
        key: &Secret<32>,
        salt: &[u8; SALT],
        header: CapsuleHeader,
        context: &Context,
    ) -> (Self, Prefix) {
        let backend = Backend::choose(header.padded_bytes);
        let (cipher, commitment) = ChunkCipher::derive(backend, key, salt, context.as_bytes());
        let mut prefix = [0; PREFIX_BYTES as usize];
        let (head, rest) = prefix.split_at_mut(HEADER_BYTES);
        let (salt_at, commitment_at) = rest.split_at_mut(SALT);
        head.copy_from_slice(&header.to_bytes());
        salt_at.copy_from_slice(salt);
        commitment_at.copy_from_slice(&commitment);
        (Self { cipher, header }, prefix)
    }

    /// For opening: the key, if the commitment in the prefix is that of this key and context.
    pub(crate) fn derive_committed(
        key: &Secret<32>,
        prefix: &Prefix,
        header: CapsuleHeader,
        context: &Context,
    ) -> Result<Self, CryptoError> {
        let (_, rest) = prefix.split_at(HEADER_BYTES);
        let (salt, rest) = rest
            .split_first_chunk::<SALT>()
            .ok_or(CryptoError::Truncated)?;
        let commitment = rest
            .first_chunk::<COMMITMENT>()
            .ok_or(CryptoError::Truncated)?;
        let backend = Backend::choose(header.padded_bytes);
        let context = context.as_bytes();
        let cipher = ChunkCipher::derive_committed(backend, key, salt, context, commitment)
            .map_err(|_| CryptoError::Damaged)?;
        Ok(Self { cipher, header })
    }
}
