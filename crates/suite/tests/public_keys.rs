//! HPKE X-Wing: draft vectors, an independent RFC 9180 key schedule, and what must be refused.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use aes_gcm::aead::{Aead, KeyInit, Payload};
use obhut_suite::{
    ENCAPSULATION_LEN, Encapsulation, HPKE_AEAD_ID, HPKE_KDF_ID, HPKE_KEM_ID, HPKE_OVERHEAD,
    HpkeReceiver, HpkeSender, Secret, SuiteError, XWING_PUBLIC_LEN, XwingPublic, XwingSeed,
    hpke_open, hpke_seal,
};
use rand_core::{Rng, SeedableRng, TryCryptoRng, TryRng};

struct Vector {
    seed: [u8; 32],
    eseed: Vec<u8>,
    public: Vec<u8>,
    ciphertext: Vec<u8>,
    shared: Vec<u8>,
}

fn vectors() -> Vec<Vector> {
    let text = include_str!("../../../tests/vectors/x-wing.json");
    let json: serde_json::Value = serde_json::from_str(text).unwrap();
    let hex = |value: &serde_json::Value| {
        data_encoding::HEXLOWER
            .decode(value.as_str().unwrap().as_bytes())
            .unwrap()
    };
    let vectors = json["vectors"].as_array().unwrap();
    vectors
        .iter()
        .map(|vector| Vector {
            seed: hex(&vector["seed"]).try_into().unwrap(),
            eseed: hex(&vector["eseed"]),
            public: hex(&vector["pk"]),
            ciphertext: hex(&vector["ct"]),
            shared: hex(&vector["ss"]),
        })
        .collect()
}

/// Plays back the encapsulation randomness of a vector.
struct Script(std::vec::IntoIter<u8>);

impl TryRng for Script {
    type Error = core::convert::Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        panic!("bytes only")
    }
    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        panic!("bytes only")
    }
    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        out.fill_with(|| self.0.next().unwrap());
        Ok(())
    }
}

impl TryCryptoRng for Script {}

fn rng() -> rand_chacha::ChaCha20Rng {
    rand_chacha::ChaCha20Rng::from_seed([5; 32])
}

/// RFC 9180 §4 and §5.1 for Base mode, written out.
fn key_schedule(shared: &[u8], info: &[u8]) -> ([u8; 32], [u8; 12]) {
    type Hkdf = hkdf::Hkdf<sha2::Sha256>;
    let ids = [HPKE_KEM_ID, HPKE_KDF_ID, HPKE_AEAD_ID]
        .map(u16::to_be_bytes)
        .concat();
    let suite = [b"HPKE", &ids[..]].concat();
    let extract = |salt: &[u8], label: &str, ikm: &[u8]| {
        let labelled = [b"HPKE-v1", &suite[..], label.as_bytes(), ikm].concat();
        Hkdf::extract(Some(salt), &labelled).0
    };
    let context = [
        &[0][..],
        &extract(b"", "psk_id_hash", b""),
        &extract(b"", "info_hash", info),
    ]
    .concat();
    let secret = Hkdf::from_prk(&extract(shared, "secret", b"")).unwrap();
    let expand = |label: &str, out: &mut [u8]| {
        let length = (out.len() as u16).to_be_bytes();
        let labelled = [&length[..], b"HPKE-v1", &suite, label.as_bytes(), &context].concat();
        secret.expand(&labelled, out).unwrap();
    };
    let (mut key, mut nonce) = ([0; 32], [0; 12]);
    expand("key", &mut key);
    expand("base_nonce", &mut nonce);
    (key, nonce)
}

#[test]
fn agrees_with_the_draft_vectors_and_a_key_schedule_written_out() {
    let vectors = vectors();
    assert_eq!(vectors.len(), 3);
    for vector in vectors {
        let private = XwingSeed::from_secret(Secret::new(vector.seed));
        assert!(private.public().as_bytes()[..] == vector.public);
        let public = XwingPublic::parse(&vector.public).unwrap();
        let sealed = hpke_seal(
            &public,
            b"info",
            b"aad",
            b"share",
            &mut Script(vector.eseed.into_iter()),
        )
        .unwrap();
        assert!(sealed[..ENCAPSULATION_LEN] == vector.ciphertext);
        assert_eq!(sealed.len(), HPKE_OVERHEAD + 5);
        let (key, nonce) = key_schedule(&vector.shared, b"info");
        let message = Payload {
            msg: &sealed[ENCAPSULATION_LEN..],
            aad: b"aad",
        };
        let opened = aes_gcm::Aes256Gcm::new(&key.into())
            .decrypt(&nonce.into(), message)
            .unwrap();
        assert_eq!(opened, b"share");
        assert_eq!(
            hpke_open(&private, b"info", b"aad", &sealed)
                .unwrap()
                .expose(),
            b"share"
        );
    }
}

