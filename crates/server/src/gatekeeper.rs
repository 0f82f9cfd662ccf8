//! The gatekeeper: in this process, or another operator's over a connection. Both are spoken to in bytes.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use obhut_format::gate_link::PartyKey;
use obhut_format::release::{EnrolVault, GateRequest, GateResponse};
use obhut_gate::link::{GateLink, LinkState};
use obhut_gate::{Edge, Gate, GateConfig};
use obhut_store::{Notary, StoreError};
use tokio::sync::RwLock;
use tokio_util::sync::CancellationToken;

use crate::ServerError;
use crate::config::{self, GatePlace};
use crate::database::Target;
use crate::keys::load_or_create_link_key;
use crate::logging::chain;

const SWEEP_EVERY: Duration = Duration::from_hours(1);

/// Where a gatekeeper in the server's process has its things; none where another operator runs it.
pub(crate) fn find_places(
    data: &Path,
    config: &config::GateConfig,
) -> Result<Option<GateConfig>, ServerError> {
    match config.place()? {
        GatePlace::InProcess { keys } => Ok(Some(places(data, config, &keys))),
        GatePlace::Elsewhere { .. } => Ok(None),
    }
}

fn places(data: &Path, config: &config::GateConfig, keys: &Path) -> GateConfig {
    let mut places = GateConfig::new(data.join(&config.folder), data, data.join(keys));
    let place = |target: Target| target.below(data).expose().to_owned();
    places.database = config.find_database().map(place);
    places.mirror = config.find_mirror().map(place);
    places
}

/// A handle on the gatekeeper. Cheap to clone.
#[derive(Clone)]
pub struct Gatekeeper {
    place: Place,
    notary: Notary,
}

#[derive(Clone)]
enum Place {
    InProcess(Arc<Here>),
    Elsewhere { link: GateLink, key: PartyKey },
}

/// A gatekeeper in this process. Of several servers only the one that leads has it open: its replay is in memory.
struct Here {
    places: GateConfig,
    edge: Edge,
    gate: RwLock<Option<Arc<Gate>>>,
}

impl Here {
    async fn find(&self) -> Option<Arc<Gate>> {
        self.gate.read().await.clone()
    }
}

impl Gatekeeper {
    /// Finds out where the gatekeeper's things are and opens nothing yet, or prepares the connection to another
    /// operator's.
    pub fn prepare(
        data: &Path,
        config: &config::GateConfig,
        edge: Edge,
    ) -> Result<Self, ServerError> {
        match config.place()? {
            GatePlace::InProcess { keys } => {
                Ok(Self::prepare_here(places(data, config, &keys), edge))
            }
            GatePlace::Elsewhere { url, key } => Self::connect(data, &url, key),
        }
    }

    fn prepare_here(places: GateConfig, edge: Edge) -> Self {
        let here = Arc::new(Here {
            places,
            edge,
            gate: RwLock::default(),
        });
        let asked = Arc::clone(&here);
        let notary = Notary::new(move |request: Vec<u8>| {
            let here = Arc::clone(&asked);
            async move { Some(here.find().await?.handle(&request).await) }
        });
        let place = Place::InProcess(here);
        Self { place, notary }
    }

    /// Opens the stores of a gatekeeper in this process; makes them and the storage key where there are none. Before that
    /// it does not answer.
    pub async fn start(&self) -> Result<(), ServerError> {
        let Place::InProcess(here) = &self.place else {
            return Ok(());
        };
        let mut gate = here.gate.write().await;
        if gate.is_none() {
            let opened = Gate::open(here.places.clone(), here.edge.clone()).await;
            let opened = opened.map_err(|error| ServerError::Gate(chain(&error)))?;
            *gate = Some(Arc::new(opened));
        }
        Ok(())
    }

    fn connect(data: &Path, url: &str, key: PartyKey) -> Result<Self, ServerError> {
        let own = load_or_create_link_key(data)?;
        let link =
            GateLink::new(url, key, &own).map_err(|error| ServerError::Gate(chain(&error)))?;
        let asked = link.clone();
        let notary = Notary::new(move |request: Vec<u8>| {
            let link = asked.clone();
            async move { link.ask(request).await }
        });
        let place = Place::Elsewhere { link, key };
        Ok(Self { place, notary })
    }

    /// The signing key that a new vault's card will pin. In this process the vault becomes known at once; another operator
    /// lets it in when the founder shows that operator's code.
    pub async fn enrol(&self, vault: EnrolVault) -> Result<[u8; 32], ServerError> {
        if let Place::Elsewhere { key, .. } = &self.place {
            return Ok(key.0);
        }
        match self.ask(&GateRequest::Enrol(vault)).await {
            Ok(GateResponse::Enrolled(key)) => Ok(key),
            Ok(_) => Err(ServerError::Gate("it answered something else".to_owned())),
            Err(error) => Err(ServerError::Gate(error.to_string())),
        }
    }

    /// Whether another operator runs it.
    pub fn is_elsewhere(&self) -> bool {
        matches!(self.place, Place::Elsewhere { .. })
    }

    /// Why it does not answer; none while it does, or before it was asked.
    pub fn trouble(&self) -> Option<&'static str> {
        match &self.place {
            Place::Elsewhere { link, .. } => match link.state() {
                LinkState::Unreachable(why) => Some(why),
                _ => None,
            },
            Place::InProcess(_) => None,
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
        if let Place::InProcess(here) = &self.place
            && let Some(gate) = here.gate.write().await.take()
        {
            gate.close().await;
        }
    }

    /// Does what is due with time, until the server stops: old deposit keys end, shares that were never registered go.
    /// Another operator's gatekeeper does so itself.
    pub async fn sweep_until(&self, stopping: CancellationToken) {
        let Place::InProcess(here) = &self.place else {
            return;
        };
        loop {
            tokio::select! {
                () = stopping.cancelled() => return,
                () = tokio::time::sleep(SWEEP_EVERY) => {}
            }
            let Some(gate) = here.find().await else {
                continue;
            };
            match gate.sweep().await {
                Ok(count) => tracing::info!(count, "gatekeeper swept"),
                Err(refusal) => {
                    tracing::warn!(code = refusal.code(), "the gatekeeper could not sweep");
                }
            }
        }
    }
}
