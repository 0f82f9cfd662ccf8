//! Several servers on one database: one of them leads and writes the logs, the others answer what needs no writing
//! and hand the rest on to it. ADR 0006 says why the servers prove nothing to each other.

mod election;
mod forward;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use obhut_store::{Leadership, Lease};
use reqwest::Client;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::ServerError;

pub(crate) use election::{campaign, lead_one, stand};
pub(crate) use forward::{REQUEST_ID_FORM, hand_on};

/// How servers of one database find each other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClusterConfig {
    /// Where the other servers reach this one, such as `https://10.0.0.2:8750`. Left out: they cannot, and while this one
    /// leads they only answer what they can answer themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advertise: Option<String>,
    /// Certificates (PEM) of the authority that signed those of the other servers. Left out: the usual ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
}

impl ClusterConfig {
    /// Session tokens travel between servers: in the clear only on one machine.
    pub(crate) fn check(&self) -> Result<(), ServerError> {
        match &self.advertise {
            Some(address) if !is_safe(address) => Err(ServerError::Config(format!(
                "cluster.advertise {address} must begin with https://, or with http:// and a loopback address: requests with \
                 session tokens are sent there"
            ))),
            _ => Ok(()),
        }
    }
}

/// Whether requests may be sent to this address.
fn is_safe(address: &str) -> bool {
    let Ok(url) = reqwest::Url::parse(address) else {
        return false;
    };
    let host = url.host_str().unwrap_or_default();
    let here = host
        .trim_matches(['[', ']'])
        .parse()
        .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
    let bare = url.path() == "/" && url.query().is_none() && url.username().is_empty();
    bare && !host.is_empty() && (url.scheme() == "https" || url.scheme() == "http" && here)
}

const CONNECT_WITHIN: Duration = Duration::from_secs(3);

/// What this server knows about who leads.
pub(crate) struct Cluster {
    /// What the database is told when this one leads.
    pub(crate) advertise: Option<String>,
    client: Client,
    state: Mutex<State>,
    /// Address of another server that leads.
    leader: watch::Sender<Option<String>>,
}

#[derive(Default)]
struct State {
    leadership: Option<Leadership>,
    lease: Option<Lease>,
    /// A vault's keys are missing here: this server cannot lead.
    lacks_keys: bool,
}

impl Cluster {
    pub(crate) fn new(config: &ClusterConfig, data: &Path) -> Result<Self, ServerError> {
        // Fails only when another part of the process chose already; then that choice holds.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        if let Some(ca) = &config.ca {
            let path = data.join(ca);
            let pem = std::fs::read(&path).map_err(|error| ServerError::file(&path, error))?;
            let unusable =
                |_| ServerError::Config(format!("{} holds no certificates (PEM)", path.display()));
            let authorities = reqwest::Certificate::from_pem_bundle(&pem).map_err(unusable)?;
            client = client.tls_certs_only(authorities);
        } else if config
            .advertise
            .as_ref()
            .is_none_or(|address| address.starts_with("http:"))
        {
            // No need for a machine with root certificates.
            client = client.tls_certs_only(std::iter::empty());
        }
        let client = client.build().map_err(|error| {
            ServerError::Config(format!("connections to other servers: {error}"))
        })?;
        Ok(Self {
            advertise: config.advertise.clone(),
            client,
            state: Mutex::default(),
            leader: watch::Sender::default(),
        })
    }

    /// The lease this server leads under; none while it follows.
    pub(crate) fn lease(&self) -> Option<Lease> {
        self.state().lease.clone()
    }

    /// From now on this server cannot lead: it could not sign for every vault.
    pub(crate) fn note_missing_keys(&self) {
        self.state().lacks_keys = true;
    }

    fn may_lead(&self) -> bool {
        !self.state().lacks_keys
    }

    fn lead(&self, leadership: Leadership) {
        let mut state = self.state();
        state.lease = Some(leadership.lease());
        state.leadership = Some(leadership);
        drop(state);
        self.leader.send_replace(None);
    }

    fn follow(&self, leader: Option<String>) {
        // The address comes from the database; nothing is sent in the clear across a network on its word.
        self.leader
            .send_replace(leader.filter(|address| is_safe(address)));
    }

    fn leader(&self) -> Option<String> {
        self.leader.borrow().clone()
    }

    /// Ends when this one does not lead any more, as far as is known here.
    async fn deposed(&self, leader: &str) {
        let mut known = self.leader.subscribe();
        // The sender lives as long as `self`.
        let _ = known.wait_for(|now| now.as_deref() != Some(leader)).await;
    }

    /// Lets another server lead. Call it when all vaults have stopped.
    pub(crate) async fn resign(&self) {
        let leadership = self.state().leadership.take();
        if let Some(leadership) = leadership {
            leadership.resign().await;
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sends_tokens_in_the_clear_to_this_machine_only() {
        for safe in [
            "https://10.0.0.2:8750",
            "http://127.0.0.1:1",
            "http://[::1]:1",
        ] {
            assert!(is_safe(safe), "{safe}");
        }
        for unsafe_one in [
            "http://10.0.0.2:8750",
            "http://localhost.example",
            "https://u:p@h",
            "https://h/path",
            "ftp://127.0.0.1",
            "10.0.0.2:8750",
        ] {
            assert!(!is_safe(unsafe_one), "{unsafe_one}");
        }
    }
}
