//! Asking for recovery, and answering as a trustee.

use obhut_crypto::{
    CryptoError, PublicIdentity, RecoveryRequest, open_recovery_note, open_recovery_share,
    seal_recovery_note,
};
use obhut_format::act::{ActKind, Reason};
use obhut_format::content::SealedKind;
use obhut_format::mutation::Mutation;
use obhut_format::recovery::{
    RECOVERY_REQUEST_US, RecoveryPolicy, RecoveryRequested, RecoveryWithdrawn, is_recovery_code,
    recovery_code,
};
use obhut_format::statement::{Event, Role};
use obhut_format::{PersonId, UnitId};
use obhut_log::replay::RecoveryState;
use obhut_suite::{Secret, XwingSeed};

use crate::ClientError;
use crate::act::ActDraft;
use crate::clock::{now_us, random_bytes, system_rng};
use crate::transport::MutationRoute;
use crate::vault::Vault;

/// The session key of this profile's request: its id and the sealed seed.
const SESSION: &str = "recovery-session";

/// What asking gave.
pub struct AskedRecovery {
    /// What the requester tells each trustee by another way.
    pub code: String,
    /// How many trustees have to answer.
    pub threshold: u64,
    /// The trustees who may answer.
    pub trustees: Vec<PersonId>,
    /// Until when, microseconds UTC.
    pub expires_us: u64,
}

/// A request as a trustee sees it, or as `recovery status` lists it.
pub struct RequestView {
    /// The request.
    pub request: [u8; 16],
    /// Who asks.
    pub requester: PersonId,
    /// Their name, if this profile may know it.
    pub requester_name: Option<String>,
    /// For which units.
    pub units: Vec<UnitId>,
    /// The reason, for trustees.
    pub reason: Option<String>,
    /// When it was asked and until when it may be answered, microseconds UTC.
    pub asked_us: u64,
    /// Until when it may be answered, microseconds UTC.
    pub expires_us: u64,
    /// Trustees who have handed their share over.
    pub approved_by: Vec<PersonId>,
    /// How many it takes.
    pub threshold: u64,
    /// `open`, `granted`, `finished`, `withdrawn` or `run out`.
    pub state: &'static str,
}

impl Vault {
    /// Asks the trustees for their shares; logged with its reason before anybody answers.
    pub async fn request_recovery(
        &mut self,
        units: &[UnitId],
        reason: &Reason,
    ) -> Result<AskedRecovery, ClientError> {
        self.require_registrar()?;
        let known = self.directory().recovery_policy();
        let policy = known.map(|known| known.policy.clone()).ok_or_else(|| {
            ClientError::Refused("there is no recovery policy (`obhut recovery split`)".into())
        })?;
        if let Some(open) = self.find_own_request()? {
            return Err(ClientError::Refused(format!(
                "you have a request already (code {}); finish it with `obhut recovery finish`, or \
                 take it back with `obhut recovery withdraw`",
                recovery_code(&open.hash)
            )));
        }
        let session = XwingSeed::generate(&mut system_rng());
        let asked = self.make_request(&policy, units, reason, &session)?;
        self.save_session(&asked.request, &session)?;
        let trustees: Vec<PersonId> = policy.trustees.iter().map(|t| t.person).collect();
        let hash = asked.hash(self.id(), self.person(), self.unlocked().kid());
        let expires_us = asked.expires_us;
        let mutation = Mutation::of(vec![self.state(Event::RecoveryRequested(asked), None)?]);
        let draft = ActDraft::new(ActKind::Recover, Role::Registrar)
            .about(trustees.clone())
            .because(reason.clone());
        self.submit(MutationRoute::Recovery, draft, &mutation)
            .await?;
        Ok(AskedRecovery {
            code: recovery_code(&hash),
            threshold: policy.threshold,
            trustees: trustees
                .into_iter()
                .filter(|trustee| *trustee != self.person())
                .collect(),
            expires_us,
        })
    }

    fn make_request(
        &self,
        policy: &RecoveryPolicy,
        units: &[UnitId],
        reason: &Reason,
        session: &XwingSeed,
    ) -> Result<RecoveryRequested, ClientError> {
        let request = random_bytes();
        let mut notes = Vec::with_capacity(policy.trustees.len());
        for trustee in &policy.trustees {
            let key = self.directory().find_key(trustee.kid);
            let key =
                key.ok_or_else(|| ClientError::integrity("a trustee's keys are not logged"))?;
            let public = PublicIdentity::parse(&key.bundle)?;
            let text = &reason.purpose;
            let note = seal_recovery_note(self.id(), &request, &public, text, &mut system_rng())?;
            notes.push(note.into());
        }
        let mut units = units.to_vec();
        units.sort_unstable();
        units.dedup();
        Ok(RecoveryRequested {
            request,
            set: policy.set,
            session: session.public().as_bytes().to_vec().into(),
            units,
            notes,
            expires_us: now_us() + RECOVERY_REQUEST_US,
        })
    }

    /// Takes one's own request back.
    pub async fn withdraw_recovery(&mut self) -> Result<(), ClientError> {
        let open = self.find_own_request()?;
        let open = open.ok_or_else(|| ClientError::NotFound("you have no open request".into()))?;
        let event = RecoveryWithdrawn {
            request: open.asked.request,
        };
        let mutation = Mutation::of(vec![self.state(Event::RecoveryWithdrawn(event), None)?]);
        let draft = ActDraft::new(ActKind::Recover, Role::Registrar);
        self.submit(MutationRoute::Recovery, draft, &mutation)
            .await?;
        self.forget_session()
    }

