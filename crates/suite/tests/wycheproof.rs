//! Wycheproof over the primitives beneath the suite, through its own functions where it has them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use aes_gcm::aead::{Aead, KeyInit, Payload};
use ml_kem::kem::{Decapsulate, KeyExport, TryKeyInit};
use obhut_suite::{NotePublic, hkdf_expand_sha512, hkdf_extract_sha512, is_acceptable_x25519};
use wycheproof::TestResult;

#[test]
fn aes_256_gcm_on_both_backends() {
    use wycheproof::aead::{TestName, TestSet};
    let set = TestSet::load(TestName::AesGcm).unwrap();
    let mut run = 0;
    for group in set
        .test_groups
        .iter()
        .filter(|group| group.key_size == 256 && group.nonce_size == 96)
    {
        for test in &group.tests {
            let sealed = [&test.ct[..], &test.tag[..]].concat();
            let nonce: [u8; 12] = test.nonce[..].try_into().unwrap();
            let portable = aes_gcm::Aes256Gcm::new_from_slice(&test.key).unwrap();
            let portable = portable
                .decrypt(
                    &nonce.into(),
                    Payload {
                        msg: &sealed,
                        aad: &test.aad,
                    },
                )
                .ok();
            let bulk = ring::aead::UnboundKey::new(&ring::aead::AES_256_GCM, &test.key).unwrap();
            let mut buffer = sealed.clone();
            let bulk = ring::aead::LessSafeKey::new(bulk)
                .open_in_place(
                    ring::aead::Nonce::assume_unique_for_key(nonce),
                    ring::aead::Aad::from(&test.aad[..]),
                    &mut buffer,
                )
                .ok()
                .map(|opened| opened.to_vec());
            let expected = (test.result == TestResult::Valid).then(|| test.pt.to_vec());
            assert_eq!(portable, expected, "case {}", test.tc_id);
            assert_eq!(bulk, expected, "case {}", test.tc_id);
            run += 1;
        }
    }
    assert!(run > 60, "{run} cases");
}

#[test]
fn hkdf_sha_512() {
    use wycheproof::hkdf::{TestName, TestSet};
    const LONGEST: usize = 255 * 64;
    let set = TestSet::load(TestName::HkdfSha512).unwrap();
    let mut run = 0;
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        if test.size > LONGEST {
            assert_eq!(
                test.result,
                TestResult::Invalid,
                "longer does not compile here"
            );
            continue;
        }
        let prk = hkdf_extract_sha512(&test.salt, &test.ikm);
        // EXPOSE: known test values.
        let okm: [u8; LONGEST] = hkdf_expand_sha512(prk.expose(), &[&test.info]);
        assert_eq!(&okm[..test.size], &test.okm[..], "case {}", test.tc_id);
        run += 1;
    }
    assert_eq!(run, 80);
}

#[test]
fn x25519_agrees_and_a_zero_shared_secret_is_refused() {
    use wycheproof::xdh::{TestFlag, TestName, TestSet};
    let set = TestSet::load(TestName::X25519).unwrap();
    let (mut refused, mut agreed) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let (Ok(public), Ok(private)) = (
            <[u8; 32]>::try_from(&test.public_key[..]),
            <[u8; 32]>::try_from(&test.private_key[..]),
        ) else {
            continue;
        };
        assert_eq!(
            x25519_dalek::x25519(private, public),
            test.shared_secret[..],
            "case {}",
            test.tc_id
        );
        let zero = test.flags.contains(&TestFlag::ZeroSharedSecret);
        assert_eq!(zero, test.shared_secret.iter().all(|byte| *byte == 0));
        if zero || test.flags.contains(&TestFlag::NonCanonicalPublic) {
            assert!(!is_acceptable_x25519(&public), "case {}", test.tc_id);
            refused += 1;
        } else {
            // A set top bit is not always flagged, and is refused as well.
            assert_eq!(
                is_acceptable_x25519(&public),
                public[31] & 0x80 == 0,
                "case {}",
                test.tc_id
            );
            agreed += 1;
        }
    }
    assert!(
        refused >= 20 && agreed > 400,
        "{refused} refused, {agreed} agreed"
    );
}

#[test]
fn c07_ed25519_refuses_malleated_and_non_canonical_signatures() {
    use wycheproof::eddsa::{TestName, TestSet};
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in &set.test_groups {
        let public = NotePublic::parse(&group.key.pk);
        for test in &group.tests {
            let verified = public.and_then(|public| public.verify(&test.msg, &test.sig));
            assert_eq!(
                verified.is_ok(),
                test.result == TestResult::Valid,
                "case {}",
                test.tc_id
            );
            if verified.is_ok() {
                valid += 1;
            } else {
                invalid += 1;
            }
        }
    }
    assert!(
        valid > 60 && invalid > 50,
        "{valid} valid, {invalid} invalid"
    );
}

