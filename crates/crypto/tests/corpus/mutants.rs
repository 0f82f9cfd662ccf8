//! What a hostile server, store or insider makes of it.

use data_encoding::HEXLOWER;
use obhut_crypto::{AccessKey, RevisionRef, RevisionSealer, RevisionSecrets, wrap_access_key};
use obhut_format::capsule::{PREFIX_BYTES, SEALED_CHUNK_BYTES};
use obhut_format::content::ContentInfo;
use obhut_format::key::Grant;
use obhut_format::manifest::Manifest;
use obhut_format::statement::SignedStatement;
use obhut_format::{CaseId, Cbor, DocumentId, Kid};
use obhut_suite::{Backend, ChunkCipher, Label, Secret, hkdf_expand_secret, hkdf_extract_sha512};

use super::Vector;
use super::craft::{low_order_points, with_x25519_part};
use super::maker::{
    batch_vector, bundle_vector, capsule_vector, case_closed, case_grant_vector,
    document_grant_vector, link_vector, made, manifest_vector, person, register_vector,
    seal_vector, sealed_identity_vector, statement_of, statement_vector, unit_vector, wrap_vector,
};
use crate::made::{Made, at, author, patterned, rng, terms, threads};

const PREFIX: usize = PREFIX_BYTES as usize;
const SLOT: usize = SEALED_CHUNK_BYTES as usize;
const DAMAGED: &str = "damaged";
const TRUNCATED: &str = "truncated";
const UNSUPPORTED: &str = "unsupported-version";

pub(crate) fn make() -> Vec<Vector> {
    let mut vectors = Vec::new();
    vectors.extend(seals());
    vectors.extend(cut_and_flipped_capsules());
    vectors.extend(rearranged_capsules());
    vectors.extend(insiders_capsules());
    vectors.extend(manifests());
    vectors.extend(wraps());
    vectors.extend(grants());
    vectors.extend(units());
    vectors.extend(bundles());
    vectors.extend(signatures());
    vectors
}

impl Vector {
    /// A copy that must be refused.
    pub(crate) fn refused(&self, name: &str, case: &str, expect: &str, about: &str) -> Self {
        let mut copy = self.clone();
        copy.name = format!("{}/{case}-{name}", self.kind());
        copy.case = Some(case.to_owned());
        expect.clone_into(&mut copy.expect);
        about.clone_into(&mut copy.about);
        copy.output.clear();
        copy
    }

    pub(crate) fn bytes(&self, field: &str) -> Vec<u8> {
        HEXLOWER
            .decode(self.input[field].as_str().unwrap().as_bytes())
            .unwrap()
    }

    fn flip(self, field: &str, at: usize) -> Self {
        let mut bytes = self.bytes(field);
        bytes[at] ^= 1;
        self.with(field, bytes)
    }

    fn cut(self, field: &str, len: usize) -> Self {
        let bytes = self.bytes(field);
        self.with(field, &bytes[..len])
    }

    fn with_object(mut self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        change(self.object.as_mut().unwrap());
        self
    }
}

fn seals() -> Vec<Vector> {
    let good = seal_vector("two-chunks", 16_385);
    let len = good.bytes("sealed").len();
    let first_end = 56 + SLOT;
    vec![
        good.refused("flipped-salt", "a10", DAMAGED, "a bit of the salt")
            .flip("sealed", 0),
        good.refused(
            "flipped-commitment",
            "a10",
            DAMAGED,
            "a bit of the commitment",
        )
        .flip("sealed", 24),
        good.refused("flipped-chunk", "a10", DAMAGED, "a bit of the first chunk")
            .flip("sealed", 56),
        good.refused("flipped-tag", "a10", DAMAGED, "a bit of the last tag")
            .flip("sealed", len - 1),
        good.refused("no-final-chunk", "a01", DAMAGED, "cut at a chunk boundary")
            .cut("sealed", first_end),
        good.refused("cut-in-tag", "a02", DAMAGED, "cut in the last tag")
            .cut("sealed", len - 1),
        good.refused("cut-in-prefix", "a02", DAMAGED, "cut in the commitment")
            .cut("sealed", 55),
        good.refused(
            "another-context",
            "b16",
            DAMAGED,
            "a sealed thing in another place",
        )
        .with("context", b"obhut/other/v1\0"),
        good.refused("another-key", "a17", DAMAGED, "another key")
            .with("key", [3; 32]),
    ]
}

