//! Founding: the first registrar's client makes the agency root and the vault's first records.

use std::path::{Path, PathBuf};

use obhut_crypto::{
    CheckedDepositKey, Identity, Lambda, PublicIdentity, ShareToDeposit, seal_deposit,
    sign_statement, verify_deposit_receipt, wrap_lambda,
};
use obhut_format::act::ActKind;
use obhut_format::batch::RecordPayload;
use obhut_format::bootstrap::BootstrapCode;
use obhut_format::card::{Assurance, Cosigner, VaultCard, bootstrap_hash};
use obhut_format::content::PersonEntry;
use obhut_format::mutation::{Mutation, MutationRecord};
use obhut_format::share::SignedDeposit;
use obhut_format::statement::{
    Appointed, DeviceAdded, Event, PersonEnrolled, PersonSigner, Role, ShardOpened, Signer,
    Statement,
};
use obhut_format::{BatchId, Cbor, Hash, PersonId, UnitId};
use obhut_suite::DevicePublic;
use zeroize::Zeroizing;

use crate::act::{ActDraft, ActSigner};
use crate::clock::{now_us, random_bytes, system_rng};
use crate::pending::{Pending, find_pending, forget_pending, save_pending};
use crate::profile::{Passphrase, Profile, ProfileHome, ProfileRecord, Stage, Unlocked};
use crate::quarter::Quarter;
use crate::root_sheet::write_root_sheet;
use crate::session::check_clock;
use crate::transport::{AboutVault, Authorization, Endpoint};
use crate::unit_epoch::{NewUnitEpoch, make_unit_epoch};
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

fn make_card(founding: &Founding<'_>, about: &AboutVault, root: &Identity) -> VaultCard {
    let gatekeeper = Cosigner {
        name: format!("{}/gatekeeper", about.origin),
        public: about.gate_key,
        elsewhere: false,
    };
    VaultCard {
        vault: about.vault,
        version: 1,
        name: founding.agency.to_owned(),
        origin: about.origin.clone(),
        root: root.bundle().clone(),
        records_key: about.records_key,
        access_key: about.access_key,
        gate_key: about.gate_key,
        cosigners: vec![gatekeeper],
        quorum: 1,
        assurance: Assurance::SelfAsserted,
        created_us: now_us(),
    }
}

async fn make_records(
    card: &VaultCard,
    root: &Identity,
    unlocked: &Unlocked,
    founding: &Founding<'_>,
    profile: &Profile,
    endpoint: &Endpoint,
) -> Result<Pending, ClientError> {
    let person = profile.record()?.person;
    let lambda = Lambda::generate(&mut system_rng());
    let deposit = seal_lambda(endpoint, card, unlocked, person, &lambda).await?;
    let agency = UnitId(card.vault.0);
    let bundle = unlocked.identity.bundle();
    let unit = make_unit_epoch(card.vault, agency, founding.agency, &[bundle], None)?;
    let root_public = PublicIdentity::parse(root.bundle())?;
    let own = PublicIdentity::parse(bundle)?;
    let rng = &mut system_rng();
    let lambda_wraps = vec![
        wrap_lambda(&lambda, person, &own, rng)?,
        wrap_lambda(&lambda, person, &root_public, rng)?,
    ];
    let records = state_all(
        card,
        root,
        unlocked,
        person,
        &lambda,
        &unit,
        founding.registrar,
    )?;
    let mutation = Mutation {
        memberships: unit.memberships,
        lambda_wraps,
        ..Mutation::of(records)
    };
    Ok(Pending {
        mutation,
        deposit: Some(deposit),
    })
}

