//! Records about agency recovery: the policy in force, requests, who handed a share over.

use std::sync::Arc;

use obhut_format::recovery::{
    MAX_TRUSTEES, RECOVERY_REQUEST_US, RecoveryApproved, RecoveryDrilled, RecoveryFinished,
    RecoveryPolicy, RecoveryRequested, RecoveryTrustee, RecoveryWithdrawn,
};
use obhut_format::statement::Role;
use obhut_format::{Hash, Kid, PersonId, UnitId, key::HPKE_KEY_BYTES, record};
use obhut_suite::XwingPublic;

use super::authority::{Author, MAX_SKEW_US};
use super::directory::Directory;
use super::error::ReplayError;
use super::state::Unit;

/// Below this number of registrars a vault is in founding, and nobody can set up its recovery.
const MIN_REGISTRARS: usize = 2;

record! {
    /// A trustee's share was tried.
    Drill {
        /// Number of the share.
        1 => number: u64,
        /// When, microseconds UTC.
        2 => time_us: u64,
    }
}

record! {
    /// A recovery policy, the one in force or an earlier one.
    KnownPolicy {
        /// What was stated.
        1 => policy: RecoveryPolicy,
        /// [`RecoveryPolicy::fingerprint`].
        2 => fingerprint: Hash,
        /// The registrar who made it; none for the root.
        3 => by: Option<PersonId>,
        /// When, microseconds UTC.
        4 => time_us: u64,
        /// Shares that were tried.
        5 => drills: Vec<Drill>,
    }
}

record! {
    /// A share handed to a request.
    Handover {
        /// What was stated.
        1 => approved: RecoveryApproved,
        /// The trustee.
        2 => trustee: PersonId,
        /// When, microseconds UTC.
        3 => time_us: u64,
    }
}

record! {
    /// A request for recovery with the answers to it.
    RecoveryState {
        /// What was asked.
        1 => asked: RecoveryRequested,
        /// [`RecoveryRequested::hash`]: what trustees approve.
        2 => hash: Hash,
        /// The registrar who asks.
        3 => requester: PersonId,
        /// When, microseconds UTC.
        4 => time_us: u64,
        /// Shares handed over.
        5 => handovers: Vec<Handover>,
        /// When it was finished, microseconds UTC.
        6 => finished_us: Option<u64>,
        /// When it was withdrawn, microseconds UTC.
        7 => withdrawn_us: Option<u64>,
    }
}

impl RecoveryState {
    /// Whether trustees may still answer at this time (microseconds UTC).
    pub fn is_open(&self, at_us: u64) -> bool {
        self.finished_us.is_none() && self.withdrawn_us.is_none() && at_us < self.asked.expires_us
    }
}

record! {
    /// Everything about agency recovery.
    RecoveryBook {
        /// Policies, the one in force last.
        1 => policies: Vec<KnownPolicy>,
        /// Requests, oldest first.
        2 => requests: Vec<RecoveryState>,
    }
}

impl RecoveryBook {
    pub(super) fn new() -> Self {
        Self {
            policies: Vec::new(),
            requests: Vec::new(),
        }
    }
}

impl Directory {
    /// The recovery policy in force.
    pub fn recovery_policy(&self) -> Option<&KnownPolicy> {
        self.recovery.policies.last()
    }

    /// A policy by the name of its set, in force or not.
    pub fn find_recovery_set(&self, set: &[u8; 16]) -> Option<&KnownPolicy> {
        let mut policies = self.recovery.policies.iter();
        policies.find(|known| known.policy.set == *set)
    }

    /// Requests for recovery, oldest first.
    pub fn recovery_requests(&self) -> &[RecoveryState] {
        &self.recovery.requests
    }

    /// A request by its id.
    pub fn find_recovery_request(&self, request: &[u8; 16]) -> Option<&RecoveryState> {
        let mut requests = self.recovery.requests.iter();
        requests.find(|known| known.asked.request == *request)
    }