fn cut_and_flipped_capsules() -> Vec<Vector> {
    let good = capsule_vector("", "", &made(at(), 100), 100);
    let mut vectors = vec![
        good.refused("in-header", "a02", TRUNCATED, "ends in the header")
            .with_object(|object| object.truncate(63)),
        good.refused("in-commitment", "a02", TRUNCATED, "ends in the commitment")
            .with_object(|object| object.truncate(PREFIX - 1)),
        good.refused("in-tag", "a02", TRUNCATED, "ends in the last tag")
            .with_object(|object| {
                object.pop();
            }),
        good.refused("a-byte-more", "a03", DAMAGED, "a byte follows")
            .with_object(|object| object.push(0)),
    ];
    let flips = [
        ("vault", 8),
        ("document", 24),
        ("revision", 47),
        ("padded-length", 54),
        ("salt", 64),
        ("commitment", 88),
        ("chunk", PREFIX),
    ];
    for (name, at) in flips {
        let flipped = good.refused(
            &format!("flipped-{name}"),
            "a10",
            DAMAGED,
            "one flipped bit",
        );
        vectors.push(flipped.with_object(|object| object[at] ^= 1));
    }
    let bytes = [
        ("magic", 3, b'2', UNSUPPORTED),
        ("suite", 4, 2, UNSUPPORTED),
        ("padding", 5, 0, UNSUPPORTED),
        ("leaves", 6, 3, UNSUPPORTED),
        ("reserved", 7, 1, DAMAGED),
        ("reserved-tail", 63, 1, DAMAGED),
    ];
    for (name, at, value, expect) in bytes {
        let other = good.refused(name, "a14", expect, "a value nobody writes");
        vectors.push(other.with_object(|object| object[at] = value));
    }
    vectors
}

fn rearranged_capsules() -> Vec<Vector> {
    let good = capsule_vector("", "", &made(at(), 40_000), 40_000);
    let next = made(
        RevisionRef {
            revision: 2,
            ..at()
        },
        40_000,
    )
    .object;
    let other = made(
        RevisionRef {
            document: DocumentId([8; 16]),
            ..at()
        },
        40_000,
    )
    .object;
    let (first, second) = (PREFIX..PREFIX + SLOT, PREFIX + SLOT..PREFIX + 2 * SLOT);
    vec![
        good.refused(
            "no-final-chunk",
            "a01",
            TRUNCATED,
            "cut at a chunk boundary",
        )
        .with_object(|object| object.truncate(PREFIX + 2 * SLOT)),
        good.refused(
            "swapped",
            "a04",
            DAMAGED,
            "the first two chunks change places",
        )
        .with_object(|object| {
            let (one, two) = (
                object[first.clone()].to_vec(),
                object[second.clone()].to_vec(),
            );
            object[first.clone()].copy_from_slice(&two);
            object[second.clone()].copy_from_slice(&one);
        }),
        good.refused("duplicated", "a05", DAMAGED, "chunk 0 in place of chunk 1")
            .with_object(|object| {
                object.copy_within(first.clone(), second.start);
            }),
        good.refused(
            "spliced-revision",
            "a06",
            DAMAGED,
            "a chunk of the next revision",
        )
        .with_object(|object| object[first.clone()].copy_from_slice(&next[first.clone()])),
        good.refused(
            "another-document",
            "a07",
            DAMAGED,
            "another document's whole object",
        )
        .with_object(|object| object.clone_from(&other)),
        good.refused(
            "another-documents-body",
            "a07",
            DAMAGED,
            "another document's object under the right header",
        )
        .with_object(|object| object[64..].copy_from_slice(&other[64..])),
    ]
}

