//! Using a recovery that was granted: opens the units' keys, and renews everything the bundle could open.

use obhut_crypto::{Identity, RecoveryRequest, UnitKey, combine_recovery};
use obhut_format::act::ActKind;
use obhut_format::person::KeyBundle;
use obhut_format::recovery::{RecoveryFinished, RecoveryPolicy};
use obhut_format::statement::{Event, Role};
use obhut_format::{Hash, PersonId, UnitId};
use obhut_log::replay::RecoveryState;

use crate::ClientError;
use crate::act::ActDraft;
use crate::keyring::Keyring;
use crate::transport::MutationRoute;
use crate::unit_epoch::{NewUnitEpoch, make_unit_epoch};
use crate::vault::Vault;

/// What a recovery brought.
pub struct Finished {
    /// Units whose key this profile holds now.
    pub recovered: Vec<UnitId>,
    /// All units that got a new key, sealed to the new recovery bundle.
    pub renewed: Vec<UnitId>,
    /// Fingerprint of the new policy: everybody who makes unit keys confirms it.
    pub fingerprint: Hash,
}

impl Vault {
    /// Opens the recovery bundle with the shares that were handed over, takes the units that were asked
    /// for, makes a new bundle for `trustees` (those of the old policy where none are named) and gives
    /// every unit a new key: the old bundle opens nothing from then on.
    pub async fn finish_recovery(
        &mut self,
        threshold: Option<u8>,
        trustees: &[PersonId],
    ) -> Result<Finished, ClientError> {
        self.require_registrar()?;
        let known = self.find_own_request()?.ok_or_else(|| {
            ClientError::NotFound("this profile has no request for recovery that is open".into())
        })?;
        let spent = self.policy_of(&known)?;
        let identity = self.combine(&known, &spent).await?;
        let own = self.endpoint().own_keys().await?;
        let recovered = Keyring::open(own, &[&identity], self.directory())?;
        self.load_keyring().await?;
        self.load_unit_names().await?;
        let (threshold, trustees) = renewed_terms(&spent, threshold, trustees)?;
        let policy = self.make_policy(threshold, &trustees)?;
        let epochs = self.renew_all(&known, &spent, &recovered, &policy.bundle)?;
        let fingerprint = policy.fingerprint(self.id());
        let renewed = epochs.iter().map(|epoch| epoch.event.unit).collect();
        let mut mutation = self.policy_mutation(policy, epochs)?;
        let event = RecoveryFinished {
            request: known.asked.request,
        };
        let finished = self.state(Event::RecoveryFinished(event), None)?;
        mutation.records.push(finished);
        let draft = ActDraft::new(ActKind::Recover, Role::Registrar).about(trustees);
        self.submit(MutationRoute::Recovery, draft, &mutation)
            .await?;
        self.forget_keys();
        self.pin_policy(&fingerprint)?;
        self.forget_session()?;
        Ok(Finished {
            recovered: known.asked.units,
            renewed,
            fingerprint,
        })
    }

    /// Whoever handed over something else than their share is named; the others may suffice.
    async fn combine(
        &mut self,
        known: &RecoveryState,
        policy: &RecoveryPolicy,
    ) -> Result<Identity, ClientError> {
        let session = self.find_session()?;
        let (_, session) = session.ok_or_else(|| {
            ClientError::Profile("the key of this request is not in this profile".into())
        })?;
        let request = RecoveryRequest {
            vault: self.id(),
            hash: known.hash,
            asked: &known.asked,
        };
        let (mut shares, mut bad) = (Vec::new(), Vec::new());
        for handover in &known.handovers {
            match request.receive(policy, &handover.approved, &session) {
                Ok(share) => shares.push(share),
                Err(_) => bad.push(handover.trustee),
            }
        }
        let needed = usize::try_from(policy.threshold).unwrap_or(usize::MAX);
        if shares.len() >= needed {
            return Ok(combine_recovery(policy, &shares)?);
        }
        if let Some(trustee) = bad.first() {
            let name = self.find_person_name(*trustee).await?;
            let name = name.unwrap_or_else(|| trustee.to_string());
            return Err(ClientError::integrity(format!(
                "the share that {name} handed over is not the one the policy names; ask another trustee"
            )));
        }
        Err(ClientError::Refused(format!(
            "{} of {needed} trustees have approved; the others have to run `obhut recovery approve`",
            shares.len()
        )))
    }

    /// A next key for every unit whose key in force can be opened; for the units that were asked for, one
    /// that this profile holds.
    fn renew_all(
        &self,
        known: &RecoveryState,
        spent: &RecoveryPolicy,
        recovered: &Keyring,
        bundle: &KeyBundle,
    ) -> Result<Vec<NewUnitEpoch>, ClientError> {
        let mut epochs = Vec::new();
        for unit in self.all_units() {
            let epoch = self.unit_epoch(unit)?;
            let own = self.keyring()?.find_unit(unit, epoch);
            let Some(key) = own.or_else(|| recovered.find_unit(unit, epoch)) else {
                let mut open = self.directory().units_open_to(spent.bundle.kid());
                if open.any(|known| known.unit == unit) {
                    return Err(ClientError::integrity(format!(
                        "the vault keeps the key of {unit} back that is sealed to the recovery bundle"
                    )));
                }
                continue;
            };
            let mut members = self.keepers(unit)?;
            let wanted = known.asked.units.contains(&unit);
            if (wanted || members.is_empty()) && !members.contains(&self.person()) {
                members.push(self.person());
            }
            let name = self.unit_name_with(key)?;
            epochs.push(self.renew_unit(key, &name, &members, bundle)?);
        }
        Ok(epochs)
    }

    /// The next key of a unit for these persons and a recovery bundle.
    pub(super) fn renew_unit(
        &self,
        key: &UnitKey,
        name: &str,
        members: &[PersonId],
        bundle: &KeyBundle,
    ) -> Result<NewUnitEpoch, ClientError> {
        let mut bundles = self.bundles(members)?;
        bundles.push(bundle);
        make_unit_epoch(self.id(), key.at().unit, name, &bundles, Some(key))
    }

    fn unit_name_with(&self, key: &UnitKey) -> Result<String, ClientError> {
        let (unit, epoch) = (key.at().unit, key.at().epoch);
        let sealed = self.records.names().find_unit(unit, epoch);
        let known = self.directory().unit(unit);
        let stated = known.and_then(|unit| unit.find_epoch(epoch));
        let (sealed, stated) = sealed.zip(stated).ok_or_else(|| {
            ClientError::integrity(format!("the vault keeps the sealed name of {unit} back"))
        })?;
        let entry = key
            .register_key()
            .open_unit(&stated.entry_hash, &sealed.0)?;
        Ok(entry.name)
    }
}

fn renewed_terms(
    spent: &RecoveryPolicy,
    threshold: Option<u8>,
    trustees: &[PersonId],
) -> Result<(u8, Vec<PersonId>), ClientError> {
    let trustees = if trustees.is_empty() {
        spent
            .trustees
            .iter()
            .map(|trustee| trustee.person)
            .collect()
    } else {
        trustees.to_vec()
    };
    let kept = u8::try_from(spent.threshold)
        .map_err(|_| ClientError::integrity("the threshold of the policy is out of range"))?;
    Ok((threshold.unwrap_or(kept), trustees))
}
