use std::num::NonZeroUsize;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use obhut_crypto::{CryptoError, Identity, Workers};
use obhut_format::act::PinnedCheckpoint;
use obhut_format::card::VaultCard;
use obhut_format::statement::Role;
use obhut_format::{PersonId, UnitId, VaultId};
use obhut_log::replay::{Directory, Replayer};
use obhut_log::{LogError, Witnessed};
use obhut_suite::DevicePublic;

use crate::ClientError;
use crate::act::{ActSigner, current_shard};
use crate::clock::now_us;
use crate::keyring::Keyring;
use crate::profile::{Passphrase, Profile, ProfileRecord, Stage, Unlocked};
use crate::records::Records;
use crate::session::forget_session;
use crate::transport::Endpoint;

/// How long the first cosignatures may take.
const QUORUM_WAIT: Duration = Duration::from_secs(15);
const QUORUM_PAUSE: Duration = Duration::from_millis(200);

/// One profile at one vault: pinned card, unlocked keys, connection, replayed records. What every command
/// works with.
pub struct Vault {
    profile: Profile,
    record: ProfileRecord,
    card: VaultCard,
    unlocked: Unlocked,
    endpoint: Endpoint,
    pub(crate) records: Records,
    pub(crate) keyring: Option<Keyring>,
    workers: OnceLock<Arc<Workers>>,
}

impl Vault {
    /// Opens a joined profile with its passphrase. Nothing is sent yet.
    pub fn open(profile: Profile, passphrase: &Passphrase) -> Result<Self, ClientError> {
        if profile.record()?.stage != Stage::Joined {
            return Err(ClientError::Profile(format!(
                "profile {} has not finished joining; run the same `obhut join` or `obhut found` again",
                profile.name()
            )));
        }
        let unlocked = Unlocked::open(&profile, passphrase)?;
        Self::with(profile, unlocked)
    }

    /// A profile whose secrets are open already.
    pub(crate) fn with(profile: Profile, unlocked: Unlocked) -> Result<Self, ClientError> {
        let record = profile.record()?.clone();
        let card = profile.load_card()?;
        let endpoint = Endpoint::new(&record.url, record.vault, &profile.trust()?)?;
        let records = Records::load(&profile, &card)?;
        Ok(Self {
            profile,
            record,
            card,
            unlocked,
            endpoint,
            records,
            keyring: None,
            workers: OnceLock::new(),
        })
    }

    /// Logs in, replays the records log and checks that the access log kept what this profile was shown. Afterwards [`Self::directory`] is what a fresh quorum stands behind.
    pub async fn connect(&mut self) -> Result<(), ClientError> {
        self.resume_session().await?;
        match self.sync().await {
            Err(ClientError::Problem(problem)) if problem.status == 401 => {
                forget_session(&self.profile);
                self.log_in().await?;
                self.sync().await?;
            }
            other => other?,
        }
        self.adopt_next_identity()?;
        self.check_own_keys()?;
        self.check_access_log().await
    }

    /// A change of keys that was interrupted after the log had it is finished here.
    pub(crate) fn adopt_next_identity(&mut self) -> Result<(), ClientError> {
        let Some(next) = self.unlocked.find_next(&self.profile)? else {
            return Ok(());
        };
        let person = self.records.directory().person(self.record.person);
        let current = person
            .and_then(|person| person.current())
            .map(|key| key.kid);
        if current == Some(next.kid()) && next.kid() != self.unlocked.kid() {
            self.unlocked.replace_identity(&self.profile, next)?;
            self.keyring = None;
        }
        Ok(())
    }

    /// Fetches and replays what is new in the records log.
    pub async fn sync(&mut self) -> Result<(), ClientError> {
        let synced = self
            .records
            .sync(&self.endpoint, &self.card, &self.profile)
            .await;
        match synced {
            // A stale head is the vault's fault only when the clocks agree.
            Err(ClientError::Log(LogError::Stale)) => {
                self.check_clock().await?;
                Err(ClientError::Log(LogError::Stale))
            }
            other => other,
        }
    }

    /// As [`Self::sync`], where the head of the last one is too old to act on: a process may live long.
    pub(crate) async fn refresh(&mut self) -> Result<(), ClientError> {
        if self.records.is_fresh(now_us() / 1_000_000) {
            return Ok(());
        }
        self.sync().await
    }

    /// As [`Self::sync`], and waits a while for the first cosignatures after a change.
    pub(crate) async fn wait_for_quorum(&mut self) -> Result<(), ClientError> {
        self.wait_until(|_| Ok(())).await
    }

    /// Replays until this profile's person, keys and device stand in the log with quorum.
    pub(crate) async fn wait_for_own_keys(&mut self) -> Result<(), ClientError> {
        self.wait_until(Self::check_own_keys).await
    }

    async fn wait_until(
        &mut self,
        holds: impl Fn(&Self) -> Result<(), ClientError>,
    ) -> Result<(), ClientError> {
        let begun = tokio::time::Instant::now();
        loop {
            let failed = match self.sync().await {
                Ok(()) => match holds(self) {
                    Ok(()) => return Ok(()),
                    Err(failed) => failed,
                },
                Err(failed) if is_unconfirmed(&failed) => failed,
                Err(failed) => return Err(failed),
            };
            if begun.elapsed() > QUORUM_WAIT {
                return Err(failed);
            }
            tokio::time::sleep(QUORUM_PAUSE).await;
        }
    }