/// The chunk cipher, as every reader of the revision can derive it.
fn insider(made: &Made) -> ChunkCipher {
    let secrets = made.secrets();
    let share = secrets.share.secret();
    // EXPOSE: test keys, to play the insider.
    let prk = hkdf_extract_sha512(&share.expose()[..32], secrets.access.secret().expose());
    let info = [
        &b"obhut/dek/v1\0"[..],
        &at().vault.0,
        &at().document.0,
        &at().revision.to_be_bytes(),
    ];
    // EXPOSE: as above.
    let key: Secret<32> = hkdf_expand_secret(prk.expose(), &info);
    let context = made.capsule.header.seal_context(at().case, author());
    let salt = made.object[64..88].try_into().unwrap();
    ChunkCipher::derive(Backend::Ring, &key, salt, context.as_bytes()).0
}

fn insiders_capsules() -> Vec<Vector> {
    let made = made(at(), 40_000);
    let good = capsule_vector("", "", &made, 40_000);
    let sibling = RevisionSecrets::generate(&mut rng(99));
    let manifest = |change: fn(&mut Manifest)| {
        let mut manifest = made.manifest;
        change(&mut manifest);
        manifest.to_bytes()
    };
    vec![
        good.refused(
            "resealed",
            "a15",
            DAMAGED,
            "a reader resealed chunk 1 under the same key",
        )
        .with_object(|object| {
            let (cipher, slot) = (
                insider(&made),
                &mut object[PREFIX + SLOT..PREFIX + 2 * SLOT],
            );
            cipher.open_chunk_in_place(1, slot).unwrap()[..6].copy_from_slice(b"forged");
            cipher.seal_chunk_in_place(1, slot).unwrap();
        }),
        good.refused(
            "another-share",
            "a17",
            DAMAGED,
            "a share the manifest does not name",
        )
        .with("s_doc", &sibling.share.secret().expose()[..32]),
        good.refused(
            "another-access-key",
            "b01",
            DAMAGED,
            "an access key the manifest does not commit to",
        )
        .with("dak", sibling.access.secret().expose()),
        good.refused(
            "another-author",
            "b14",
            DAMAGED,
            "the manifest in another author's name",
        )
        .with(
            "manifest",
            manifest(|manifest| manifest.author = Kid([66; 32])),
        ),
        good.refused(
            "another-case",
            "e01",
            DAMAGED,
            "the document in another case",
        )
        .with(
            "manifest",
            manifest(|manifest| manifest.case = CaseId([66; 16])),
        ),
        good.refused(
            "another-info",
            "e04",
            DAMAGED,
            "a content info the manifest does not fix",
        )
        .flip("info", 100),
        authored(
            "hidden-bytes",
            "padding that is not zero",
            &[&patterned(5000)[..], &[0; 119], &[1]].concat(),
            5000,
        ),
        authored(
            "true-length-too-long",
            "a true length beyond the padded one",
            &patterned(5120),
            5121,
        ),
        authored(
            "another-bucket",
            "a true length that pads to less",
            &patterned(5120),
            4000,
        ),
    ]
}