#[test]
fn one_encapsulation_carries_many_items_in_order() {
    let private = XwingSeed::generate(&mut rng());
    let (enc, mut sender) = HpkeSender::new(&private.public(), b"deposit", &mut rng()).unwrap();
    let items: Vec<_> = (0u64..20)
        .map(|n| sender.seal_next(&n.to_be_bytes(), &[n as u8; 32]).unwrap())
        .collect();
    let mut receiver = HpkeReceiver::new(&private, &enc, b"deposit").unwrap();
    assert!(
        receiver.open_next(&0u64.to_be_bytes(), &items[1]).is_err(),
        "item 1 in place of 0"
    );
    assert!(
        receiver.open_next(&1u64.to_be_bytes(), &items[0]).is_err(),
        "another item's binding"
    );
    for (n, item) in (0u64..).zip(&items) {
        assert_eq!(
            receiver.open_next(&n.to_be_bytes(), item).unwrap().expose(),
            [n as u8; 32]
        );
    }
    assert!(
        receiver.open_next(&0u64.to_be_bytes(), &items[0]).is_err(),
        "an item opens once"
    );
}

#[test]
fn b03_refuses_another_recipient_info_or_aad() {
    let (mut rng, private) = (rng(), XwingSeed::generate(&mut rng()));
    let sealed = hpke_seal(&private.public(), b"info", b"aad", b"key", &mut rng).unwrap();
    assert!(hpke_open(&private, b"info", b"aad", &sealed).is_ok());
    let other = XwingSeed::generate(&mut rng);
    for refused in [
        hpke_open(&other, b"info", b"aad", &sealed),
        hpke_open(&private, b"Info", b"aad", &sealed),
        hpke_open(&private, b"info", b"", &sealed),
    ] {
        assert_eq!(refused.err(), Some(SuiteError::OpenFailed));
    }
}

/// What an insider without the check would make: an encapsulation whose X25519 part is of low order,
/// and a message under the shared secret that follows from it.
#[test]
fn b08_refuses_ciphertexts_whose_x25519_part_is_of_low_order() {
    let private = XwingSeed::generate(&mut rng());
    let honest = hpke_seal(&private.public(), b"", b"", b"key", &mut rng()).unwrap();
    for u in low_order_encodings() {
        let mut enc = honest[..ENCAPSULATION_LEN].to_vec();
        enc[ENCAPSULATION_LEN - 32..].copy_from_slice(&u);
        // The hpke crate on its own opens this: the check is ours.
        let crafted = seal_to_crafted(&private, &enc, b"key");
        let crate_alone = open_with_hpke_alone(&private, &crafted);
        assert_eq!(crate_alone.as_deref(), Some(&b"key"[..]));
        assert_eq!(
            hpke_open(&private, b"", b"", &crafted).err(),
            Some(SuiteError::OpenFailed)
        );
        assert_eq!(
            Encapsulation::parse(&enc).err(),
            Some(SuiteError::OpenFailed)
        );
    }
}

#[test]
fn b09_b13_refuses_wrong_lengths_a_flipped_ml_kem_part_and_bit_255_with_one_error() {
    let private = XwingSeed::generate(&mut rng());
    let sealed = hpke_seal(&private.public(), b"", b"", b"key", &mut rng()).unwrap();
    let mut cases = vec![
        Vec::new(),
        sealed[..ENCAPSULATION_LEN - 1].to_vec(),
        sealed[..ENCAPSULATION_LEN].to_vec(),
        sealed[..ENCAPSULATION_LEN + 15].to_vec(),
        sealed[..sealed.len() - 1].to_vec(),
        sealed[1..].to_vec(),
        [&sealed[..], &[0]].concat(),
    ];
    for at in [
        0,
        500,
        1087,
        1088,
        ENCAPSULATION_LEN - 1,
        ENCAPSULATION_LEN,
        sealed.len() - 1,
    ] {
        let mut flipped = sealed.clone();
        flipped[at] ^= 0x80;
        cases.push(flipped);
    }
    for case in &cases {
        let refused = hpke_open(&private, b"", b"", case).err();
        assert_eq!(refused, Some(SuiteError::OpenFailed));
    }
    // Bit 255 is ignored by X25519: an insider can make a message that opens without the check.
    let mut enc = sealed[..ENCAPSULATION_LEN].to_vec();
    enc[ENCAPSULATION_LEN - 1] |= 0x80;
    let crafted = seal_to_crafted(&private, &enc, b"key");
    assert_eq!(
        open_with_hpke_alone(&private, &crafted).as_deref(),
        Some(&b"key"[..])
    );
    assert_eq!(
        hpke_open(&private, b"", b"", &crafted).err(),
        Some(SuiteError::OpenFailed)
    );
}

