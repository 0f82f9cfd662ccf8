//! Replacing a person's keys: the old bundle states the new one, and what was sealed to the old one is sealed
//! to the new one.

use obhut_crypto::{
    Identity, PublicIdentity, RevisionRef, grant_access_key, open_document_grant, prove_rotation,
    unwrap_lambda, wrap_lambda,
};
use obhut_format::batch::{BatchKind, RecordPayload};
use obhut_format::key::{Grant, GrantKind};
use obhut_format::mutation::{LambdaWrap, LogKeyRewrap, Mutation, MutationRecord};
use obhut_format::reading::OwnKeys;
use obhut_format::statement::{BundleRotated, Event, PersonSigner, Signer};
use obhut_format::{BatchId, CaseId, VaultId};
use obhut_log::DayKey;

use crate::ClientError;
use crate::clock::{now_us, random_bytes, system_rng};
use crate::founding_records::sign;
use crate::vault::Vault;

/// The rotation, then `records` (signed by the new keys), then everything re-sealed.
pub(crate) fn rotate(
    vault: &Vault,
    old: &Identity,
    new: &Identity,
    own: &OwnKeys,
    records: Vec<MutationRecord>,
) -> Result<Mutation, ClientError> {
    let person = vault.person();
    let mut rotation = BundleRotated {
        person,
        from: old.kid(),
        bundle: new.bundle().clone(),
        proof: Vec::new().into(),
    };
    prove_rotation(&mut rotation, vault.id(), new);
    let kid = old.kid();
    let signer = Signer::Person(PersonSigner { person, kid });
    let rotation = sign(
        vault.card(),
        signer,
        old,
        Event::BundleRotated(rotation),
        None,
    )?;
    let mut all = vec![rotation];
    all.extend(records);
    let (batches, grants) = regrant(vault, old, new, own)?;
    all.extend(batches);
    Ok(Mutation {
        lambda_wraps: rewrap_lambda(vault, old, new, own)?,
        log_key_rewraps: rewrap_log_keys(old, new, own)?,
        grants,
        ..Mutation::of(all)
    })
}

fn rewrap_lambda(
    vault: &Vault,
    old: &Identity,
    new: &Identity,
    own: &OwnKeys,
) -> Result<Vec<LambdaWrap>, ClientError> {
    let person = vault.person();
    let known = vault.directory().person(person);
    let mut wraps = own.lambda_wraps.iter();
    let found = wraps.find(|wrap| wrap.person == person && wrap.recipient == old.kid());
    let (Some(known), Some(wrap)) = (known, found) else {
        return Ok(Vec::new());
    };
    let lambda = unwrap_lambda(wrap, vault.id(), &known.lambda_hash, old)?;
    let reader = PublicIdentity::parse(new.bundle())?;
    Ok(vec![wrap_lambda(
        &lambda,
        vault.id(),
        person,
        &reader,
        &mut system_rng(),
    )?])
}

fn rewrap_log_keys(
    old: &Identity,
    new: &Identity,
    own: &OwnKeys,
) -> Result<Vec<LogKeyRewrap>, ClientError> {
    let keys = own.log_keys.iter().filter(|key| key.recipient == old.kid());
    let rewrap = |key: &obhut_format::entry::LogKey| {
        let opened = DayKey::open(key, old.xwing())?;
        let sealed = opened.seal_to(key.person, new.bundle(), &mut system_rng())?;
        Ok(LogKeyRewrap {
            id: sealed.id,
            recipient: sealed.recipient,
            sealed: sealed.sealed,
        })
    };
    keys.map(rewrap).collect()
}

/// Direct grants to the old bundle, granted once more to the new one: one batch a case.
fn regrant(
    vault: &Vault,
    old: &Identity,
    new: &Identity,
    own: &OwnKeys,
) -> Result<(Vec<MutationRecord>, Vec<Grant>), ClientError> {
    let mut cases: Vec<(CaseId, Vec<Grant>)> = Vec::new();
    for proof in &own.grants {
        let grant = &proof.grant;
        if grant.recipient != old.kid() || grant.kind != GrantKind::Document {
            continue;
        }
        vault.directory().verify_grant(proof, now_us())?;
        let renewed = renew(vault, old, new, grant)?;
        match cases.iter_mut().find(|(case, _)| *case == grant.case) {
            Some((_, grants)) => grants.push(renewed),
            None => cases.push((grant.case, vec![renewed])),
        }
    }
    let mut records = Vec::new();
    let mut all = Vec::new();
    for (case, grants) in cases {
        let terms = obhut_crypto::BatchTerms {
            kind: BatchKind::Grants,
            vault: vault.id(),
            case,
            case_epoch: 0,
            signer: vault.person(),
            time_us: now_us(),
            batch: BatchId(random_bytes()),
        };
        let (signed, _) = obhut_crypto::sign_batch(&terms, &grants, new)?;
        records.push(MutationRecord {
            payload: RecordPayload::Batch(signed),
            sealed: None,
        });
        all.extend(grants);
    }
    Ok((records, all))
}

fn renew(
    vault: &Vault,
    old: &Identity,
    new: &Identity,
    grant: &Grant,
) -> Result<Grant, ClientError> {
    let missing = || ClientError::integrity("a grant names a document that is not in the log");
    let document = grant.document.ok_or_else(missing)?;
    let found = vault.directory().document(document).ok_or_else(missing)?;
    let revision = found.find_revision(grant.number).ok_or_else(missing)?;
    let manifest = revision.parse_manifest()?;
    let at = revision_ref(vault.id(), grant, document);
    let access = open_document_grant(grant, &at, &manifest.dak_id, old)?;
    let reader = PublicIdentity::parse(new.bundle())?;
    let terms = obhut_crypto::GrantTerms {
        recipient: reader.kid(),
        public: reader.xwing(),
        granter: reader.kid(),
        role: grant.role,
        not_after_us: grant.not_after_us,
    };
    Ok(grant_access_key(&at, &access, &terms, &mut system_rng())?)
}

fn revision_ref(vault: VaultId, grant: &Grant, document: obhut_format::DocumentId) -> RevisionRef {
    RevisionRef {
        vault,
        case: grant.case,
        document,
        revision: grant.number,
    }
}
