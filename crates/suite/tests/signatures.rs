//! Signatures, identities and passphrases: what they refuse.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use obhut_suite::{
    BUNDLE_LEN, DeviceKey, DevicePublic, DeviceSignature, HYBRID_PUBLIC_LEN, HYBRID_SIGNATURE_LEN,
    HybridPublic, HybridSignature, IdentityMaster, KeyBundle, Label, NoteKey, NotePublic,
    PassphraseParams, Secret, SuiteError, XWING_PUBLIC_LEN,
};

const LABEL: Label = Label::new("obhut/test/v1");
const OTHER: Label = Label::new("obhut/test/v2");

fn identity(byte: u8) -> IdentityMaster {
    IdentityMaster::from_secret(Secret::new([byte; 32]))
}

#[test]
fn b18_a_hybrid_signature_needs_both_halves() {
    let signer = identity(1).derive_keys().signer;
    let public = signer.public();
    let bytes = signer.sign(LABEL, b"manifest").to_bytes();
    assert_eq!(bytes.len(), HYBRID_SIGNATURE_LEN);
    let check =
        |bytes: &[u8]| public.verify(LABEL, b"manifest", &HybridSignature::parse(bytes).unwrap());
    assert_eq!(check(&bytes), Ok(()));
    let other = identity(2)
        .derive_keys()
        .signer
        .sign(LABEL, b"manifest")
        .to_bytes();
    let forged = [
        [&bytes[..64], &other[64..]].concat(),
        [&other[..64], &bytes[64..]].concat(),
        [&[0; 64], &bytes[64..]].concat(),
        [&bytes[..64], &[0; 3309]].concat(),
    ];
    for forged in &forged {
        assert_eq!(check(forged), Err(SuiteError::InvalidSignature));
    }
    for at in [0, 40, 63, 64, 1000, HYBRID_SIGNATURE_LEN - 1] {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1;
        assert_eq!(
            check(&flipped),
            Err(SuiteError::InvalidSignature),
            "byte {at}"
        );
    }
    for end in [0, 63, 64, HYBRID_SIGNATURE_LEN - 1] {
        assert_eq!(
            HybridSignature::parse(&bytes[..end]).err(),
            Some(SuiteError::WrongLength)
        );
    }
    assert!(HybridSignature::parse(&[&bytes[..], &[0]].concat()).is_err());
}

#[test]
fn b18_refuses_a_wrong_ml_dsa_context() {
    use ml_dsa::{ExpandedSigningKey, MlDsa65};
    let (ed25519, ml_dsa) = (Secret::new([3; 32]), Secret::new([4; 32]));
    let signer = obhut_suite::HybridSigner::from_seeds(&ed25519, &ml_dsa);
    let good = signer.sign(LABEL, b"manifest").to_bytes();
    let raw = ExpandedSigningKey::<MlDsa65>::from_seed(&[4; 32].into());
    for (context, valid) in [
        (LABEL.as_bytes(), true),
        (b"", false),
        (OTHER.as_bytes(), false),
    ] {
        let half = raw
            .sign_deterministic(b"manifest", context)
            .unwrap()
            .encode();
        let signature = HybridSignature::parse(&[&good[..64], &half].concat()).unwrap();
        assert_eq!(
            signer
                .public()
                .verify(LABEL, b"manifest", &signature)
                .is_ok(),
            valid
        );
    }
}

#[test]
fn b16_a_signature_counts_for_its_label_only() {
    let keys = identity(1).derive_keys();
    let signature = keys.signer.sign(LABEL, b"text");
    assert!(
        keys.signer
            .public()
            .verify(LABEL, b"text", &signature)
            .is_ok()
    );
    assert!(
        keys.signer
            .public()
            .verify(OTHER, b"text", &signature)
            .is_err()
    );
    assert!(
        keys.signer
            .public()
            .verify(LABEL, b"texu", &signature)
            .is_err()
    );
    let device = DeviceKey::from_seed(&Secret::new([9; 32]));
    let signature = device.sign(LABEL, b"text");
    assert!(device.public().verify(LABEL, b"text", &signature).is_ok());
    assert!(device.public().verify(OTHER, b"text", &signature).is_err());
    let another = DeviceKey::from_seed(&Secret::new([8; 32])).public();
    assert!(another.verify(LABEL, b"text", &signature).is_err());
}