#[test]
fn ml_kem_768() {
    use wycheproof::mlkem::{TestName, TestSet};
    let mut run = [0; 3];
    for test in TestSet::load(TestName::MlKem768)
        .unwrap()
        .test_groups
        .iter()
        .flat_map(|group| &group.tests)
    {
        let expected = (test.result == TestResult::Valid)
            .then(|| test.shared_secret.clone().unwrap().to_vec());
        let seed = <[u8; 64]>::try_from(&test.seed.as_ref().unwrap()[..]);
        let sealed = ml_kem::ml_kem_768::Ciphertext::try_from(&test.ct.as_ref().unwrap()[..]);
        let opened = seed.ok().zip(sealed.ok()).map(|(seed, sealed)| {
            let private = ml_kem::ml_kem_768::DecapsulationKey::from_seed(seed.into());
            private.decapsulate(&sealed).to_vec()
        });
        assert_eq!(opened, expected, "case {}", test.tc_id);
        run[0] += 1;
    }
    for test in TestSet::load(TestName::MlKem768KeyGenSeed)
        .unwrap()
        .test_groups
        .iter()
        .flat_map(|group| &group.tests)
    {
        let seed = <[u8; 64]>::try_from(&test.seed.as_ref().unwrap()[..]).unwrap();
        let private = ml_kem::ml_kem_768::DecapsulationKey::from_seed(seed.into());
        let public = private.encapsulation_key().to_bytes();
        assert_eq!(
            &public[..],
            &test.encaps_key.as_ref().unwrap()[..],
            "case {}",
            test.tc_id
        );
        run[1] += 1;
    }
    for test in TestSet::load(TestName::MlKem768Encaps)
        .unwrap()
        .test_groups
        .iter()
        .flat_map(|group| &group.tests)
    {
        let public =
            ml_kem::ml_kem_768::EncapsulationKey::new_from_slice(test.encaps_key.as_ref().unwrap());
        assert_eq!(
            public.is_ok(),
            test.result == TestResult::Valid,
            "case {}",
            test.tc_id
        );
        if let Ok(public) = public {
            let coins = <[u8; 32]>::try_from(&test.msg.as_ref().unwrap()[..]).unwrap();
            let (sealed, shared) = public.encapsulate_deterministic(&coins.into());
            assert_eq!(
                &sealed[..],
                &test.ct.as_ref().unwrap()[..],
                "case {}",
                test.tc_id
            );
            assert_eq!(
                &shared[..],
                &test.shared_secret.as_ref().unwrap()[..],
                "case {}",
                test.tc_id
            );
        }
        run[2] += 1;
    }
    assert!(run.iter().all(|count| *count > 20), "{run:?} cases");
}

#[test]
fn ml_dsa_65_verifies() {
    use wycheproof::mldsa_verify::{TestName, TestSet};
    let set = TestSet::load(TestName::MlDsa65Verify).unwrap();
    let mut run = 0;
    for group in &set.test_groups {
        let public = <[u8; 1952]>::try_from(&group.pubkey[..])
            .ok()
            .map(|bytes| ml_dsa::VerifyingKey::<ml_dsa::MlDsa65>::decode(&bytes.into()));
        for test in &group.tests {
            let context: &[u8] = test.ctx.as_ref().map_or(&[], |ctx| &ctx[..]);
            let signature = ml_dsa::Signature::try_from(&test.sig[..]).ok();
            let verified = public
                .as_ref()
                .zip(signature)
                .is_some_and(|(public, signature)| {
                    public.verify_with_context(&test.msg, context, &signature)
                });
            assert_eq!(
                verified,
                test.result == TestResult::Valid,
                "case {}",
                test.tc_id
            );
            run += 1;
        }
    }
    assert!(run > 60, "{run} cases");
}

#[test]
fn ml_dsa_65_signs_from_its_seed() {
    use wycheproof::mldsa_sign::{TestFlag, TestName, TestSet};
    let set = TestSet::load(TestName::MlDsa65SignSeed).unwrap();
    let mut run = 0;
    for group in &set.test_groups {
        let Ok(seed) = <[u8; 32]>::try_from(&group.privseed.as_ref().unwrap()[..]) else {
            continue;
        };
        let private = ml_dsa::ExpandedSigningKey::<ml_dsa::MlDsa65>::from_seed(&seed.into());
        for test in &group.tests {
            // Signing a prepared digest or with given randomness is nothing the suite does.
            let beyond = [TestFlag::Internal, TestFlag::Randomized];
            let (Some(msg), false) = (
                &test.msg,
                beyond.iter().any(|flag| test.flags.contains(flag)),
            ) else {
                continue;
            };
            let context: &[u8] = test.ctx.as_ref().map_or(&[], |ctx| &ctx[..]);
            let made = private
                .sign_deterministic(msg, context)
                .ok()
                .map(|made| made.encode().to_vec());
            let expected = (test.result == TestResult::Valid).then(|| test.sig.to_vec());
            assert!(made == expected, "case {}", test.tc_id);
            run += 1;
        }
    }
    assert!(run > 30, "{run} cases");
}
