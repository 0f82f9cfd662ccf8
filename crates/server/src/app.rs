//! What all requests share: configuration, vaults, objects, places.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use obhut_format::VaultId;
use obhut_format::release::EnrolVault;
use obhut_sql::Engine;
use obhut_store::{Clock, Lease, Store, StoreError, Tiles, Vault, VaultParts, VaultRow};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::ServerError;
use crate::clock::now_us;
use crate::cluster::Cluster;
use crate::config::Config;
use crate::data::Data;
use crate::gatekeeper::Gatekeeper;
use crate::http::Throttle;
use crate::keys::LogKeys;
use crate::logging::chain;
use crate::objects::{Objects, Staged};
use crate::randomness::random_bytes;
use crate::witnesses::open_witnesses;

/// The server's state. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Shared>);

struct Shared {
    cluster: Cluster,
    config: Config,
    engine: Engine,
    folder: PathBuf,
    gatekeeper: Gatekeeper,
    held: RwLock<BTreeMap<VaultId, Held>>,
    objects: Objects,
    opening: tokio::sync::Mutex<()>,
    request_places: Semaphore,
    staged: Staged,
    stopping: CancellationToken,
    store: Store,
    tiles: Tiles,
    upload_places: Semaphore,
    vaults: RwLock<BTreeMap<VaultId, Arc<Tenant>>>,
}

/// Why a vault is not served.
#[derive(Clone, Debug)]
pub struct Held {
    /// The chain of errors, for an operator.
    pub reason: String,
    /// Whether others know another history of its logs than the database holds.
    pub is_fork: bool,
}

/// One vault on this server.
pub struct Tenant {
    /// Its log, rows and rules.
    pub vault: Vault,
    /// What was fixed when it was made.
    pub row: VaultRow,
    /// Holds back floods of requests from callers nobody knows yet.
    pub throttle: Throttle,
    /// Who has not answered yet since the vault was restored.
    waits_for: Mutex<Option<&'static str>>,
}

impl Tenant {
    /// Said once for each that is waited for.
    pub(crate) fn wait_for(&self, who: &'static str) {
        let mut waits_for = self
            .waits_for
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if waits_for.replace(who) != Some(who) {
            let (vault, error) = (self.row.vault, StoreError::Uncompared(who));
            tracing::warn!(%vault, %error, "nothing is signed yet");
        }
    }

    /// Who has not answered yet since the vault was restored.
    pub fn waits_for(&self) -> Option<&'static str> {
        if self.vault.is_leading() {
            return None;
        }
        *self
            .waits_for
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the vault's logs from now on. The gatekeeper knows the vault by then, also when it was added beside a
    /// running server.
    pub(crate) async fn lead(
        &self,
        gatekeeper: &Gatekeeper,
        lease: Lease,
    ) -> Result<(), ServerError> {
        let row = &self.row;
        let enrolment = EnrolVault {
            vault: row.vault,
            origin: row.origin.clone(),
            records_key: row.records_key,
            access_key: row.access_key,
            root: None,
        };
        let key = gatekeeper.enrol(enrolment).await?;
        if key != row.gate_key {
            return Err(ServerError::Gate(format!(
                "vault {} was made with another gatekeeper; restore that one's signing key",
                row.vault
            )));
        }
        Ok(self.vault.lead(lease).await?)
    }
}

impl App {
    /// The state of a server over this data folder, without vaults as yet.
    pub(crate) fn new(data: &Data, objects: Objects) -> Result<Self, ServerError> {
        let (config, limits) = (data.config.clone(), &data.config.limits);
        Ok(Self(Arc::new(Shared {
            cluster: Cluster::new(&config.cluster, &data.folder)?,
            engine: data.db.engine(),
            folder: data.folder.clone(),
            gatekeeper: data.gatekeeper.clone(),
            held: RwLock::default(),
            objects,
            opening: tokio::sync::Mutex::default(),
            request_places: Semaphore::new(limits.concurrent_requests),
            staged: Staged::default(),
            stopping: CancellationToken::new(),
            store: data.store.clone(),
            tiles: Tiles::new(data.folder.join(&config.tiles)),
            upload_places: Semaphore::new(limits.concurrent_uploads),
            vaults: RwLock::default(),
            config,
        })))
    }

