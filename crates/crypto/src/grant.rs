//! Grants: a document's or case's key sealed to a person's bundle or a unit's epoch.

use obhut_format::context::Context;
use obhut_format::key::{Grant, GrantKind};
use obhut_format::mutation::LambdaWrap;
use obhut_format::statement::Role;
use obhut_format::{CaseId, Hash, Kid, PersonId, VaultId};
use obhut_suite::{Secret, XwingPublic, XwingSeed, hpke_open, hpke_seal};
use rand_core::CryptoRng;

use crate::{
    AccessKey, CaseFileKey, CryptoError, Identity, Lambda, PublicIdentity, RevisionRef, UnitKey,
};

/// One epoch of a case's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaseEpochRef {
    /// The vault.
    pub vault: VaultId,
    /// The case.
    pub case: CaseId,
    /// The epoch, from 1.
    pub epoch: u32,
}

/// Who gets a grant, from whom, as what and until when.
pub struct GrantTerms<'a> {
    /// The person's kid, or the `uk_id` of a unit epoch.
    pub recipient: Kid,
    /// The key that goes with it, proved by the records log.
    pub public: &'a XwingPublic,
    /// Who grants.
    pub granter: Kid,
    /// In which role the recipient reads.
    pub role: Role,
    /// Until when it is served, microseconds UTC; `None` = without end.
    pub not_after_us: Option<u64>,
}

/// A private key that grants may be sealed to, and its name.
pub struct GrantRecipient<'a> {
    kid: Kid,
    seed: &'a XwingSeed,
}

impl<'a> From<&'a Identity> for GrantRecipient<'a> {
    fn from(identity: &'a Identity) -> Self {
        Self {
            kid: identity.kid(),
            seed: identity.xwing(),
        }
    }
}

impl<'a> From<&'a UnitKey> for GrantRecipient<'a> {
    fn from(unit: &'a UnitKey) -> Self {
        Self {
            kid: Kid(unit.id()),
            seed: unit.xwing(),
        }
    }
}

/// Grants the key of a case's epoch.
pub fn grant_case_key(
    at: &CaseEpochRef,
    key: &CaseFileKey,
    terms: &GrantTerms<'_>,
    rng: &mut impl CryptoRng,
) -> Result<Grant, CryptoError> {
    let open = case_terms(at, &key.id(), terms);
    seal_grant(open, key.secret(), terms.public, rng)
}

/// Grants one revision of a document.
pub fn grant_access_key(
    at: &RevisionRef,
    key: &AccessKey,
    terms: &GrantTerms<'_>,
    rng: &mut impl CryptoRng,
) -> Result<Grant, CryptoError> {
    let open = document_terms(at, &key.id(), terms);
    seal_grant(open, key.secret(), terms.public, rng)
}

/// Opens a grant of the case key of exactly this epoch, to which signed statements commit by `ck_id`.
pub fn open_case_grant<'a>(
    grant: &Grant,
    at: &CaseEpochRef,
    ck_id: &Hash,
    recipient: impl Into<GrantRecipient<'a>>,
) -> Result<CaseFileKey, CryptoError> {
    let fits = grant.kind == GrantKind::Case
        && (grant.vault, grant.case) == (at.vault, at.case)
        && grant.document.is_none()
        && grant.number == u64::from(at.epoch);
    let secret = open_grant(grant, fits, ck_id, &recipient.into())?;
    CaseFileKey::from_secret(secret, ck_id)
}

/// Opens a grant of exactly this revision, to which the signed manifest commits by `dak_id`.
pub fn open_document_grant<'a>(
    grant: &Grant,
    at: &RevisionRef,
    dak_id: &Hash,
    recipient: impl Into<GrantRecipient<'a>>,
) -> Result<AccessKey, CryptoError> {
    let fits = grant.kind == GrantKind::Document
        && (grant.vault, grant.case) == (at.vault, at.case)
        && grant.document == Some(at.document)
        && grant.number == at.revision;
    let secret = open_grant(grant, fits, dak_id, &recipient.into())?;
    AccessKey::from_secret(secret, dak_id)
}