    /// Whether enough trustees handed their shares to this request: its maker can open the bundle.
    pub fn is_recovery_granted(&self, request: &RecoveryState) -> bool {
        let policy = self.find_recovery_set(&request.asked.set);
        policy.is_some_and(|known| {
            u64::try_from(request.handovers.len()).is_ok_and(|n| n >= known.policy.threshold)
        })
    }

    /// The policy whose bundle this person can open now: enough trustees handed their shares to a
    /// request of theirs that is not finished or withdrawn.
    pub fn find_granted_recovery(&self, requester: PersonId) -> Option<&KnownPolicy> {
        let mut requests = self.recovery.requests.iter().rev();
        let granted = requests.find(|known| {
            known.requester == requester
                && known.finished_us.is_none()
                && known.withdrawn_us.is_none()
                && self.is_recovery_granted(known)
        })?;
        self.find_recovery_set(&granted.asked.set)
    }

    /// Whether the shares of the policy in force were handed over: it is single-use, and no further
    /// unit key is sealed to its bundle.
    pub fn is_recovery_spent(&self) -> bool {
        let Some(known) = self.recovery_policy() else {
            return false;
        };
        let of_set = |request: &&RecoveryState| request.asked.set == known.policy.set;
        let mut requests = self.recovery.requests.iter().filter(of_set);
        requests.any(|request| self.is_recovery_granted(request))
    }

    /// Units whose current key is sealed to this bundle.
    pub fn units_open_to(&self, kid: Kid) -> impl Iterator<Item = &Unit> {
        self.units().filter(move |unit| {
            let current = unit.current();
            current.is_some_and(|epoch| epoch.members.contains(&kid))
        })
    }

    pub(super) fn recovery_policy_stated(
        &mut self,
        event: &RecoveryPolicy,
        author: Author,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        self.require_registrar(author, time_us)?;
        let registrars = self
            .persons()
            .filter(|person| person.holds(Role::Registrar, None, time_us));
        if registrars.take(MIN_REGISTRARS).count() < MIN_REGISTRARS {
            return Err(ReplayError::RecoveryOff);
        }
        let number = self
            .recovery_policy()
            .map_or(0, |known| known.policy.number);
        if event.number != number + 1 || self.find_recovery_set(&event.set).is_some() {
            return Err(ReplayError::RecoverySetStale);
        }
        self.check_trustees(event)?;
        let kid = event.bundle.kid();
        obhut_suite::KeyBundle::parse(event.bundle.as_bytes())
            .map_err(|_| ReplayError::KeyRefused)?;
        let mut earlier = self.recovery.policies.iter();
        if self.kids.contains_key(&kid) || earlier.any(|known| known.policy.bundle.kid() == kid) {
            return Err(ReplayError::KidExists);
        }
        let known = KnownPolicy {
            policy: event.clone(),
            fingerprint: event.fingerprint(self.vault),
            by: match author {
                Author::Person(person) => Some(person),
                _ => None,
            },
            time_us,
            drills: Vec::new(),
        };
        self.change_recovery(|book| book.policies.push(known));
        Ok(())
    }

    /// At least two of distinct members of staff with keys of their own, each with one share.
    fn check_trustees(&self, event: &RecoveryPolicy) -> Result<(), ReplayError> {
        let trustees = &event.trustees;
        let count = trustees.len() as u64;
        let sensible = event.threshold >= 2 && event.threshold <= count;
        if !sensible || trustees.len() > MAX_TRUSTEES {
            return Err(ReplayError::RecoveryThreshold);
        }
        let distinct = |mut keys: Vec<[u8; 32]>| {
            keys.sort_unstable();
            keys.dedup();
            keys.len() == trustees.len()
        };
        let number = |trustee: &RecoveryTrustee| {
            let mut key = [0; 32];
            key[..8].copy_from_slice(&trustee.number.to_be_bytes());
            key
        };
        let fits = distinct(trustees.iter().map(|trustee| trustee.kid.0).collect())
            && distinct(trustees.iter().map(|trustee| trustee.share_hash).collect())
            && distinct(trustees.iter().map(number).collect())
            && trustees.iter().all(|trustee| {
                (1..=255).contains(&trustee.number) && trustee.sealed.0.len() == HPKE_KEY_BYTES
            });
        if !fits {
            return Err(ReplayError::NotSensible);
        }
        for trustee in trustees {
            let person = self.activated_holder(trustee.kid)?;
            let citizen = self.person(person).is_none_or(|person| person.citizen);
            if person != trustee.person || citizen {
                return Err(ReplayError::MemberRefused);
            }
        }
        Ok(())
    }

