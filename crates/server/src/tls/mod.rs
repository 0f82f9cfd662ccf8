//! TLS on the listener: TLS 1.3 by rustls with ring, and a certificate that can be replaced while the server runs.

mod certificate;
mod listener;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use tokio_rustls::TlsAcceptor;

use crate::ServerError;
pub(crate) use listener::{Doors, TlsListener};

/// Certificate and key of the listener, as PEM files. SIGHUP reads both again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The server's certificate, followed by the ones that lead to its authority.
    pub certificate: PathBuf,
    /// Its private key (PKCS#8, PKCS#1 or SEC1); not readable for everybody on the machine.
    pub key: PathBuf,
}

/// What the server proves itself with. Clones see the same certificate.
#[derive(Clone)]
pub struct Identity(Arc<Current>);

struct Current {
    certificate: PathBuf,
    key: PathBuf,
    proof: RwLock<Arc<CertifiedKey>>,
}

impl Identity {
    /// Reads both files; relative paths count from the data folder. Refuses a key that does not belong to the certificate,
    /// or that everybody on the machine can read.
    pub fn load(config: &TlsConfig, data: &Path) -> Result<Self, ServerError> {
        let (certificate, key) = (data.join(&config.certificate), data.join(&config.key));
        let proof = certificate::load_pair(&certificate, &key)?;
        Ok(Self(Arc::new(Current {
            certificate,
            key,
            proof: RwLock::new(Arc::new(proof)),
        })))
    }

    /// Reads both files again for the connections to come; when they cannot be used, what was read before stays.
    pub fn reload(&self) -> Result<(), ServerError> {
        let proof = certificate::load_pair(&self.0.certificate, &self.0.key)?;
        let mut slot = self.0.proof.write().unwrap_or_else(PoisonError::into_inner);
        *slot = Arc::new(proof);
        Ok(())
    }

    /// The last day of the certificate (UTC), such as `2027-01-31`; `None` when it does not say so readably.
    pub fn last_day(&self) -> Option<String> {
        certificate::last_day(&self.0.current())
    }

    /// What clients would stumble over: dates, or a name that the certificate does not have. `advertise` is the address at
    /// which other servers reach this one.
    pub fn warnings(&self, now_us: u64, advertise: Option<&str>) -> Vec<String> {
        certificate::warnings(&self.0.current(), now_us, advertise)
    }

    /// The way of shaking hands.
    pub(crate) fn acceptor(&self) -> Result<TlsAcceptor, ServerError> {
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .map_err(|error| ServerError::Config(format!("TLS: {error}")))?;
        let resolver: Arc<dyn ResolvesServerCert> = Arc::<Current>::clone(&self.0);
        let mut config = config.with_no_client_auth().with_cert_resolver(resolver);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

impl Current {
    fn current(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.proof.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.certificate.display())
    }
}
