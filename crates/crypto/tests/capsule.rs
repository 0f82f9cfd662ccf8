//! Capsules: round trips, and everything a hostile store may do to one.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod made;

use std::io::{self, Read, Write};

use made::{Made, at, make, make_for, patterned, rng, threads};
use obhut_crypto::{
    AccessKey, CryptoError, DocumentShare, ManifestTerms, Quarantine, RevisionReader, RevisionRef,
    RevisionSealer, RevisionSecrets,
};
use obhut_format::capsule::{self, CHUNK_BYTES, LEAF_BYTES, PREFIX_BYTES, SEALED_CHUNK_BYTES};
use obhut_format::content::ContentInfo;
use obhut_format::context::Context;
use obhut_format::manifest::Manifest;
use obhut_format::tree::{leaf_hash, root};
use obhut_format::{CaseId, DocumentId, Kid, VaultId};
use obhut_suite::{
    Backend, ChunkCipher, Secret, hkdf_expand_secret, hkdf_expand_sha512, hkdf_extract_sha512,
};
use proptest::prelude::*;

const CHUNK: usize = CHUNK_BYTES as usize;
const SLOT: usize = SEALED_CHUNK_BYTES as usize;
const PREFIX: usize = PREFIX_BYTES as usize;

/// Fails the test when content gets out of it.
struct Watched<'a>(&'a mut bool);

impl Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Quarantine for Watched<'_> {
    type Kept = ();
    fn finish(self) -> io::Result<()> {
        *self.0 = true;
        Ok(())
    }
}

/// Opens with one and with three threads; both must say the same, and nothing may get out on a refusal.
fn open(made: &Made, object: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let reader = made.reader();
    let info = reader.open_info(&made.info)?;
    let alone = reader.open_content(&info, &threads(1), object, Vec::new());
    let together = reader.open_content(&info, &threads(3), object, Vec::new());
    match (&alone, &together) {
        (Ok(alone), Ok(together)) => assert!(alone == together),
        (Err(alone), Err(together)) => assert_eq!(alone.to_string(), together.to_string()),
        _ => panic!("one and three threads disagree"),
    }
    if alone.is_err() {
        let mut let_out = false;
        assert!(
            reader
                .open_content(&info, &threads(2), object, Watched(&mut let_out))
                .is_err()
        );
        assert!(!let_out, "the quarantine was finished");
    }
    alone
}

fn is_damaged<T>(result: &Result<T, CryptoError>) -> bool {
    matches!(result, Err(CryptoError::Damaged))
}

fn is_truncated<T>(result: &Result<T, CryptoError>) -> bool {
    matches!(result, Err(CryptoError::Truncated))
}

#[test]
fn a21_round_trips_awkward_sizes_on_any_number_of_threads() {
    let leaf = LEAF_BYTES as usize;
    let sizes = [
        0,
        1,
        4095,
        4096,
        4097,
        CHUNK - 1,
        CHUNK,
        CHUNK + 1,
        2 * CHUNK,
        16 * CHUNK,
        16 * CHUNK + 1,
        64 * CHUNK - 1,
        64 * CHUNK,
        64 * CHUNK + 1,
        leaf,
        5 * leaf + 7,
        200 * CHUNK,
    ];
    for len in sizes {
        let content = patterned(len);
        let made = make(&content);
        let header = made.capsule.header;
        assert_eq!(made.object.len() as u64, header.object_bytes());
        assert_eq!(header.padded_bytes, capsule::padme(len as u64));
        for count in [2, 4] {
            let again = make_for(
                at(),
                &content,
                &threads(count),
                RevisionSecrets::from_journal(made.journal.expose()).unwrap(),
            );
            assert!(
                again.object == made.object && again.manifest == made.manifest,
                "{len} on {count} threads"
            );
        }
        assert!(open(&made, &made.object).unwrap() == content, "{len}");
    }
}

#[test]
fn the_leaf_list_and_root_are_those_of_the_object_as_stored() {
    let made = make(&patterned(700_000));
    let object_bytes = made.object.len() as u64;
    let leaves: Vec<_> = (0..capsule::leaf_count(object_bytes))
        .map(|leaf| {
            let (start, end) = capsule::leaf_range(leaf, object_bytes);
            leaf_hash(&made.object[start as usize..end as usize])
        })
        .collect();
    assert_eq!(made.capsule.leaves, leaves);
    assert_eq!(made.manifest.content_root, root(&leaves));
    assert_eq!(
        made.manifest,
        Manifest::parse(&made.manifest.to_bytes()).unwrap()
    );
}

