//! One vault, running: its handle for front ends.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use obhut_format::act::ActRequest;
use obhut_format::mutation::Committed;
use obhut_format::{Cbor, DeviceKid, Kid, PersonId, VaultId};
use obhut_log::SignedCheckpoint;
use obhut_log::replay::Directory;
use obhut_model::action::{Action, Mutate, ReadLog, Release};
use obhut_model::policy::{decide, decide_founding};
use obhut_model::{Caller, Grant, Refusal, Request};
use obhut_sql::Db;
use obhut_suite::{DeviceKey, NoteKey};
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, Rng, SeedableRng};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::act::{ActError, VerifiedAct};
use crate::facts::{caller_facts, mutation_facts, release_facts};
use crate::proposal::{Proposal, propose};
use crate::publisher::{Published, Publisher};
use crate::sequencer::{EntryWork, LoggedAct, MutationWork, Reached, Work, Writer, restore};
use crate::sessions::SessionLimits;
use crate::tiles::Tiles;
use crate::{Clock, Logged, Notary, Store, StoreError, VaultRow};

/// What a vault needs beside its database.
pub struct VaultParts {
    /// Signs checkpoints of the records log and the vault's own statements.
    pub records: NoteKey,
    /// Signs checkpoints of access shards.
    pub access: NoteKey,
    /// The way to the gatekeeper.
    pub notary: Notary,
    /// Folder of the tiles.
    pub tiles: PathBuf,
    /// The time.
    pub clock: Clock,
    /// Randomness; read once for a seed.
    pub rng: Box<dyn CryptoRng + Send>,
}

/// A running vault. Cheap to clone.
#[derive(Clone)]
pub struct Vault(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) db: Db,
    pub(crate) row: VaultRow,
    pub(crate) clock: Clock,
    pub(crate) notary: Notary,
    pub(crate) sessions: SessionLimits,
    pub(crate) tiles: Tiles,
    pub(crate) directory: watch::Receiver<Arc<Directory>>,
    pub(crate) published: watch::Receiver<Published>,
    rng: Mutex<ChaCha20Rng>,
    queue: Mutex<Option<mpsc::UnboundedSender<Work>>>,
    tasks: TaskTracker,
    pub(crate) stopping: CancellationToken,
}

/// How long a release waits for a quorum.
pub(crate) const QUORUM_PATIENCE: Duration = Duration::from_secs(10);

impl Store {
    /// Derives the vault's state from its logs and starts its sequencer and publisher. One process
    /// at a time may have a vault open; a second one is fenced off at its first commit.
    pub async fn open_vault(&self, vault: VaultId, parts: VaultParts) -> Result<Vault, StoreError> {
        let row = self.load_vault(vault).await?;
        let keys = [
            (&parts.records, row.records_key),
            (&parts.access, row.access_key),
        ];
        if keys
            .iter()
            .any(|(key, public)| key.public().as_bytes() != public)
        {
            return Err(StoreError::Damaged(
                "the log keys are not those of this vault",
            ));
        }
        let (directory, logs) = restore(&self.db, &row).await?;
        let mut seed = parts.rng;
        let mut rng = ChaCha20Rng::from_rng(&mut seed);
        let (directory_out, directory_in) = watch::channel(Arc::new(directory));
        let (reached_out, reached_in) = watch::channel(Reached::default());
        let (published_out, published_in) = watch::channel(Published::default());
        let (queue, work) = mpsc::unbounded_channel();
        let tiles = Tiles::new(parts.tiles);
        let writer = Writer::new(
            self.db.clone(),
            vault,
            (parts.clock.clone(), parts.notary.clone()),
            ChaCha20Rng::from_rng(&mut rng),
            DeviceKey::from_seed(&parts.records.seed()),
            logs,
            (directory_out, reached_out),
        );
        let publisher = Publisher {
            db: self.db.clone(),
            vault,
            notary: parts.notary.clone(),
            tiles: tiles.clone(),
            records_key: parts.records.seed(),
            access_key: parts.access.seed(),
            directory: directory_in.clone(),
            reached: reached_in,
            published: published_out,
            logs: HashMap::new(),
        };
        let running = Vault(Arc::new(Inner {
            db: self.db.clone(),
            row,
            clock: parts.clock,
            notary: parts.notary,
            sessions: self.sessions,
            tiles,
            directory: directory_in,
            published: published_in,
            rng: Mutex::new(rng),
            queue: Mutex::new(Some(queue)),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        }));
        running.spawn(writer.run(work));
        running.spawn(publisher.run());
        running.close_left_open().await?;
        running.start_upkeep();
        Ok(running)
    }
}

impl Vault {
    /// Its id.
    pub fn id(&self) -> VaultId {
        self.0.row.vault
    }

    /// Prefix of its log origins.
    pub fn origin(&self) -> &str {
        &self.0.row.origin
    }

