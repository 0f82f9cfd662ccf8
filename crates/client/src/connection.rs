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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use obhut_crypto::Identity;
    use obhut_format::card::{Assurance, VaultCard};
    use obhut_format::statement::Role;
    use obhut_format::{DeviceKid, PersonId, VaultId};

    use super::*;
    use crate::Failure;
    use crate::clock::system_rng;
    use crate::profile::{ProfileHome, ProfileRecord, Stage};
    use crate::transport::test_server::{ok, serve};
    use crate::transport::to_b64;

    const VAULT: VaultId = VaultId([1; 16]);

    fn card(root: &Identity, version: u64) -> VaultCard {
        VaultCard {
            vault: VAULT,
            version,
            name: "Test Agency".into(),
            origin: "o".into(),
            root: root.bundle().clone(),
            records_key: [0; 32],
            access_key: [0; 32],
            gate_key: [0; 32],
            cosigners: Vec::new(),
            quorum: 1,
            assurance: Assurance::SelfAsserted,
            created_us: 0,
        }
    }

    /// A profile whose vault was reached at an address that is of no use any more.
    fn profile(folder: &std::path::Path, card: &VaultCard) -> Profile {
        let mut profile = ProfileHome::new(folder.join("home")).create("one").unwrap();
        profile.save_card(card).unwrap();
        let record = ProfileRecord {
            url: "http://127.0.0.1:1".to_owned(),
            vault: VAULT,
            card: card.fingerprint(),
            person: PersonId([2; 16]),
            device: DeviceKid([3; 32]),
            role: Role::Registrar,
            stage: Stage::Joined,
        };
        profile.save_record(record).unwrap();
        profile
    }

    #[tokio::test]
    async fn moves_to_an_address_that_shows_a_card_of_the_same_root_only() {
        let root = Identity::generate(&mut system_rng()).unwrap();
        let other = Identity::generate(&mut system_rng()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut profile = profile(folder.path(), &card(&root, 1));
        for (shown, fits) in [
            (None, false),
            (Some(card(&other, 1)), false),
            (Some(card(&root, 2)), true),
        ] {
            let shown = shown.map(|card| format!("\"card_b64\":\"{}\",", to_b64(&card)));
            let shown = shown.unwrap_or_default();
            let key = "A".repeat(43);
            let about = format!(
                r#"{{"vault":"{VAULT}","name":"","origin":"o","founded":true,{shown}"records_key":"{key}","access_key":"{key}","gate_key":"{key}","server_time_us":1}}"#
            );
            let endpoint = serve(move |_, _| ok(&about)).await;
            let url = endpoint.server().to_owned();
            let changed = change_connection(&mut profile, Some(&url), NewTrust::Same).await;
            assert_eq!(changed.is_ok(), fits);
            if let Err(refused) = changed {
                assert_eq!(refused.failure(), Failure::Integrity, "{refused}");
            }
            let kept = ProfileHome::new(folder.path().join("home"));
            let kept = kept.open("one").unwrap().record().unwrap().url.clone();
            assert_eq!(kept == url, fits);
        }
    }
}
