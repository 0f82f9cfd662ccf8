//! Founding: the first registrar's client makes the agency root and the vault's first records.

use std::path::{Path, PathBuf};

use obhut_crypto::{Identity, verify_deposit_receipt};
use obhut_format::act::ActKind;
use obhut_format::bootstrap::BootstrapCode;
use obhut_format::card::{VaultCard, bootstrap_hash};
use obhut_format::mutation::Mutation;
use obhut_format::statement::Role;
use obhut_format::{Cbor, Hash, PersonId};
use obhut_suite::DevicePublic;
use zeroize::Zeroizing;

use crate::act::{ActDraft, ActSigner};
use crate::clock::{random_bytes, system_rng};
use crate::founding_records::{first_shard, make_card, make_records};
use crate::pending::{Pending, find_pending, forget_pending, save_pending};
use crate::profile::{Passphrase, Profile, ProfileHome, ProfileRecord, Stage, Unlocked};
use crate::root_sheet::write_root_sheet;
use crate::session::check_clock;
use crate::transport::{AboutVault, Authorization, Endpoint};
use crate::vault::Vault;
use crate::{ClientError, root_sheet};

/// What a founder says.
pub struct Founding<'a> {
    /// The server's address.
    pub url: &'a str,
    /// The one-time code `obhut-server init` printed.
    pub code: &'a BootstrapCode,
    /// Name of the agency, as citizens know it.
    pub agency: &'a str,
    /// Name of the first registrar.
    pub registrar: &'a str,
    /// Where the agency root's sheet is written.
    pub root_file: &'a Path,
}

/// What founding made.
pub struct Founded {
    /// The registrar's vault, connected.
    pub vault: Vault,
    /// Fingerprint of the card: goes on every invitation.
    pub card: Hash,
    /// Where the agency root's sheet lies.
    pub root_file: PathBuf,
}

/// Founds the vault that the code belongs to. Run again after an interruption it finishes the same founding.
pub async fn found(
    home: &ProfileHome,
    name: &str,
    passphrase: &Passphrase,
    founding: &Founding<'_>,
) -> Result<Founded, ClientError> {
    let (about, endpoint) = find_vault(founding).await?;
    check_clock(&endpoint).await?;
    let (profile, unlocked) = if home.holds(name)? {
        resume(home, name, passphrase, &about)?
    } else {
        begin(home, name, passphrase, founding, &about)?
    };
    let card = profile.load_card()?;
    let secret = Zeroizing::new(founding.code.secret_text());
    endpoint.authorize(Some(Authorization::Bootstrap(secret.clone())));
    let pending = if let Some(pending) = find_pending(&profile, &unlocked.key)? {
        pending
    } else {
        let root = root_sheet::read_root_sheet(founding.root_file, about.vault)?;
        let pending = make_records(&card, &root, &unlocked, founding, &profile, &endpoint).await?;
        save_pending(&profile, &unlocked.key, &pending)?;
        pending
    };
    send(&endpoint, &secret, &card, &unlocked, &profile, &pending).await?;
    finish(profile, unlocked, card.fingerprint(), founding).await
}

/// The vault whose keys the code commits to; a server that shows other keys is refused.
async fn find_vault(founding: &Founding<'_>) -> Result<(AboutVault, Endpoint), ClientError> {
    let anywhere = Endpoint::new(founding.url, obhut_format::VaultId([0; 16]))?;
    for summary in anywhere.vaults().await? {
        let endpoint = Endpoint::new(founding.url, summary.vault.parse()?)?;
        let about = endpoint.about().await?;
        let hash = bootstrap_hash(
            about.vault,
            &about.origin,
            &about.records_key,
            &about.access_key,
            &about.gate_key,
        );
        if founding.code.matches(&hash) {
            return Ok((about, endpoint));
        }
    }
    Err(ClientError::integrity(
        "no vault of this server has the keys that the bootstrap code commits to: \
         the code is for another server, or somebody stands between you and it",
    ))
}

fn begin(
    home: &ProfileHome,
    name: &str,
    passphrase: &Passphrase,
    founding: &Founding<'_>,
    about: &AboutVault,
) -> Result<(Profile, Unlocked), ClientError> {
    if about.founded {
        return Err(ClientError::Refused(
            "this vault is founded already; if nobody here founded it, call the operator".into(),
        ));
    }
    let root = Identity::generate(&mut system_rng())?;
    let card = make_card(founding, about, &root);
    write_root_sheet(
        founding.root_file,
        &root,
        about.vault,
        founding.agency,
        &card.fingerprint(),
    )?;
    let mut profile = home.create(name)?;
    let unlocked = Unlocked::create(&profile, passphrase)?;
    profile.save_card(&card)?;
    profile.save_record(ProfileRecord {
        url: founding.url.to_owned(),
        vault: about.vault,
        card: card.fingerprint(),
        person: PersonId(random_bytes()),
        device: unlocked.device_kid(),
        role: Role::Registrar,
        stage: Stage::Joining,
    })?;
    Ok((profile, unlocked))
}

fn resume(
    home: &ProfileHome,
    name: &str,
    passphrase: &Passphrase,
    about: &AboutVault,
) -> Result<(Profile, Unlocked), ClientError> {
    let profile = home.open(name)?;
    let record = profile.record()?;
    if record.stage != Stage::Joining || record.vault != about.vault {
        return Err(ClientError::Usage(format!(
            "profile {name} is in use already; choose another with --profile"
        )));
    }
    let unlocked = Unlocked::open(&profile, passphrase)?;
    Ok((profile, unlocked))
}

async fn send(
    endpoint: &Endpoint,
    secret: &str,
    card: &VaultCard,
    unlocked: &Unlocked,
    profile: &Profile,
    pending: &Pending,
) -> Result<(), ClientError> {
    if endpoint.about().await?.founded {
        // Our own founding, whose answer got lost; whether it is ours shows in the replay.
        return Ok(());
    }
    if let Some(deposit) = &pending.deposit {
        let gate = DevicePublic::parse(&card.gate_key)?;
        let receipt = endpoint.deposit(deposit).await?;
        verify_deposit_receipt(&receipt, &gate, &deposit.deposit)?;
    }
    let person = profile.record()?.person;
    let signer = ActSigner {
        vault: card.vault,
        card_version: card.version,
        shard: first_shard(card).origin,
        person,
        device: &unlocked.device,
        pinned: None,
    };
    let draft = ActDraft::new(ActKind::ManageIdentity, Role::Registrar).about(vec![person]);
    let hash = Mutation::hash(&pending.mutation.to_bytes());
    let request = signer.sign(draft, Some(hash), None)?;
    match endpoint.found(secret, &request, &pending.mutation).await {
        Err(ClientError::Problem(problem)) if problem.code() == "already-founded" => Ok(()),
        other => other.map(drop),
    }
}

async fn finish(
    profile: Profile,
    unlocked: Unlocked,
    card: Hash,
    founding: &Founding<'_>,
) -> Result<Founded, ClientError> {
    let mut vault = Vault::with(profile, unlocked)?;
    vault.log_in().await?;
    vault.wait_for_own_keys().await?;
    vault.mark_joined()?;
    forget_pending(vault.profile())?;
    Ok(Founded {
        vault,
        card,
        root_file: founding.root_file.to_owned(),
    })
}
