//! One vault, running: its handle for front ends.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use obhut_format::{Cbor, DeviceKid, Kid, PersonId, VaultId};
use obhut_log::SignedCheckpoint;
use obhut_log::replay::Directory;
use obhut_model::{Caller, Refusal};
use obhut_sql::{Db, Engine};
use obhut_suite::{DeviceKey, NoteKey};
use rand_chacha::ChaCha20Rng;
use rand_core::{CryptoRng, Rng, SeedableRng};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::facts::caller_facts;
use crate::follower::Follower;
use crate::leadership::{Lease, take_logs};
use crate::publisher::{Published, Publisher};
use crate::restored::{Heads, is_uncompared, note_compared};
use crate::sequencer::{Reached, Work, Writer};
use crate::sessions::{RecentSessions, SessionLimits};
use crate::tiles::Tiles;
use crate::witness::{Witness, Witnesses};
use crate::{Clock, Notary, Store, StoreError, VaultRow};

/// What a vault needs beside its database.
pub struct VaultParts {
    /// Signs checkpoints of the records log and the vault's own statements.
    pub records: NoteKey,
    /// Signs checkpoints of access shards.
    pub access: NoteKey,
    /// The way to the gatekeeper.
    pub notary: Notary,
    /// Witnesses elsewhere that are asked for cosignatures.
    pub witnesses: Vec<Witness>,
    /// Where its logs are published.
    pub tiles: Tiles,
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
    pub(crate) recent_sessions: RecentSessions,
    pub(crate) tiles: Tiles,
    pub(crate) directory: watch::Receiver<Arc<Directory>>,
    pub(crate) published: watch::Receiver<Published>,
    announce: Announce,
    witnesses: Vec<Witness>,
    records: NoteKey,
    access: NoteKey,
    rng: Mutex<ChaCha20Rng>,
    follower: tokio::sync::Mutex<Follower>,
    stage: Mutex<Stage>,
    tasks: TaskTracker,
    /// Why nothing more may be signed here, once that is so.
    halt: Halt,
    pub(crate) stopping: CancellationToken,
}

/// Where the state is made known to front ends.
struct Announce {
    directory: watch::Sender<Arc<Directory>>,
    published: watch::Sender<Published>,
}

/// What this process does for the vault.
enum Stage {
    /// Another process writes, or nobody.
    Following,
    /// This one writes, for as long as the lease lasts.
    Leading(mpsc::UnboundedSender<Work>, Lease),
    /// Nothing any more.
    Stopped,
}

/// Set once, by whoever notices that others know another history of a log.
pub(crate) type Halt = Arc<std::sync::OnceLock<StoreError>>;

/// How long a release waits for a quorum.
pub(crate) const QUORUM_PATIENCE: Duration = Duration::from_secs(10);

impl Store {
    /// Derives the vault's state from its logs and starts its sequencer and publisher, for a
    /// process that has the database to itself: whoever had the vault open before is fenced off.
    pub async fn open_vault(&self, vault: VaultId, parts: VaultParts) -> Result<Vault, StoreError> {
        let running = self.follow_vault(vault, parts).await?;
        running.lead(Lease::sole()).await?;
        Ok(running)
    }

    /// Derives the vault's state from its logs, for reading: [`Vault::refresh`] brings it up to
    /// date, [`Vault::lead`] makes it the one that writes.
    pub async fn follow_vault(
        &self,
        vault: VaultId,
        parts: VaultParts,
    ) -> Result<Vault, StoreError> {
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
        // Of several servers only the leader has the gatekeeper's ear; it asks when it takes over.
        let asked = (self.db.engine() == Engine::Sqlite).then_some(&parts.notary);
        let heads = Heads::published(&self.db, vault, &parts.tiles).await?;
        let seen = heads.and_of_gatekeeper(asked).await.seen;
        let mut seed = parts.rng;
        let empty = Directory::new(vault, row.records_key);
        let (directory_out, directory_in) = watch::channel(Arc::new(empty));
        let (published_out, published_in) = watch::channel(Published::default());
        let tiles = parts.tiles;
        let mut follower = Follower::new(
            self.db.clone(),
            row.clone(),
            tiles.clone(),
            (directory_out.clone(), published_out.clone()),
            seen,
        );
        follower.catch_up(Instant::now()).await?;
        Ok(Vault(Arc::new(Inner {
            db: self.db.clone(),
            row,
            clock: parts.clock,
            notary: parts.notary,
            sessions: self.sessions,
            recent_sessions: RecentSessions::default(),
            tiles,
            directory: directory_in,
            published: published_in,
            announce: Announce {
                directory: directory_out,
                published: published_out,
            },
            witnesses: parts.witnesses,
            records: parts.records,
            access: parts.access,
            rng: Mutex::new(ChaCha20Rng::from_rng(&mut seed)),
            follower: tokio::sync::Mutex::new(follower),
            stage: Mutex::new(Stage::Following),
            tasks: TaskTracker::new(),
            halt: Halt::default(),
            stopping: CancellationToken::new(),
        })))
    }
}