#[test]
fn c07_refuses_small_order_and_non_canonical_public_keys() {
    // All eight points of small order, then second encodings of the identity and of y = -1's kin.
    let refused = [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    ];
    for hex in refused {
        let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
        assert_eq!(
            DevicePublic::parse(&bytes).err(),
            Some(SuiteError::RefusedKey),
            "{hex}"
        );
        assert_eq!(
            NotePublic::parse(&bytes).err(),
            Some(SuiteError::RefusedKey),
            "{hex}"
        );
        let mut hybrid = identity(1).derive_keys().signer.public().to_bytes();
        hybrid[..32].copy_from_slice(&bytes);
        assert_eq!(
            HybridPublic::parse(&hybrid).err(),
            Some(SuiteError::RefusedKey),
            "{hex}"
        );
    }
    // Encodings of y >= p whose point is of full order are second forms of another key.
    let mut second_forms = 0;
    for low in 0xedu8..=0xff {
        for top in [0x7f, 0xff] {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (low, top);
            assert!(DevicePublic::parse(&bytes).is_err());
            let point = ed25519_dalek::VerifyingKey::from_bytes(&bytes);
            second_forms += usize::from(point.is_ok_and(|key| !key.is_weak()));
        }
    }
    assert!(
        second_forms > 0,
        "the canonical check is what refuses some of them"
    );
    for len in [0, 31, 33] {
        assert_eq!(
            DevicePublic::parse(&vec![7; len]).err(),
            Some(SuiteError::WrongLength)
        );
    }
}

#[test]
fn a_note_signature_is_not_a_device_signature() {
    let seed = Secret::new([9; 32]);
    let (note, device) = (NoteKey::from_seed(&seed), DeviceKey::from_seed(&seed));
    let signature = note.sign(b"text");
    assert!(note.public().verify(b"text", &signature).is_ok());
    assert!(note.public().verify(b"texu", &signature).is_err());
    assert!(note.public().verify(b"text", &signature[..63]).is_err());
    let as_device = DeviceSignature::parse(&signature).unwrap();
    assert!(device.public().verify(LABEL, b"text", &as_device).is_err());
}

#[test]
fn a_bundle_reads_back_and_depends_on_the_master_seed_alone() {
    let bundle = identity(1).derive_keys().bundle();
    let bytes = bundle.to_bytes();
    assert_eq!((bytes.len(), HYBRID_PUBLIC_LEN), (BUNDLE_LEN, 1984));
    assert!(KeyBundle::parse(&bytes).unwrap() == bundle);
    assert!(identity(1).derive_keys().bundle() == bundle);
    assert!(identity(2).derive_keys().bundle() != bundle);
    for end in [0, 32, XWING_PUBLIC_LEN, BUNDLE_LEN - 1] {
        assert_eq!(
            KeyBundle::parse(&bytes[..end]).err(),
            Some(SuiteError::WrongLength)
        );
    }
    assert!(KeyBundle::parse(&[&bytes[..], &[0]].concat()).is_err());
}

#[test]
fn d01_refuses_passphrase_parameters_below_the_floor() {
    let below = [
        (64 * 1024 - 1, 3, 1),
        (64 * 1024, 2, 1),
        (64 * 1024, 3, 0),
        (0, 0, 0),
        (8, 1, 1),
    ];
    for (memory_kib, passes, lanes) in below {
        let refused = PassphraseParams::new(memory_kib, passes, lanes).err();
        assert_eq!(refused, Some(SuiteError::RefusedParams));
    }
}

#[test]
fn d02_refuses_passphrase_parameters_above_the_ceiling_before_any_work() {
    let above = [
        (64 << 20, 3, 1),
        ((1 << 20) + 1, 3, 1),
        (64 * 1024, 17, 1),
        (64 * 1024, 3, 9),
        (u32::MAX, u32::MAX, u32::MAX),
    ];
    for (memory_kib, passes, lanes) in above {
        let bytes: Vec<u8> = [memory_kib, passes, lanes].map(u32::to_be_bytes).concat();
        let refused = PassphraseParams::parse(bytes[..].try_into().unwrap()).err();
        assert_eq!(refused, Some(SuiteError::RefusedParams));
    }
    let ceiling = PassphraseParams::new(1 << 20, 16, 8).unwrap();
    assert_eq!(PassphraseParams::parse(&ceiling.to_bytes()), Ok(ceiling));
}

#[test]
fn a_passphrase_key_depends_on_passphrase_salt_and_parameters() {
    let floor = PassphraseParams::FLOOR;
    let key = floor.derive_key(b"correct horse", &[1; 16]).unwrap();
    assert!(key.matches(&floor.derive_key(b"correct horse", &[1; 16]).unwrap()));
    assert!(!key.matches(&floor.derive_key(b"correct horse", &[2; 16]).unwrap()));
    assert!(!key.matches(&floor.derive_key(b"correct hors", &[1; 16]).unwrap()));
    let dearer = PassphraseParams::new(64 * 1024, 4, 1).unwrap();
    assert!(!key.matches(&dearer.derive_key(b"correct horse", &[1; 16]).unwrap()));
}

#[test]
fn argon2id_agrees_with_the_reference_implementation() {
    // argon2-cffi (the reference C code): 64 MiB, 3 passes, 1 lane, salt 00..0f.
    let salt: [u8; 16] = std::array::from_fn(|at| at as u8);
    let key = PassphraseParams::FLOOR
        .derive_key(b"correct horse battery staple", &salt)
        .unwrap();
    // EXPOSE: a known test value.
    let hex = data_encoding::HEXLOWER.encode(key.expose());
    assert_eq!(
        hex,
        "0d1a3c6523c8f06e4e0af9c515aa5b5448cfebd6838f2d52c3d8b6ef8ddc3c2e"
    );
}
