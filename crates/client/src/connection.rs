//! Where a profile's vault is reached and by what its server is recognised, and changing that.

use crate::ClientError;
use crate::profile::Profile;
use crate::transport::{Endpoint, Trust};

/// What recognises the server from now on.
pub enum NewTrust {
    /// What the profile has recognised it by so far.
    Same,
    /// An authority that this machine trusts.
    System,
    /// These authorities only.
    Only(Trust),
}

/// Sends a profile to another address, or recognises the server by something else, from now on. The vault must answer
/// there, with a card of the same agency root; otherwise nothing is changed.
pub async fn change_connection(
    profile: &mut Profile,
    url: Option<&str>,
    trust: NewTrust,
) -> Result<(), ClientError> {
    let mut record = profile.record()?.clone();
    let unverified = profile.trust()?.is_unverified();
    let trust = match trust {
        NewTrust::Same => profile.trust()?,
        NewTrust::System => Trust::default().unverified(unverified),
        NewTrust::Only(trust) => trust.unverified(unverified),
    };
    if let Some(url) = url {
        url.clone_into(&mut record.url);
    }
    let endpoint = Endpoint::new(&record.url, record.vault, &trust)?;
    let pinned = profile.load_card()?;
    let shown = endpoint.about().await?.card;
    let same = shown
        .is_some_and(|card| card.vault == pinned.vault && card.root.kid() == pinned.root.kid());
    if !same {
        return Err(ClientError::integrity(
            "what answers there shows a card of another agency root than this profile's vault has",
        ));
    }
    let _held = profile.hold_state()?;
    profile.save_trust(&trust)?;
    profile.save_record(record)
}
