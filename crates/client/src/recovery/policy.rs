//! The recovery policy: making it, confirming it, and refusing any other than the confirmed one.

use obhut_crypto::{PublicIdentity, RecoveryTerms, make_recovery_policy};
use obhut_format::act::ActKind;
use obhut_format::mutation::Mutation;
use obhut_format::person::KeyBundle;
use obhut_format::recovery::RecoveryPolicy;
use obhut_format::statement::{Event, Role};
use obhut_format::{Hash, PersonId, UnitId};
use obhut_log::replay::KnownPolicy;

use crate::ClientError;
use crate::act::ActDraft;
use crate::clock::{random_bytes, system_rng};
use crate::transport::MutationRoute;
use crate::unit_epoch::NewUnitEpoch;
use crate::vault::Vault;

/// Fingerprint of the policy that the person of this profile has confirmed.
const CONFIRMED: &str = "recovery-policy";

/// A trustee as people see it.
pub struct TrusteeView {
    /// Who.
    pub person: PersonId,
    /// Name, if this profile may know it.
    pub name: Option<String>,
    /// When they last tried their share, microseconds UTC.
    pub drilled_us: Option<u64>,
    /// Whether they have a device that is not revoked.
    pub reachable: bool,
}

/// The policy in force as people see it.
pub struct PolicyView {
    /// Number of the policy, from 1.
    pub number: u64,
    /// What is confirmed.
    pub fingerprint: Hash,
    /// How many trustees it takes.
    pub threshold: u64,
    /// The trustees.
    pub trustees: Vec<TrusteeView>,
    /// When it was made, microseconds UTC.
    pub made_us: u64,
    /// Whether this profile has confirmed it.
    pub confirmed: bool,
    /// Whether its shares came together: it has to be renewed.
    pub spent: bool,
    /// Units whose key in force its bundle does not open.
    pub uncovered: Vec<UnitId>,
}

/// What a new policy did.
pub struct Split {
    /// Fingerprint of the policy: others confirm it.
    pub fingerprint: Hash,
    /// Units whose key the new bundle opens now.
    pub renewed: Vec<UnitId>,
    /// Units whose key this profile does not hold: their registrars have to renew them.
    pub uncovered: Vec<UnitId>,
}

impl Vault {
    /// Makes a recovery bundle, splits its seed among the trustees and seals the key of every unit that
    /// this profile holds to it. Its maker keeps nothing of the seed.
    pub async fn split_recovery(
        &mut self,
        threshold: u8,
        trustees: &[PersonId],
    ) -> Result<Split, ClientError> {
        self.require_registrar()?;
        self.load_keyring().await?;
        let policy = self.make_policy(threshold, trustees)?;
        let mut epochs = Vec::new();
        let mut uncovered = Vec::new();
        for unit in self.all_units() {
            let epoch = self.unit_epoch(unit)?;
            if self.keyring()?.find_unit(unit, epoch).is_none() {
                uncovered.push(unit);
                continue;
            }
            let Some(name) = self.find_unit_name(unit).await? else {
                uncovered.push(unit);
                continue;
            };
            let members = self.keepers(unit)?;
            let key = self.keyring()?.unit(unit, epoch)?;
            epochs.push(self.renew_unit(key, &name, &members, &policy.bundle)?);
        }
        let renewed = epochs.iter().map(|epoch| epoch.event.unit).collect();
        let fingerprint = policy.fingerprint(self.id());
        let mutation = self.policy_mutation(policy, epochs)?;
        let draft = ActDraft::new(ActKind::Recover, Role::Registrar).about(trustees.to_vec());
        self.submit(MutationRoute::Recovery, draft, &mutation)
            .await?;
        self.forget_keys();
        self.pin_policy(&fingerprint)?;
        Ok(Split {
            fingerprint,
            renewed,
            uncovered,
        })
    }

    /// A policy for these trustees, not stated yet.
    pub(super) fn make_policy(
        &self,
        threshold: u8,
        trustees: &[PersonId],
    ) -> Result<RecoveryPolicy, ClientError> {
        if threshold < 2 || usize::from(threshold) > trustees.len() {
            return Err(ClientError::Usage(
                "the threshold is at least 2 and at most the number of trustees".into(),
            ));
        }
        let mut keepers = Vec::with_capacity(trustees.len());
        for (person, bundle) in trustees.iter().zip(self.bundles(trustees)?) {
            if !self.has_device(*person) {
                return Err(ClientError::Refused(format!(
                    "{person} has no device in use and cannot be a trustee; name somebody else"
                )));
            }
            keepers.push((*person, PublicIdentity::parse(bundle)?));
        }
        let number = self.directory().recovery_policy();
        let terms = RecoveryTerms {
            vault: self.id(),
            set: random_bytes(),
            number: number.map_or(0, |known| known.policy.number) + 1,
            threshold,
            trustees: &keepers,
        };
        Ok(make_recovery_policy(&terms, &mut system_rng())?)
    }

