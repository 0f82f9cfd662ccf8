//! Seal: Wycheproof's Cobblestone-256 file and properties, each on both backends.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use obhut_suite::{
    Backend, CHUNK, ChunkCipher, KEY, SALT, SEAL_PREFIX, SEALED_CHUNK, Secret, SuiteError, TAG,
    open, open_with, opened_len, seal, seal_with, sealed_len,
};
use proptest::prelude::*;
use rand_core::SeedableRng;

const BACKENDS: [Backend; 2] = [Backend::AesGcm, Backend::Ring];

fn key(byte: u8) -> Secret<KEY> {
    Secret::new([byte; KEY])
}

fn patterned(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251) as u8).collect()
}

#[test]
fn a01_a02_a03_a04_a05_a10_a12_passes_all_wycheproof_cobblestone_256_vectors() {
    use wycheproof::chunked_encryption::{TestName, TestSet};
    let set = TestSet::load(TestName::Cobblestone256).unwrap();
    let (mut accepted, mut refused) = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let sealed = miniz_oxide::inflate::decompress_to_vec_zlib(&test.ct).unwrap();
        for backend in BACKENDS {
            let opened = Secret::from_slice(&test.key)
                .and_then(|key| open_with(backend, &key, &test.ctx, &sealed));
            if test.result.must_fail() {
                assert!(opened.is_err(), "case {} opened", test.tc_id);
                refused += 1;
                continue;
            }
            let opened = opened.unwrap();
            assert_eq!(Some(opened.len()), test.msg_length, "case {}", test.tc_id);
            let digest = <sha2::Sha512 as sha2::Digest>::digest(opened.expose());
            let expected: &[u8] = test.msg_sha512.as_ref().unwrap();
            assert_eq!(digest.as_slice(), expected, "case {}", test.tc_id);
            let salt = sealed[..SALT].try_into().unwrap();
            let key = Secret::from_slice(&test.key).unwrap();
            let again = seal_with(backend, &key, &test.ctx, opened.expose(), salt).unwrap();
            assert!(again == sealed, "case {} seals otherwise", test.tc_id);
            accepted += 1;
        }
    }
    assert_eq!((accepted, refused), (20, 50), "35 vectors on two backends");
}

#[test]
fn a21_round_trips_every_size_around_chunk_boundaries() {
    for len in [
        0,
        1,
        15,
        16,
        17,
        CHUNK - 1,
        CHUNK,
        CHUNK + 1,
        3 * CHUNK - 1,
        3 * CHUNK,
        3 * CHUNK + 1,
    ] {
        let plain = patterned(len);
        let salt = [9; SALT];
        let [first, second] =
            BACKENDS.map(|backend| seal_with(backend, &key(1), b"ctx", &plain, &salt).unwrap());
        assert!(first == second, "backends differ at {len}");
        assert_eq!(first.len() as u64, sealed_len(len as u64));
        assert_eq!(opened_len(first.len() as u64), Some(len as u64));
        for backend in BACKENDS {
            assert!(
                open_with(backend, &key(1), b"ctx", &first)
                    .unwrap()
                    .expose()
                    == plain
            );
        }
    }
}

#[test]
fn a10_refuses_every_flipped_bit_of_a_small_seal() {
    let sealed = seal_with(Backend::AesGcm, &key(1), b"ctx", b"a case note", &[3; SALT]).unwrap();
    for bit in 0..sealed.len() * 8 {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        for backend in BACKENDS {
            let refused = open_with(backend, &key(1), b"ctx", &flipped).err();
            assert_eq!(refused, Some(SuiteError::OpenFailed), "bit {bit}");
        }
    }
}

#[test]
fn a01_a02_refuses_every_cut() {
    let sealed = seal_with(
        Backend::Ring,
        &key(1),
        b"ctx",
        &patterned(CHUNK + 40),
        &[3; SALT],
    )
    .unwrap();
    let ends = (0..200).chain(SEAL_PREFIX + SEALED_CHUNK - 40..sealed.len());
    for end in ends {
        for backend in BACKENDS {
            let refused = open_with(backend, &key(1), b"ctx", &sealed[..end]).err();
            assert_eq!(refused, Some(SuiteError::OpenFailed), "cut at {end}");
        }
    }
}

#[test]
fn b13_refuses_another_key_and_another_context_at_the_commitment() {
    let mut rng = rand_chacha::ChaCha20Rng::from_seed([1; 32]);
    let sealed = seal(&key(1), b"a", b"text", &mut rng).unwrap();
    assert!(open(&key(2), b"a", &sealed).is_err());
    assert!(open(&key(1), b"b", &sealed).is_err());
    assert!(open(&key(1), b"a", &sealed).is_ok());
    for backend in BACKENDS {
        let (_, commitment) = ChunkCipher::derive(backend, &key(1), &[0; SALT], b"a");
        assert!(
            ChunkCipher::derive_committed(backend, &key(1), &[0; SALT], b"a", &commitment).is_ok()
        );
        assert!(
            ChunkCipher::derive_committed(backend, &key(2), &[0; SALT], b"a", &commitment).is_err()
        );
    }
}