    pub(super) fn recovery_requested(
        &mut self,
        event: &RecoveryRequested,
        author: Author,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        self.require_registrar(author, time_us)?;
        let Author::Person(requester) = author else {
            return Err(ReplayError::NotAuthorised);
        };
        let known = self
            .recovery_policy()
            .filter(|known| known.policy.set == event.set)
            .ok_or(ReplayError::RecoverySetStale)?;
        // A granted request whose maker lost its key must not be the last one: others may ask again.
        if self.find_recovery_request(&event.request).is_some() {
            return Err(ReplayError::Repeated);
        }
        let latest = time_us.saturating_add(RECOVERY_REQUEST_US + MAX_SKEW_US);
        let in_time = event.expires_us > time_us && event.expires_us <= latest;
        if !in_time || event.notes.len() != known.policy.trustees.len() {
            return Err(ReplayError::NotSensible);
        }
        self.check_units(&event.units)?;
        XwingPublic::parse(&event.session.0).map_err(|_| ReplayError::KeyRefused)?;
        let key = self.person(requester).and_then(|person| person.current());
        let kid = key.ok_or(ReplayError::KidSuperseded)?.kid;
        let state = RecoveryState {
            asked: event.clone(),
            hash: event.hash(self.vault, requester, kid),
            requester,
            time_us,
            handovers: Vec::new(),
            finished_us: None,
            withdrawn_us: None,
        };
        self.change_recovery(|book| book.requests.push(state));
        Ok(())
    }

    fn check_units(&self, units: &[UnitId]) -> Result<(), ReplayError> {
        if units.is_empty() || !units.is_sorted_by(|a, b| a < b) {
            return Err(ReplayError::NotSensible);
        }
        if units.iter().any(|unit| self.unit(*unit).is_none()) {
            return Err(ReplayError::UnitUnknown);
        }
        Ok(())
    }

    /// A trustee of the set, for a request that is open, once, and never for oneself.
    pub(super) fn recovery_approved(
        &mut self,
        event: &RecoveryApproved,
        author: Author,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        let known = self.find_open_request(&event.request, time_us)?;
        let current = self.recovery_policy();
        let current = current.filter(|policy| policy.policy.set == known.asked.set);
        let policy = current.ok_or(ReplayError::RecoverySetStale)?;
        let trustee = policy.policy.find_number(event.number);
        let trustee = trustee.ok_or(ReplayError::NotAuthorised)?.person;
        if author != Author::Person(trustee) || trustee == known.requester {
            return Err(ReplayError::NotAuthorised);
        }
        if known.hash != event.request_hash || event.sealed.0.len() != HPKE_KEY_BYTES {
            return Err(ReplayError::NotSensible);
        }
        let mut handovers = known.handovers.iter();
        if handovers.any(|handover| handover.trustee == trustee) {
            return Err(ReplayError::Repeated);
        }
        let handover = Handover {
            approved: event.clone(),
            trustee,
            time_us,
        };
        self.change_request(&event.request, |known| known.handovers.push(handover));
        Ok(())
    }

