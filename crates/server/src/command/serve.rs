//! `obhut-server serve`.

use std::io::Write;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::ServerError;
use crate::args::ServeArgs;
use crate::config::check_listen;
use crate::data::Data;
use crate::logging;
use crate::running::Running;

/// Serves until SIGINT or SIGTERM: then no new connections are taken, requests finish, queued log work is committed and
/// published.
pub async fn serve(args: ServeArgs) -> Result<String, ServerError> {
    let data = Data::open(&args.data).await?;
    logging::start(data.config.log);
    let address = args.listen.unwrap_or(data.config.listen);
    check_listen(address)?;
    let grace = Duration::from_secs(data.config.limits.shutdown_seconds);
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| ServerError::Listen { address, source })?;
    let address = listener
        .local_addr()
        .map_err(|source| ServerError::Listen { address, source })?;
    let running = Running::start(data, listener).await?;
    tracing::info!(listen = %address, version = env!("CARGO_PKG_VERSION"), "ready");
    say(&format!("Obhut is ready at http://{address}\n"));
    let stopped = tokio::select! {
        signal = stop_signal() => signal.map(|()| None)?,
        vault = running.first_stopped() => Some(vault),
    };
    tracing::info!("stopping");
    running.stop(grace).await;
    match stopped {
        Some(vault) => Err(ServerError::Stopped(vault)),
        None => Ok("Obhut has stopped.\n".to_owned()),
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
