//! `obhut-server serve`.

use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use obhut_sql::{Engine, SqlError};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::ServerError;
use crate::args::ServeArgs;
use crate::clock::now_us;
use crate::config::check_listen;
use crate::data::Data;
use crate::declining::Declining;
use crate::logging;
use crate::running::{Ended, Running};
use crate::tls::{Identity, TlsConfig};

/// Requests under way when the lead is lost get this long: their answers may be out of date.
const LEAD_LOST: Duration = Duration::from_secs(2);
/// Pause before the database is tried again.
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// Serves until SIGINT or SIGTERM: then no new connections are taken, requests finish, queued log work is committed and
/// published. A server that does not lead any more begins again as a follower.
pub async fn serve(args: ServeArgs) -> Result<String, ServerError> {
    let data = Data::open(&args.data).await?;
    logging::start(data.config.log);
    let grace = Duration::from_secs(data.config.limits.shutdown_seconds);
    let shared = data.db.engine() == Engine::Postgres;
    let tls = data.config.tls.as_ref();
    let identity = tls
        .map(|tls| Identity::load(tls, &data.folder))
        .transpose()?;
    let identity = identity.as_ref();
    let mut watching = JoinSet::new();
    watching.spawn(reload_on_hangup(
        identity.cloned(),
        data.config.cluster.advertise.clone(),
    ));
    let (listener, address) = listen(args.listen.unwrap_or(data.config.listen), tls).await?;
    let mut stop = std::pin::pin!(stop_signal());
    let mut running = Running::start(data, again(&listener, address)?, identity).await?;
    let scheme = if identity.is_some() { "https" } else { "http" };
    tracing::info!(listen = %address, version = env!("CARGO_PKG_VERSION"), "ready");
    say(&format!("Obhut is ready at {scheme}://{address}\n"));
    loop {
        let ended = tokio::select! {
            signal = &mut stop => {
                signal?;
                tracing::info!("stopping");
                running.stop(grace).await;
                return Ok("Obhut has stopped.\n".to_owned());
            }
            ended = running.ended() => ended,
        };
        running
            .stop(if ended.is_ok() { LEAD_LOST } else { grace })
            .await;
        match ended? {
            Ended::VaultStopped(vault) if !shared => return Err(ServerError::Stopped(vault)),
            ended => tracing::warn!(error = ?ended, "beginning again as a follower"),
        }
        running = tokio::select! {
            signal = &mut stop => return signal.map(|()| "Obhut has stopped.\n".to_owned()),
            running = begin_again(&args, &listener, address, identity) => running?,
        };
    }
}

/// Begins again, and tells whoever asks meanwhile that it does.
async fn begin_again(
    args: &ServeArgs,
    listener: &std::net::TcpListener,
    address: SocketAddr,
    identity: Option<&Identity>,
) -> Result<Running, ServerError> {
    let declining = Declining::start(again(listener, address)?, identity)?;
    let begun = wait_for_database(args, listener, address, identity).await;
    declining.stop().await;
    begun
}

async fn wait_for_database(
    args: &ServeArgs,
    listener: &std::net::TcpListener,
    address: SocketAddr,
    identity: Option<&Identity>,
) -> Result<Running, ServerError> {
    loop {
        let begun = match Data::open(&args.data).await {
            Ok(data) => Running::start(data, again(listener, address)?, identity).await,
            Err(error) => Err(error),
        };
        match begun {
            Err(error) if is_passing(&error) => {
                let error = logging::chain(&error);
                tracing::warn!(error, "the database does not answer; trying again");
                tokio::time::sleep(TRY_AGAIN).await;
            }
            begun => return begun,
        }
    }
}

fn is_passing(error: &ServerError) -> bool {
    use obhut_store::StoreError;
    match error {
        ServerError::Database { source, .. } => matches!(source, SqlError::Unavailable(_)),
        ServerError::Store(StoreError::Sql(error)) => {
            matches!(
                error,
                SqlError::Unavailable(_) | SqlError::Undecided(_) | SqlError::Conflict(_)
            )
        }
        ServerError::Store(error) => {
            matches!(error, StoreError::Fenced | StoreError::NotLeading)
        }
        _ => false,
    }
}

async fn listen(
    address: SocketAddr,
    tls: Option<&TlsConfig>,
) -> Result<(std::net::TcpListener, SocketAddr), ServerError> {
    check_listen(address, tls)?;
    let failed = |source| ServerError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener.into_std().map_err(failed)?, bound))
}

/// The same listener once more: connections that come meanwhile wait in it.
fn again(
    listener: &std::net::TcpListener,
    address: SocketAddr,
) -> Result<TcpListener, ServerError> {
    let failed = |source| ServerError::Listen { address, source };
    let listener = listener.try_clone().map_err(failed)?;
    TcpListener::from_std(listener).map_err(failed)
}

/// Takes a new certificate over without a restart, and says what is wrong with the one in use. One that cannot be used
/// changes nothing.
async fn reload_on_hangup(identity: Option<Identity>, advertise: Option<String>) {
    let Ok(mut hangups) = signal(SignalKind::hangup()) else {
        return;
    };
    loop {
        for warning in identity
            .iter()
            .flat_map(|identity| identity.warnings(now_us(), advertise.as_deref()))
        {
            tracing::warn!(error = warning, "the certificate should be looked after");
        }
        if hangups.recv().await.is_none() {
            return;
        }
        match identity.as_ref().map(Identity::reload) {
            None => tracing::info!("there is no certificate to read again"),
            Some(Ok(())) => tracing::info!("the certificate was read again"),
            Some(Err(error)) => {
                let error = logging::chain(&error);
                tracing::error!(
                    error,
                    "the certificate cannot be used; the one before stays"
                );
            }
        }
    }
}

/// Says something at once; nobody may be reading.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

async fn stop_signal() -> Result<(), ServerError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ServerError::Runtime)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(ServerError::Runtime)?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