#[test]
fn a01_refuses_a_capsule_without_its_final_chunk() {
    for len in [5 * CHUNK, 70 * CHUNK, 70 * CHUNK + 9000] {
        let made = make(&patterned(len));
        let body = made.object.len() - PREFIX;
        let last = body % SLOT;
        let cut = &made.object[..made.object.len() - last];
        assert!(is_truncated(&open(&made, cut)));
    }
}

#[test]
fn a02_refuses_a_cut_anywhere() {
    let made = make(&patterned(80 * CHUNK));
    let len = made.object.len();
    for end in [
        0,
        1,
        63,
        64,
        87,
        88,
        119,
        120,
        121,
        5000,
        SLOT,
        LEAF_BYTES as usize,
        len - SLOT,
        len - 17,
        len - 1,
    ] {
        assert!(
            is_truncated(&open(&made, &made.object[..end])),
            "cut at {end}"
        );
    }
}

#[test]
fn a03_refuses_appended_bytes_and_an_appended_chunk() {
    let made = make(&patterned(3 * CHUNK));
    for appended in [1, 16, 1000, SLOT] {
        let longer = [&made.object[..], &vec![0; appended]].concat();
        assert!(is_damaged(&open(&made, &longer)), "{appended} bytes");
    }
    // A further chunk under the same key and the right number, as a reader could make it.
    let cipher = insider(&made);
    let mut object = made.object.clone();
    let chunks = capsule::chunk_count(made.capsule.header.padded_bytes);
    let mut extra = vec![0; 100 + 16];
    cipher.seal_chunk_in_place(chunks, &mut extra).unwrap();
    object.extend(extra);
    assert!(is_damaged(&open(&made, &object)));
}

#[test]
fn a04_a05_refuses_swapped_and_duplicated_chunks() {
    let made = make(&patterned(90 * CHUNK));
    for (one, other) in [(0, 1), (3, 70), (15, 16)] {
        let (one, other) = (PREFIX + one * SLOT, PREFIX + other * SLOT);
        let mut swapped = made.object.clone();
        swapped[one..one + SLOT].copy_from_slice(&made.object[other..other + SLOT]);
        assert!(is_damaged(&open(&made, &swapped)), "duplicated");
        swapped[other..other + SLOT].copy_from_slice(&made.object[one..one + SLOT]);
        assert!(is_damaged(&open(&made, &swapped)), "swapped");
    }
}

#[test]
fn a06_refuses_a_chunk_of_another_revision_or_document() {
    let content = patterned(3 * CHUNK);
    let made = make(&content);
    let next = RevisionRef {
        revision: 2,
        ..at()
    };
    let other = RevisionRef {
        document: DocumentId([8; 16]),
        ..at()
    };
    for source in [next, other] {
        let source = make_for(
            source,
            &content,
            &threads(1),
            RevisionSecrets::generate(&mut rng(9)),
        );
        let mut spliced = made.object.clone();
        spliced[PREFIX..PREFIX + SLOT].copy_from_slice(&source.object[PREFIX..PREFIX + SLOT]);
        assert!(is_damaged(&open(&made, &spliced)));
    }
}

#[test]
fn a07_refuses_the_whole_object_of_another_document_before_any_chunk() {
    let content = patterned(3 * CHUNK);
    let made = make(&content);
    let other = RevisionRef {
        document: DocumentId([8; 16]),
        ..at()
    };
    let other = make_for(
        other,
        &content,
        &threads(1),
        RevisionSecrets::generate(&mut rng(9)),
    );
    assert!(is_damaged(&open(&made, &other.object)));
    // With the expected header put in front of it, it fails at the commitment.
    let mut dressed = other.object.clone();
    dressed[..64].copy_from_slice(&made.object[..64]);
    let prefix_only = &dressed[..PREFIX];
    assert!(
        is_damaged(&open(&made, prefix_only)),
        "no chunk was needed to refuse"
    );
}

