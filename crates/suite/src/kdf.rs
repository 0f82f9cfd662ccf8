use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha512};
use zeroize::Zeroizing;

use crate::Secret;

/// HKDF-Extract-SHA-512 (RFC 5869 §2.2): a 64-byte pseudorandom key.
///
/// Secret if either input is (dual PRF), which is what the two-key documents rest on.
pub fn hkdf_extract_sha512(salt: &[u8], ikm: &[u8]) -> Secret<64> {
    Secret::new(hmac_sha512(salt, &[ikm]))
}

/// HKDF-Expand-SHA-512 (RFC 5869 §2.3) to `N` public bytes: commitments and ids.
///
/// Takes a `prk` of any length: the 32-byte keys of this design are uniformly random already.
/// `info` is the concatenation of the parts.
pub fn hkdf_expand_sha512<const N: usize>(prk: &[u8], info: &[&[u8]]) -> [u8; N] {
    let mut out = [0; N];
    expand_into(prk, info, &mut out);
    out
}

/// As [`hkdf_expand_sha512`], to a secret.
pub fn hkdf_expand_secret<const N: usize>(prk: &[u8], info: &[&[u8]]) -> Secret<N> {
    let mut out = Secret::zeroed();
    expand_into(prk, info, out.expose_mut());
    out
}

/// HMAC-SHA-256 over the concatenation of the parts.
pub fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// HMAC-SHA-512 over the concatenation of the parts.
pub fn hmac_sha512(key: &[u8], parts: &[&[u8]]) -> [u8; 64] {
    let mut mac = sha512_mac(key);
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

fn expand_into<const N: usize>(prk: &[u8], info: &[&[u8]], out: &mut [u8; N]) {
    const { assert!(N <= 255 * 64, "HKDF-Expand gives at most 255 blocks") };
    let keyed = sha512_mac(prk);
    let mut previous: Zeroizing<Option<[u8; 64]>> = Zeroizing::new(None);
    for (counter, piece) in (1u8..=255).zip(out.chunks_mut(64)) {
        let mut mac = keyed.clone();
        if let Some(block) = previous.as_ref() {
            mac.update(block);
        }
        for part in info {
            mac.update(part);
        }
        mac.update(&[counter]);
        let block: Zeroizing<[u8; 64]> = Zeroizing::new(mac.finalize().into_bytes().into());
        for (to, from) in piece.iter_mut().zip(block.iter()) {
            *to = *from;
        }
        *previous = Some(*block);
    }
}

fn sha512_mac(key: &[u8]) -> Hmac<Sha512> {
    #[expect(clippy::expect_used, reason = "HMAC takes keys of every length")]
    let mac = Hmac::new_from_slice(key).expect("any length");
    mac
}
