//! The server's side: asks, gives up in time, and does not wait again for a gatekeeper that was just found gone.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use obhut_format::gate_link::PartyKey;
use tokio::time::Instant;

use super::{ANSWER_TIMEOUT, LinkKey, MAX_MESSAGE_BYTES, PATH};
use crate::GateError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// First and longest pause after a failure, in which nobody tries.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A gatekeeper of another operator, from the server's side. Cheap to clone.
#[derive(Clone)]
pub struct GateLink(Arc<Shared>);

struct Shared {
    http: reqwest::Client,
    url: String,
    health: Mutex<Health>,
}

#[derive(Default)]
struct Health {
    state: LinkState,
    pause: Duration,
    quiet_until: Option<Instant>,
}

/// How the last attempt to reach the gatekeeper went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum LinkState {
    /// Nothing was asked yet.
    #[default]
    Untried,
    /// It answered.
    Reached,
    /// It did not, and why as far as it can be seen from here.
    Unreachable(&'static str),
}

impl GateLink {
    /// The gatekeeper with this key at `https://host:port`; `own` is proved to it.
    pub fn new(url: &str, gate: PartyKey, own: &LinkKey) -> Result<Self, GateError> {
        let tls = own.client_config(gate).map_err(GateError::Tls)?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .build()
            .map_err(GateError::Link)?;
        let url = format!("{}{PATH}", url.trim_end_matches('/'));
        let health = Mutex::default();
        Ok(Self(Arc::new(Shared { http, url, health })))
    }

    /// The answer's bytes, or `None` when the gatekeeper cannot be reached now.
    pub async fn ask(&self, request: Vec<u8>) -> Option<Vec<u8>> {
        if !self.begin() {
            return None;
        }
        match self.post(request).await {
            Ok(answer) => {
                self.reached();
                Some(answer)
            }
            Err(reason) => {
                self.failed(reason);
                None
            }
        }
    }

    /// How the last attempt went.
    pub fn state(&self) -> LinkState {
        self.health().state.clone()
    }

    async fn post(&self, request: Vec<u8>) -> Result<Vec<u8>, &'static str> {
        let sent = self.0.http.post(&self.0.url).body(request).send().await;
        let mut response = sent.map_err(|error| name_failure(&error))?;
        if !response.status().is_success() {
            return Err("it answered with an error; its own log says more");
        }
        let mut answer = Vec::new();
        while let Some(part) = response
            .chunk()
            .await
            .map_err(|error| name_failure(&error))?
        {
            if answer.len() + part.len() > MAX_MESSAGE_BYTES {
                return Err("its answer is too long");
            }
            answer.extend_from_slice(&part);
        }
        Ok(answer)
    }

    /// Whether to try; while a pause lasts nobody does, and after it one does first.
    fn begin(&self) -> bool {
        let mut health = self.health();
        let now = Instant::now();
        match health.quiet_until {
            Some(until) if now < until => false,
            Some(_) => {
                let pause = health.pause;
                health.quiet_until = Some(now + pause);
                true
            }
            None => true,
        }
    }

    fn reached(&self) {
        let mut health = self.health();
        if matches!(health.state, LinkState::Unreachable(_)) {
            tracing::info!("the gatekeeper answers again");
        }
        *health = Health {
            state: LinkState::Reached,
            ..Health::default()
        };
    }

    fn failed(&self, reason: &'static str) {
        let mut health = self.health();
        let state = LinkState::Unreachable(reason);
        if health.state != state {
            tracing::warn!(error = reason, "the gatekeeper cannot be reached");
        }
        health.state = state;
        health.pause = (health.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        health.quiet_until = Some(Instant::now() + health.pause);
    }

    fn health(&self) -> std::sync::MutexGuard<'_, Health> {
        self.0.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name_failure(error: &reqwest::Error) -> &'static str {
    if has_cause::<rustls::Error>(error) {
        "its key is not the pinned one, or it speaks no TLS 1.3: compare the fingerprint with its operator's"
    } else if error.is_timeout() {
        "it did not answer in time"
    } else if error.is_connect() {
        "nothing answers at its address"
    } else {
        "the connection broke"
    }
}

/// The TLS library's error may lie inside errors of the operating system's kind, which show only what is behind it.
fn has_cause<T: std::error::Error + 'static>(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        let wrapped = cause.downcast_ref::<std::io::Error>();
        let inner = wrapped.and_then(std::io::Error::get_ref);
        if cause.is::<T>() || inner.is_some_and(|inner| has_cause::<T>(inner)) {
            return true;
        }
        next = cause.source();
    }
    false
}
