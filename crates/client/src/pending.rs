//! A mutation that must not be made twice: kept sealed until the log has it, so that a repeat after a crash or a
//! lost answer sends the same records.

use obhut_format::content::SealedKind;
use obhut_format::mutation::Mutation;
use obhut_format::share::SignedDeposit;
use obhut_format::{Cbor, record};

use crate::ClientError;
use crate::profile::{Profile, ProfileKey};

const PENDING: &str = "pending";

record! {
    /// What is to be sent, byte for byte.
    Pending {
        /// The mutation.
        1 => mutation: Mutation,
        /// The deposit it relies on; an identical repeat is harmless, another one is refused.
        2 => deposit: Option<SignedDeposit>,
    }
}

/// Keeps a mutation before it is sent.
pub(crate) fn save_pending(
    profile: &Profile,
    key: &ProfileKey,
    pending: &Pending,
) -> Result<(), ClientError> {
    let sealed = key.seal(SealedKind::Profile, PENDING, &pending.to_bytes())?;
    profile.save(PENDING, &sealed)
}

/// The mutation that was kept, if any.
pub(crate) fn find_pending(
    profile: &Profile,
    key: &ProfileKey,
) -> Result<Option<Pending>, ClientError> {
    let Some(sealed) = profile.find(PENDING)? else {
        return Ok(None);
    };
    let opened = key.open(SealedKind::Profile, PENDING, &sealed)?;
    // EXPOSE: parsed; everything secret in it is sealed once more.
    Ok(Some(Pending::from_bytes(opened.expose())?))
}

/// Forgets it once the log has it.
pub(crate) fn forget_pending(profile: &Profile) -> Result<(), ClientError> {
    profile.remove(PENDING)
}
