//! Signed acts, checked: whoever holds a [`VerifiedAct`] knows that a device signed just this.

use obhut_format::act::{
    ACT_LABEL, ACT_LIFETIME_US, Act, ActRequest, MAX_OBJECTS, ObjectRef, Released,
    objects_are_sorted, objects_root,
};
use obhut_format::context::sha256;
use obhut_format::person::device_kid;
use obhut_format::{Cbor, Hash, VaultId};
use obhut_log::entry::reason_commitment;
use obhut_suite::{DevicePublic, DeviceSignature, Label};

/// How far ahead of the vault's clock an act may be dated, microseconds.
const SKEW_US: u64 = 60 * 1_000_000;
/// Most persons an act can name beside the subjects of its cases.
const MAX_PERSONS: usize = 1_024;
/// Longest purpose, legal basis or justification, bytes.
const MAX_REASON_BYTES: usize = 4_096;

/// Why an act is not accepted for logging at all: it is not what a device signed, or not now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ActError {
    /// The act is dated ahead of the vault's clock.
    #[error("the act is dated ahead of the vault's clock: check this device's time")]
    Early,
    /// The ephemeral key is missing, superfluous or another one.
    #[error("the ephemeral key does not fit the act")]
    EphemeralKey,
    /// The act has run out.
    #[error("the act has run out: check this device's time and try again")]
    Expired,
    /// It would live longer than two minutes.
    #[error("the act lives too long")]
    Lifetime,
    /// Not canonical.
    #[error("the act is malformed")]
    Malformed,
    /// The objects are not those of the act, not sorted, or too many.
    #[error("the objects are not those of the act")]
    Objects,
    /// A person twice, or too many.
    #[error("the persons of the act are listed twice or are too many")]
    Persons,
    /// The reason is not the one committed to, or blank, or too long.
    #[error("the reason is blank, too long or not the one of the act")]
    Reason,
    /// The entry would go to a shard that does not exist, or is of another time.
    #[error(
        "the act names no shard of the access log that takes entries now: synchronise and try again"
    )]
    Shard,
    /// The signature is not the device's.
    #[error("the act's signature is not the device's")]
    Signature,
    /// It was made for another vault.
    #[error("the act is for another vault")]
    Vault,
}

/// An act that its device signed, with the openings that belong to it.
#[derive(Clone, Debug)]
pub struct VerifiedAct {
    request: ActRequest,
    act: Act,
    hash: Hash,
}

impl VerifiedAct {
    /// Checks signature, vault, time and every opening. `takes_entries` says whether the shard
    /// takes entries now.
    pub fn verify(
        request: ActRequest,
        device: &[u8; 32],
        vault: VaultId,
        takes_entries: impl Fn(&str) -> bool,
        now_us: u64,
    ) -> Result<Self, ActError> {
        let act = Act::from_bytes(&request.signed.act.0).map_err(|_| ActError::Malformed)?;
        check_signature(&request, &act, device)?;
        if act.vault != vault {
            return Err(ActError::Vault);
        }
        check_time(&act, now_us)?;
        check_openings(&request, &act)?;
        if !takes_entries(&act.shard) {
            return Err(ActError::Shard);
        }
        let hash = request.signed.hash();
        Ok(Self { request, act, hash })
    }

    /// The act.
    pub fn act(&self) -> &Act {
        &self.act
    }

    /// Hash of its signed form: an act is accepted once.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// Its objects, sorted.
    pub fn objects(&self) -> &[ObjectRef] {
        &self.request.objects
    }

    /// The request as it came.
    pub fn request(&self) -> &ActRequest {
        &self.request
    }
}

fn check_signature(request: &ActRequest, act: &Act, device: &[u8; 32]) -> Result<(), ActError> {
    if device_kid(device) != act.device {
        return Err(ActError::Signature);
    }
    let public = DevicePublic::parse(device).map_err(|_| ActError::Signature)?;
    DeviceSignature::parse(&request.signed.signature)
        .and_then(|signature| {
            public.verify(Label::new(ACT_LABEL), &request.signed.act.0, &signature)
        })
        .map_err(|_| ActError::Signature)
}

fn check_time(act: &Act, now_us: u64) -> Result<(), ActError> {
    let life_us = act.expires_us.checked_sub(act.time_us);
    if life_us.is_none_or(|life_us| life_us > ACT_LIFETIME_US) {
        return Err(ActError::Lifetime);
    }
    if act.time_us > now_us.saturating_add(SKEW_US) {
        return Err(ActError::Early);
    }
    if now_us > act.expires_us {
        return Err(ActError::Expired);
    }
    Ok(())
}

fn check_openings(request: &ActRequest, act: &Act) -> Result<(), ActError> {
    let objects = &request.objects;
    if objects.len() > MAX_OBJECTS
        || act.object_count != objects.len() as u64
        || !objects_are_sorted(objects)
        || act.objects_root != objects_root(objects)
    {
        return Err(ActError::Objects);
    }
    let mut persons = act.persons.clone();
    persons.sort_unstable();
    persons.dedup();
    if persons.len() != act.persons.len() || persons.len() > MAX_PERSONS {
        return Err(ActError::Persons);
    }
    let reason = &request.reason;
    let blank = |text: &String| text.trim().is_empty();
    let longest = [&reason.purpose, &reason.legal_basis]
        .into_iter()
        .chain(&reason.justification)
        .map(String::len)
        .max();
    if blank(&reason.purpose)
        || blank(&reason.legal_basis)
        || longest.is_some_and(|len| len > MAX_REASON_BYTES)
        || act.reason_commitment != reason_commitment(reason, &request.reason_salt)
    {
        return Err(ActError::Reason);
    }
    let released = act.kind.released() != Released::Nothing;
    let epk_hash = request.epk.as_ref().map(|epk| sha256(&[&epk.0]));
    match (released, epk_hash) {
        (true, Some(hash)) if hash == act.epk_hash => Ok(()),
        (false, None) if act.epk_hash == [0; 32] => Ok(()),
        _ => Err(ActError::EphemeralKey),
    }
}