#[test]
fn a10_refuses_every_flipped_bit_of_header_salt_commitment_and_samples_of_every_chunk() {
    let made = make(&patterned(2 * CHUNK + 100));
    for bit in 0..PREFIX * 8 {
        let mut flipped = made.object[..PREFIX].to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        // Only the prefix is given: the refusal comes before any chunk is read.
        let refused = open(&made, &flipped);
        assert!(
            matches!(
                refused,
                Err(CryptoError::Damaged | CryptoError::UnsupportedVersion)
            ),
            "bit {bit}: {refused:?}"
        );
    }
    for at in (PREFIX..made.object.len())
        .step_by(997)
        .chain(made.object.len() - 16..made.object.len())
    {
        let mut flipped = made.object.clone();
        flipped[at] ^= 1;
        assert!(is_damaged(&open(&made, &flipped)), "byte {at}");
    }
}

#[test]
fn a11_a_range_checks_every_leaf_against_the_authors_root() {
    let content = patterned(5 * LEAF_BYTES as usize);
    let made = make(&content);
    let reader = made.reader();
    let info = reader.open_info(&made.info).unwrap();
    let ranges = reader
        .range_reader(&info, &made.object[..PREFIX], made.capsule.leaves.clone())
        .unwrap();
    let end = content.len() as u64;
    for wanted in [
        0..1,
        0..end,
        100..300_000,
        262_144..262_145,
        262_143..262_145,
        end - 1..end,
        end - 5..end + 50,
        end..end + 9,
        7..7,
    ] {
        let located = ranges.locate(wanted.clone());
        let fetched = &made.object[located.object.start as usize..located.object.end as usize];
        let mut out = Vec::new();
        ranges.open(&located, fetched, &mut out).unwrap();
        let expected = &content[wanted.start.min(end) as usize..wanted.end.min(end) as usize];
        assert!(out == expected, "{wanted:?}");
    }
    let located = ranges.locate(300_000..300_010);
    let leaf = located.object.end - located.object.start;
    // Another offset of the right length, the full body from its beginning, and too little.
    for start in [
        0,
        located.object.start - 1,
        located.object.start + 16,
        located.object.end,
    ] {
        let (start, mut out) = (start as usize, Vec::new());
        let wrong = &made.object[start..];
        assert!(is_damaged(&ranges.open(
            &located,
            &wrong[..leaf as usize],
            &mut out
        )));
        assert!(is_damaged(&ranges.open(&located, wrong, &mut out)));
        assert!(out.is_empty());
    }
    let (start, end) = (located.object.start as usize, located.object.end as usize);
    assert!(is_truncated(&ranges.open(
        &located,
        &made.object[start..end - 1],
        &mut Vec::new()
    )));
    // A leaf list that is not the author's, and a prefix that is not the capsule's.
    let mut forged = made.capsule.leaves.clone();
    forged[1][0] ^= 1;
    for leaves in [forged, made.capsule.leaves[1..].to_vec(), Vec::new()] {
        assert!(
            reader
                .range_reader(&info, &made.object[..PREFIX], leaves)
                .is_err()
        );
    }
    let mut prefix = made.object[..PREFIX].to_vec();
    prefix[70] ^= 1;
    assert!(
        reader
            .range_reader(&info, &prefix, made.capsule.leaves.clone())
            .is_err()
    );
}

#[test]
fn a12_lets_nothing_out_when_only_the_last_chunk_is_broken() {
    let made = make(&patterned(300 * CHUNK));
    let mut broken = made.object.clone();
    *broken.last_mut().unwrap() ^= 1;
    assert!(
        is_damaged(&open(&made, &broken)),
        "open() also watches the quarantine"
    );
}

#[test]
fn a13_believes_no_length_but_the_signed_one() {
    let made = make(&patterned(3 * CHUNK));
    // A header that announces 4 TiB, in an object that ends at once.
    let mut huge = made.object[..PREFIX].to_vec();
    huge[48..56].copy_from_slice(&(1_u64 << 42).to_be_bytes());
    assert!(is_damaged(&open(&made, &huge)));
    let manifest = Manifest {
        object_bytes: capsule::object_bytes(8192),
        ..made.manifest
    };
    let reader =
        RevisionReader::new(&manifest, &made.secrets().access, &made.secrets().share).unwrap();
    assert!(
        reader.open_info(&made.info).is_err(),
        "the info's length is not the manifest's"
    );
}