/// What an author seals who hides bytes or lies about the length: 5,120 bytes are padded to 5,120.
fn authored(name: &str, about: &str, padded: &[u8], claimed: u64) -> Vector {
    let secrets = RevisionSecrets::generate(&mut rng(claimed as u8));
    let (access, both) = (secrets.access.secret().duplicate(), secrets.share.secret());
    let sealer = RevisionSealer::new(at(), author(), secrets);
    let mut object = Vec::new();
    let capsule = sealer
        .seal_content(5120, &threads(1), padded, &mut object)
        .unwrap();
    let info = ContentInfo {
        true_bytes: claimed,
        media_type: "text/plain".to_owned(),
        file_name: None,
    };
    let info = sealer.seal_info(&info).unwrap();
    let mut vector = Vector::accept("capsule/", "")
        .refused(name, "a20", DAMAGED, about)
        .with("dak", access.expose())
        .with("s_doc", &both.expose()[..32])
        .with("c_doc", &both.expose()[32..])
        .with(
            "manifest",
            sealer.manifest(&capsule, &info, &terms()).to_bytes(),
        )
        .with("info", info);
    vector.object = Some(object);
    vector
}

fn manifests() -> Vec<Vector> {
    let good = manifest_vector("", "", at());
    let set = |name: &str, case: &str, expect: &str, about: &str, at: usize, value: u8| {
        let mut bytes = good.bytes("manifest");
        bytes[at] = value;
        good.refused(name, case, expect, about)
            .with("manifest", bytes)
    };
    let long = [&good.bytes("manifest")[..], &[0]].concat();
    vec![
        set("suite", "a14", UNSUPPORTED, "an unknown suite", 4, 2),
        set("flags", "a14", DAMAGED, "a flag nobody knows", 5, 1),
        set(
            "gate-set",
            "a14",
            UNSUPPORTED,
            "an unknown set of gatekeepers",
            6,
            1,
        ),
        set("leaf-count", "e13", DAMAGED, "2^40 leaves", 130, 1),
        good.refused("trailing-byte", "e13", DAMAGED, "a byte follows")
            .with("manifest", long),
        good.refused("cut", "e13", DAMAGED, "a byte is missing")
            .cut("manifest", 299),
    ]
}

fn wraps() -> Vec<Vector> {
    let (good, link) = (wrap_vector(), link_vector());
    let own = AccessKey::generate(&mut rng(77));
    let case_key = obhut_crypto::CaseFileKey::from_secret(
        Secret::from_slice(&good.bytes("case_key")).unwrap(),
        &obhut_suite::hkdf_expand_sha512(&good.bytes("case_key"), &[b"obhut/ck-id/v1\0"]),
    )
    .unwrap();
    let swapped = wrap_access_key(&case_key, 3, &at(), &own, &mut rng(78)).unwrap();
    vec![
        good.refused(
            "another-key-inside",
            "b01",
            DAMAGED,
            "the store's own key, wrapped",
        )
        .with("wrapped", swapped),
        good.refused(
            "another-epoch",
            "b03",
            DAMAGED,
            "a wrap of epoch 3 as one of epoch 4",
        )
        .with_value("epoch", 4),
        good.refused(
            "another-document",
            "b03",
            DAMAGED,
            "another document's wrap",
        )
        .with("document", [8; 16]),
        good.refused("flipped", "b03", DAMAGED, "a flipped bit")
            .flip("wrapped", 60),
        good.refused("cut", "b13", DAMAGED, "a byte is missing")
            .cut("wrapped", 103),
        link.refused("another-epoch", "b17", DAMAGED, "a link of another epoch")
            .with_value("epoch", 2),
        link.refused(
            "another-commitment",
            "b17",
            DAMAGED,
            "not the key that was stated",
        )
        .with("ck_id", [8; 32]),
        link.refused("flipped", "b17", DAMAGED, "a flipped bit")
            .flip("link", 103),
    ]
}