/// The founding records in the order every replayer expects.
fn state_all(
    card: &VaultCard,
    root: &Identity,
    unlocked: &Unlocked,
    person: PersonId,
    lambda: &Lambda,
    unit: &NewUnitEpoch,
    registrar: &str,
) -> Result<Vec<MutationRecord>, ClientError> {
    let enrolled = PersonEnrolled {
        person,
        lambda_hash: lambda.hash(),
        share_id: lambda.share_id(card.vault, person),
        bundle: Some(unlocked.identity.bundle().clone()),
        invited_until_us: None,
        citizen: false,
    };
    let name = PersonEntry {
        name: registrar.to_owned(),
        civil_index: None,
    };
    let register = unit.key.register_key();
    let name = register.seal_person(person, &name, &mut system_rng())?;
    let appointed = Appointed {
        person,
        role: Role::Registrar,
        unit: None,
        until_us: None,
    };
    let device = DeviceAdded {
        person,
        public: *unlocked.device.public().as_bytes(),
    };
    let by_root = |event, sealed| state_as_root(card, root, event, sealed);
    let by_registrar = |event, sealed| state_as_registrar(card, unlocked, person, event, sealed);
    Ok(vec![
        by_root(Event::Card(Box::new(card.clone())), None)?,
        by_root(Event::PersonEnrolled(enrolled), Some(name))?,
        by_root(Event::Appointed(appointed), None)?,
        by_registrar(Event::DeviceAdded(device), None)?,
        by_root(Event::ShardOpened(first_shard(card)), None)?,
        by_registrar(
            Event::UnitEpoch(unit.event.clone()),
            Some(unit.sealed_entry.clone()),
        )?,
    ])
}

fn first_shard(card: &VaultCard) -> ShardOpened {
    let quarter = Quarter::at(now_us());
    ShardOpened {
        origin: card.access_origin("std", quarter.year, quarter.number),
        class: "std".into(),
        from_us: quarter.from_us,
        to_us: quarter.to_us,
        key: card.access_key,
    }
}

fn state_as_root(
    card: &VaultCard,
    root: &Identity,
    event: Event,
    sealed: Option<Vec<u8>>,
) -> Result<MutationRecord, ClientError> {
    sign(card, Signer::Root(root.kid()), root, event, sealed)
}

fn state_as_registrar(
    card: &VaultCard,
    unlocked: &Unlocked,
    person: PersonId,
    event: Event,
    sealed: Option<Vec<u8>>,
) -> Result<MutationRecord, ClientError> {
    let signer = Signer::Person(PersonSigner {
        person,
        kid: unlocked.kid(),
    });
    sign(card, signer, &unlocked.identity, event, sealed)
}

pub(crate) fn sign(
    card: &VaultCard,
    signer: Signer,
    identity: &Identity,
    event: Event,
    sealed: Option<Vec<u8>>,
) -> Result<MutationRecord, ClientError> {
    let statement = Statement {
        vault: card.vault,
        signer,
        time_us: now_us(),
        nonce: random_bytes(),
        event,
    };
    Ok(MutationRecord {
        payload: RecordPayload::Statement(sign_statement(&statement, identity)?),
        sealed: sealed.map(Into::into),
    })
}

async fn seal_lambda(
    endpoint: &Endpoint,
    card: &VaultCard,
    unlocked: &Unlocked,
    person: PersonId,
    lambda: &Lambda,
) -> Result<SignedDeposit, ClientError> {
    let gate = DevicePublic::parse(&card.gate_key)?;
    let signed = endpoint.deposit_key().await?;
    let key = CheckedDepositKey::check(&signed, &gate, card.vault, now_us())?;
    let share = ShareToDeposit::of_person(card.vault, person, lambda, unlocked.kid());
    Ok(seal_deposit(
        &key,
        BatchId(random_bytes()),
        unlocked.kid(),
        now_us(),
        &[share],
        &unlocked.device,
        &mut system_rng(),
    )?)
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
    let request = signer.sign(draft, Some(hash), None);
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
    vault.wait_for_quorum().await?;
    vault.mark_joined()?;
    forget_pending(vault.profile())?;
    Ok(Founded {
        vault,
        card,
        root_file: founding.root_file.to_owned(),
    })
}