    /// Opens vaults that were added since the last call, for reading.
    pub(crate) async fn open_new_vaults(&self) -> Result<(), ServerError> {
        let _alone = self.0.opening.lock().await;
        for row in self.store().vaults().await? {
            if self.find_tenant(row.vault).is_some() || self.find_held(row.vault).is_some() {
                continue;
            }
            match self.open_vault(&row).await {
                Ok(Some(vault)) => self.add(row, vault),
                Ok(None) => {}
                Err(error) if error.is_about_one_vault() => self.hold(row.vault, &error),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Opens a vault for reading; none where its keys are elsewhere.
    async fn open_vault(&self, row: &VaultRow) -> Result<Option<Vault>, ServerError> {
        let keys = match LogKeys::load(self.folder(), row.vault) {
            Err(ServerError::File { path, .. }) if self.engine() == Engine::Postgres => {
                let vault = row.vault;
                tracing::warn!(
                    %vault,
                    error = %path.display(),
                    "the keys of a vault are missing here: it is not served, and this server cannot lead"
                );
                self.cluster().note_missing_keys();
                return Ok(None);
            }
            keys => keys?,
        };
        let parts = VaultParts {
            records: keys.records,
            access: keys.access,
            notary: self.gatekeeper().notary(),
            witnesses: open_witnesses(&self.config().witnesses)?,
            tiles: self.tiles().clone(),
            clock: Clock::new(now_us),
            rng: Box::new(ChaCha20Rng::from_seed(random_bytes()?)),
        };
        Ok(Some(self.store().follow_vault(row.vault, parts).await?))
    }

    /// Serves this vault no more, for a reason that waiting does not mend; the others go on.
    pub(crate) fn hold(&self, vault: VaultId, error: &ServerError) {
        let held = Held {
            reason: chain(error),
            is_fork: error.is_fork(),
        };
        tracing::error!(%vault, error = held.reason, "a vault is not served");
        let mut vaults = self
            .0
            .vaults
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        vaults.remove(&vault);
        drop(vaults);
        let mut all = self.0.held.write().unwrap_or_else(PoisonError::into_inner);
        all.insert(vault, held);
    }

    /// Why a vault is not served; none where it is, or is not known.
    pub fn find_held(&self, vault: VaultId) -> Option<Held> {
        let held = self.0.held.read().unwrap_or_else(PoisonError::into_inner);
        held.get(&vault).cloned()
    }

    /// Vaults that are not served.
    pub fn held(&self) -> Vec<(VaultId, Held)> {
        let held = self.0.held.read().unwrap_or_else(PoisonError::into_inner);
        held.iter()
            .map(|(vault, held)| (*vault, held.clone()))
            .collect()
    }

    /// With nothing left to serve the server ends, and says why.
    pub(crate) fn refuse_to_serve_nothing(&self) -> Result<(), ServerError> {
        let held = self.held();
        if held.is_empty() || !self.tenants().is_empty() {
            return Ok(());
        }
        let reasons = held
            .iter()
            .map(|(vault, held)| format!("\n  {vault}: {}", held.reason));
        Err(ServerError::NothingServed {
            reasons: reasons.collect(),
            is_fork: held.iter().any(|(_, held)| held.is_fork),
        })
    }

    fn add(&self, row: VaultRow, vault: Vault) {
        let id = row.vault;
        let tenant = Arc::new(Tenant {
            vault,
            row,
            throttle: Throttle::new(self.config().limits.anonymous_per_minute),
            waits_for: Mutex::default(),
        });
        let mut vaults = self
            .0
            .vaults
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        vaults.insert(id, tenant);
    }

    /// Finishes and publishes what is queued in every vault, then lets the next process write.
    pub async fn shut_down(&self) {
        for tenant in self.tenants() {
            tenant.vault.shut_down().await;
        }
        self.cluster().resign().await;
    }

    /// Who leads.
    pub(crate) fn cluster(&self) -> &Cluster {
        &self.0.cluster
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// Which database the tables are in; only PostgreSQL has several servers.
    pub fn engine(&self) -> Engine {
        self.0.engine
    }

    /// The data folder.
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// The gatekeeper, spoken to in bytes.
    pub fn gatekeeper(&self) -> &Gatekeeper {
        &self.0.gatekeeper
    }

    /// The object store.
    pub fn objects(&self) -> &Objects {
        &self.0.objects
    }

    /// Capsules stored and not registered yet.
    pub fn staged(&self) -> &Staged {
        &self.0.staged
    }

    /// Places for requests.
    pub fn request_places(&self) -> &Semaphore {
        &self.0.request_places
    }

    /// Places for uploads.
    pub fn upload_places(&self) -> &Semaphore {
        &self.0.upload_places
    }

    /// Cancelled when the server begins to stop.
    pub fn stopping(&self) -> &CancellationToken {
        &self.0.stopping
    }

    /// The vaults' statements.
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The published logs.
    pub fn tiles(&self) -> &Tiles {
        &self.0.tiles
    }

    /// All vaults.
    pub fn tenants(&self) -> Vec<Arc<Tenant>> {
        let vaults = self.0.vaults.read().unwrap_or_else(PoisonError::into_inner);
        vaults.values().cloned().collect()
    }

    /// The vault of this id.
    pub fn find_tenant(&self, vault: VaultId) -> Option<Arc<Tenant>> {
        let vaults = self.0.vaults.read().unwrap_or_else(PoisonError::into_inner);
        vaults.get(&vault).cloned()
    }
}
