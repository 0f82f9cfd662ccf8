//! The way to witnesses elsewhere: C2SP tlog-witness over HTTP. What is sent is public and what comes back is signed, so
//! TLS hides it from onlookers and is not what trust rests on.

use std::time::Duration;

use obhut_log::VerifierKey;
use obhut_store::{Witness, WitnessAnswer};

use crate::ServerError;
use crate::config::WitnessConfig;
use crate::logging::chain;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer that is read: a few signature lines.
const MAX_ANSWER_BYTES: usize = 64 << 10;

/// The witnesses of the configuration, for any vault; a vault's card says whose cosignature counts.
pub(crate) fn open_witnesses(configured: &[WitnessConfig]) -> Result<Vec<Witness>, ServerError> {
    configured.iter().map(open_witness).collect()
}

fn open_witness(configured: &WitnessConfig) -> Result<Witness, ServerError> {
    let key: VerifierKey = configured.verifier_key()?;
    // Fails only when another part of the process chose already; then that choice holds.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(ANSWER_TIMEOUT);
    if configured.url.starts_with("http://") {
        // No TLS, and no need for a machine with root certificates.
        builder = builder.tls_certs_only(std::iter::empty());
    }
    let http = builder
        .build()
        .map_err(|error| ServerError::Config(format!("witnesses.url: {}", chain(&error))))?;
    let url = format!("{}/add-checkpoint", configured.url.trim_end_matches('/'));
    Ok(Witness::new(key, move |body| {
        ask(http.clone(), url.clone(), body)
    }))
}

async fn ask(http: reqwest::Client, url: String, body: String) -> Option<WitnessAnswer> {
    let mut response = http.post(url).body(body).send().await.ok()?;
    let status = response.status().as_u16();
    let mut answer = Vec::new();
    while let Some(part) = response.chunk().await.ok()? {
        if answer.len() + part.len() > MAX_ANSWER_BYTES {
            return None;
        }
        answer.extend_from_slice(&part);
    }
    let body = String::from_utf8(answer).ok()?;
    Some(WitnessAnswer { status, body })
}
