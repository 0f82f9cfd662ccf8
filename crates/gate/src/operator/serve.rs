//! `obhut-gate serve`.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::args::ServeArgs;
use super::clock::system_edge;
use super::process::{lock, say, start_logging, stop_signal};
use super::{OperatorError, Settings};
use crate::Gate;
use crate::link::{self, TlsListener};

const SWEEP_EVERY: Duration = Duration::from_hours(1);

/// Serves until SIGINT or SIGTERM: then no new connections are taken and requests finish.
pub async fn serve(args: ServeArgs) -> Result<String, OperatorError> {
    let settings = Settings::load(&args.data)?;
    let _lock = lock(&args.data)?;
    start_logging();
    let gate = Gate::open(settings.places(&args.data)?, system_edge()?).await?;
    let gate = Arc::new(gate);
    let address = args.listen.unwrap_or(settings.listen);
    let tcp = TcpListener::bind(address).await;
    let tcp = tcp.map_err(|source| OperatorError::Listen { address, source })?;
    let local = tcp.local_addr();
    let local = local.map_err(|source| OperatorError::Listen { address, source })?;
    let listener = TlsListener::new(tcp, &gate.link_key()?)?;
    let stopping = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(sweep(Arc::clone(&gate), stopping.clone()));
    let stop = stopping.clone().cancelled_owned();
    let mut serving = JoinSet::new();
    serving.spawn(link::serve(Arc::clone(&gate), listener, stop));
    tracing::info!(listen = %local, version = env!("CARGO_PKG_VERSION"), "ready");
    say(&format!(
        "The gatekeeper is ready at https://{local}\nFingerprint   {}\n",
        gate.party_key()
    ));
    let ended = tokio::select! {
        signal = stop_signal() => signal.map(|()| None)?,
        ended = serving.join_next() => ended,
    };
    tracing::info!("stopping");
    stopping.cancel();
    let grace = Duration::from_secs(settings.shutdown_seconds);
    let finish = async {
        while serving.join_next().await.is_some() {}
        while tasks.join_next().await.is_some() {}
    };
    if tokio::time::timeout(grace, finish).await.is_err() {
        tracing::warn!("requests were cut off at shutdown");
    }
    gate.close().await;
    match ended {
        Some(Ok(Err(error))) => Err(error.into()),
        _ => Ok("The gatekeeper has stopped.\n".to_owned()),
    }
}

/// Does what is due with time: old deposit keys end, shares that were never registered go.
async fn sweep(gate: Arc<Gate>, stopping: CancellationToken) {
    loop {
        match gate.sweep().await {
            Ok(count) => tracing::info!(count, "swept"),
            Err(refusal) => tracing::warn!(code = refusal.code(), "could not sweep"),
        }
        tokio::select! {
            () = stopping.cancelled() => return,
            () = tokio::time::sleep(SWEEP_EVERY) => {}
        }
    }
}