fn grants() -> Vec<Vector> {
    let (good, case) = (document_grant_vector(), case_grant_vector());
    let grant = Grant::from_bytes(&good.bytes("grant")).unwrap();
    let changed = |change: &dyn Fn(&mut Grant)| {
        let mut grant = grant.clone();
        change(&mut grant);
        grant.to_bytes()
    };
    let key: [u8; 32] = HEXLOWER
        .decode(good.output["key"].as_str().unwrap().as_bytes())
        .unwrap()
        .try_into()
        .unwrap();
    let with_part = |u: &[u8; 32]| {
        let (info, sealed) = (grant.info(), &grant.sealed.0);
        let crafted =
            with_x25519_part(&person(31), sealed, u, info.as_bytes(), &grant.key_id, &key);
        changed(&|grant| grant.sealed = crafted.clone().into())
    };
    let mut vectors = vec![
        good.refused(
            "another-reader",
            "b03",
            "not-a-recipient",
            "somebody else's grant",
        )
        .with("master", [33; 32]),
        good.refused("another-role", "b03", DAMAGED, "the role was changed")
            .with(
                "grant",
                changed(&|grant| grant.role = obhut_format::statement::Role::CaseWorker),
            ),
        good.refused("longer", "b03", DAMAGED, "the end was removed")
            .with("grant", changed(&|grant| grant.not_after_us = None)),
        good.refused(
            "another-document",
            "b03",
            DAMAGED,
            "a grant for another document",
        )
        .with("document", [8; 16]),
        case.refused(
            "older-epoch",
            "b04",
            DAMAGED,
            "a grant of epoch 3 where 4 is in force",
        )
        .with_value("epoch", 4),
        good.refused("cut", "b09", DAMAGED, "a byte is missing")
            .with(
                "grant",
                changed(&|grant| {
                    grant.sealed.0.pop();
                }),
            ),
        good.refused(
            "flipped-ml-kem-part",
            "b09",
            DAMAGED,
            "a bit of the ML-KEM ciphertext",
        )
        .with("grant", changed(&|grant| grant.sealed.0[500] ^= 1)),
        good.refused(
            "another-commitment",
            "b01",
            DAMAGED,
            "not the key that was signed",
        )
        .with("key_id", [8; 32]),
    ];
    for (number, u) in low_order_points().iter().enumerate() {
        let about = "the X25519 part is of low order; opens for a reader who does not check";
        let low = good.refused(&format!("low-order-{number}"), "b08", DAMAGED, about);
        vectors.push(low.with("grant", with_part(u)));
    }
    let mut bit_255: [u8; 32] = grant.sealed.0[1088..1120].try_into().unwrap();
    bit_255[31] |= 0x80;
    let about = "bit 255 of the X25519 part is set; opens for a reader who does not check";
    vectors.push(
        good.refused("bit-255", "b09", DAMAGED, about)
            .with("grant", with_part(&bit_255)),
    );
    vectors
}

fn units() -> Vec<Vector> {
    let (good, _) = unit_vector("membership/", "");
    let (register, sealed) = (register_vector(), sealed_identity_vector());
    vec![
        good.refused(
            "another-member",
            "b06",
            "not-a-recipient",
            "somebody else's membership",
        )
        .with("master", [33; 32]),
        good.refused("another-vault", "b03", DAMAGED, "a unit of another vault")
            .with("vault", [8; 16]),
        register
            .refused("another-share", "b03", DAMAGED, "another case's share")
            .with("share", [8; 32]),
        register
            .refused(
                "another-number",
                "b03",
                DAMAGED,
                "an earlier entry as a later one",
            )
            .with_value("entry_no", 2),
        register
            .refused(
                "another-hash",
                "b16",
                DAMAGED,
                "not the entry that was stated",
            )
            .with("hash", [8; 32]),
        sealed
            .refused("flipped", "b15", DAMAGED, "a flipped bit")
            .flip("sealed", 60),
        sealed
            .refused(
                "other-parameters",
                "b15",
                DAMAGED,
                "passphrase parameters exchanged",
            )
            .with("custody", b"parameters and pepper"),
        sealed
            .refused("another-person", "b15", DAMAGED, "another person's blob")
            .with("person", [8; 16]),
    ]
}

