//! What honest clients make, from seeded randomness. Outputs are what went in, not what a reader said.

use data_encoding::HEXLOWER;
use obhut_crypto::{
    AccessKey, BatchTerms, CaseEpochRef, CaseFileKey, CaseShare, GrantTerms, Identity,
    PublicIdentity, RevisionRef, RevisionSecrets, UnitKey, UnitRef, grant_access_key,
    grant_case_key, sign_batch, sign_statement, wrap_access_key, wrap_earlier_case_key,
};
use obhut_format::batch::{BatchKind, RegisterItem};
use obhut_format::content::{ContentInfo, RegisterEntry};
use obhut_format::context::sha256;
use obhut_format::invite::{Invitation, to_text};
use obhut_format::statement::{
    CaseClosed, DeviceAdded, Event, PersonSigner, Role, Signer, Statement, UnitEpoch,
};
use obhut_format::tree::root_of;
use obhut_format::{BatchId, CaseId, Cbor, DocumentId, PersonId, UnitId, VaultId};
use obhut_suite::{Backend, Secret, seal_with};
use serde_json::{Value, json};

use super::{Vector, mutants, people, recovery};
use crate::made::{Made, at, make_for, patterned, rng, threads};

/// Every vector of this version. Later versions add lines here and change none.
pub(crate) fn make() -> Vec<Vector> {
    let mut vectors = Vec::new();
    vectors.extend(seals());
    vectors.extend(capsules());
    vectors.extend(manifests());
    vectors.extend(wraps());
    vectors.extend(grants());
    vectors.extend(units());
    vectors.extend(identities());
    vectors.extend(signatures());
    vectors.extend(mutants::make());
    vectors.extend(recovery::make());
    vectors.extend(people::make());
    vectors
}

impl Vector {
    pub(crate) fn accept(name: &str, about: &str) -> Self {
        Self {
            name: name.to_owned(),
            expect: "accept".to_owned(),
            case: None,
            about: about.to_owned(),
            input: [].into(),
            output: [].into(),
            object: None,
        }
    }

    pub(crate) fn with(mut self, field: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.input
            .insert(field.to_owned(), json!(HEXLOWER.encode(bytes.as_ref())));
        self
    }

    pub(crate) fn with_value(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.input.insert(field.to_owned(), value.into());
        self
    }

    pub(crate) fn gives(mut self, field: &str, bytes: impl AsRef<[u8]>) -> Self {
        self.output
            .insert(field.to_owned(), json!(HEXLOWER.encode(bytes.as_ref())));
        self
    }
}

pub(crate) fn person(seed: u8) -> Identity {
    Identity::from_master(Secret::new([seed; 32])).unwrap()
}

pub(crate) fn public(identity: &Identity) -> PublicIdentity {
    PublicIdentity::parse(identity.bundle()).unwrap()
}

pub(crate) fn seal_vector(name: &str, len: usize) -> Vector {
    let (key, context, plain) = (Secret::new([1; 32]), b"obhut/vector/v1\0", patterned(len));
    let sealed = seal_with(Backend::AesGcm, &key, context, &plain, &[2; 24]).unwrap();
    Vector::accept(&format!("seal/{name}"), &format!("Seal of {len} bytes"))
        .with("key", key.expose())
        .with("context", context)
        .with("sealed", sealed)
        .gives("plaintext", plain)
}

fn seals() -> Vec<Vector> {
    let sizes = [
        ("empty", 0),
        ("short", 5),
        ("full-chunk", 16_384),
        ("two-chunks", 16_385),
    ];
    sizes.map(|(name, len)| seal_vector(name, len)).into()
}

pub(crate) fn made(at: RevisionRef, len: usize) -> Made {
    let secrets =
        RevisionSecrets::generate(&mut rng(len as u8 ^ at.document.0[0] ^ at.revision as u8));
    make_for(at, &patterned(len), &threads(1), secrets)
}

