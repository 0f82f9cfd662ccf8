//! Wraps: access keys under case keys, and old keys under new ones.

use obhut_format::context::Context;
use obhut_format::key::{case_link_context, document_wrap_context};
use obhut_format::{CaseId, Hash, VaultId};
use obhut_suite::{Secret, open, seal};
use rand_core::CryptoRng;

use crate::{AccessKey, CaseFileKey, CryptoError, RevisionRef};

/// Wraps a revision's access key under the case key of an epoch: 104 bytes.
pub fn wrap_access_key(
    case_key: &CaseFileKey,
    epoch: u32,
    at: &RevisionRef,
    access: &AccessKey,
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, CryptoError> {
    let context = wrap_context(epoch, at, &access.id());
    wrap_secret(case_key.secret(), &context, access.secret(), rng)
}

/// Unwraps the access key that the signed manifest commits to by `dak_id`; any other is
/// [`CryptoError::Damaged`].
pub fn unwrap_access_key(
    case_key: &CaseFileKey,
    epoch: u32,
    at: &RevisionRef,
    dak_id: &Hash,
    wrapped: &[u8],
) -> Result<AccessKey, CryptoError> {
    let context = wrap_context(epoch, at, dak_id);
    let secret = unwrap_secret(case_key.secret(), &context, wrapped)?;
    AccessKey::from_secret(secret, dak_id)
}

/// Wraps the case key of `epoch` under that of the next: new keys read old documents, never the reverse.
pub fn wrap_earlier_case_key(
    next: &CaseFileKey,
    vault: VaultId,
    case: CaseId,
    epoch: u32,
    earlier: &CaseFileKey,
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, CryptoError> {
    let context = case_link_context(vault, case, epoch, &earlier.id());
    wrap_secret(next.secret(), &context, earlier.secret(), rng)
}

/// Unwraps the case key of `epoch`, to which the case's statements commit by `ck_id`.
pub fn unwrap_earlier_case_key(
    next: &CaseFileKey,
    vault: VaultId,
    case: CaseId,
    epoch: u32,
    ck_id: &Hash,
    link: &[u8],
) -> Result<CaseFileKey, CryptoError> {
    let context = case_link_context(vault, case, epoch, ck_id);
    CaseFileKey::from_secret(unwrap_secret(next.secret(), &context, link)?, ck_id)
}

pub(crate) fn wrap_secret(
    key: &Secret<32>,
    context: &Context,
    secret: &Secret<32>,
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, CryptoError> {
    // EXPOSE: sealed.
    Ok(seal(key, context.as_bytes(), secret.expose(), rng)?)
}

pub(crate) fn unwrap_secret(
    key: &Secret<32>,
    context: &Context,
    wrapped: &[u8],
) -> Result<Secret<32>, CryptoError> {
    Ok(open(key, context.as_bytes(), wrapped)?.into_secret()?)
}

fn wrap_context(epoch: u32, at: &RevisionRef, dak_id: &Hash) -> Context {
    document_wrap_context(at.vault, at.case, epoch, at.document, at.revision, dak_id)
}