#[test]
fn b10_refuses_public_keys_with_a_low_order_part_or_coefficients_not_reduced() {
    let honest = *XwingSeed::generate(&mut rng()).public().as_bytes();
    assert!(XwingPublic::parse(&honest).is_ok());
    for u in low_order_encodings() {
        let mut public = honest;
        public[XWING_PUBLIC_LEN - 32..].copy_from_slice(&u);
        assert_eq!(
            XwingPublic::parse(&public).err(),
            Some(SuiteError::RefusedKey)
        );
    }
    for (low, high) in [(0x01, 0x0d), (0xff, 0x0f)] {
        // Two coefficients of 12 bits in three bytes: 3329 = q, and the largest.
        let mut public = honest;
        public[0] = low;
        public[1] = (public[1] & 0xf0) | high;
        assert_eq!(
            XwingPublic::parse(&public).err(),
            Some(SuiteError::RefusedKey)
        );
    }
    let mut bit_255 = honest;
    bit_255[XWING_PUBLIC_LEN - 1] |= 0x80;
    assert_eq!(
        XwingPublic::parse(&bit_255).err(),
        Some(SuiteError::RefusedKey)
    );
    for wrong in [&honest[1..], &[], &[&honest[..], &[0]].concat()] {
        assert_eq!(
            XwingPublic::parse(wrong).err(),
            Some(SuiteError::WrongLength)
        );
    }
}

#[test]
fn b11_long_infos_are_an_error_and_no_input_panics() {
    let private = XwingSeed::generate(&mut rng());
    let long = vec![0; 70_000];
    assert_eq!(
        hpke_seal(&private.public(), &long, b"", b"", &mut rng()).err(),
        Some(SuiteError::TooLong)
    );
    let sealed = hpke_seal(&private.public(), b"", b"", b"", &mut rng()).unwrap();
    assert_eq!(
        hpke_open(&private, &long, b"", &sealed).err(),
        Some(SuiteError::OpenFailed)
    );
    let mut rng = rng();
    for len in (0..1300).step_by(13) {
        let mut noise = vec![0; len];
        rng.fill_bytes(&mut noise);
        assert!(hpke_open(&private, b"", b"", &noise).is_err());
        assert!(XwingPublic::parse(&noise).is_err());
    }
}

/// KEM 0x0020 (X25519 alone) makes 32-byte encapsulations; nothing here reads them.
#[test]
fn b12_refuses_a_classical_wrap() {
    let private = XwingSeed::generate(&mut rng());
    assert!(hpke_open(&private, b"", b"", &[9; 32 + 48]).is_err());
    assert_eq!(HPKE_KEM_ID, 0x647a);
}

fn low_order_encodings() -> Vec<[u8; 32]> {
    let p = |first: u8| {
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
    let mut all = vec![
        [0; 32],
        one,
        order_8[0],
        order_8[1],
        p(0xec),
        p(0xed),
        p(0xee),
    ];
    for mut with_bit_255 in all.clone() {
        with_bit_255[31] |= 0x80;
        all.push(with_bit_255);
    }
    all
}

/// A message for an encapsulation of one's own making, under the secret the recipient will derive.
fn seal_to_crafted(private: &XwingSeed, enc: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let shared = <x_wing::DecapsulationKey as x_wing::Decapsulate>::decapsulate(
        // EXPOSE: a test key, to play the insider.
        &x_wing::DecapsulationKey::from(*private.secret().expose()),
        &x_wing::Ciphertext::try_from(enc).unwrap(),
    );
    let (key, nonce) = key_schedule(&shared, b"");
    let sealed = aes_gcm::Aes256Gcm::new(&key.into())
        .encrypt(&nonce.into(), plaintext)
        .unwrap();
    [enc, &sealed].concat()
}

fn open_with_hpke_alone(private: &XwingSeed, sealed: &[u8]) -> Option<Vec<u8>> {
    use hpke::{Deserializable, Kem, OpModeR};
    type Receiver =
        hpke::aead::AeadCtxR<hpke::aead::AesGcm256, hpke::kdf::HkdfSha256, hpke::kem::XWing>;
    // EXPOSE: a test key, to compare with the crate alone.
    let key = <hpke::kem::XWing as Kem>::PrivateKey::from_bytes(private.secret().expose()).ok()?;
    let (enc, ciphertext) = sealed.split_at_checked(ENCAPSULATION_LEN)?;
    let encapped = <hpke::kem::XWing as Kem>::EncappedKey::from_bytes(enc).ok()?;
    let mut receiver: Receiver = hpke::setup_receiver(&OpModeR::Base, &key, &encapped, b"").ok()?;
    receiver.open(ciphertext, b"").ok()
}
