//! Seal = Cobblestone-256: `salt || commitment || chunks` (C2SP chunked-encryption, AES-256-GCM, HKDF-SHA-512).

use rand_core::CryptoRng;

use crate::chunk::{Backend, CHUNK, ChunkCipher, SEALED_CHUNK, TAG};
use crate::{Secret, SecretBytes, SuiteError};

/// Bytes of a Seal key.
pub const KEY: usize = 32;

/// Bytes of the salt in front of every sealed message.
pub const SALT: usize = 24;

/// Bytes of the key commitment that follows the salt.
pub const COMMITMENT: usize = 32;

/// Bytes before the first chunk.
pub const SEAL_PREFIX: usize = SALT + COMMITMENT;

/// Bytes of a sealed message of `plaintext_len` bytes; saturates far beyond what can be sealed.
pub const fn sealed_len(plaintext_len: u64) -> u64 {
    let chunks = plaintext_len / CHUNK as u64 + 1;
    plaintext_len
        .saturating_add(SEAL_PREFIX as u64)
        .saturating_add(chunks.saturating_mul(TAG as u64))
}

/// Bytes of plaintext in a sealed message of this length; `None` for lengths no message has.
pub const fn opened_len(sealed_len: u64) -> Option<u64> {
    let Some(body) = sealed_len.checked_sub(SEAL_PREFIX as u64) else {
        return None;
    };
    let last = body % SEALED_CHUNK as u64;
    if last < TAG as u64 {
        return None;
    }
    Some(body / SEALED_CHUNK as u64 * CHUNK as u64 + last - TAG as u64)
}

/// Seals a message under a fresh salt. Opens only with the same key and context.
pub fn seal(
    key: &Secret<KEY>,
    context: &[u8],
    plaintext: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, SuiteError> {
    let mut salt = [0; SALT];
    rng.fill_bytes(&mut salt);
    let backend = Backend::choose(plaintext.len() as u64);
    seal_with(backend, key, context, plaintext, &salt)
}

/// As [`seal`] with a given salt and backend. A salt must never come twice with one key, unless
/// for the identical message.
pub fn seal_with(
    backend: Backend,
    key: &Secret<KEY>,
    context: &[u8],
    plaintext: &[u8],
    salt: &[u8; SALT],
) -> Result<Vec<u8>, SuiteError> {
    let (cipher, commitment) = ChunkCipher::derive(backend, key, salt, context);
    let total = sealed_len(plaintext.len() as u64);
    let mut out = Vec::with_capacity(usize::try_from(total).map_err(|_| SuiteError::TooLong)?);
    out.extend_from_slice(salt);
    out.extend_from_slice(&commitment);
    let (full, last) = plaintext.as_chunks::<CHUNK>();
    let pieces = full.iter().map(<[u8; CHUNK]>::as_slice).chain([last]);
    for (index, piece) in (0u64..).zip(pieces) {
        let start = out.len();
        out.extend_from_slice(piece);
        out.extend_from_slice(&[0; TAG]);
        cipher.seal_chunk_in_place(index, out.split_at_mut(start).1)?;
    }
    Ok(out)
}

/// Opens a sealed message as a whole. Every failure is [`SuiteError::OpenFailed`].
pub fn open(key: &Secret<KEY>, context: &[u8], sealed: &[u8]) -> Result<SecretBytes, SuiteError> {
    let backend = Backend::choose(opened_len(sealed.len() as u64).unwrap_or(0));
    open_with(backend, key, context, sealed)
}

/// As [`open`] with a given backend.
pub fn open_with(
    backend: Backend,
    key: &Secret<KEY>,
    context: &[u8],
    sealed: &[u8],
) -> Result<SecretBytes, SuiteError> {
    let (salt, rest) = sealed
        .split_first_chunk::<SALT>()
        .ok_or(SuiteError::OpenFailed)?;
    let (commitment, body) = rest
        .split_first_chunk::<COMMITMENT>()
        .ok_or(SuiteError::OpenFailed)?;
    // The last chunk is always shorter than a full one and holds at least its tag.
    let plain_len = opened_len(sealed.len() as u64).ok_or(SuiteError::OpenFailed)?;
    let cipher = ChunkCipher::derive_committed(backend, key, salt, context, commitment)?;
    let mut plain =
        Vec::with_capacity(usize::try_from(plain_len).map_err(|_| SuiteError::OpenFailed)?);
    let mut slot = zeroize::Zeroizing::new(vec![0; body.len().min(SEALED_CHUNK)]);
    for (index, sealed_chunk) in (0u64..).zip(body.chunks(SEALED_CHUNK)) {
        let slot = slot.split_at_mut(sealed_chunk.len()).0;
        slot.copy_from_slice(sealed_chunk);
        match cipher.open_chunk_in_place(index, slot) {
            Ok(piece) => plain.extend_from_slice(piece),
            Err(refused) => {
                drop(SecretBytes::new(plain));
                return Err(refused);
            }
        }
    }
    Ok(SecretBytes::new(plain))
}
