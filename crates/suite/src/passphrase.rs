use argon2::{Algorithm, Argon2, Params, Version};

use crate::{Secret, SuiteError};

/// Bytes of salt for a passphrase.
pub const PASSPHRASE_SALT_LEN: usize = 16;

const MEMORY_KIB: core::ops::RangeInclusive<u32> = 64 * 1024..=1024 * 1024;
const PASSES: core::ops::RangeInclusive<u32> = 3..=16;
const LANES: core::ops::RangeInclusive<u32> = 1..=8;

/// Argon2id cost parameters within the compiled-in floor (64 MiB, 3 passes, 1 lane) and ceiling
/// (1 GiB, 16 passes, 8 lanes): whoever stores them can neither weaken nor exhaust a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PassphraseParams {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl PassphraseParams {
    /// The floor: what new passphrases use.
    pub const FLOOR: Self = Self {
        memory_kib: *MEMORY_KIB.start(),
        passes: *PASSES.start(),
        lanes: *LANES.start(),
    };

    /// Bytes of the encoding.
    pub const LEN: usize = 12;

    /// Refuses anything out of range with [`SuiteError::RefusedParams`], before any work is done.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, SuiteError> {
        let in_range =
            MEMORY_KIB.contains(&memory_kib) && PASSES.contains(&passes) && LANES.contains(&lanes);
        if !in_range {
            return Err(SuiteError::RefusedParams);
        }
        Ok(Self {
            memory_kib,
            passes,
            lanes,
        })
    }

    /// Reads memory in KiB, passes and lanes, each as four big-endian bytes; checks as [`Self::new`].
    pub fn parse(bytes: &[u8; Self::LEN]) -> Result<Self, SuiteError> {
        let (fields, _) = bytes.as_chunks::<4>();
        match fields {
            [memory_kib, passes, lanes] => Self::new(
                u32::from_be_bytes(*memory_kib),
                u32::from_be_bytes(*passes),
                u32::from_be_bytes(*lanes),
            ),
            _ => Err(SuiteError::RefusedParams),
        }
    }

    /// The encoding.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let fields = [self.memory_kib, self.passes, self.lanes];
        for (place, field) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(fields) {
            *place = field.to_be_bytes();
        }
        bytes
    }

    /// The 32-byte key of a passphrase (Argon2id, RFC 9106). Takes about a tenth of a second and
    /// the memory named.
    pub fn derive_key(
        self,
        passphrase: &[u8],
        salt: &[u8; PASSPHRASE_SALT_LEN],
    ) -> Result<Secret<32>, SuiteError> {
        let params = Params::new(self.memory_kib, self.passes, self.lanes, Some(32))
            .map_err(|_| SuiteError::RefusedParams)?;
        let mut key = Secret::zeroed();
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(passphrase, salt, key.expose_mut())
            .map_err(|_| SuiteError::TooLong)?;
        Ok(key)
    }
}