    /// Policy and renewed unit keys in one transaction: no unit is without recovery in between.
    pub(super) fn policy_mutation(
        &self,
        policy: RecoveryPolicy,
        epochs: Vec<NewUnitEpoch>,
    ) -> Result<Mutation, ClientError> {
        let stated = self.state(Event::RecoveryPolicy(Box::new(policy)), None)?;
        let mut mutation = Mutation::of(vec![stated]);
        for epoch in epochs {
            let record = self.state(Event::UnitEpoch(epoch.event), Some(epoch.sealed_entry))?;
            mutation.records.push(record);
            mutation.memberships.extend(epoch.memberships);
            mutation.unit_links.extend(epoch.link);
        }
        Ok(mutation)
    }

    /// The policy in force, if there is one.
    pub async fn recovery_view(&mut self) -> Result<Option<PolicyView>, ClientError> {
        let Some(known) = self.directory().recovery_policy().cloned() else {
            return Ok(None);
        };
        let mut trustees = Vec::with_capacity(known.policy.trustees.len());
        for trustee in &known.policy.trustees {
            let mut drills = known.drills.iter();
            let drill = drills.find(|drill| drill.number == trustee.number);
            trustees.push(TrusteeView {
                person: trustee.person,
                name: self.find_person_name(trustee.person).await?,
                drilled_us: drill.map(|drill| drill.time_us),
                reachable: self.has_device(trustee.person),
            });
        }
        let kid = known.policy.bundle.kid();
        let covered: Vec<UnitId> = self
            .directory()
            .units_open_to(kid)
            .map(|unit| unit.unit)
            .collect();
        let mut uncovered = self.all_units();
        uncovered.retain(|unit| !covered.contains(unit));
        Ok(Some(PolicyView {
            number: known.policy.number,
            fingerprint: known.fingerprint,
            threshold: known.policy.threshold,
            trustees,
            made_us: known.time_us,
            confirmed: self.find_pinned()? == Some(known.fingerprint),
            spent: self.directory().is_recovery_spent(),
            uncovered,
        }))
    }

    /// The person has looked at the policy and agrees: unit keys made here are sealed to its bundle from
    /// now on, until it changes.
    pub fn confirm_recovery(&self, fingerprint: &Hash) -> Result<(), ClientError> {
        let known = self.directory().recovery_policy();
        if known.map(|known| &known.fingerprint) != Some(fingerprint) {
            return Err(ClientError::Refused(
                "the policy in force is not the one that was shown; look at it again".into(),
            ));
        }
        self.pin_policy(fingerprint)
    }

    /// The bundle every new unit key is sealed to as well: only one the person has confirmed (D03), and
    /// no other in its place (D04).
    pub(crate) fn confirmed_recovery(&self) -> Result<Option<&KeyBundle>, ClientError> {
        let pinned = self.find_pinned()?;
        let known: Option<&KnownPolicy> = self.directory().recovery_policy();
        match (known, pinned) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(ClientError::integrity(
                "the records log shows no recovery policy, but this profile has confirmed one",
            )),
            (Some(_), _) if self.directory().is_recovery_spent() => Err(ClientError::Refused(
                "the agency's recovery bundle was used and has to be renewed first: \
                 `obhut recovery finish`, or `obhut recovery split`"
                    .into(),
            )),
            (Some(known), Some(pinned)) if known.fingerprint == pinned => {
                Ok(Some(&known.policy.bundle))
            }
            (Some(_), Some(_)) => Err(ClientError::Refused(
                "the agency's recovery policy is another one than you have confirmed: look at it and at \
                 its trustees with `obhut recovery status`, ask if you did not expect the change, \
                 then run `obhut recovery confirm`"
                    .into(),
            )),
            (Some(_), None) => Err(ClientError::Refused(
                "the agency has a recovery policy that you have not confirmed: its trustees can open \
                 together what you seal. Look at it with `obhut recovery status`, then run \
                 `obhut recovery confirm`"
                    .into(),
            )),
        }
    }

    pub(super) fn pin_policy(&self, fingerprint: &Hash) -> Result<(), ClientError> {
        self.profile().save(CONFIRMED, fingerprint)
    }

    fn find_pinned(&self) -> Result<Option<Hash>, ClientError> {
        let Some(bytes) = self.profile().find(CONFIRMED)? else {
            return Ok(None);
        };
        let pinned = Hash::try_from(bytes.as_slice());
        pinned.map(Some).map_err(|_| {
            ClientError::Profile(format!(
                "{CONFIRMED} of this profile is damaged; remove it and confirm the policy again"
            ))
        })
    }

    /// Whether a person has a device that is not revoked.
    pub(crate) fn has_device(&self, person: PersonId) -> bool {
        let known = self.directory().person(person);
        let mut devices = known.into_iter().flat_map(|person| &person.devices);
        devices.any(|device| {
            self.directory()
                .find_active_device(*device, person)
                .is_some()
        })
    }

    /// Every unit, the agency itself among them.
    pub(super) fn all_units(&self) -> Vec<UnitId> {
        let mut units: Vec<UnitId> = self.directory().units().map(|unit| unit.unit).collect();
        units.sort_unstable();
        units
    }

    /// Who goes on holding a unit's key: its holders who have a place in it still, and a device.
    pub(crate) fn keepers(&self, unit: UnitId) -> Result<Vec<PersonId>, ClientError> {
        let mut members = self.remaining_members(unit)?;
        members.retain(|person| self.has_device(*person));
        Ok(members)
    }
}
