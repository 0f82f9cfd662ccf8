//! A process that serves: its lock, its log, its first line and the signal that ends it.

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use tokio::signal::unix::{SignalKind, signal};

use super::OperatorError;

const LOCK: &str = "lock";

/// One process at a time serves a data folder.
pub(super) fn lock(data: &Path) -> Result<File, OperatorError> {
    let path = data.join(LOCK);
    let mut options = File::options();
    options.write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(&path);
    let file = file.map_err(|error| OperatorError::file(&path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(OperatorError::InUse(data.to_owned())),
        Err(std::fs::TryLockError::Error(error)) => Err(OperatorError::file(&path, error)),
    }
}

/// Says something at once; nobody may be reading.
pub(super) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.flush();
}

/// Ends at SIGINT or SIGTERM.
pub(super) async fn stop_signal() -> Result<(), OperatorError> {
    let mut interrupt = signal(SignalKind::interrupt()).map_err(OperatorError::Runtime)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(OperatorError::Runtime)?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}

/// To standard error. Only Obhut's own lines: counts, codes and opaque ids.
pub(super) fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::new("warn,obhut_gate=info,obhut_sql=info");
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    // A second start (tests) keeps the first.
    let _ = lines.try_init();
}