    /// Only once no unit's key in force is sealed to the bundle whose seed came together.
    pub(super) fn recovery_finished(
        &mut self,
        event: &RecoveryFinished,
        author: Author,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        let known = self.find_recovery_request(&event.request);
        let known = known.ok_or(ReplayError::RecoveryUnknown)?;
        if author != Author::Person(known.requester) {
            return Err(ReplayError::NotAuthorised);
        }
        if known.finished_us.is_some() || !self.is_recovery_granted(known) {
            return Err(ReplayError::RecoveryUnknown);
        }
        let spent = self.find_recovery_set(&known.asked.set);
        let spent = spent.ok_or(ReplayError::RecoverySetStale)?;
        let replaced = self
            .recovery_policy()
            .is_some_and(|policy| policy.policy.number > spent.policy.number);
        let kid = spent.policy.bundle.kid();
        if !replaced || self.units_open_to(kid).next().is_some() {
            return Err(ReplayError::RecoverySpent);
        }
        self.change_request(&event.request, |known| known.finished_us = Some(time_us));
        Ok(())
    }

    pub(super) fn recovery_withdrawn(
        &mut self,
        event: &RecoveryWithdrawn,
        author: Author,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        let known = self.find_open_request(&event.request, time_us)?;
        if author != Author::Person(known.requester) {
            self.require_registrar(author, time_us)?;
        }
        self.change_request(&event.request, |known| known.withdrawn_us = Some(time_us));
        Ok(())
    }

    pub(super) fn recovery_drilled(
        &mut self,
        event: &RecoveryDrilled,
        author: Author,
        time_us: u64,
    ) -> Result<(), ReplayError> {
        let known = self.find_recovery_set(&event.set);
        let known = known.ok_or(ReplayError::RecoverySetStale)?;
        let trustee = known.policy.find_number(event.number);
        if trustee.map(|trustee| Author::Person(trustee.person)) != Some(author) {
            return Err(ReplayError::NotAuthorised);
        }
        let drill = Drill {
            number: event.number,
            time_us,
        };
        self.change_recovery(|book| {
            let mut policies = book.policies.iter_mut();
            if let Some(known) = policies.find(|known| known.policy.set == event.set) {
                known
                    .drills
                    .retain(|earlier| earlier.number != drill.number);
                known.drills.push(drill);
            }
        });
        Ok(())
    }

    /// A unit's key is sealed to the recovery bundle in force, as long as there is one, and to no
    /// other: a swapped or spent bundle gets nothing.
    pub(super) fn check_recovery_member(
        &self,
        members: &[Kid],
    ) -> Result<Option<Kid>, ReplayError> {
        let Some(known) = self.recovery_policy() else {
            return Ok(None);
        };
        if self.is_recovery_spent() {
            return Err(ReplayError::RecoverySpent);
        }
        let kid = known.policy.bundle.kid();
        if members.contains(&kid) {
            Ok(Some(kid))
        } else {
            Err(ReplayError::RecoveryMissing)
        }
    }

    /// Whether this is the bundle of a recovery policy, in force or not.
    pub(super) fn is_recovery_bundle(&self, kid: Kid) -> bool {
        let mut policies = self.recovery.policies.iter();
        policies.any(|known| known.policy.bundle.kid() == kid)
    }

    fn find_open_request(
        &self,
        request: &[u8; 16],
        time_us: u64,
    ) -> Result<&RecoveryState, ReplayError> {
        self.find_recovery_request(request)
            .filter(|known| known.is_open(time_us))
            .ok_or(ReplayError::RecoveryUnknown)
    }

    fn change_request(&mut self, request: &[u8; 16], change: impl FnOnce(&mut RecoveryState)) {
        self.change_recovery(|book| {
            let mut requests = book.requests.iter_mut();
            if let Some(known) = requests.find(|known| known.asked.request == *request) {
                change(known);
            }
        });
    }

    fn change_recovery(&mut self, change: impl FnOnce(&mut RecoveryBook)) {
        change(Arc::make_mut(&mut self.recovery));
    }
}