#[test]
fn a14_refuses_unknown_suites_paddings_and_reserved_bits() {
    let made = make(&patterned(100));
    let unsupported = [(0, b'X'), (3, b'2'), (4, 0), (4, 2), (5, 0), (5, 2), (6, 3)];
    for (byte, value) in unsupported {
        let mut object = made.object.clone();
        object[byte] = value;
        assert!(
            matches!(open(&made, &object), Err(CryptoError::UnsupportedVersion)),
            "byte {byte}"
        );
    }
    for byte in [7, 56, 63] {
        let mut object = made.object.clone();
        object[byte] = 1;
        assert!(is_damaged(&open(&made, &object)), "byte {byte}");
    }
}

/// The content key, as any reader of the revision can derive it.
fn insider_key(made: &Made) -> Secret<32> {
    let secrets = made.secrets();
    let share = secrets.share.secret();
    // EXPOSE: test keys, to play the insider.
    let prk = hkdf_extract_sha512(&share.expose()[..32], secrets.access.secret().expose());
    let (vault, document) = (at().vault.0, at().document.0);
    let revision = at().revision.to_be_bytes();
    // EXPOSE: as above.
    hkdf_expand_secret(
        prk.expose(),
        &[b"obhut/dek/v1\0", &vault, &document, &revision],
    )
}

fn insider_context(made: &Made) -> Context {
    let header = made.capsule.header;
    header.seal_context(at().case, made.manifest.author)
}

fn insider(made: &Made) -> ChunkCipher {
    let (salt, commitment) = (&made.object[64..88], &made.object[88..120]);
    ChunkCipher::derive_committed(
        Backend::Ring,
        &insider_key(made),
        salt.try_into().unwrap(),
        insider_context(made).as_bytes(),
        commitment.try_into().unwrap(),
    )
    .unwrap()
}

/// The AES key beneath, after the specification of chunked encryption.
fn insider_chunk_key(made: &Made) -> [u8; 32] {
    let label = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";
    let context = insider_context(made);
    let info = [label, &made.object[64..88], context.as_bytes()];
    // EXPOSE: a test key.
    let okm: [u8; 76] = hkdf_expand_sha512(insider_key(made).expose(), &info);
    okm[..32].try_into().unwrap()
}

#[test]
fn a15_refuses_a_chunk_resealed_by_a_colluding_reader() {
    for chunk in [0, 17, 79] {
        let made = make(&patterned(80 * CHUNK));
        let cipher = insider(&made);
        let mut object = made.object.clone();
        let slot = &mut object[PREFIX + chunk * SLOT..][..SLOT];
        cipher.open_chunk_in_place(chunk as u64, slot).unwrap()[..6].copy_from_slice(b"forged");
        cipher.seal_chunk_in_place(chunk as u64, slot).unwrap();
        assert!(
            is_damaged(&open(&made, &object)),
            "the AEAD is content, the root is not"
        );
        // The same through a range read.
        let reader = made.reader();
        let info = reader.open_info(&made.info).unwrap();
        let ranges = reader
            .range_reader(&info, &object[..PREFIX], made.capsule.leaves.clone())
            .unwrap();
        let located = ranges.locate(chunk as u64 * CHUNK_BYTES..chunk as u64 * CHUNK_BYTES + 10);
        let fetched = &object[located.object.start as usize..located.object.end as usize];
        assert!(is_damaged(&ranges.open(&located, fetched, &mut Vec::new())));
    }
}

/// Product in the field of GCM (NIST SP 800-38D §6.3), bit by bit.
fn gf_mul(x: u128, y: u128) -> u128 {
    let (mut product, mut power) = (0, y);
    for bit in (0..128).rev() {
        if x >> bit & 1 == 1 {
            product ^= power;
        }
        power = (power >> 1) ^ if power & 1 == 1 { 0xe1 << 120 } else { 0 };
    }
    product
}

