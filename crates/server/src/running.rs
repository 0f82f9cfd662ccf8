//! A running server: its vaults, its listener, and the way it stops.

use std::time::Duration;

use axum::serve::{Listener, ListenerExt};
use obhut_format::VaultId;
use obhut_sql::Engine;
use obhut_store::Lease;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::ServerError;
use crate::app::App;
use crate::clock::now_us;
use crate::cluster::{campaign, lead_one, stand};
use crate::data::Data;
use crate::objects::Objects;
use crate::routes::router;
use crate::tls::{Doors, Identity, TlsListener};

const LOOK_EVERY: Duration = Duration::from_secs(1);
const SWEEP_EVERY: Duration = Duration::from_hours(1);
/// How often vaults are looked for that `obhut-server vault add` made.
const LOOK_FOR_VAULTS: Duration = Duration::from_secs(2);
/// How often a follower reads on without being asked, so that little is left when it is.
const READ_ON_EVERY: Duration = Duration::from_millis(500);

/// A server that answers.
pub struct Running {
    app: App,
    data: Data,
    tasks: JoinSet<()>,
    standing: tokio::task::JoinHandle<Result<(), ServerError>>,
}

/// Why a server cannot go on as it is.
#[derive(Debug)]
pub enum Ended {
    /// This one does not lead any more; it can go on as a follower, from the beginning.
    LeadLost,
    /// A vault takes no work any more: its sequencer stops rather than sign what may be wrong.
    VaultStopped(VaultId),
}

impl Running {
    /// Opens every vault of the folder and begins to answer on `listener`, by TLS when there is an identity.
    pub async fn start(
        data: Data,
        listener: TcpListener,
        identity: Option<&Identity>,
    ) -> Result<Self, ServerError> {
        let app = open_app(&data).await?;
        let mut tasks = JoinSet::new();
        let (gatekeeper, stopping) = (app.gatekeeper().clone(), app.stopping().clone());
        tasks.spawn(async move { gatekeeper.sweep_until(stopping).await });
        let (objects, stopping) = (app.objects().clone(), app.stopping().clone());
        tasks.spawn(async move { sweep_objects(objects, stopping).await });
        tasks.spawn(look_for_vaults(app.clone()));
        if app.engine() == Engine::Postgres {
            tasks.spawn(read_on(app.clone()));
        }
        if let Some(identity) = identity {
            let doors = Doors::of(&data.config.limits);
            let listener = TlsListener::new(listener, identity.acceptor()?, doors);
            tasks.spawn(answer(app.clone(), listener));
        } else {
            let listener = listener.tap_io(|connection| {
                // Small answers go out at once; a failure costs latency only.
                let _ = connection.set_nodelay(true);
            });
            tasks.spawn(answer(app.clone(), listener));
        }
        let candidate = app.clone();
        #[expect(
            clippy::disallowed_methods,
            reason = "its result says why it ended; shutting down waits for it"
        )]
        let standing = tokio::spawn(async move { stand(&candidate).await });
        Ok(Self {
            app,
            data,
            tasks,
            standing,
        })
    }

    /// Ends when the server cannot go on as it is; an error is one that starting again would not mend.
    pub async fn ended(&mut self) -> Result<Ended, ServerError> {
        loop {
            self.hold_halted().await?;
            let tenants = self.app.tenants();
            if let Some(stopped) = tenants.iter().find(|tenant| !tenant.vault.is_running()) {
                return Ok(Ended::VaultStopped(stopped.row.vault));
            }
            let waited = tokio::time::timeout(LOOK_EVERY, &mut self.standing).await;
            match waited {
                Err(_) => {}
                Ok(Ok(stood)) => return stood.map(|()| Ended::LeadLost),
                Ok(Err(_)) => return Ok(Ended::LeadLost),
            }
        }
    }

    /// Vaults whose logs others know otherwise are not served any more; the others go on.
    async fn hold_halted(&self) -> Result<(), ServerError> {
        for tenant in self.app.tenants() {
            let Some(error) = tenant.vault.halted() else {
                continue;
            };
            let error = error.to_fork().into();
            self.app.hold(tenant.row.vault, &error);
            tenant.vault.shut_down().await;
        }
        self.app.refuse_to_serve_nothing()
    }

    /// Stops: requests get `grace` to finish, then queued log work is committed, published and the databases closed.
    pub async fn stop(mut self, grace: Duration) {
        self.app.stopping().cancel();
        self.standing.abort();
        let finished = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, finished).await.is_err() {
            tracing::warn!("requests were cut off at shutdown");
            self.tasks.shutdown().await;
        }
        self.app.shut_down().await;
        self.data.close().await;
    }
}

/// Answers requests until the server stops.
async fn answer<L>(app: App, listener: L)
where
    L: Listener<Addr: std::fmt::Debug>,
{
    let stopping = app.stopping().clone();
    let serve = axum::serve(listener, router(app))
        .with_graceful_shutdown(async move { stopping.cancelled().await });
    if let Err(error) = serve.await {
        tracing::error!(error = %error, "the listener failed");
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

/// Opens every vault of a data folder, and leads them unless another server does.
pub async fn open_app(data: &Data) -> Result<App, ServerError> {
    let objects = Objects::open(&data.config.objects, &data.folder)?;
    let app = App::new(data, objects)?;
    if app.engine() == Engine::Sqlite {
        // It is asked how far it has followed the logs that are opened.
        app.gatekeeper().start().await?;
    }
    app.open_new_vaults().await?;
    app.refuse_to_serve_nothing()?;
    campaign(&app).await?;
    Ok(app)
}

/// Vaults that were added since the start are served as well.
async fn look_for_vaults(app: App) {
    while pause(&app, LOOK_FOR_VAULTS).await {
        if let Err(error) = serve_new_vaults(&app).await {
            let error = crate::logging::chain(&error);
            tracing::warn!(error, "vaults that were added could not be opened");
        }
    }
}

async fn serve_new_vaults(app: &App) -> Result<(), ServerError> {
    app.open_new_vaults().await?;
    let lease = app.cluster().lease().filter(Lease::is_valid);
    let Some(lease) = lease else { return Ok(()) };
    for tenant in app.tenants() {
        if tenant.vault.is_following() && lead_one(app, &tenant, lease.clone()).await? {
            tracing::info!(vault = %tenant.row.vault, "a vault is led that was not before");
        }
    }
    Ok(())
}

async fn read_on(app: App) {
    while pause(&app, READ_ON_EVERY).await {
        for tenant in app.tenants() {
            match tenant.vault.refresh().await {
                Err(error) if error.is_fork() => app.hold(tenant.row.vault, &error.into()),
                Err(error) => {
                    tracing::warn!(vault = %tenant.row.vault, %error, "a vault could not be followed");
                }
                Ok(()) => {}
            }
        }
    }
}

/// False once the server stops.
async fn pause(app: &App, time: Duration) -> bool {
    let slept = app
        .stopping()
        .run_until_cancelled(tokio::time::sleep(time))
        .await;
    slept.is_some()
}
