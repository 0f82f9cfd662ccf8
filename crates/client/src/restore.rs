//! Being oneself on a new device: with a recovery sheet, or with what an existing device handed over.

use obhut_format::card::VaultCard;
use obhut_format::mutation::Mutation;

use crate::ClientError;
use crate::devices::state_device;
use crate::founding_records::first_shard;
use crate::join::send_own_keys;
use crate::pending::{Pending, find_pending, forget_pending, save_pending};
use crate::profile::{Passphrase, Profile, ProfileHome, ProfileRecord, Stage, Unlocked};
use crate::session::check_clock;
use crate::sheet::Sheet;
use crate::transport::Endpoint;
use crate::vault::Vault;

/// Makes a profile for the person of a sheet with a device of its own, which the person's identity states. Run
/// again after an interruption it finishes the same restoring.
pub async fn restore(
    home: &ProfileHome,
    name: &str,
    passphrase: &Passphrase,
    sheet: &Sheet,
) -> Result<Vault, ClientError> {
    let endpoint = Endpoint::new(&sheet.url, sheet.vault, home.trust())?;
    check_clock(&endpoint).await?;
    let (profile, unlocked) = if home.holds(name)? {
        Unlocked::resume(home, name, passphrase, |record| {
            (record.vault, record.person) == (sheet.vault, sheet.person)
        })?
    } else {
        begin(home, name, passphrase, sheet, &endpoint).await?
    };
    let mut vault = Vault::with(profile, unlocked)?;
    if vault.log_in().await.is_err() {
        add_device(&vault).await?;
        vault.log_in().await?;
    }
    vault.wait_for_own_keys().await?;
    vault.mark_joined()?;
    forget_pending(vault.profile())?;
    vault.remember_devices()?;
    Ok(vault)
}

async fn begin(
    home: &ProfileHome,
    name: &str,
    passphrase: &Passphrase,
    sheet: &Sheet,
    endpoint: &Endpoint,
) -> Result<(Profile, Unlocked), ClientError> {
    let card = find_card(sheet, endpoint).await?;
    let identity = sheet.identity()?;
    let mut profile = home.create(name)?;
    let unlocked = Unlocked::create_for(&profile, passphrase, identity)?;
    profile.save_card(&card)?;
    profile.save_record(ProfileRecord {
        url: sheet.url.clone(),
        vault: sheet.vault,
        card: card.fingerprint(),
        person: sheet.person,
        device: unlocked.device_kid(),
        role: sheet.role,
        stage: Stage::Joining,
    })?;
    Ok((profile, unlocked))
}

/// The card of the sheet, or one that the same root can have signed; the replay checks that it did.
async fn find_card(sheet: &Sheet, endpoint: &Endpoint) -> Result<VaultCard, ClientError> {
    let card = endpoint.about().await?.card;
    let fits = |card: &VaultCard| {
        card.vault == sheet.vault
            && (card.fingerprint() == sheet.card
                || (card.version > 1 && card.root.kid() == sheet.root))
    };
    card.filter(fits).ok_or_else(|| {
        ClientError::integrity("the vault's card is not the one the sheet names, nor its successor")
    })
}

/// The statement travels without a session: the identity's signature is the ground.
async fn add_device(vault: &Vault) -> Result<(), ClientError> {
    let key = &vault.unlocked().key;
    let pending = if let Some(pending) = find_pending(vault.profile(), key)? {
        pending
    } else {
        let pending = Pending {
            mutation: Mutation::of(vec![state_device(vault, &vault.unlocked().identity)?]),
            deposit: None,
        };
        save_pending(vault.profile(), key, &pending)?;
        pending
    };
    vault.endpoint().authorize(None);
    let shard = first_shard(vault.card()).origin;
    let sent = send_own_keys(vault, shard, &pending.mutation).await;
    match sent {
        Ok(()) => Ok(()),
        Err(ClientError::Problem(problem))
            if matches!(problem.status, 400 | 403 | 404 | 409 | 422) =>
        {
            vault.profile().clone().discard()?;
            Err(ClientError::Refused(format!(
                "the vault does not take these keys ({problem}). They were replaced since the sheet was printed, \
                 or the sheet is of somebody else: ask the agency to identify you and issue again"
            )))
        }
        Err(other) => Err(other),
    }
}