#[test]
fn a16_refuses_a_forged_chunk_whose_gcm_tag_is_unchanged() {
    use aes_gcm::KeyInit;
    use aes_gcm::aes::Aes256;
    use aes_gcm::aes::cipher::BlockCipherEncrypt;
    let made = make(&patterned(3 * CHUNK));
    // Whoever knows the key knows the hash key H. A change d in one block is undone in the tag by
    // the change d * H in the next.
    let mut hash_key = [0; 16].into();
    // EXPOSE: a test key, to play the insider.
    let chunk_key = insider_chunk_key(&made);
    Aes256::new_from_slice(&chunk_key)
        .unwrap()
        .encrypt_block(&mut hash_key);
    let change = u128::from_be_bytes(*b"forged by reader");
    let undo = gf_mul(change, u128::from_be_bytes(hash_key.into()));
    let mut object = made.object.clone();
    for (at, change) in [(PREFIX + 160, change), (PREFIX + 176, undo)] {
        for (byte, mask) in object[at..at + 16].iter_mut().zip(change.to_be_bytes()) {
            *byte ^= mask;
        }
    }
    let mut chunk = object[PREFIX..PREFIX + SLOT].to_vec();
    assert_eq!(
        chunk[CHUNK..],
        made.object[PREFIX + CHUNK..PREFIX + SLOT],
        "the tag is the old one"
    );
    let forged = insider(&made).open_chunk_in_place(0, &mut chunk).unwrap();
    assert!(forged[..] != patterned(CHUNK), "the AEAD takes it");
    assert!(
        is_damaged(&open(&made, &object)),
        "the author's root does not"
    );
}

#[test]
fn a17_refuses_an_access_key_or_share_that_the_manifest_does_not_name() {
    let made = make(b"text");
    let secrets = made.secrets();
    let other = RevisionSecrets::generate(&mut rng(77));
    assert!(RevisionReader::new(&made.manifest, &secrets.access, &secrets.share).is_ok());
    assert!(RevisionReader::new(&made.manifest, &other.access, &secrets.share).is_err());
    assert!(RevisionReader::new(&made.manifest, &secrets.access, &other.share).is_err());
    let swapped = [
        &secrets.share.secret().expose()[32..],
        &secrets.share.secret().expose()[..32],
    ]
    .concat();
    assert!(DocumentShare::parse(&swapped, &at(), &made.manifest.share_id).is_err());
    assert!(
        AccessKey::from_secret(other.access.secret().duplicate(), &made.manifest.dak_id).is_err()
    );
}

/// An author who pads with something else, or lies about lengths: sealed by hand.
#[test]
fn a20_e11_refuses_hidden_bytes_and_wrong_lengths_with_one_error() {
    let content = patterned(5000);
    // padme(5000) = 5120; every capsule here is otherwise what the author signs.
    let hidden = [&content[..], &[0; 119], &[1]].concat();
    let cases = [
        (hidden, 5000, "non-zero padding"),
        (patterned(5120), 5121, "true length beyond the padded one"),
        (patterned(5120), 4000, "a smaller bucket"),
    ];
    for (padded, claimed, what) in cases {
        let sealer =
            RevisionSealer::new(at(), made::author(), RevisionSecrets::generate(&mut rng(3)));
        let mut object = Vec::new();
        let capsule = sealer
            .seal_content(5120, &threads(1), &padded[..], &mut object)
            .unwrap();
        let info = ContentInfo {
            true_bytes: claimed,
            media_type: String::new(),
            file_name: None,
        };
        let sealed_info = sealer.seal_info(&info).unwrap();
        let manifest = sealer.manifest(&capsule, &sealed_info, &made::terms());
        let reader =
            RevisionReader::new(&manifest, &sealer.secrets().access, &sealer.secrets().share)
                .unwrap();
        let opened = reader
            .open_info(&sealed_info)
            .and_then(|info| reader.open_content(&info, &threads(1), &object[..], Vec::new()));
        assert!(is_damaged(&opened), "{what}");
    }
}

#[test]
fn b14_refuses_a_manifest_resigned_by_another_author() {
    let made = make(b"text");
    let stolen = Manifest {
        author: Kid([66; 32]),
        ..made.manifest
    };
    let reader =
        RevisionReader::new(&stolen, &made.secrets().access, &made.secrets().share).unwrap();
    let info = reader.open_info(&made.info).unwrap();
    assert!(is_damaged(&reader.open_content(
        &info,
        &threads(1),
        &made.object[..],
        Vec::new()
    )));
}

