//! The first records of a vault: card, first registrar, device, shard, the agency as a unit.

use obhut_crypto::{
    CheckedDepositKey, Identity, Lambda, PublicIdentity, ShareToDeposit, seal_deposit,
    sign_statement, wrap_lambda,
};
use obhut_format::batch::RecordPayload;
use obhut_format::card::{Assurance, Cosigner, VaultCard};
use obhut_format::content::PersonEntry;
use obhut_format::mutation::{Mutation, MutationRecord};
use obhut_format::share::SignedDeposit;
use obhut_format::statement::{
    Appointed, DeviceAdded, Event, PersonEnrolled, PersonSigner, Role, ShardOpened, Signer,
    Statement,
};
use obhut_format::{BatchId, PersonId, UnitId};
use obhut_log::replay::quorum;
use obhut_log::{NoteKeyType, VerifierKey};
use obhut_suite::DevicePublic;

use crate::ClientError;
use crate::clock::{now_us, random_bytes, system_rng};
use crate::found::Founding;
use crate::pending::Pending;
use crate::profile::{Profile, Unlocked};
use crate::quarter::Quarter;
use crate::transport::{AboutVault, Endpoint};
use crate::unit_epoch::{NewUnitEpoch, make_unit_epoch};

/// The card: gatekeeper and witnesses as cosigners, and the highest assurance that bears.
pub(crate) fn make_card(
    founding: &Founding<'_>,
    about: &AboutVault,
    root: &Identity,
) -> Result<VaultCard, ClientError> {
    let mut cosigners = vec![Cosigner {
        name: format!("{}/gatekeeper", about.origin),
        public: about.gate_key,
        elsewhere: founding.gate_code.is_some(),
    }];
    for witness in founding.witnesses {
        cosigners.push(parse_witness(witness)?);
    }
    let mut card = VaultCard {
        vault: about.vault,
        version: 1,
        name: founding.agency.to_owned(),
        origin: about.origin.clone(),
        root: root.bundle().clone(),
        records_key: about.records_key,
        access_key: about.access_key,
        gate_key: about.gate_key,
        quorum: founding.quorum.unwrap_or(cosigners.len() as u64),
        cosigners,
        assurance: Assurance::SelfAsserted,
        created_us: now_us(),
    };
    card.assurance = card.supported_assurance();
    quorum(&card, &card.records_origin(), &card.records_key).map_err(|_| {
        ClientError::Usage(
            "gatekeeper and witnesses cannot make this quorum: no key may stand twice, and the quorum \
             is at least one and at most their number"
                .into(),
        )
    })?;
    Ok(card)
}

/// A witness elsewhere, from its verifier key (C2SP signed-note).
pub(crate) fn parse_witness(text: &str) -> Result<Cosigner, ClientError> {
    let key: VerifierKey = text.trim().parse().map_err(|_| {
        ClientError::Usage(format!(
            "{text} is no witness's verifier key: it looks like witness.example+0123abcd+…, a slip in it shows"
        ))
    })?;
    if key.kind() != NoteKeyType::Cosigner {
        return Err(ClientError::Usage(format!(
            "{} is a log's key, not a witness's",
            key.name()
        )));
    }
    Ok(Cosigner {
        name: key.name().to_owned(),
        public: *key.public().as_bytes(),
        elsewhere: true,
    })
}

/// Everything of the founding mutation, and the deposit of the registrar's λ.
pub(crate) async fn make_records(
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
        wrap_lambda(&lambda, card.vault, person, &own, rng)?,
        wrap_lambda(&lambda, card.vault, person, &root_public, rng)?,
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
pub(crate) fn state_all(
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

/// The access log's shard of the current quarter.
pub(crate) fn first_shard(card: &VaultCard) -> ShardOpened {
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

/// A statement by any signer, with its sealed part.
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
