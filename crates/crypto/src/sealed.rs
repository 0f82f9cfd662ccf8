//! Small sealed records of every kind: canonical CBOR, padded to 512-byte steps, under Seal.

use obhut_format::Cbor;
use obhut_format::content::{pad, unpad};
use obhut_format::context::Context;
use obhut_suite::{Backend, Secret, SecretBytes, hmac_sha256, open, seal, seal_with};
use rand_core::CryptoRng;

use crate::CryptoError;

/// Seals a record under a fresh salt. The context, from `SealedKind`, keeps it in its place.
pub fn seal_record(
    key: &Secret<32>,
    context: &Context,
    record: &impl Cbor,
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, CryptoError> {
    let padded = SecretBytes::new(pad(&record.to_bytes()));
    // EXPOSE: sealed.
    Ok(seal(key, context.as_bytes(), padded.expose(), rng)?)
}

/// Opens a record. One error for everything: [`CryptoError::Damaged`].
pub fn open_record<T: Cbor>(
    key: &Secret<32>,
    context: &Context,
    sealed: &[u8],
) -> Result<T, CryptoError> {
    let padded = open(key, context.as_bytes(), sealed).map_err(|_| CryptoError::Damaged)?;
    // EXPOSE: parsed into the record the caller asked for.
    let bytes = unpad(padded.expose()).map_err(|_| CryptoError::Damaged)?;
    T::from_bytes(bytes).map_err(|_| CryptoError::Damaged)
}

/// As [`seal_record`] with a salt made from key and record, so that an interrupted import seals
/// the same record to the same bytes. For keys of one revision only.
pub(crate) fn seal_record_repeatably(
    key: &Secret<32>,
    context: &Context,
    record: &impl Cbor,
) -> Result<Vec<u8>, CryptoError> {
    let padded = SecretBytes::new(pad(&record.to_bytes()));
    let label = Context::new("obhut/record-salt/v1");
    // EXPOSE: keyed hash of the record.
    let made = hmac_sha256(key.expose(), &[label.as_bytes(), padded.expose()]);
    let (salt, _) = made.split_first_chunk().ok_or(CryptoError::Damaged)?;
    let backend = Backend::choose(padded.len() as u64);
    // EXPOSE: sealed.
    let sealed = seal_with(backend, key, context.as_bytes(), padded.expose(), salt)?;
    Ok(sealed)
}
