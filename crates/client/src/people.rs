//! Enrolling: staff by a registrar's invitation, data subjects by a caseworker.

use obhut_crypto::{Identity, Lambda, PublicIdentity, ShareToDeposit, wrap_lambda};
use obhut_format::act::ActKind;
use obhut_format::content::{PersonEntry, SealedKind};
use obhut_format::invite::Invitation;
use obhut_format::mutation::{LambdaWrap, Mutation};
use obhut_format::person::KeyBundle;
use obhut_format::statement::{Event, PersonEnrolled, PersonInvited, Role};
use obhut_format::{PersonId, SecretField, UnitId};
use obhut_log::replay::INVITATION_US;
use obhut_suite::Secret;

use crate::ClientError;
use crate::act::ActDraft;
use crate::clock::{now_us, random_bytes, system_rng};
use crate::transport::MutationRoute;
use crate::vault::Vault;

/// Longest name of a person in bytes.
const MAX_NAME_BYTES: usize = 200;
/// Folder of a profile for λ of the citizens it enrolled.
const LAMBDAS: &str = "lambda";

/// Somebody who is being enrolled: id, λ and, when invited, the first bundle.
struct Newcomer {
    person: PersonId,
    lambda: Lambda,
    bundle: Option<KeyBundle>,
    invited_until_us: Option<u64>,
    citizen: bool,
}

impl Vault {
    /// Enrols a member of staff and makes the invitation; only a registrar may. The secret in it must reach the
    /// person by a way the server does not see. It ends after 14 days.
    pub async fn invite_staff(
        &mut self,
        name: &str,
        role: Role,
    ) -> Result<Invitation, ClientError> {
        self.require_registrar()?;
        if matches!(role, Role::Citizen | Role::Root) {
            return Err(ClientError::Usage(
                "staff are invited as caseworker, registrar, dpo, records-manager or approver"
                    .into(),
            ));
        }
        let person = PersonId(random_bytes());
        let invitation = self.new_invitation(person, role);
        let newcomer = self.newcomer(person, Some(&invitation), false)?;
        let unit = self.agency_unit();
        let draft = ActDraft::new(ActKind::EnrolPerson, Role::Registrar);
        self.enrol(unit, name, newcomer, draft).await?;
        Ok(invitation)
    }

    /// Enrols a data subject in a unit as a caseworker. Their first bundle comes from an invitation that stays
    /// sealed in this profile until a letter brings it: what is logged about them meanwhile is theirs to read.
    pub async fn enrol_citizen(
        &mut self,
        unit: UnitId,
        name: &str,
    ) -> Result<PersonId, ClientError> {
        let person = PersonId(random_bytes());
        let invitation = self.new_invitation(person, Role::Citizen);
        self.keep_invitation(&invitation)?;
        let newcomer = self.newcomer(person, Some(&invitation), true)?;
        let draft = ActDraft::new(ActKind::EnrolPerson, Role::CaseWorker).in_unit(unit);
        self.enrol(unit, name, newcomer, draft).await?;
        Ok(person)
    }

    /// Invites a person who is enrolled and has not activated: an epoch-0 bundle, so that documents can be sealed
    /// before the first visit. Replaces an earlier unused invitation.
    pub async fn invite_citizen(
        &mut self,
        unit: UnitId,
        person: PersonId,
    ) -> Result<Invitation, ClientError> {
        let known = self.directory().person(person);
        let known =
            known.ok_or_else(|| ClientError::NotFound(format!("there is no person {person}")))?;
        if known.is_activated() {
            return Err(ClientError::Refused(
                "this person has activated already and needs no invitation".into(),
            ));
        }
        let invitation = self.new_invitation(person, Role::Citizen);
        self.publish_invitation(unit, &invitation).await?;
        Ok(invitation)
    }

    /// Publishes an invitation's epoch-0 bundle: from now on documents can be sealed to it.
    pub(crate) async fn publish_invitation(
        &mut self,
        unit: UnitId,
        invitation: &Invitation,
    ) -> Result<(), ClientError> {
        let person = invitation.person;
        let event = PersonInvited {
            person,
            bundle: self.invited_bundle(invitation)?,
            invited_until_us: invitation.expires_us,
        };
        let mutation = Mutation {
            lambda_wraps: self.wrap_kept_lambda(person, &event.bundle)?,
            ..Mutation::of(vec![self.state(Event::PersonInvited(event), None)?])
        };
        let draft = ActDraft::new(ActKind::EnrolPerson, Role::CaseWorker)
            .in_unit(unit)
            .about(vec![person]);
        self.submit(MutationRoute::People, draft, &mutation).await?;
        Ok(())
    }

    /// λ for an invitation's bundle, if this profile enrolled the person. Others must leave it to the data
    /// protection officer: colleagues never learn λ.
    fn wrap_kept_lambda(
        &self,
        person: PersonId,
        bundle: &KeyBundle,
    ) -> Result<Vec<LambdaWrap>, ClientError> {
        let (name, known) = (kept_lambda(person), self.directory().person(person));
        let (Some(sealed), Some(known)) = (self.profile().find(&name)?, known) else {
            return Ok(Vec::new());
        };
        let opened = self
            .unlocked()
            .key
            .open(SealedKind::Profile, &name, &sealed)?;
        let lambda = Lambda::from_secret(opened.into_secret()?, &known.lambda_hash)?;
        let reader = PublicIdentity::parse(bundle)?;
        let wrap = wrap_lambda(&lambda, self.id(), person, &reader, &mut system_rng())?;
        Ok(vec![wrap])
    }

