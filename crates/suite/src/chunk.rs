use aes_gcm::Aes256Gcm;
use aes_gcm::aead::{AeadInOut, KeyInit};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, UnboundKey};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use crate::seal::{COMMITMENT, KEY, SALT};
use crate::{Secret, SuiteError, hkdf_expand_secret};

/// Bytes of plaintext in every chunk but the last, which is always shorter.
pub const CHUNK: usize = 16_384;

/// Bytes the AEAD adds to a chunk.
pub const TAG: usize = 16;

/// Bytes of a full sealed chunk.
pub const SEALED_CHUNK: usize = CHUNK + TAG;

/// Fixed by C2SP chunked-encryption: 4 PiB.
const MAX_CHUNKS: u64 = 1 << 38;

const INFO_PREFIX: &[u8] = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";

/// From here on `ring`'s faster bulk code outweighs that it cannot wipe its key schedule.
const BULK_FROM_BYTES: u64 = 4_096;

/// Which implementation of AES-256-GCM runs. Both give the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// `aes-gcm`: portable, wipes its keys; for small seals, and the oracle in tests.
    AesGcm,
    /// `ring`: about three times as fast on capsules.
    Ring,
}

impl Backend {
    /// The one place that chooses, by the length of the plaintext in bytes.
    pub const fn choose(plaintext_len: u64) -> Self {
        if plaintext_len >= BULK_FROM_BYTES {
            Self::Ring
        } else {
            Self::AesGcm
        }
    }
}

/// The derived key and base nonce of one sealed message: seals and opens its chunks one by one.
///
/// Chunks are independent, so one cipher may be used from many threads at once. Which chunk is the
/// last, and that it is shorter than [`CHUNK`], is for the caller to hold.
pub struct ChunkCipher {
    engine: Engine,
    base_nonce: Zeroizing<[u8; 12]>,
}

enum Engine {
    AesGcm(Box<Aes256Gcm>),
    Ring(Box<LessSafeKey>),
}

impl ChunkCipher {
    /// For sealing: the cipher and the commitment to store. The pair (key, salt) must be used for
    /// one message only.
    pub fn derive(
        backend: Backend,
        key: &Secret<KEY>,
        salt: &[u8; SALT],
        context: &[u8],
    ) -> (Self, [u8; COMMITMENT]) {
        // EXPOSE: into the key derivation of the chunk key.
        let okm: Secret<76> = hkdf_expand_secret(key.expose(), &[INFO_PREFIX, salt, context]);
        // EXPOSE: split into chunk key, base nonce and commitment.
        let (chunk_key, rest) = okm.expose().split_at(KEY);
        let (nonce, committed) = rest.split_at(12);
        let mut base_nonce = Zeroizing::new([0; 12]);
        base_nonce.copy_from_slice(nonce);
        let mut commitment = [0; COMMITMENT];
        commitment.copy_from_slice(committed);
        let engine = Engine::new(backend, chunk_key);
        (Self { engine, base_nonce }, commitment)
    }

    /// For opening: the cipher, once the stored commitment proves to be this key's and context's
    /// (compared in constant time); else [`SuiteError::OpenFailed`].
    pub fn derive_committed(
        backend: Backend,
        key: &Secret<KEY>,
        salt: &[u8; SALT],
        context: &[u8],
        commitment: &[u8; COMMITMENT],
    ) -> Result<Self, SuiteError> {
        let (cipher, derived) = Self::derive(backend, key, salt, context);
        if bool::from(derived.ct_eq(commitment)) {
            Ok(cipher)
        } else {
            Err(SuiteError::OpenFailed)
        }
    }

    /// Seals a chunk where it lies: `slot` is at most [`CHUNK`] bytes of plaintext followed by
    /// [`TAG`] bytes of room.
    pub fn seal_chunk_in_place(&self, index: u64, slot: &mut [u8]) -> Result<(), SuiteError> {
        if slot.len() > SEALED_CHUNK {
            return Err(SuiteError::TooLong);
        }
        let nonce = self.nonce(index)?;
        let Some(len) = slot.len().checked_sub(TAG) else {
            return Err(SuiteError::WrongLength);
        };
        let (plain, tag) = slot.split_at_mut(len);
        let made = match &self.engine {
            Engine::AesGcm(cipher) => cipher
                .encrypt_inout_detached(&nonce.into(), &[], plain.into())
                .map(<[u8; TAG]>::from)
                .map_err(|_| SuiteError::TooLong)?,
            Engine::Ring(key) => {
                let nonce = ring::aead::Nonce::assume_unique_for_key(nonce);
                let made = key
                    .seal_in_place_separate_tag(nonce, Aad::empty(), plain)
                    .map_err(|_| SuiteError::TooLong)?;
                <[u8; TAG]>::try_from(made.as_ref()).map_err(|_| SuiteError::WrongLength)?
            }
        };
        tag.copy_from_slice(&made);
        Ok(())
    }

    /// Opens a chunk where it lies and gives its plaintext, the first `slot.len() - TAG` bytes.
    /// On [`SuiteError::OpenFailed`] the slot holds zeros, never unauthenticated plaintext.
    pub fn open_chunk_in_place<'a>(
        &self,
        index: u64,
        slot: &'a mut [u8],
    ) -> Result<&'a mut [u8], SuiteError> {
        let nonce = self.nonce(index)?;
        if slot.len() < TAG || slot.len() > SEALED_CHUNK {
            return Err(SuiteError::OpenFailed);
        }
        let len = slot.len() - TAG;
        if self.engine.open(nonce, slot) {
            Ok(slot.split_at_mut(len).0)
        } else {
            slot.zeroize();
            Err(SuiteError::OpenFailed)
        }
    }

    /// Base nonce XOR the chunk number, as wide as the nonce and big-endian.
    fn nonce(&self, index: u64) -> Result<[u8; 12], SuiteError> {
        if index >= MAX_CHUNKS {
            return Err(SuiteError::TooLong);
        }
        let mut nonce = *self.base_nonce;
        for (byte, mask) in nonce.iter_mut().skip(4).zip(index.to_be_bytes()) {
            *byte ^= mask;
        }
        Ok(nonce)
    }
}

impl Engine {
    fn new(backend: Backend, chunk_key: &[u8]) -> Self {
        #[expect(
            clippy::expect_used,
            reason = "a chunk key is 32 bytes by its derivation"
        )]
        match backend {
            Backend::AesGcm => Self::AesGcm(Box::new(
                Aes256Gcm::new_from_slice(chunk_key).expect("32 bytes"),
            )),
            Backend::Ring => Self::Ring(Box::new(LessSafeKey::new(
                UnboundKey::new(&AES_256_GCM, chunk_key).expect("32 bytes"),
            ))),
        }
    }

    fn open(&self, nonce: [u8; 12], slot: &mut [u8]) -> bool {
        match self {
            Self::AesGcm(cipher) => {
                let Some(len) = slot.len().checked_sub(TAG) else {
                    return false;
                };
                let (body, tag) = slot.split_at_mut(len);
                let Ok(tag) = <[u8; TAG]>::try_from(&*tag) else {
                    return false;
                };
                cipher
                    .decrypt_inout_detached(&nonce.into(), &[], body.into(), &tag.into())
                    .is_ok()
            }
            Self::Ring(key) => {
                let nonce = ring::aead::Nonce::assume_unique_for_key(nonce);
                key.open_in_place(nonce, Aad::empty(), slot).is_ok()
            }
        }
    }
}