#[test]
fn a17_an_attacker_who_knows_both_keys_cannot_open_one_seal_under_the_second() {
    // The chunk alone could be made to open under two AES keys; the commitment cannot.
    let sealed = seal_with(Backend::AesGcm, &key(1), b"ctx", b"text", &[3; SALT]).unwrap();
    let other = seal_with(Backend::AesGcm, &key(2), b"ctx", b"text", &[3; SALT]).unwrap();
    let mut spliced = sealed.clone();
    spliced[SALT..SEAL_PREFIX].copy_from_slice(&other[SALT..SEAL_PREFIX]);
    assert!(open(&key(2), b"ctx", &spliced).is_err());
    assert!(open(&key(1), b"ctx", &spliced).is_err());
}

#[test]
fn a_refused_chunk_leaves_zeros_and_not_plaintext() {
    for backend in BACKENDS {
        let (cipher, _) = ChunkCipher::derive(backend, &key(1), &[0; SALT], b"");
        let mut slot = vec![0x55; CHUNK + TAG];
        cipher.seal_chunk_in_place(4, &mut slot).unwrap();
        *slot.last_mut().unwrap() ^= 1;
        assert!(cipher.open_chunk_in_place(4, &mut slot).is_err());
        assert!(slot.iter().all(|byte| *byte == 0));
    }
}

#[test]
fn refuses_chunk_numbers_and_slots_beyond_the_construction() {
    for backend in BACKENDS {
        let (cipher, _) = ChunkCipher::derive(backend, &key(1), &[0; SALT], b"");
        let mut slot = vec![0; 32];
        assert_eq!(
            cipher.seal_chunk_in_place(1 << 38, &mut slot),
            Err(SuiteError::TooLong)
        );
        assert!(cipher.seal_chunk_in_place((1 << 38) - 1, &mut slot).is_ok());
        assert!(cipher.open_chunk_in_place(1 << 38, &mut slot).is_err());
        assert!(
            cipher
                .seal_chunk_in_place(0, &mut vec![0; SEALED_CHUNK + 1])
                .is_err()
        );
        assert!(cipher.seal_chunk_in_place(0, &mut [0; TAG - 1]).is_err());
        assert!(cipher.open_chunk_in_place(0, &mut [0; TAG - 1]).is_err());
    }
}

#[test]
fn one_cipher_serves_many_threads() {
    let plain = patterned(9 * CHUNK + 5);
    let whole = seal_with(Backend::AesGcm, &key(1), b"ctx", &plain, &[7; SALT]).unwrap();
    for backend in BACKENDS {
        let (cipher, _) = ChunkCipher::derive(backend, &key(1), &[7; SALT], b"ctx");
        let mut slots: Vec<Vec<u8>> = plain
            .chunks(CHUNK)
            .map(|piece| [piece, &[0; TAG]].concat())
            .collect();
        std::thread::scope(|scope| {
            for (index, slot) in slots.iter_mut().enumerate() {
                let cipher = &cipher;
                scope.spawn(move || cipher.seal_chunk_in_place(index as u64, slot).unwrap());
            }
        });
        assert!(slots.concat() == whole[SEAL_PREFIX..]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn opens_what_it_sealed_and_nothing_with_a_flipped_bit(
        len in 0usize..40_000,
        seed in any::<[u8; 32]>(),
        context in proptest::collection::vec(any::<u8>(), 0..80),
        at in any::<prop::sample::Index>(),
        bit in 0u8..8,
        first_ring in any::<bool>(),
    ) {
        let (one, other) = if first_ring { (Backend::Ring, Backend::AesGcm) } else { (Backend::AesGcm, Backend::Ring) };
        let key = Secret::new(seed);
        let plain = patterned(len);
        let mut sealed = seal_with(one, &key, &context, &plain, &[5; SALT]).unwrap();
        prop_assert!(open_with(other, &key, &context, &sealed).unwrap().expose() == plain);
        let at = at.index(sealed.len());
        sealed[at] ^= 1 << bit;
        prop_assert!(open_with(other, &key, &context, &sealed).is_err());
    }

    #[test]
    fn only_lengths_that_seal_makes_are_read(len in any::<u32>()) {
        let sealed = sealed_len(u64::from(len));
        prop_assert_eq!(opened_len(sealed), Some(u64::from(len)));
        if let Some(plain) = opened_len(u64::from(len)) {
            prop_assert_eq!(sealed_len(plain), u64::from(len));
        }
    }
}