    /// Keeps λ of somebody who has no keys of their own yet, so that a later invitation can bring it, too.
    fn keep_lambda(&self, newcomer: &Newcomer) -> Result<(), ClientError> {
        self.profile().subfolder(LAMBDAS)?;
        let name = kept_lambda(newcomer.person);
        // EXPOSE: sealed under the profile key.
        let lambda = newcomer.lambda.secret().expose();
        let sealed = self
            .unlocked()
            .key
            .seal(SealedKind::Profile, &name, lambda)?;
        self.profile().save(&name, &sealed)
    }

    /// An invitation of this vault, not published yet.
    pub fn new_invitation(&self, person: PersonId, role: Role) -> Invitation {
        Invitation {
            url: self.record().url.clone(),
            vault: self.id(),
            card: self.card().fingerprint(),
            person,
            secret: SecretField::new(random_bytes()),
            role,
            expires_us: now_us() + INVITATION_US,
        }
    }

    /// The epoch-0 bundle that inviter and invitee derive alike.
    pub fn invited_bundle(&self, invitation: &Invitation) -> Result<KeyBundle, ClientError> {
        // EXPOSE: the first identity comes from it.
        let secret = Secret::new(*invitation.secret.expose());
        let identity = Identity::from_invitation(&secret, self.id(), invitation.person)?;
        Ok(identity.bundle().clone())
    }

    fn newcomer(
        &self,
        person: PersonId,
        invitation: Option<&Invitation>,
        citizen: bool,
    ) -> Result<Newcomer, ClientError> {
        let bundle = invitation.map(|invitation| self.invited_bundle(invitation));
        Ok(Newcomer {
            person,
            lambda: Lambda::generate(&mut system_rng()),
            bundle: bundle.transpose()?,
            invited_until_us: invitation.map(|invitation| invitation.expires_us),
            citizen,
        })
    }

    async fn enrol(
        &mut self,
        unit: UnitId,
        name: &str,
        newcomer: Newcomer,
        draft: ActDraft,
    ) -> Result<(), ClientError> {
        let person = newcomer.person;
        if name.trim().is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(ClientError::Usage(
                "a person's name has 1 to 200 bytes and is not blank".into(),
            ));
        }
        let entry = PersonEntry {
            name: name.to_owned(),
            civil_index: None,
        };
        let register = self.load_register_key(unit).await?;
        let sealed = register.seal_person(person, &entry, &mut system_rng())?;
        let lambda_wraps = self.wrap_for_readers(&newcomer)?;
        if newcomer.citizen {
            self.keep_lambda(&newcomer)?;
        }
        let event = PersonEnrolled {
            person,
            lambda_hash: newcomer.lambda.hash(),
            share_id: newcomer.lambda.share_id(self.id(), person),
            bundle: newcomer.bundle,
            invited_until_us: newcomer.invited_until_us,
            citizen: newcomer.citizen,
        };
        let kid = self.unlocked().kid();
        let share = ShareToDeposit::of_person(self.id(), person, &newcomer.lambda, kid);
        self.deposit(&[share]).await?;
        let mutation = Mutation {
            lambda_wraps,
            ..Mutation::of(vec![
                self.state(Event::PersonEnrolled(event), Some(sealed))?,
            ])
        };
        let draft = draft.about(vec![person]);
        self.submit(MutationRoute::People, draft, &mutation).await?;
        Ok(())
    }

    /// λ is sealed to the person and to the data protection officers; the root stands in before there is one.
    fn wrap_for_readers(&self, newcomer: &Newcomer) -> Result<Vec<LambdaWrap>, ClientError> {
        let officers = self.officers();
        let root = &self.card().root;
        let stand_in = officers.is_empty().then_some(root);
        let readers = newcomer.bundle.iter().chain(officers).chain(stand_in);
        let wrap = |bundle: &KeyBundle| {
            let reader = PublicIdentity::parse(bundle)?;
            wrap_lambda(
                &newcomer.lambda,
                self.id(),
                newcomer.person,
                &reader,
                &mut system_rng(),
            )
        };
        let wraps: Result<Vec<_>, _> = readers.map(wrap).collect();
        Ok(wraps?)
    }

    /// Bundles of the data protection officers in office.
    fn officers(&self) -> Vec<&KeyBundle> {
        let now_us = now_us();
        let persons = self.directory().persons();
        persons
            .filter(|person| person.is_activated() && person.holds(Role::Dpo, None, now_us))
            .filter_map(|person| person.current().map(|key| &key.bundle))
            .collect()
    }

    /// The register key of a unit's epoch in force.
    pub async fn load_register_key(
        &mut self,
        unit: UnitId,
    ) -> Result<obhut_crypto::RegisterKey, ClientError> {
        let epoch = self.unit_epoch(unit)?;
        self.load_keyring().await?;
        self.keyring()?.register_key(unit, epoch)
    }

    /// Number of a unit's epoch in force.
    pub fn unit_epoch(&self, unit: UnitId) -> Result<u32, ClientError> {
        let known = self.directory().unit(unit);
        let known =
            known.ok_or_else(|| ClientError::NotFound(format!("there is no unit {unit}")))?;
        Ok(known.epoch())
    }
}

fn kept_lambda(person: PersonId) -> String {
    format!("{LAMBDAS}/{person}")
}
