//! HPKE Base (RFC 9180) with X-Wing, HKDF-SHA256 and AES-256-GCM. The ids are constants of the
//! suite, never data; no other mode can be reached.

use ::hpke::aead::{AeadCtxR, AeadCtxS, AesGcm256};
use ::hpke::kdf::HkdfSha256;
use ::hpke::kem::XWing;
use ::hpke::{Deserializable, Kem, OpModeR, OpModeS, setup_receiver, setup_sender_with_rng};
use rand_core::CryptoRng;

use crate::chunk::TAG;
use crate::{ENCAPSULATION_LEN, Encapsulation, SecretBytes, SuiteError, XwingPublic, XwingSeed};

/// KEM X-Wing (ML-KEM-768 and X25519).
pub const HPKE_KEM_ID: u16 = 0x647a;

/// HKDF-SHA256.
pub const HPKE_KDF_ID: u16 = 0x0001;

/// AES-256-GCM.
pub const HPKE_AEAD_ID: u16 = 0x0002;

/// Bytes [`hpke_seal`] adds to a plaintext: `enc` and the tag.
pub const HPKE_OVERHEAD: usize = ENCAPSULATION_LEN + TAG;

/// The `hpke` crate panics near 2^16; nothing of ours comes near this.
const MAX_INFO: usize = 60_000;

/// Seals one message to a public key: `enc || ciphertext`.
pub fn hpke_seal(
    recipient: &XwingPublic,
    info: &[u8],
    aad: &[u8],
    plaintext: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, SuiteError> {
    let (encapsulation, mut sender) = HpkeSender::new(recipient, info, rng)?;
    let ciphertext = sender.seal_next(aad, plaintext)?;
    let mut sealed = Vec::with_capacity(ENCAPSULATION_LEN + ciphertext.len());
    sealed.extend_from_slice(encapsulation.as_bytes());
    sealed.extend_from_slice(&ciphertext);
    Ok(sealed)
}

/// Opens what [`hpke_seal`] made. Every failure is [`SuiteError::OpenFailed`].
///
/// AES-GCM does not commit to its key: check the opened key against its signed id.
pub fn hpke_open(
    recipient: &XwingSeed,
    info: &[u8],
    aad: &[u8],
    sealed: &[u8],
) -> Result<SecretBytes, SuiteError> {
    let (enc, ciphertext) = sealed
        .split_at_checked(ENCAPSULATION_LEN)
        .ok_or(SuiteError::OpenFailed)?;
    let encapsulation = Encapsulation::parse(enc)?;
    HpkeReceiver::new(recipient, &encapsulation, info)?.open_next(aad, ciphertext)
}

/// Seals a sequence of messages to one public key with one encapsulation.
pub struct HpkeSender(AeadCtxS<AesGcm256, HkdfSha256, XWing>);

impl HpkeSender {
    /// The encapsulation to send along, and the sender of items 0, 1, 2, …
    pub fn new(
        recipient: &XwingPublic,
        info: &[u8],
        rng: &mut impl CryptoRng,
    ) -> Result<(Encapsulation, Self), SuiteError> {
        if info.len() > MAX_INFO {
            return Err(SuiteError::TooLong);
        }
        let (encapped, context) = setup_sender_with_rng(&OpModeS::Base, recipient.key(), info, rng)
            .map_err(|_| SuiteError::RefusedKey)?;
        Ok((Encapsulation::from_encapped(&encapped), Self(context)))
    }

    /// Seals the next item; its ciphertext is 16 bytes longer than the plaintext.
    pub fn seal_next(&mut self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, SuiteError> {
        self.0.seal(plaintext, aad).map_err(|_| SuiteError::TooLong)
    }
}

/// Opens the items of one encapsulation, in the order in which they were sealed.
pub struct HpkeReceiver(AeadCtxR<AesGcm256, HkdfSha256, XWing>);

impl HpkeReceiver {
    /// The receiver of items 0, 1, 2, … A wrong key or info shows at the first item.
    pub fn new(
        recipient: &XwingSeed,
        encapsulation: &Encapsulation,
        info: &[u8],
    ) -> Result<Self, SuiteError> {
        if info.len() > MAX_INFO {
            return Err(SuiteError::OpenFailed);
        }
        let encapped = <XWing as Kem>::EncappedKey::from_bytes(encapsulation.as_bytes())
            .map_err(|_| SuiteError::OpenFailed)?;
        setup_receiver(&OpModeR::Base, recipient.private(), &encapped, info)
            .map(Self)
            .map_err(|_| SuiteError::OpenFailed)
    }

    /// Opens the next item. After [`SuiteError::OpenFailed`] the position is unchanged.
    pub fn open_next(&mut self, aad: &[u8], ciphertext: &[u8]) -> Result<SecretBytes, SuiteError> {
        self.0
            .open(ciphertext, aad)
            .map(SecretBytes::new)
            .map_err(|_| SuiteError::OpenFailed)
    }
}