/// Seals λ of a person of this vault to a bundle: the person's own, or a data protection officer's.
pub fn wrap_lambda(
    lambda: &Lambda,
    vault: VaultId,
    person: PersonId,
    recipient: &PublicIdentity,
    rng: &mut impl CryptoRng,
) -> Result<LambdaWrap, CryptoError> {
    let info = lambda_info(vault, person, recipient.kid());
    // EXPOSE: sealed to the recipient.
    let lambda = lambda.secret().expose();
    let sealed = hpke_seal(recipient.xwing(), info.as_bytes(), &[], lambda, rng)?;
    Ok(LambdaWrap {
        person,
        recipient: recipient.kid(),
        sealed: sealed.into(),
    })
}

/// Opens λ of a person of this vault; `lambda_hash` stands in the person's first statement.
pub fn unwrap_lambda(
    wrap: &LambdaWrap,
    vault: VaultId,
    lambda_hash: &Hash,
    recipient: &Identity,
) -> Result<Lambda, CryptoError> {
    if wrap.recipient != recipient.kid() {
        return Err(CryptoError::NotARecipient);
    }
    let info = lambda_info(vault, wrap.person, wrap.recipient);
    let opened = hpke_open(recipient.xwing(), info.as_bytes(), &[], &wrap.sealed.0)?;
    Lambda::from_secret(opened.into_secret()?, lambda_hash)
}

fn case_terms(at: &CaseEpochRef, ck_id: &Hash, terms: &GrantTerms<'_>) -> Grant {
    Grant {
        kind: GrantKind::Case,
        vault: at.vault,
        case: at.case,
        document: None,
        number: u64::from(at.epoch),
        ..unsealed(ck_id, terms, at.vault, at.case)
    }
}

fn document_terms(at: &RevisionRef, dak_id: &Hash, terms: &GrantTerms<'_>) -> Grant {
    Grant {
        kind: GrantKind::Document,
        document: Some(at.document),
        number: at.revision,
        ..unsealed(dak_id, terms, at.vault, at.case)
    }
}

fn unsealed(key_id: &Hash, terms: &GrantTerms<'_>, vault: VaultId, case: CaseId) -> Grant {
    Grant {
        kind: GrantKind::Case,
        vault,
        case,
        document: None,
        number: 0,
        recipient: terms.recipient,
        granter: terms.granter,
        role: terms.role,
        not_after_us: terms.not_after_us,
        key_id: *key_id,
        sealed: Vec::new().into(),
    }
}

fn seal_grant(
    mut grant: Grant,
    key: &Secret<32>,
    public: &XwingPublic,
    rng: &mut impl CryptoRng,
) -> Result<Grant, CryptoError> {
    let info = grant.info();
    // EXPOSE: sealed to the recipient.
    let sealed = hpke_seal(public, info.as_bytes(), &grant.key_id, key.expose(), rng)?;
    grant.sealed = sealed.into();
    Ok(grant)
}

fn open_grant(
    grant: &Grant,
    fits: bool,
    key_id: &Hash,
    recipient: &GrantRecipient<'_>,
) -> Result<Secret<32>, CryptoError> {
    if grant.recipient != recipient.kid {
        return Err(CryptoError::NotARecipient);
    }
    if !fits || grant.key_id != *key_id {
        return Err(CryptoError::Damaged);
    }
    let info = grant.info();
    let opened = hpke_open(recipient.seed, info.as_bytes(), key_id, &grant.sealed.0)?;
    Ok(opened.into_secret()?)
}

fn lambda_info(vault: VaultId, person: PersonId, recipient: Kid) -> Context {
    Context::new("obhut/lambda-wrap/v1")
        .field(&vault.0)
        .field(&person.0)
        .field(&recipient.0)
}
