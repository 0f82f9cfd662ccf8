//! What all requests share: configuration, vaults, objects, places.

use std::collections::BTreeMap;
use std::sync::Arc;

use obhut_format::VaultId;
use obhut_store::{Tiles, Vault, VaultRow};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::gatekeeper::Gatekeeper;
use crate::http::Throttle;
use crate::objects::{Objects, Staged};

/// The server's state. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Shared>);

struct Shared {
    config: Config,
    gatekeeper: Gatekeeper,
    objects: Objects,
    request_places: Semaphore,
    staged: Staged,
    stopping: CancellationToken,
    tiles: Tiles,
    upload_places: Semaphore,
    vaults: BTreeMap<VaultId, Tenant>,
}

/// One vault on this server.
pub struct Tenant {
    /// Its log, rows and rules.
    pub vault: Vault,
    /// What was fixed when it was made.
    pub row: VaultRow,
    /// Holds back floods of requests from callers nobody knows yet.
    pub throttle: Throttle,
}

impl App {
    /// The state for these vaults. `tiles` is where the logs are published.
    pub fn new(
        config: Config,
        gatekeeper: Gatekeeper,
        objects: Objects,
        tiles: Tiles,
        vaults: Vec<(VaultRow, Vault)>,
    ) -> Self {
        let limits = &config.limits;
        let tenant = |(row, vault): (VaultRow, Vault)| {
            let throttle = Throttle::new(limits.anonymous_per_minute);
            (
                row.vault,
                Tenant {
                    vault,
                    row,
                    throttle,
                },
            )
        };
        Self(Arc::new(Shared {
            vaults: vaults.into_iter().map(tenant).collect(),
            request_places: Semaphore::new(limits.concurrent_requests),
            upload_places: Semaphore::new(limits.concurrent_uploads),
            staged: Staged::default(),
            stopping: CancellationToken::new(),
            config,
            gatekeeper,
            objects,
            tiles,
        }))
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.0.config
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

    /// The published logs.
    pub fn tiles(&self) -> &Tiles {
        &self.0.tiles
    }

    /// All vaults.
    pub fn tenants(&self) -> impl Iterator<Item = &Tenant> {
        self.0.vaults.values()
    }

    /// The vault of this id.
    pub fn find_tenant(&self, vault: VaultId) -> Option<&Tenant> {
        self.0.vaults.get(&vault)
    }
}
