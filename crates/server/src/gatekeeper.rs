//! The gatekeeper in this process. It is spoken to in bytes, as it will be when another operator runs it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use obhut_format::release::{EnrolVault, GateRequest, GateResponse};
use obhut_gate::{Edge, Gate, GateConfig};
use obhut_store::{Notary, StoreError};
use tokio_util::sync::CancellationToken;

use crate::ServerError;
use crate::config;
use crate::database::Target;
use crate::logging::chain;

const SWEEP_EVERY: Duration = Duration::from_hours(1);

/// A handle on the gatekeeper. Cheap to clone.
#[derive(Clone)]
pub struct Gatekeeper {
    gate: Arc<Gate>,
    notary: Notary,
}

impl Gatekeeper {
    /// Opens the gatekeeper's stores; makes them and the storage key where there are none.
    pub async fn open(
        data: &Path,
        config: &config::GateConfig,
        edge: Edge,
    ) -> Result<Self, ServerError> {
        let mut places = GateConfig::new(data.join(&config.folder), data, data.join(&config.keys));
        let place = |target: Target| target.below(data).expose().to_owned();
        places.database = config.find_database().map(place);
        places.mirror = config.find_mirror().map(place);
        let gate = Gate::open(places, edge)
            .await
            .map_err(|error| ServerError::Gate(chain(&error)))?;
        let gate = Arc::new(gate);
        let asked = Arc::clone(&gate);
        let notary = Notary::new(move |request: Vec<u8>| {
            let gate = Arc::clone(&asked);
            async move { Some(gate.handle(&request).await) }
        });
        Ok(Self { gate, notary })
    }

    /// Makes a vault known; the gatekeeper's signing key.
    pub async fn enrol(&self, vault: EnrolVault) -> Result<[u8; 32], ServerError> {
        match self.ask(&GateRequest::Enrol(vault)).await {
            Ok(GateResponse::Enrolled(key)) => Ok(key),
            Ok(_) => Err(ServerError::Gate("it answered something else".to_owned())),
            Err(error) => Err(ServerError::Gate(error.to_string())),
        }
    }

    /// Asks; a refusal is [`StoreError::GateRefused`].
    pub async fn ask(&self, request: &GateRequest) -> Result<GateResponse, StoreError> {
        self.notary.ask(request).await
    }

    /// What the sequencer speaks to.
    pub fn notary(&self) -> Notary {
        self.notary.clone()
    }

    /// Waits for what is under way and closes both stores.
    pub async fn close(&self) {
        self.gate.close().await;
    }

    /// Does what is due with time, until the server stops: old deposit keys end, shares that were never registered go.
    pub async fn sweep_until(&self, stopping: CancellationToken) {
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(SWEEP_EVERY) => {}
            }
            match self.gate.sweep().await {
                Ok(count) => tracing::info!(count, "gatekeeper swept"),
                Err(refusal) => {
                    tracing::warn!(code = refusal.code(), "the gatekeeper could not sweep");
                }
            }
        }
    }
}