    /// Own keys are monitored at every start: a bundle or device one did not make is an alarm.
    fn check_own_keys(&self) -> Result<(), ClientError> {
        let directory = self.records.directory();
        let person = directory.person(self.record.person).ok_or_else(|| {
            ClientError::integrity("the records log does not know this profile's person any more")
        })?;
        if person.current().map(|key| key.kid) != Some(self.unlocked.kid()) {
            return Err(ClientError::integrity(
                "the records log names other keys for you than this device holds: \
                 they were replaced without this profile",
            ));
        }
        match directory.device(self.record.device) {
            Some(device) if device.revoked_us.is_none() => Ok(()),
            _ => Err(ClientError::Profile(
                "this device was revoked; ask a registrar for a new invitation".into(),
            )),
        }
    }

    /// The profile.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Person and device stand in the log: the profile may be used.
    pub(crate) fn mark_joined(&mut self) -> Result<(), ClientError> {
        self.check_own_keys()?;
        self.record.stage = Stage::Joined;
        self.profile.save_record(self.record.clone())
    }

    /// What the profile is about.
    pub fn record(&self) -> &ProfileRecord {
        &self.record
    }

    /// The vault.
    pub fn id(&self) -> VaultId {
        self.record.vault
    }

    /// Whose profile it is.
    pub fn person(&self) -> PersonId {
        self.record.person
    }

    /// The agency itself as a unit: its key seals the names of staff.
    pub fn agency_unit(&self) -> UnitId {
        UnitId(self.record.vault.0)
    }

    /// The card in force: the pinned one, or what its root signed to follow it in the records log.
    pub fn card(&self) -> &VaultCard {
        self.directory().card().unwrap_or(&self.card)
    }

    /// The gatekeeper's key of the card in force.
    pub fn gate_key(&self) -> Result<DevicePublic, ClientError> {
        Ok(DevicePublic::parse(&self.card().gate_key)?)
    }

    /// The secrets of the profile.
    pub fn unlocked(&self) -> &Unlocked {
        &self.unlocked
    }

    /// What the first of this person's identities gives that it was sealed to.
    pub(crate) fn with_own_identities<T>(
        &self,
        open: impl Fn(&Identity) -> Result<T, CryptoError>,
    ) -> Result<T, ClientError> {
        for identity in self.unlocked.identities() {
            match open(identity) {
                Err(CryptoError::NotARecipient) => {}
                other => return Ok(other?),
            }
        }
        Err(CryptoError::NotARecipient.into())
    }

    /// The vault's HTTP interface.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// What the records log says, as of the last sync.
    pub fn directory(&self) -> &Directory {
        self.records.directory()
    }

    /// The replayed records log.
    pub fn replayer(&self) -> &Replayer {
        self.records.replayer()
    }

    /// The head of the records log that the last sync verified, with its quorum's time.
    pub fn head(&self) -> Option<&Witnessed> {
        self.records.head()
    }

    /// The units this profile's person works in now, as a caseworker or standing in for one.
    pub fn caseworker_units(&self) -> Vec<UnitId> {
        let now_us = now_us();
        let person = self.directory().person(self.person());
        let mut units: Vec<_> = person
            .into_iter()
            .flat_map(|person| person.appointments_at(now_us))
            .filter(|appointment| appointment.role == Role::CaseWorker)
            .filter_map(|appointment| appointment.unit)
            .collect();
        units.extend(self.stands_in().into_iter().map(|(unit, _)| unit));
        units
    }

    /// The unit in which to act as a caseworker: the one named, or the only one there is.
    pub fn caseworker_unit(&self, named: Option<UnitId>) -> Result<UnitId, ClientError> {
        let units = self.caseworker_units();
        match (named, units.as_slice()) {
            (Some(unit), units) if units.contains(&unit) => Ok(unit),
            (Some(_), _) => Err(ClientError::Refused(
                "you are no caseworker of that unit".into(),
            )),
            (None, [unit]) => Ok(*unit),
            (None, []) => Err(ClientError::Refused(
                "you are no caseworker of any unit".into(),
            )),
            (None, _) => Err(ClientError::Usage(
                "you are a caseworker of several units; name one with --unit".into(),
            )),
        }
    }

    /// Fails unless this profile's person is a registrar now.
    pub fn require_registrar(&self) -> Result<(), ClientError> {
        let directory = self.directory();
        if directory.holds_role(self.person(), Role::Registrar, None, now_us()) {
            return Ok(());
        }
        Err(ClientError::Refused(
            "only a registrar may do this, and you are none".into(),
        ))
    }

    /// Threads for sealing and opening: what the machine has, at most four; started at first use.
    pub(crate) fn workers(&self) -> Arc<Workers> {
        let four = NonZeroUsize::MIN.saturating_add(3);
        let start = || {
            let found = std::thread::available_parallelism();
            let threads = found.map_or(NonZeroUsize::MIN, |found| found.min(four));
            Arc::new(Workers::new(threads))
        };
        Arc::clone(self.workers.get_or_init(start))
    }

    pub(crate) fn act_signer(&self) -> Result<ActSigner<'_>, ClientError> {
        let tail = self.records.replayer().tail();
        let head = tail.checkpoint();
        Ok(ActSigner {
            vault: self.record.vault,
            card_version: self.directory().card().map_or(1, |card| card.version),
            shard: current_shard(self.directory(), now_us())?,
            person: self.record.person,
            device: &self.unlocked.device,
            pinned: Some(PinnedCheckpoint {
                origin: head.origin,
                size: head.size,
                root: head.root,
            }),
            stands_in: self.stands_in(),
        })
    }
}

/// The vault has written something that witnesses have not confirmed yet.
fn is_unconfirmed(failed: &ClientError) -> bool {
    match failed {
        ClientError::Log(refused) => *refused == LogError::NoQuorum,
        ClientError::Problem(problem) => problem.code() == "unconfirmed",
        _ => false,
    }
}