#[test]
fn e01_refuses_a_document_moved_to_another_case() {
    let made = make(b"text");
    let moved = Manifest {
        case: CaseId([66; 16]),
        ..made.manifest
    };
    let reader =
        RevisionReader::new(&moved, &made.secrets().access, &made.secrets().share).unwrap();
    let info = reader.open_info(&made.info).unwrap();
    assert!(is_damaged(&reader.open_content(
        &info,
        &threads(1),
        &made.object[..],
        Vec::new()
    )));
    let elsewhere = Manifest {
        vault: VaultId([66; 16]),
        ..made.manifest
    };
    assert!(
        RevisionReader::new(&elsewhere, &made.secrets().access, &made.secrets().share).is_err()
    );
}

#[test]
fn a18_notices_a_source_that_changed_while_it_was_read() {
    let sealer = RevisionSealer::new(at(), made::author(), RevisionSecrets::generate(&mut rng(3)));
    for (announced, real) in [
        (100, 99),
        (100, 101),
        (0, 1),
        (1, 0),
        (3_000_000, 2_999_999),
        (3_000_000, 3_000_001),
    ] {
        for count in [1, 3] {
            let sealed =
                sealer.seal_content(announced, &threads(count), &patterned(real)[..], io::sink());
            assert!(
                matches!(sealed, Err(CryptoError::SourceChanged)),
                "{announced} of {real}"
            );
        }
    }
    assert!(matches!(
        sealer.seal_content(1 << 43, &threads(1), io::empty(), io::sink()),
        Err(CryptoError::TooLarge)
    ));
}

/// Fails, or says nothing more, after so many bytes.
struct Failing(usize);

impl Read for Failing {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let len = out.len().min(self.0);
        self.0 -= len;
        if len == 0 {
            Err(io::Error::other("disk gone"))
        } else {
            Ok(len)
        }
    }
}

impl Write for Failing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(self.0);
        self.0 -= len;
        if len == 0 {
            Err(io::Error::other("disk full"))
        } else {
            Ok(len)
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_failing_reader_or_writer_is_an_error_of_its_own_and_never_hangs() {
    let sealer = RevisionSealer::new(at(), made::author(), RevisionSecrets::generate(&mut rng(3)));
    let content = patterned(20_000_000);
    for count in [1, 2, 4] {
        for after in [0, 10, 1_100_000, 9_000_000] {
            let read = sealer.seal_content(20_000_000, &threads(count), Failing(after), io::sink());
            assert!(matches!(read, Err(CryptoError::Io(_))), "reader");
            let written =
                sealer.seal_content(20_000_000, &threads(count), &content[..], Failing(after));
            assert!(matches!(written, Err(CryptoError::Io(_))), "writer");
        }
    }
}

#[test]
fn two_revisions_of_the_same_content_share_no_bytes_of_ciphertext() {
    let content = patterned(CHUNK);
    let one = make(&content);
    let next = RevisionRef {
        revision: 2,
        ..at()
    };
    let two = make_for(
        next,
        &content,
        &threads(1),
        RevisionSecrets::generate(&mut rng(9)),
    );
    let same = one.object[PREFIX..]
        .iter()
        .zip(&two.object[PREFIX..])
        .filter(|(a, b)| a == b)
        .count();
    assert!(same < CHUNK / 100, "{same} equal bytes");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn opens_what_was_sealed_and_nothing_else(
        len in 0_usize..1_500_000,
        count in 1_usize..5,
        flip in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let content = patterned(len);
        let made = make_for(at(), &content, &threads(count), RevisionSecrets::generate(&mut rng(len as u8)));
        let reader = made.reader();
        let info = reader.open_info(&made.info).unwrap();
        let opened = reader.open_content(&info, &threads(count), &made.object[..], Vec::new());
        prop_assert!(opened.unwrap() == content);
        let mut flipped = made.object.clone();
        flipped[flip.index(made.object.len())] ^= 1 << bit;
        prop_assert!(reader.open_content(&info, &threads(count), &flipped[..], Vec::new()).is_err());
    }
}

#[test]
fn manifest_terms_reach_the_manifest() {
    let made = make(b"text");
    let ManifestTerms {
        previous,
        case_epoch,
        class,
        created_us,
    } = made::terms();
    let manifest = &made.manifest;
    assert_eq!(
        (manifest.previous, manifest.case_epoch, manifest.created_us),
        (previous, case_epoch, created_us)
    );
    assert_eq!(manifest.class, class);
}
