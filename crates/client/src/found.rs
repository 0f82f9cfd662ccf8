//! Founding: the first registrar's client makes the agency root and the vault's first records.

use std::path::{Path, PathBuf};

use obhut_crypto::{Identity, verify_deposit_receipt};
use obhut_format::act::ActKind;
use obhut_format::bootstrap::BootstrapCode;
use obhut_format::card::{VaultCard, bootstrap_hash};
use obhut_format::gate_link::{CodedEnrolment, EnrolmentCode, PartyKey, enrolment_message};
use obhut_format::mutation::Mutation;
use obhut_format::release::EnrolVault;
use obhut_format::statement::Role;
use obhut_format::{Cbor, Hash, PersonId};
use obhut_suite::{DevicePublic, hmac_sha256};
use zeroize::Zeroizing;

use crate::act::{ActDraft, ActSigner};
use crate::clock::{random_bytes, system_rng};
use crate::founding_records::{first_shard, make_card, make_records};
use crate::pending::{Pending, find_pending, forget_pending, save_pending};
use crate::profile::{Passphrase, Profile, ProfileHome, ProfileRecord, Stage, Unlocked};
use crate::root_sheet::write_root_sheet;
use crate::session::check_clock;
use crate::transport::{AboutVault, Authorization, Endpoint, Trust};
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
    /// The code of another operator's gatekeeper, where one is used.
    pub gate_code: Option<&'a EnrolmentCode>,
    /// Verifier keys of witnesses elsewhere, each `name+id+key` as its operator read it out.
    pub witnesses: &'a [String],
    /// How many of gatekeeper and witnesses must cosign; all of them where nothing is said.
    pub quorum: Option<u64>,
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
    let (about, endpoint) = find_vault(founding, home.trust()).await?;
    check_clock(&endpoint).await?;
    let (profile, unlocked) = if home.holds(name)? {
        Unlocked::resume(home, name, passphrase, |record| record.vault == about.vault)?
    } else {
        begin(home, name, passphrase, founding, &about)?
    };
    let card = profile.load_card()?;
    let secret = Zeroizing::new(founding.code.secret_text());
    endpoint.authorize(Some(Authorization::Bootstrap(secret.clone())));
    if !about.founded {
        enrol_at_gate(&endpoint, founding, &card).await?;
    }
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
async fn find_vault(
    founding: &Founding<'_>,
    trust: &Trust,
) -> Result<(AboutVault, Endpoint), ClientError> {
    let anywhere = Endpoint::new(founding.url, obhut_format::VaultId([0; 16]), trust)?;
    for summary in anywhere.vaults().await? {
        let endpoint = Endpoint::new(founding.url, summary.vault.parse()?, trust)?;
        let about = endpoint.about().await?;
        let hash = bootstrap_hash(
            about.vault,
            &about.origin,
            &about.records_key,
            &about.access_key,
            &about.gate_key,
        );
        if founding.code.matches(&hash) {
            check_gate(founding, &about)?;
            return Ok((about, endpoint));
        }
    }
    Err(ClientError::integrity(
        "no vault of this server has the keys that the bootstrap code commits to: \
         the code is for another server, or somebody stands between you and it",
    ))
}

/// F30: the gatekeeper is the one whose operator handed out the code, whatever the server says.
fn check_gate(founding: &Founding<'_>, about: &AboutVault) -> Result<(), ClientError> {
    match founding.gate_code {
        Some(code) if !code.is_of(PartyKey(about.gate_key)) => Err(ClientError::integrity(
            "the server shows another gatekeeper than the one whose operator gave you the enrolment code",
        )),
        Some(_) if !about.gate_elsewhere => Err(ClientError::Usage(
            "this server runs the gatekeeper itself; found without --gate-code, or have its operator name the other gatekeeper".into(),
        )),
        None if about.gate_elsewhere => Err(ClientError::Usage(
            "another operator runs the gatekeeper of this server: get an enrolment code from them and name its file with --gate-code".into(),
        )),
        _ => Ok(()),
    }
}

/// Makes the vault and its agency root known to another operator's gatekeeper. The server in between passes the proof on
/// and cannot make one.
async fn enrol_at_gate(
    endpoint: &Endpoint,
    founding: &Founding<'_>,
    card: &VaultCard,
) -> Result<(), ClientError> {
    let Some(code) = founding.gate_code else {
        return Ok(());
    };
    let enrol = EnrolVault {
        vault: card.vault,
        origin: card.origin.clone(),
        records_key: card.records_key,
        access_key: card.access_key,
        root: Some(card.root.kid()),
    };
    let message = enrolment_message(&enrol, PartyKey(card.gate_key));
    let coded = CodedEnrolment {
        proof: hmac_sha256(code.secret(), &[message.as_bytes()]),
        code: EnrolmentCode::id_of(code.secret()),
        enrol,
    };
    let key = endpoint.enrol_at_gate(&coded).await?;
    if key == card.gate_key {
        Ok(())
    } else {
        Err(ClientError::integrity(
            "another gatekeeper took the enrolment than the one of the code",
        ))
    }
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
    let card = make_card(founding, about, &root)?;
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
        stands_in: Vec::new(),
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