    /// What the records say, as of the last commit.
    pub fn directory(&self) -> Arc<Directory> {
        Arc::clone(&self.0.directory.borrow())
    }

    /// Whether the vault card is in the log.
    pub fn is_founded(&self) -> bool {
        self.0.directory.borrow().card().is_some()
    }

    /// The canonical vault card.
    pub fn card_bytes(&self) -> Option<Vec<u8>> {
        self.0.directory.borrow().card().map(Cbor::to_bytes)
    }

    /// Origin of the access shard that acts are to name now.
    pub fn current_shard(&self) -> Option<String> {
        let now_us = self.now_us();
        let directory = self.directory();
        let current = directory.shards().filter(|shard| shard.from_us <= now_us);
        current
            .max_by_key(|shard| shard.from_us)
            .map(|shard| shard.origin.clone())
    }

    /// The newest head of the records log with a quorum, as a signed note.
    pub fn records_checkpoint(&self) -> Option<String> {
        self.find_published(&self.0.row.records_origin())
            .map(|signed| signed.to_string())
    }

    /// The newest head of the current access shard with a quorum, as a signed note.
    pub fn access_checkpoint(&self) -> Option<String> {
        self.find_published(&self.current_shard()?)
            .map(|signed| signed.to_string())
    }

    /// Finishes what is queued, publishes it and stops.
    pub async fn shut_down(&self) {
        self.0.stopping.cancel();
        self.0
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// The person behind an authenticated device, or why they may not come in.
    pub fn caller(&self, person: PersonId, device: DeviceKid) -> Result<Caller, Refusal> {
        let facts = caller_facts(&self.directory(), person, device);
        Caller::new(facts, self.now_us())
    }

    /// A person with an invitation that may still be used, by its bundle.
    pub fn find_invited(&self, kid: Kid) -> Option<PersonId> {
        let directory = self.directory();
        let person = directory.current_holder(kid)?;
        let live = person
            .invited_until_us
            .is_some_and(|until| self.now_us() < until);
        (live && !person.is_activated()).then_some(person.person)
    }

    /// Checks that the caller's device signed this act, for this vault, just now.
    pub fn verify_act(
        &self,
        caller: &Caller,
        request: ActRequest,
    ) -> Result<VerifiedAct, ActError> {
        let directory = self.directory();
        let device = directory
            .device(caller.device())
            .ok_or(ActError::Signature)?;
        let knows = |shard: &str| directory.find_shard(shard).is_some();
        VerifiedAct::verify(request, &device.public, self.id(), knows, self.now_us())
    }

    /// Parses a mutation, checks its rows and tries its records on a copy of the directory.
    pub async fn propose(&self, mutation: &[u8]) -> Result<Proposal, StoreError> {
        let now_us = self.now_us();
        propose(&self.0.db, self.directory(), self.id(), mutation, now_us).await
    }

    /// As [`verify_act`](Self::verify_act) where the device comes into being with the mutation
    /// itself: founding and activation.
    pub fn verify_act_of(
        &self,
        proposal: &Proposal,
        request: ActRequest,
    ) -> Result<(Caller, VerifiedAct), StoreError> {
        let after = proposal.after();
        let act = obhut_format::act::Act::from_bytes(&request.signed.act.0)
            .map_err(|_| ActError::Malformed)?;
        let caller = Caller::new(caller_facts(after, act.person, act.device), self.now_us())?;
        let device = after.device(act.device).ok_or(ActError::Signature)?;
        let knows = |shard: &str| after.find_shard(shard).is_some();
        let act = VerifiedAct::verify(request, &device.public, self.id(), knows, self.now_us())?;
        Ok((caller, act))
    }

    /// Decides an act that reads documents or cases.
    pub async fn authorise_release(
        &self,
        caller: &Caller,
        act: &VerifiedAct,
    ) -> Result<Grant<Release>, StoreError> {
        let directory = self.directory();
        let granted = self.all_granted(caller, act, &directory).await?;
        let facts = release_facts(&directory, act.objects(), granted);
        Ok(decide(
            caller,
            &Request::new(act.act(), act.hash(), &facts),
        )?)
    }

    /// Decides an act that reads the access log.
    pub fn authorise_reading(
        &self,
        caller: &Caller,
        act: &VerifiedAct,
    ) -> Result<Grant<ReadLog>, Refusal> {
        let facts = obhut_model::Facts::default();
        decide(caller, &Request::new(act.act(), act.hash(), &facts))
    }

    /// Decides an act that writes records. The act must name this very mutation.
    pub fn authorise_mutation(
        &self,
        caller: &Caller,
        act: &VerifiedAct,
        proposal: &Proposal,
    ) -> Result<Grant<Mutate>, Refusal> {
        if act.act().payload_hash != Some(proposal.hash()) {
            return Err(Refusal::ChangeNotOfThisAct);
        }
        let (before, after) = (&proposal.before, &proposal.after);
        let facts = mutation_facts(before, after, &proposal.mutation, caller.kid());
        decide(caller, &Request::new(act.act(), act.hash(), &facts))
    }

    /// Decides the founding. The bootstrap code must have been checked by
    /// [`check_bootstrap`](Self::check_bootstrap).
    pub fn authorise_founding(
        &self,
        caller: &Caller,
        act: &VerifiedAct,
        proposal: &Proposal,
    ) -> Result<Grant<Mutate>, Refusal> {
        let empty = proposal.before.size() == 0 || proposal.repeat.is_some();
        if !empty || act.act().payload_hash != Some(proposal.hash()) {
            return Err(Refusal::ChangeNotOfThisAct);
        }
        let (before, after) = (&proposal.before, &proposal.after);
        let facts = mutation_facts(before, after, &proposal.mutation, caller.kid());
        decide_founding(caller, &Request::new(act.act(), act.hash(), &facts))
    }

    /// Logs a reading act; the answer comes once its entry is committed.
    pub async fn log_release(
        &self,
        grant: Grant<Release>,
        act: VerifiedAct,
    ) -> Result<Logged<Release>, StoreError> {
        self.log(grant, act).await
    }

    /// Logs the reading of the log.
    pub async fn log_reading(
        &self,
        grant: Grant<ReadLog>,
        act: VerifiedAct,
    ) -> Result<Logged<ReadLog>, StoreError> {
        self.log(grant, act).await
    }

    /// Logs a refused act. Nothing to do before the founding, when there is no shard yet.
    pub async fn log_refusal(&self, act: VerifiedAct, refusal: Refusal) -> Result<(), StoreError> {
        if !self.is_founded() {
            return Ok(());
        }
        self.log_entry(act, Some(refusal)).await.map(drop)
    }

    /// Commits records, rows, entry and CLOSE in one transaction. Records committed before are
    /// answered as they were, and not logged again.
    pub async fn commit(
        &self,
        grant: Grant<Mutate>,
        act: VerifiedAct,
        proposal: Proposal,
    ) -> Result<Committed, StoreError> {
        if grant.act() != act.hash() {
            return Err(StoreError::OtherAct);
        }
        if let Some(committed) = proposal.repeat {
            return Ok(committed);
        }
        let (reply, answer) = oneshot::channel();
        self.enqueue(Work::Mutation(Box::new(MutationWork {
            act,
            proposal,
            reply,
        })))?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }

    async fn log<A: Action>(
        &self,
        grant: Grant<A>,
        act: VerifiedAct,
    ) -> Result<Logged<A>, StoreError> {
        if grant.act() != act.hash() {
            return Err(StoreError::OtherAct);
        }
        let queue = self.queue()?;
        let entry = self.log_entry(act.clone(), None).await?;
        Ok(Logged::new(act, entry, &queue))
    }

    async fn log_entry(
        &self,
        act: VerifiedAct,
        refusal: Option<Refusal>,
    ) -> Result<LoggedAct, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Work::Entry(Box::new(EntryWork {
            act,
            refusal,
            reply,
        })))?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }

    pub(crate) fn enqueue(&self, work: Work) -> Result<(), StoreError> {
        self.queue()?.send(work).map_err(|_| StoreError::Stopped)
    }

    fn queue(&self) -> Result<mpsc::UnboundedSender<Work>, StoreError> {
        let queue = self.0.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.clone().ok_or(StoreError::Stopped)
    }

    /// A task that [`shut_down`](Self::shut_down) waits for.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.tasks.spawn(task);
    }

    pub(crate) fn now_us(&self) -> u64 {
        self.0.clock.now_us()
    }

    pub(crate) fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        let mut rng = self.0.rng.lock().unwrap_or_else(PoisonError::into_inner);
        rng.fill_bytes(&mut bytes);
        bytes
    }

    pub(crate) fn find_published(&self, origin: &str) -> Option<Arc<SignedCheckpoint>> {
        self.0.published.borrow().logs.get(origin).cloned()
    }

    /// Waits until a quorum stands behind a head of this log with more than `index` leaves.
    pub(crate) async fn wait_published(
        &self,
        origin: &str,
        index: u64,
        patience: Duration,
    ) -> Result<Arc<SignedCheckpoint>, StoreError> {
        let mut published = self.0.published.clone();
        let covers = |published: &Published| {
            let signed = published.logs.get(origin);
            signed.is_some_and(|signed| signed.unverified().size > index)
        };
        let waited = tokio::time::timeout(patience, published.wait_for(covers)).await;
        match waited {
            Ok(Ok(published)) => published
                .logs
                .get(origin)
                .cloned()
                .ok_or(StoreError::NoQuorum),
            Ok(Err(_)) => Err(StoreError::Stopped),
            Err(_) => Err(StoreError::NoQuorum),
        }
    }
}