fn bundles() -> Vec<Vector> {
    let good = bundle_vector();
    let put = |name: &str, case: &str, about: &str, at: usize, bytes: &[u8]| {
        let mut bundle = good.bytes("bundle");
        bundle[at..at + bytes.len()].copy_from_slice(bytes);
        good.refused(name, case, DAMAGED, about)
            .with("bundle", bundle)
    };
    let mut small_order = [0; 32];
    small_order[0] = 1;
    let mut second_form = [0xff; 32];
    (second_form[0], second_form[31]) = (0xee, 0x7f);
    let mut vectors = vec![
        put(
            "not-reduced",
            "b10",
            "an ML-KEM coefficient of q",
            0,
            &[0x01, 0x0d],
        ),
        put(
            "ed25519-small-order",
            "c07",
            "the Ed25519 key is the neutral element",
            1216,
            &small_order,
        ),
        put(
            "ed25519-second-form",
            "c07",
            "the Ed25519 key is a second encoding",
            1216,
            &second_form,
        ),
        good.refused("cut", "b10", DAMAGED, "a byte is missing")
            .cut("bundle", 3199),
    ];
    for (number, u) in low_order_points().iter().enumerate() {
        vectors.push(put(
            &format!("low-order-{number}"),
            "b10",
            "the X25519 part is of low order",
            1184,
            u,
        ));
    }
    vectors
}

fn signatures() -> Vec<Vector> {
    let (good, batch) = (
        statement_vector("", "", case_closed()),
        batch_vector("", "", 2),
    );
    let signed = SignedStatement::from_bytes(&good.bytes("signed")).unwrap();
    let changed = |change: &dyn Fn(&mut SignedStatement)| {
        let mut signed = signed.clone();
        change(&mut signed);
        signed.to_bytes()
    };
    let other_label = |signed: &mut SignedStatement| {
        let signature = person(31)
            .signer()
            .sign(Label::new("obhut/other/v1"), &signed.statement.0);
        signed.signature = signature.to_bytes().into();
    };
    let in_anothers_name = |signed: &mut SignedStatement| {
        signed.statement = statement_of(&person(33), case_closed()).to_bytes().into();
        let signature = person(31)
            .signer()
            .sign(Label::new("obhut/statement/v1"), &signed.statement.0);
        signed.signature = signature.to_bytes().into();
    };
    let len = batch.bytes("item").len();
    vec![
        good.refused("no-ed25519", "b18", DAMAGED, "the Ed25519 half is zeros")
            .with(
                "signed",
                changed(&|signed| signed.signature.0[..64].fill(0)),
            ),
        good.refused("no-ml-dsa", "b18", DAMAGED, "the ML-DSA half is zeros")
            .with(
                "signed",
                changed(&|signed| signed.signature.0[64..].fill(0)),
            ),
        good.refused("ed25519-only", "b18", DAMAGED, "the ML-DSA half is missing")
            .with("signed", changed(&|signed| signed.signature.0.truncate(64))),
        good.refused(
            "another-label",
            "b18",
            DAMAGED,
            "signed for another purpose",
        )
        .with("signed", changed(&other_label)),
        good.refused("another-name", "b19", DAMAGED, "names another signer")
            .with("signed", changed(&in_anothers_name)),
        good.refused(
            "altered",
            "b18",
            DAMAGED,
            "one letter of the statement was changed",
        )
        .with(
            "signed",
            changed(&|signed| *signed.statement.0.last_mut().unwrap() ^= 1),
        ),
        good.refused("trailing-byte", "e13", DAMAGED, "a byte follows")
            .with("signed", [&good.bytes("signed")[..], &[0]].concat()),
        batch
            .refused(
                "altered-item",
                "b20",
                DAMAGED,
                "one bit of the item was changed",
            )
            .flip("item", len - 1),
        batch
            .refused(
                "another-signer",
                "b14",
                DAMAGED,
                "held against somebody else's keys",
            )
            .with("bundle", person(33).bundle().as_bytes()),
    ]
}