impl Vault {
    /// Starts to write the vault's logs. Nobody of an earlier term can commit from here on; what
    /// they committed is derived and published again, and entries they left open are closed.
    pub async fn lead(&self, lease: Lease) -> Result<(), StoreError> {
        let inner = &*self.0;
        let mut follower = inner.follower.lock().await;
        if !self.is_following() {
            return Err(StoreError::Stopped);
        }
        let restored = is_uncompared(&inner.db, self.id()).await?;
        let demanded = if restored {
            Some(self.demand_heads().await?)
        } else {
            None
        };
        let term = take_logs(&inner.db, self.id(), &lease).await?;
        if let Some(heads) = demanded {
            follower.begin_again(heads.seen);
        } else if inner.db.engine() == Engine::Postgres {
            let heads = Heads::published(&inner.db, self.id(), &inner.tiles).await?;
            let heads = heads.and_of_gatekeeper(Some(&inner.notary)).await;
            follower.begin_again(heads.seen);
        }
        let (directory, logs) = follower.hand_over().await?;
        if restored {
            note_compared(&inner.db, self.id(), self.now_us()).await?;
        }
        inner.announce.directory.send_replace(Arc::new(directory));
        let (reached_out, reached_in) = watch::channel(Reached::default());
        let (queue, work) = mpsc::unbounded_channel();
        let writer = Writer::new(
            inner.db.clone(),
            (self.id(), term),
            (inner.clock.clone(), inner.notary.clone()),
            ChaCha20Rng::from_seed(self.random()),
            DeviceKey::from_seed(&inner.records.seed()),
            logs,
            (inner.announce.directory.clone(), reached_out),
        );
        let publisher = Publisher {
            db: inner.db.clone(),
            vault: self.id(),
            lease: lease.clone(),
            notary: inner.notary.clone(),
            witnesses: Witnesses::new(inner.witnesses.clone()),
            tiles: inner.tiles.clone(),
            records_key: inner.records.seed(),
            access_key: inner.access.seed(),
            directory: inner.directory.clone(),
            reached: reached_in,
            published: inner.announce.published.clone(),
            logs: HashMap::new(),
            unsaved: None,
            halt: inner.halt.clone(),
            said: None,
        };
        self.spawn(writer.run(work));
        self.spawn(publisher.run());
        *self.stage() = Stage::Leading(queue, lease);
        drop(follower);
        self.close_left_open().await?;
        self.start_upkeep();
        Ok(())
    }

    /// What everybody knows of the logs of a restored vault; nothing may be signed before all have answered.
    async fn demand_heads(&self) -> Result<Heads, StoreError> {
        let inner = &*self.0;
        let heads = Heads::published(&inner.db, self.id(), &inner.tiles).await?;
        let mut heads = heads.and_of_gatekeeper(Some(&inner.notary)).await;
        heads
            .demand_all(&inner.witnesses, self.is_founded())
            .await?;
        Ok(heads)
    }

    /// Makes sure that answers rest on everything that was committed and published before this
    /// call. Costs a reader of another server's logs one question to the database, the writer none.
    pub async fn refresh(&self) -> Result<(), StoreError> {
        let now = Instant::now();
        if let Stage::Leading(_, lease) = &*self.stage() {
            return if lease.is_valid() {
                Ok(())
            } else {
                Err(StoreError::NotLeading)
            };
        }
        let mut follower = self.0.follower.lock().await;
        // It may have become the leader meanwhile, whose state is the newest there is.
        if self.is_leading() {
            return Ok(());
        }
        follower.catch_up(now).await
    }

    /// Whether this process reads the vault's logs and could begin to write them.
    pub fn is_following(&self) -> bool {
        matches!(&*self.stage(), Stage::Following)
    }

    /// Whether this process writes the vault's logs.
    pub fn is_leading(&self) -> bool {
        matches!(&*self.stage(), Stage::Leading(_, lease) if lease.is_valid())
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.0.stage.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Whether the vault can be used here: a sequencer stops for good when the clock ran backwards
    /// or another process writes this vault's logs; the operational log says which.
    pub fn is_running(&self) -> bool {
        match &*self.stage() {
            Stage::Following => true,
            Stage::Leading(queue, _) => !queue.is_closed() && self.halted().is_none(),
            Stage::Stopped => false,
        }
    }

    /// Why nothing more is signed here: others know another history of one of its logs.
    pub fn halted(&self) -> Option<&StoreError> {
        self.0.halt.get()
    }

    /// Finishes what is queued, publishes it and stops.
    pub async fn shut_down(&self) {
        self.0.stopping.cancel();
        *self.stage() = Stage::Stopped;
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

    pub(crate) fn enqueue(&self, work: Work) -> Result<(), StoreError> {
        self.queue()?.send(work).map_err(|_| StoreError::Stopped)
    }

    pub(crate) fn queue(&self) -> Result<mpsc::UnboundedSender<Work>, StoreError> {
        match &*self.stage() {
            Stage::Following => Err(StoreError::NotLeading),
            Stage::Leading(..) if self.halted().is_some() => Err(StoreError::Stopped),
            Stage::Leading(queue, _) => Ok(queue.clone()),
            Stage::Stopped => Err(StoreError::Stopped),
        }
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
