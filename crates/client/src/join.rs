//! Joining: an invitation becomes an identity of one's own, for staff and citizens alike. It is final.

use obhut_crypto::Identity;
use obhut_format::Cbor;
use obhut_format::act::ActKind;
use obhut_format::invite::Invitation;
use obhut_format::mutation::Mutation;
use obhut_format::reading::OwnKeys;
use obhut_format::statement::Role;
use obhut_log::replay::Directory;
use obhut_suite::Secret;

use crate::ClientError;
use crate::act::{ActDraft, ActSigner, current_shard};
use crate::clock::now_us;
use crate::devices::state_device;
use crate::pending::{Pending, find_pending, forget_pending, save_pending};
use crate::profile::{Passphrase, Profile, ProfileHome, ProfileRecord, Stage, Unlocked};
use crate::rotation::rotate;
use crate::session::{check_clock, invitation_login};
use crate::transport::{Endpoint, MutationRoute};
use crate::vault::Vault;

/// Joins a vault with an invitation and returns the connected vault. Run again after an interruption it finishes
/// the same joining. If somebody else used the invitation first it says so: that is an alarm.
pub async fn join(
    home: &ProfileHome,
    name: &str,
    passphrase: &Passphrase,
    invitation: &Invitation,
) -> Result<Vault, ClientError> {
    let endpoint = Endpoint::new(&invitation.url, invitation.vault, home.trust())?;
    check_clock(&endpoint).await?;
    // EXPOSE: the first identity comes from it.
    let secret = Secret::new(*invitation.secret.expose());
    let first = Identity::from_invitation(&secret, invitation.vault, invitation.person)?;
    let (profile, unlocked) = if home.holds(name)? {
        Unlocked::resume(home, name, passphrase, |record| {
            (record.vault, record.person) == (invitation.vault, invitation.person)
        })?
    } else {
        begin(home, name, passphrase, invitation, &endpoint).await?
    };
    let mut vault = Vault::with(profile, unlocked)?;
    vault
        .endpoint()
        .authorize(Some(invitation_login(vault.card(), &first)));
    if !is_done(&mut vault).await?
        && let Err(failed) = activate(&mut vault, &first, invitation).await
    {
        if find_pending(vault.profile(), &vault.unlocked().key)?.is_none() {
            // Nothing was sent: the name of the profile is free for another invitation.
            vault.profile().clone().discard()?;
        }
        return Err(failed);
    }
    vault.log_in().await?;
    vault.wait_for_own_keys().await?;
    vault.mark_joined()?;
    forget_pending(vault.profile())?;
    Ok(vault)
}

async fn begin(
    home: &ProfileHome,
    name: &str,
    passphrase: &Passphrase,
    invitation: &Invitation,
    endpoint: &Endpoint,
) -> Result<(Profile, Unlocked), ClientError> {
    if now_us() > invitation.expires_us {
        return Err(ClientError::Invitation {
            text: "the invitation has run out",
            letter: invitation.role == Role::Citizen,
        });
    }
    let about = endpoint.about().await?;
    let card = about
        .card
        .filter(|card| card.fingerprint() == invitation.card && card.vault == invitation.vault);
    let card = card.ok_or_else(|| {
        ClientError::integrity("the vault's card is not the one the invitation names")
    })?;
    let mut profile = home.create(name)?;
    let unlocked = Unlocked::create(&profile, passphrase)?;
    profile.save_card(&card)?;
    profile.save_record(ProfileRecord {
        url: invitation.url.clone(),
        vault: invitation.vault,
        card: invitation.card,
        person: invitation.person,
        device: unlocked.device_kid(),
        role: invitation.role,
        stage: Stage::Joining,
    })?;
    Ok((profile, unlocked))
}

/// Whether an earlier run got through; the invitation is void then, but the device can log in.
async fn is_done(vault: &mut Vault) -> Result<bool, ClientError> {
    if find_pending(vault.profile(), &vault.unlocked().key)?.is_none() {
        return Ok(false);
    }
    let invitation_works = vault.wait_for_quorum().await;
    match invitation_works {
        Ok(()) => Ok(is_own_current(vault)),
        Err(ClientError::Problem(problem)) if matches!(problem.status, 401 | 403 | 404) => {
            vault.log_in().await?;
            vault.wait_for_quorum().await?;
            Ok(true)
        }
        Err(failed) => Err(failed),
    }
}

fn is_own_current(vault: &Vault) -> bool {
    let person = vault.directory().person(vault.person());
    let current = person.and_then(|person| person.current());
    current.is_some_and(|key| key.kid == vault.unlocked().kid())
}

async fn activate(
    vault: &mut Vault,
    first: &Identity,
    invitation: &Invitation,
) -> Result<(), ClientError> {
    let pending = if let Some(pending) = find_pending(vault.profile(), &vault.unlocked().key)? {
        pending
    } else {
        vault
            .wait_for_quorum()
            .await
            .map_err(|failed| explain_refusal(failed, invitation))?;
        check_unused(vault.directory(), first, invitation)?;
        let own = vault.endpoint().own_keys().await?;
        let pending = Pending {
            mutation: make_records(vault, first, &own)?,
            deposit: None,
        };
        save_pending(vault.profile(), &vault.unlocked().key, &pending)?;
        pending
    };
    let shard = current_shard(vault.directory(), now_us())?;
    send_own_keys(vault, shard, &pending.mutation).await
}

/// Sends what a person states about their own keys: the signature of their identity is its ground.
pub(crate) async fn send_own_keys(
    vault: &Vault,
    shard: String,
    mutation: &Mutation,
) -> Result<(), ClientError> {
    let signer = ActSigner {
        vault: vault.id(),
        card_version: vault.card().version,
        shard,
        person: vault.person(),
        device: &vault.unlocked().device,
        pinned: None,
        stands_in: Vec::new(),
    };
    let draft = ActDraft::new(ActKind::ManageIdentity, Role::Citizen).about(vec![vault.person()]);
    let hash = Mutation::hash(&mutation.to_bytes());
    let request = signer.sign(draft, Some(hash), None)?;
    vault
        .endpoint()
        .mutate(MutationRoute::Activations, &request, mutation)
        .await?;
    Ok(())
}

/// The server turns an unknown, run-out or used invitation away in one way; the alarm is worth more words.
fn explain_refusal(failed: ClientError, invitation: &Invitation) -> ClientError {
    match failed {
        ClientError::Problem(problem) if matches!(problem.status, 401 | 403 | 404) => {
            already_used(invitation)
        }
        other => other,
    }
}

fn already_used(invitation: &Invitation) -> ClientError {
    ClientError::Invitation {
        text: "this invitation was used already, replaced or has run out. If you did not use it yourself, \
               somebody else did: tell them at once, so that it is withdrawn and issued again",
        letter: invitation.role == Role::Citizen,
    }
}

fn check_unused(
    directory: &Directory,
    first: &Identity,
    invitation: &Invitation,
) -> Result<(), ClientError> {
    let person = directory.person(invitation.person);
    let person = person.ok_or_else(|| {
        ClientError::integrity("the records log does not know the person of the invitation")
    })?;
    let current = person.current();
    if current.is_some_and(|key| key.epoch == 0 && key.kid == first.kid()) {
        Ok(())
    } else {
        Err(already_used(invitation))
    }
}

fn make_records(vault: &Vault, first: &Identity, own: &OwnKeys) -> Result<Mutation, ClientError> {
    let new = &vault.unlocked().identity;
    rotate(vault, first, new, own, vec![state_device(vault, new)?])
}
