//! What a reader does with a vector: the same functions that clients call.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use data_encoding::HEXLOWER;
use obhut_crypto::{
    AccessKey, CaseEpochRef, CaseFileKey, CaseShare, CryptoError, DocumentShare, Identity,
    PublicIdentity, RecoveryRequest, RecoveryShare, RevisionReader, RevisionRef, UnitKey,
    VerifiedBatch, combine_recovery, open_case_grant, open_document_grant, open_recovery_share,
    revision_of, unwrap_access_key, unwrap_earlier_case_key, unwrap_lambda, verify_rotation_proof,
    verify_statement,
};
use obhut_format::batch::{BatchItem, RegisterItem, SignedBatch};
use obhut_format::context::sha256;
use obhut_format::key::{Grant, GrantKind, Membership};
use obhut_format::manifest::Manifest;
use obhut_format::person::KeyBundle;
use obhut_format::recovery::{RecoveryApproved, RecoveryPolicy, RecoveryRequested};
use obhut_format::statement::{SignedStatement, UnitEpoch};
use obhut_format::{CaseId, Cbor, DocumentId, Hash, Kid, PersonId, VaultId, invite};
use obhut_suite::{Secret, XwingSeed};
use serde_json::{Value, json};

use super::Vector;
use crate::made::threads;

type Output = BTreeMap<String, Value>;

/// The output, or the class of the refusal.
pub(crate) fn check(vector: &Vector, folder: &Path) -> Result<Output, &'static str> {
    let input = Input(vector);
    let output = match vector.kind() {
        "batch" => batch(&input),
        "blind-index" => blind_index(&input),
        "bundle" => bundle(&input),
        "capsule" => capsule(&input, folder),
        "case-link" => case_link(&input),
        "document-wrap" => document_wrap(&input),
        "grant" => grant(&input),
        "identity" => identity(&input),
        "invitation" => invitation(&input),
        "lambda-wrap" => lambda_wrap(&input),
        "manifest" => manifest(&input),
        "membership" => membership(&input),
        "recovery-combine" => recovery_combine(&input),
        "recovery-handover" => recovery_handover(&input),
        "recovery-share" => recovery_share(&input),
        "register-entry" => register_entry(&input),
        "rotation" => rotation(&input),
        "seal" => seal(&input),
        "sealed-identity" => sealed_identity(&input),
        "statement" => statement(&input),
        other => panic!("vectors of kind {other} are unknown here"),
    };
    output.map_err(class)
}

/// How refusals are called in the corpus.
fn class(refused: CryptoError) -> &'static str {
    match refused {
        CryptoError::Damaged => "damaged",
        CryptoError::NotARecipient => "not-a-recipient",
        CryptoError::Truncated => "truncated",
        CryptoError::UnsupportedVersion => "unsupported-version",
        other => panic!("{other:?}"),
    }
}

struct Input<'a>(&'a Vector);

impl Input<'_> {
    fn bytes(&self, field: &str) -> Vec<u8> {
        HEXLOWER.decode(self.text(field).as_bytes()).unwrap()
    }

    fn text(&self, field: &str) -> &str {
        let Some(value) = self.0.input.get(field) else {
            panic!("{} has no {field}", self.0.name);
        };
        value.as_str().unwrap()
    }

    fn number(&self, field: &str) -> u64 {
        self.0.input[field].as_u64().unwrap()
    }

    fn array<const N: usize>(&self, field: &str) -> [u8; N] {
        self.bytes(field).try_into().unwrap()
    }

    fn secret(&self, field: &str) -> Secret<32> {
        Secret::new(self.array(field))
    }

    fn record<T: Cbor>(&self, field: &str) -> Result<T, CryptoError> {
        Ok(T::from_bytes(&self.bytes(field))?)
    }

    fn identity(&self) -> Identity {
        Identity::from_master(self.secret("master")).unwrap()
    }

    fn revision(&self) -> RevisionRef {
        RevisionRef {
            vault: VaultId(self.array("vault")),
            case: CaseId(self.array("case")),
            document: DocumentId(self.array("document")),
            revision: self.number("revision"),
        }
    }
}

fn hexes<const N: usize>(fields: [(&str, &[u8]); N]) -> Output {
    fields
        .map(|(name, bytes)| (name.to_owned(), json!(HEXLOWER.encode(bytes))))
        .into()
}

fn seal(input: &Input<'_>) -> Result<Output, CryptoError> {
    let opened = obhut_suite::open(
        &input.secret("key"),
        &input.bytes("context"),
        &input.bytes("sealed"),
    )?;
    Ok(hexes([("plaintext", opened.expose())]))
}

