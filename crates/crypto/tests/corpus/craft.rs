//! What an insider can make and no honest client does.

use aes_gcm::aead::{Aead, KeyInit, Payload};
use obhut_crypto::Identity;
use obhut_suite::ENCAPSULATION_LEN;

/// The encodings of low-order points on Curve25519 and its twist.
pub(crate) fn low_order_points() -> [[u8; 32]; 7] {
    let near_p = |first: u8| {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (first, 0x7f);
        bytes
    };
    let mut one = [0; 32];
    one[0] = 1;
    let order_8 = [
        "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
        "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    ]
    .map(|hex| {
        data_encoding::HEXLOWER
            .decode(hex.as_bytes())
            .unwrap()
            .try_into()
            .unwrap()
    });
    [
        [0; 32],
        one,
        order_8[0],
        order_8[1],
        near_p(0xec),
        near_p(0xed),
        near_p(0xee),
    ]
}

/// An honest HPKE message with another X25519 part, sealed under the secret that follows from it for
/// a reader who does not check: it opens unless the part is refused.
pub(crate) fn with_x25519_part(
    reader: &Identity,
    honest: &[u8],
    u: &[u8; 32],
    info: &[u8],
    aad: &[u8],
    key: &[u8; 32],
) -> Vec<u8> {
    let mut enc = honest[..ENCAPSULATION_LEN].to_vec();
    enc[ENCAPSULATION_LEN - 32..].copy_from_slice(u);
    let shared = <x_wing::DecapsulationKey as x_wing::Decapsulate>::decapsulate(
        // EXPOSE: a test key, to play the insider.
        &x_wing::DecapsulationKey::from(*reader.xwing().secret().expose()),
        &x_wing::Ciphertext::try_from(&enc[..]).unwrap(),
    );
    let (aes_key, nonce) = key_schedule(&shared, info);
    let sealed = aes_gcm::Aes256Gcm::new(&aes_key.into())
        .encrypt(&nonce.into(), Payload { msg: key, aad })
        .unwrap();
    [enc, sealed].concat()
}

/// RFC 9180 §5.1 in base mode.
fn key_schedule(shared: &[u8], info: &[u8]) -> ([u8; 32], [u8; 12]) {
    type Hkdf = hkdf::Hkdf<sha2::Sha256>;
    let suite = b"HPKE\x64\x7a\x00\x01\x00\x02";
    let extract = |salt: &[u8], label: &str, ikm: &[u8]| {
        let labelled = [b"HPKE-v1", &suite[..], label.as_bytes(), ikm].concat();
        Hkdf::extract(Some(salt), &labelled).0
    };
    let (no_psk, info) = (
        extract(b"", "psk_id_hash", b""),
        extract(b"", "info_hash", info),
    );
    let context = [&[0][..], &no_psk, &info].concat();
    let secret = Hkdf::from_prk(&extract(shared, "secret", b"")).unwrap();
    let expand = |label: &str, out: &mut [u8]| {
        let length = (out.len() as u16).to_be_bytes();
        let labelled = [&length[..], b"HPKE-v1", suite, label.as_bytes(), &context].concat();
        secret.expand(&labelled, out).unwrap();
    };
    let (mut key, mut nonce) = ([0; 32], [0; 12]);
    expand("key", &mut key);
    expand("base_nonce", &mut nonce);
    (key, nonce)
}