pub(crate) fn capsule_vector(name: &str, about: &str, made: &Made, len: usize) -> Vector {
    let secrets = made.secrets();
    let both = secrets.share.secret();
    let info = ContentInfo {
        true_bytes: len as u64,
        media_type: "application/pdf".to_owned(),
        file_name: Some(b"Bescheid.pdf".to_vec().into()),
    };
    let mut vector = Vector::accept(&format!("capsule/{name}"), about)
        // EXPOSE: test secrets.
        .with("dak", secrets.access.secret().expose())
        .with("s_doc", &both.expose()[..32])
        .with("c_doc", &both.expose()[32..])
        .with("manifest", made.manifest.to_bytes())
        .with("info", &made.info)
        .gives("content_sha256", sha256(&[&patterned(len)]))
        .gives("info", info.to_bytes());
    vector.output.insert("content_bytes".to_owned(), json!(len));
    vector.object = Some(made.object.clone());
    vector
}

fn capsules() -> Vec<Vector> {
    let sizes = [
        0, 1, 4096, 4097, 16_383, 16_384, 16_385, 32_768, 50_000, 262_144, 262_145, 300_000,
    ];
    let vector = |len| {
        let about = format!(
            "a capsule of {len} bytes, byte i of the content being (31 i + i / 251 + 1) mod 256"
        );
        capsule_vector(&format!("size-{len}"), &about, &made(at(), len), len)
    };
    let mut vectors: Vec<_> = sizes.map(vector).into();
    for vector in &mut vectors {
        vector.case = Some("a21".to_owned());
    }
    vectors
}

pub(crate) fn manifest_vector(name: &str, about: &str, at: RevisionRef) -> Vector {
    let manifest = made(at, 100).manifest;
    Vector::accept(&format!("manifest/{name}"), about)
        .with("manifest", manifest.to_bytes())
        .gives("manifest_hash", manifest.hash())
}

fn manifests() -> Vec<Vector> {
    let second = RevisionRef {
        revision: 2,
        ..at()
    };
    vec![
        manifest_vector("first-revision", "a first revision", at()),
        manifest_vector(
            "second-revision",
            "a second revision names the first",
            second,
        ),
    ]
}

fn with_revision(vector: Vector, at: &RevisionRef) -> Vector {
    vector
        .with("vault", at.vault.0)
        .with("case", at.case.0)
        .with("document", at.document.0)
        .with_value("revision", at.revision)
}

pub(crate) fn wrap_vector() -> Vector {
    let mut rng = rng(20);
    let (case_key, access) = (
        CaseFileKey::generate(&mut rng),
        AccessKey::generate(&mut rng),
    );
    let wrapped = wrap_access_key(&case_key, 3, &at(), &access, &mut rng).unwrap();
    let vector = Vector::accept(
        "document-wrap/one",
        "an access key under the case key of epoch 3",
    );
    with_revision(vector, &at())
        .with("case_key", case_key.secret().expose())
        .with_value("epoch", 3)
        .with("dak_id", access.id())
        .with("wrapped", wrapped)
        .gives("dak", access.secret().expose())
}

pub(crate) fn link_vector() -> Vector {
    let mut rng = rng(21);
    let (first, second) = (
        CaseFileKey::generate(&mut rng),
        CaseFileKey::generate(&mut rng),
    );
    let link = wrap_earlier_case_key(&second, at().vault, at().case, 1, &first, &mut rng).unwrap();
    Vector::accept(
        "case-link/one",
        "the case key of epoch 1 under that of epoch 2",
    )
    .with("next", second.secret().expose())
    .with("vault", at().vault.0)
    .with("case", at().case.0)
    .with_value("epoch", 1)
    .with("ck_id", first.id())
    .with("link", link)
    .gives("case_key", first.secret().expose())
}

fn wraps() -> Vec<Vector> {
    vec![wrap_vector(), link_vector()]
}

fn terms<'a>(reader: &'a PublicIdentity, granter: &Identity) -> GrantTerms<'a> {
    GrantTerms {
        recipient: reader.kid(),
        public: reader.xwing(),
        granter: granter.kid(),
        role: Role::Citizen,
        not_after_us: Some(1_800_000_000_000_000),
    }
}

pub(crate) fn document_grant_vector() -> Vector {
    let (mut rng, reader) = (rng(22), public(&person(31)));
    let key = AccessKey::generate(&mut rng);
    let grant = grant_access_key(&at(), &key, &terms(&reader, &person(32)), &mut rng).unwrap();
    let vector = Vector::accept("grant/document", "a document granted to a person");
    with_revision(vector, &at())
        .with("master", [31; 32])
        .with_value("wanted", "document")
        .with("key_id", key.id())
        .with("grant", grant.to_bytes())
        .gives("key", key.secret().expose())
}