    /// The open request whose code somebody told the trustee. A vault that puts another session key in the
    /// request's place changes its hash, and so its code.
    pub async fn find_recovery_by_code(&mut self, code: &str) -> Result<RequestView, ClientError> {
        let mut requests = self.directory().recovery_requests().iter();
        let found =
            requests.find(|known| known.is_open(now_us()) && is_recovery_code(code, &known.hash));
        let found = found.cloned().ok_or_else(|| {
            ClientError::Refused(
                "no open request has this code. Compare it once more with the person who asks, by \
                 telephone or face to face; if it stays different somebody changed the request: do \
                 not approve, and tell the data protection officer"
                    .into(),
            )
        })?;
        self.view_request(&found).await
    }

    /// Hands this trustee's share to a request whose code was compared.
    pub async fn approve_recovery(&mut self, view: &RequestView) -> Result<(), ClientError> {
        let known = self.directory().find_recovery_request(&view.request);
        let known = known
            .cloned()
            .ok_or_else(|| ClientError::NotFound("there is no such request".into()))?;
        if known.requester == self.person() {
            return Err(ClientError::Refused(
                "nobody approves their own request; other trustees have to".into(),
            ));
        }
        let policy = self.policy_of(&known)?;
        let share =
            self.with_own_identities(|identity| open_recovery_share(&policy, self.id(), identity))?;
        let request = RecoveryRequest {
            vault: self.id(),
            hash: known.hash,
            asked: &known.asked,
        };
        let event = request.hand_over(&share, &mut system_rng())?;
        let mutation = Mutation::of(vec![self.state(Event::RecoveryApproved(event), None)?]);
        let draft = ActDraft::new(ActKind::Recover, Role::Citizen).about(vec![known.requester]);
        self.submit(MutationRoute::Recovery, draft, &mutation)
            .await?;
        Ok(())
    }

    /// Requests for recovery, the newest first.
    pub async fn recovery_requests(&mut self) -> Result<Vec<RequestView>, ClientError> {
        let known = self.directory().recovery_requests().to_vec();
        let mut views = Vec::with_capacity(known.len());
        for request in known.iter().rev() {
            views.push(self.view_request(request).await?);
        }
        Ok(views)
    }

    async fn view_request(&mut self, known: &RecoveryState) -> Result<RequestView, ClientError> {
        let policy = self.policy_of(known)?;
        let granted = self.directory().is_recovery_granted(known);
        let state = match known {
            known if known.finished_us.is_some() => "finished",
            known if known.withdrawn_us.is_some() => "withdrawn",
            _ if granted => "granted",
            known if known.is_open(now_us()) => "open",
            _ => "run out",
        };
        Ok(RequestView {
            request: known.asked.request,
            requester: known.requester,
            requester_name: self.find_person_name(known.requester).await?,
            units: known.asked.units.clone(),
            reason: self.open_note(&policy, known),
            asked_us: known.time_us,
            expires_us: known.asked.expires_us,
            approved_by: known.handovers.iter().map(|given| given.trustee).collect(),
            threshold: policy.threshold,
            state,
        })
    }

    fn open_note(&self, policy: &RecoveryPolicy, known: &RecoveryState) -> Option<String> {
        let notes = policy.trustees.iter().zip(&known.asked.notes);
        let request = &known.asked.request;
        notes.into_iter().find_map(|(trustee, note)| {
            self.with_own_identities(|identity| {
                if identity.kid() != trustee.kid {
                    return Err(CryptoError::NotARecipient);
                }
                open_recovery_note(self.id(), request, identity, &note.0)
            })
            .ok()
        })
    }

    pub(super) fn policy_of(&self, known: &RecoveryState) -> Result<RecoveryPolicy, ClientError> {
        let policy = self.directory().find_recovery_set(&known.asked.set);
        policy
            .map(|known| known.policy.clone())
            .ok_or_else(|| ClientError::integrity("a request names a policy that is not logged"))
    }

    /// This profile's request that is neither finished, withdrawn nor run out unanswered.
    pub(super) fn find_own_request(&self) -> Result<Option<RecoveryState>, ClientError> {
        let Some((request, _)) = self.find_session()? else {
            return Ok(None);
        };
        let known = self.directory().find_recovery_request(&request);
        let alive = known.filter(|known| {
            let granted = self.directory().is_recovery_granted(known);
            known.is_open(now_us()) || (granted && known.finished_us.is_none())
        });
        Ok(alive.cloned())
    }

    fn save_session(&self, request: &[u8; 16], session: &XwingSeed) -> Result<(), ClientError> {
        // EXPOSE: sealed under the profile key.
        let seed = session.secret().expose();
        let key = &self.unlocked().key;
        let sealed = key.seal(SealedKind::Profile, SESSION, seed)?;
        let bytes = [request.as_slice(), &sealed].concat();
        self.profile().save(SESSION, &bytes)
    }

    pub(super) fn find_session(&self) -> Result<Option<([u8; 16], XwingSeed)>, ClientError> {
        let Some(bytes) = self.profile().find(SESSION)? else {
            return Ok(None);
        };
        let damaged = || ClientError::Profile(format!("{SESSION} of this profile is damaged"));
        let (request, sealed) = bytes.split_first_chunk::<16>().ok_or_else(damaged)?;
        let key = &self.unlocked().key;
        let seed: Secret<32> = key
            .open(SealedKind::Profile, SESSION, sealed)?
            .into_secret()?;
        Ok(Some((*request, XwingSeed::from_secret(seed))))
    }

    pub(super) fn forget_session(&self) -> Result<(), ClientError> {
        self.profile().remove(SESSION)
    }
}