fn capsule(input: &Input<'_>, folder: &Path) -> Result<Output, CryptoError> {
    let manifest = Manifest::parse(&input.bytes("manifest"))?;
    let share = [input.bytes("s_doc"), input.bytes("c_doc")].concat();
    let share = DocumentShare::parse(&share, &revision_of(&manifest), &manifest.share_id)?;
    let access = AccessKey::from_secret(input.secret("dak"), &manifest.dak_id)?;
    let reader = RevisionReader::new(&manifest, &access, &share)?;
    let info = reader.open_info(&input.bytes("info"))?;
    let object = fs::read(folder.join(format!("{}.capsule", input.0.name))).unwrap();
    let content = reader.open_content(&info, &threads(2), &object[..], Vec::new())?;
    let mut output = hexes([
        ("content_sha256", &sha256(&[&content])),
        ("info", &info.to_bytes()),
    ]);
    output.insert("content_bytes".to_owned(), json!(content.len()));
    Ok(output)
}

fn manifest(input: &Input<'_>) -> Result<Output, CryptoError> {
    let manifest = Manifest::parse(&input.bytes("manifest"))?;
    Ok(hexes([("manifest_hash", &manifest.hash())]))
}

fn document_wrap(input: &Input<'_>) -> Result<Output, CryptoError> {
    let case_key = case_key(input, "case_key");
    let (epoch, at) = (input.number("epoch") as u32, input.revision());
    let key = unwrap_access_key(
        &case_key,
        epoch,
        &at,
        &input.array("dak_id"),
        &input.bytes("wrapped"),
    )?;
    Ok(hexes([("dak", key.secret().expose())]))
}

fn case_link(input: &Input<'_>) -> Result<Output, CryptoError> {
    let next = case_key(input, "next");
    let (vault, case) = (VaultId(input.array("vault")), CaseId(input.array("case")));
    let (epoch, ck_id) = (input.number("epoch") as u32, input.array("ck_id"));
    let key = unwrap_earlier_case_key(&next, vault, case, epoch, &ck_id, &input.bytes("link"))?;
    Ok(hexes([("case_key", key.secret().expose())]))
}

/// A key whose commitment is known to be right, as after opening its grant.
fn case_key(input: &Input<'_>, field: &str) -> CaseFileKey {
    let secret = input.secret(field);
    let ck_id: Hash = obhut_suite::hkdf_expand_sha512(secret.expose(), &[b"obhut/ck-id/v1\0"]);
    CaseFileKey::from_secret(secret, &ck_id).unwrap()
}

fn grant(input: &Input<'_>) -> Result<Output, CryptoError> {
    let (grant, reader): (Grant, _) = (input.record("grant")?, input.identity());
    let key_id = input.array("key_id");
    if input.text("wanted") == GrantKind::Document.as_str() {
        let key = open_document_grant(&grant, &input.revision(), &key_id, &reader)?;
        return Ok(hexes([("key", key.secret().expose())]));
    }
    let at = CaseEpochRef {
        vault: VaultId(input.array("vault")),
        case: CaseId(input.array("case")),
        epoch: input.number("epoch") as u32,
    };
    let key = open_case_grant(&grant, &at, &key_id, &reader)?;
    Ok(hexes([("key", key.secret().expose())]))
}

fn unit_key(input: &Input<'_>) -> Result<UnitKey, CryptoError> {
    let epoch: UnitEpoch = input.record("epoch_statement")?;
    let membership: Membership = input.record("membership")?;
    UnitKey::open_membership(
        VaultId(input.array("vault")),
        &epoch,
        &membership,
        &input.identity(),
    )
}

fn membership(input: &Input<'_>) -> Result<Output, CryptoError> {
    let key = unit_key(input)?;
    Ok(hexes([("unit_key", key.xwing().secret().expose())]))
}

fn blind_index(input: &Input<'_>) -> Result<Output, CryptoError> {
    let tag = unit_key(input)?.blind_index(input.text("reference"));
    Ok(hexes([("tag", &tag)]))
}

fn register_entry(input: &Input<'_>) -> Result<Output, CryptoError> {
    let (vault, case) = (VaultId(input.array("vault")), CaseId(input.array("case")));
    let named = obhut_format::ShareId(input.array("share_id"));
    let share = CaseShare::parse(&input.bytes("share"), vault, case, &named)?;
    let (number, hash, sealed) = (
        input.number("entry_no"),
        input.array("hash"),
        input.bytes("sealed"),
    );
    let entry = unit_key(input)?
        .register_key()
        .open_case(case, number, &share, &hash, &sealed)?;
    Ok(hexes([("entry", &entry.to_bytes())]))
}

fn identity(input: &Input<'_>) -> Result<Output, CryptoError> {
    let identity = Identity::from_master(input.secret("master"))?;
    Ok(hexes([
        ("bundle", identity.bundle().as_bytes()),
        ("kid", &identity.kid().0),
    ]))
}