pub(crate) fn case_grant_vector() -> Vector {
    let (mut rng, reader) = (rng(23), public(&person(31)));
    let key = CaseFileKey::generate(&mut rng);
    let epoch = CaseEpochRef {
        vault: at().vault,
        case: at().case,
        epoch: 3,
    };
    let grant = grant_case_key(&epoch, &key, &terms(&reader, &person(32)), &mut rng).unwrap();
    Vector::accept("grant/case", "the case key of epoch 3 granted to a person")
        .with("vault", at().vault.0)
        .with("case", at().case.0)
        .with_value("epoch", 3)
        .with("master", [31; 32])
        .with_value("wanted", "case")
        .with("key_id", key.id())
        .with("grant", grant.to_bytes())
        .gives("key", key.secret().expose())
}

fn grants() -> Vec<Vector> {
    vec![document_grant_vector(), case_grant_vector()]
}

/// A unit epoch with one member, person 31.
pub(crate) fn unit_vector(name: &str, about: &str) -> (Vector, UnitKey) {
    let mut rng = rng(24);
    let unit = UnitRef {
        vault: at().vault,
        unit: UnitId([5; 16]),
        epoch: 2,
    };
    let key = UnitKey::generate(unit, &mut rng);
    let membership = key.seal_membership(&public(&person(31)), &mut rng).unwrap();
    let epoch = UnitEpoch {
        unit: unit.unit,
        epoch: unit.epoch,
        uk_id: key.id(),
        public: key.public().as_bytes().to_vec().into(),
        members: vec![membership.member],
        memberships_root: root_of([membership.to_bytes()].iter()),
        link_hash: Some([7; 32]),
        entry_hash: [8; 32],
    };
    let vector = Vector::accept(name, about)
        .with("vault", unit.vault.0)
        .with("master", [31; 32])
        .with("epoch_statement", epoch.to_bytes())
        .with("membership", membership.to_bytes());
    (vector, key)
}

pub(crate) fn register_vector() -> Vector {
    let (vector, key) = unit_vector("register-entry/one", "what a case is called");
    let (mut rng, case) = (rng(25), at().case);
    let share = CaseShare::generate(&mut rng);
    let entry = RegisterEntry {
        file_reference: "32-4711/26".to_owned(),
        title: "Prüfung der Standsicherheit".to_owned(),
        notes: None,
    };
    let sealed = key
        .register_key()
        .seal_case(case, 1, &share, &entry, &mut rng)
        .unwrap();
    vector
        .with("case", case.0)
        .with_value("entry_no", 1)
        .with("share", share.secret().expose())
        .with("share_id", share.share_id(at().vault, case).0)
        .with("hash", sha256(&[&sealed]))
        .with("sealed", sealed)
        .gives("entry", entry.to_bytes())
}

fn units() -> Vec<Vector> {
    let (membership, key) = unit_vector(
        "membership/one",
        "the key of a unit's second epoch, sealed to a member",
    );
    let (index, _) = unit_vector("blind-index/one", "the tag of a file reference");
    let (spelled, _) = unit_vector(
        "blind-index/otherwise-spelled",
        "case and spaces do not matter",
    );
    let tag = key.blind_index("32-4711/26 Ä");
    vec![
        membership.gives("unit_key", key.xwing().secret().expose()),
        index
            .with_value("reference", "32-4711/26 Ä")
            .gives("tag", tag),
        spelled
            .with_value("reference", "  32-4711/26   ä ")
            .gives("tag", tag),
        register_vector(),
    ]
}

pub(crate) fn sealed_identity_vector() -> Vector {
    let (identity, key, id) = (person(31), Secret::new([9; 32]), PersonId([7; 16]));
    let custody = b"parameters and salt";
    let sealed = identity
        .seal(&key, at().vault, id, custody, &mut rng(26))
        .unwrap();
    Vector::accept("sealed-identity/one", "a master seed at rest")
        .with("key", key.expose())
        .with("vault", at().vault.0)
        .with("person", id.0)
        .with("kid", identity.kid().0)
        .with("custody", custody)
        .with("sealed", sealed)
        .gives("master", identity.master().expose())
}

