#![doc = include_str!("../README.md")]
#![deny(clippy::indexing_slicing)]

mod chunk;
mod ed25519;
mod error;
mod hpke;
mod identity;
mod kdf;
mod label;
mod low_order;
mod passphrase;
mod seal;
mod secret;
mod sign;
mod split;
mod xwing;

pub use chunk::{Backend, CHUNK, ChunkCipher, SEALED_CHUNK, TAG};
pub use ed25519::{
    DEVICE_PUBLIC_LEN, DEVICE_SIGNATURE_LEN, DeviceKey, DevicePublic, DeviceSignature, NoteKey,
    NotePublic,
};
pub use error::SuiteError;
pub use hpke::{
    HPKE_AEAD_ID, HPKE_KDF_ID, HPKE_KEM_ID, HPKE_OVERHEAD, HpkeReceiver, HpkeSender, hpke_open,
    hpke_seal,
};
pub use identity::{BUNDLE_LEN, IdentityKeys, IdentityMaster, KeyBundle};
pub use kdf::{
    hkdf_expand_secret, hkdf_expand_sha512, hkdf_extract_sha512, hmac_sha256, hmac_sha512,
};
pub use label::Label;
pub use low_order::is_acceptable_x25519;
pub use passphrase::{PASSPHRASE_SALT_LEN, PassphraseParams};
pub use seal::{
    COMMITMENT, KEY, SALT, SEAL_PREFIX, open, open_with, opened_len, seal, seal_with, sealed_len,
};
pub use secret::{Secret, SecretBytes};
pub use sign::{
    HYBRID_PUBLIC_LEN, HYBRID_SIGNATURE_LEN, HybridPublic, HybridSignature, HybridSigner,
};
pub use split::{SecretPart, combine_parts, split_secret};
pub use xwing::{ENCAPSULATION_LEN, Encapsulation, XWING_PUBLIC_LEN, XwingPublic, XwingSeed};