fn sealed_identity(input: &Input<'_>) -> Result<Output, CryptoError> {
    let (vault, person) = (
        VaultId(input.array("vault")),
        PersonId(input.array("person")),
    );
    let (kid, custody) = (Kid(input.array("kid")), input.bytes("custody"));
    let opened = Identity::open(
        &input.secret("key"),
        vault,
        person,
        kid,
        &custody,
        &input.bytes("sealed"),
    )?;
    Ok(hexes([("master", opened.master().expose())]))
}

fn invitation(input: &Input<'_>) -> Result<Output, CryptoError> {
    let invitation = invite::parse_text(input.text("text"))?;
    let secret = Secret::new(*invitation.secret.expose());
    let first = Identity::from_invitation(&secret, invitation.vault, invitation.person)?;
    Ok(hexes([
        ("invitation", &invitation.to_bytes()),
        ("kid", &first.kid().0),
    ]))
}

fn bundle(input: &Input<'_>) -> Result<Output, CryptoError> {
    let bundle = KeyBundle::new(&input.bytes("bundle"))?;
    Ok(hexes([("kid", &PublicIdentity::parse(&bundle)?.kid().0)]))
}

fn signer(input: &Input<'_>) -> Result<PublicIdentity, CryptoError> {
    PublicIdentity::parse(&KeyBundle::new(&input.bytes("bundle"))?)
}

fn statement(input: &Input<'_>) -> Result<Output, CryptoError> {
    let signed: SignedStatement = input.record("signed")?;
    let statement = verify_statement(&signed, &signer(input)?)?;
    Ok(hexes([("statement", &statement.to_bytes())]))
}

fn lambda_wrap(input: &Input<'_>) -> Result<Output, CryptoError> {
    let vault = VaultId(input.array("vault"));
    let (wrap, hash) = (input.record("wrap")?, input.array("lambda_hash"));
    let lambda = unwrap_lambda(&wrap, vault, &hash, &input.identity())?;
    // EXPOSE: a test secret.
    Ok(hexes([("lambda", lambda.secret().expose())]))
}

fn rotation(input: &Input<'_>) -> Result<Output, CryptoError> {
    let vault = VaultId(input.array("vault"));
    let new = verify_rotation_proof(&input.record("rotation")?, vault)?;
    Ok(hexes([("kid", &new.kid().0)]))
}

fn batch(input: &Input<'_>) -> Result<Output, CryptoError> {
    let (signed, item): (SignedBatch, BatchItem) = (input.record("batch")?, input.record("item")?);
    let item: RegisterItem = VerifiedBatch::verify(&signed, &signer(input)?)?.open_item(&item)?;
    Ok(hexes([("item", &item.to_bytes())]))
}

fn recovery_share(input: &Input<'_>) -> Result<Output, CryptoError> {
    let policy: RecoveryPolicy = input.record("policy")?;
    let vault = VaultId(input.array("vault"));
    let share = open_recovery_share(&policy, vault, &input.identity())?;
    // EXPOSE: a test share.
    Ok(hexes([("value", share.value().expose())]))
}

fn recovery_handover(input: &Input<'_>) -> Result<Output, CryptoError> {
    let policy: RecoveryPolicy = input.record("policy")?;
    let asked: RecoveryRequested = input.record("request")?;
    let approved: RecoveryApproved = input.record("approved")?;
    let vault = VaultId(input.array("vault"));
    let requester = PersonId(input.array("requester"));
    let hash = asked.hash(vault, requester, Kid(input.array("requester_kid")));
    let request = RecoveryRequest {
        vault,
        hash,
        asked: &asked,
    };
    let session = XwingSeed::from_secret(input.secret("session"));
    let share = request.receive(&policy, &approved, &session)?;
    // EXPOSE: a test share.
    Ok(hexes([
        ("request_hash", &hash),
        ("value", share.value().expose()),
    ]))
}

fn recovery_combine(input: &Input<'_>) -> Result<Output, CryptoError> {
    let policy: RecoveryPolicy = input.record("policy")?;
    let vault = VaultId(input.array("vault"));
    let bytes = input.bytes("shares");
    let share = |bytes: &[u8]| {
        let value = Secret::from_slice(&bytes[1..])?;
        RecoveryShare::check(&policy, vault, bytes[0].into(), value)
    };
    let shares: Vec<RecoveryShare> = bytes.chunks(33).map(share).collect::<Result<_, _>>()?;
    let identity = combine_recovery(&policy, &shares)?;
    // EXPOSE: a test seed.
    Ok(hexes([("master", identity.master().expose())]))
}