pub(crate) fn bundle_vector() -> Vector {
    let identity = person(31);
    Vector::accept("bundle/one", "a key bundle and its name")
        .with("bundle", identity.bundle().as_bytes())
        .gives("kid", identity.kid().0)
}

fn identities() -> Vec<Vector> {
    let identity = |seed: u8| {
        let identity = person(seed);
        Vector::accept(
            &format!("identity/seed-{seed}"),
            "the bundle of a master seed",
        )
        .with("master", [seed; 32])
        .gives("bundle", identity.bundle().as_bytes())
        .gives("kid", identity.kid().0)
    };
    let invitation = Invitation {
        url: "https://vault.agency.example".to_owned(),
        vault: at().vault,
        card: [2; 32],
        person: PersonId([7; 16]),
        secret: obhut_format::SecretField::new([4; 32]),
        role: Role::Citizen,
        expires_us: 1_800_000_000_000_000,
    };
    let first =
        Identity::from_invitation(&Secret::new([4; 32]), at().vault, PersonId([7; 16])).unwrap();
    let invitation = Vector::accept(
        "invitation/letter",
        "the text form, and the first identity it leads to",
    )
    .with_value("text", to_text(&invitation))
    .gives("invitation", invitation.to_bytes())
    .gives("kid", first.kid().0);
    vec![
        identity(31),
        identity(32),
        sealed_identity_vector(),
        bundle_vector(),
        invitation,
    ]
}

pub(crate) fn statement_of(identity: &Identity, event: Event) -> Statement {
    Statement {
        vault: at().vault,
        signer: Signer::Person(PersonSigner {
            person: PersonId([7; 16]),
            kid: identity.kid(),
        }),
        time_us: 1_700_000_000_000_000,
        nonce: [3; 16],
        event,
    }
}

pub(crate) fn statement_vector(name: &str, about: &str, event: Event) -> Vector {
    let identity = person(31);
    let statement = statement_of(&identity, event);
    Vector::accept(&format!("statement/{name}"), about)
        .with("bundle", identity.bundle().as_bytes())
        .with(
            "signed",
            sign_statement(&statement, &identity).unwrap().to_bytes(),
        )
        .gives("statement", statement.to_bytes())
}

pub(crate) fn case_closed() -> Event {
    Event::CaseClosed(CaseClosed {
        case: at().case,
        on: "2026-03-01".to_owned(),
    })
}

pub(crate) fn batch_vector(name: &str, about: &str, index: usize) -> Vector {
    let identity = person(31);
    let terms = BatchTerms {
        kind: BatchKind::Documents,
        vault: VaultId([1; 16]),
        case: CaseId([2; 16]),
        case_epoch: 1,
        signer: PersonId([7; 16]),
        time_us: 1_700_000_000_000_000,
        batch: BatchId([6; 16]),
    };
    let item = |number: u8| RegisterItem {
        manifest: made(
            RevisionRef {
                document: DocumentId([number; 16]),
                ..at()
            },
            10,
        )
        .manifest
        .to_bytes()
        .to_vec()
        .into(),
        card_hash: [number; 32],
        deposit: BatchId([1; 16]),
        register_by_us: 1_700_000_000_000_000,
    };
    let items: Vec<_> = (0..5).map(item).collect();
    let (signed, paths) = sign_batch(&terms, &items, &identity).unwrap();
    Vector::accept(&format!("batch/{name}"), about)
        .with("bundle", identity.bundle().as_bytes())
        .with("batch", signed.to_bytes())
        .with("item", paths[index].to_bytes())
        .gives("item", items[index].to_bytes())
}

fn signatures() -> Vec<Vector> {
    let device = Event::DeviceAdded(DeviceAdded {
        person: PersonId([7; 16]),
        public: [11; 32],
    });
    vec![
        statement_vector(
            "case-closed",
            "a statement and both halves of its signature",
            case_closed(),
        ),
        statement_vector("device-added", "another kind of statement", device),
        batch_vector("first-item", "an item with its path in a signed batch", 0),
        batch_vector("last-item", "the last of five items has a short path", 4),
    ]
}
