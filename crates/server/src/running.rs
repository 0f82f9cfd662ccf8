//! A running server: its vaults, its listener, and the way it stops.

use std::time::Duration;

use axum::serve::ListenerExt;
use obhut_format::VaultId;
use obhut_store::{Clock, Tiles, VaultParts};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::ServerError;
use crate::app::App;
use crate::clock::now_us;
use crate::data::Data;
use crate::keys::LogKeys;
use crate::objects::Objects;
use crate::randomness::random_bytes;
use crate::routes::router;
use crate::witnesses::open_witnesses;

const LOOK_EVERY: Duration = Duration::from_secs(1);
const SWEEP_EVERY: Duration = Duration::from_hours(1);

/// A server that answers.
pub struct Running {
    app: App,
    data: Data,
    tasks: JoinSet<()>,
}

impl Running {
    /// Opens every vault of the folder and begins to answer on `listener`.
    pub async fn start(data: Data, listener: TcpListener) -> Result<Self, ServerError> {
        let app = open_app(&data).await?;
        let mut tasks = JoinSet::new();
        let (gatekeeper, stopping) = (app.gatekeeper().clone(), app.stopping().clone());
        tasks.spawn(async move { gatekeeper.sweep_until(stopping).await });
        let (objects, stopping) = (app.objects().clone(), app.stopping().clone());
        tasks.spawn(async move { sweep_objects(objects, stopping).await });
        let listener = listener.tap_io(|connection| {
            // Small answers go out at once; a failure costs latency only.
            let _ = connection.set_nodelay(true);
        });
        let stopping = app.stopping().clone();
        let serve = axum::serve(listener, router(app.clone()))
            .with_graceful_shutdown(async move { stopping.cancelled().await });
        tasks.spawn(async move {
            if let Err(error) = serve.await {
                tracing::error!(error = %error, "the listener failed");
            }
        });
        Ok(Self { app, data, tasks })
    }

    /// Ends when a vault takes no work any more: its sequencer stops rather than sign what may be wrong.
    pub async fn first_stopped(&self) -> VaultId {
        loop {
            let mut tenants = self.app.tenants();
            if let Some(stopped) = tenants.find(|tenant| !tenant.vault.is_running()) {
                return stopped.row.vault;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Stops: requests get `grace` to finish, then queued log work is committed, published and the databases closed.
    pub async fn stop(mut self, grace: Duration) {
        self.app.stopping().cancel();
        let finished = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, finished).await.is_err() {
            tracing::warn!("requests were cut off at shutdown");
            self.tasks.shutdown().await;
        }
        for tenant in self.app.tenants() {
            tenant.vault.shut_down().await;
        }
        self.data.close().await;
    }
}

/// Removes unfinished uploads that nobody will end, now and every hour.
async fn sweep_objects(objects: Objects, stopping: CancellationToken) {
    loop {
        let now_s = i64::try_from(now_us() / 1_000_000).unwrap_or(i64::MAX);
        match objects.sweep(now_s).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "unfinished uploads were removed"),
            Err(error) => {
                let error = crate::logging::chain(&error);
                tracing::warn!(error, "unfinished uploads could not be looked for");
            }
        }
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(SWEEP_EVERY) => {}
        }
    }
}

/// Opens every vault of a data folder.
pub async fn open_app(data: &Data) -> Result<App, ServerError> {
    let mut vaults = Vec::new();
    let tiles = Tiles::new(data.folder.join(&data.config.tiles));
    for row in data.store.vaults().await? {
        let keys = LogKeys::load(&data.folder, row.vault)?;
        let parts = VaultParts {
            records: keys.records,
            access: keys.access,
            notary: data.gatekeeper.notary(),
            witnesses: open_witnesses(&data.config.witnesses)?,
            tiles: tiles.clone(),
            clock: Clock::new(now_us),
            rng: Box::new(ChaCha20Rng::from_seed(random_bytes()?)),
        };
        let vault = data.store.open_vault(row.vault, parts).await?;
        vaults.push((row, vault));
    }
    let objects = Objects::open(&data.config.objects, &data.folder)?;
    let (config, gatekeeper) = (data.config.clone(), data.gatekeeper.clone());
    Ok(App::new(config, gatekeeper, objects, tiles, vaults))
}
