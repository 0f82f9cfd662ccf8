use std::path::Path;
use std::time::Duration;

use reqwest::{Certificate, Url};

use super::TlsFault;
use crate::ClientError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// By what a server is recognised. By default: a certificate from an authority that this machine trusts.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    authorities: Option<Authorities>,
    unverified: bool,
}

#[derive(Clone, Debug)]
struct Authorities {
    pem: Vec<u8>,
    certificates: Vec<Certificate>,
}

impl Trust {
    /// Believes certificates from these authorities (PEM) and no others, whatever this machine trusts.
    pub fn only(pem: Vec<u8>) -> Result<Self, ClientError> {
        let certificates = Certificate::from_pem_bundle(&pem).unwrap_or_default();
        if certificates.is_empty() {
            return Err(ClientError::Usage(
                "the file of the authority holds no certificate (PEM)".into(),
            ));
        }
        Ok(Self {
            authorities: Some(Authorities { pem, certificates }),
            unverified: false,
        })
    }

    /// As [`Self::only`], from a file.
    pub fn read(path: &Path) -> Result<Self, ClientError> {
        Self::only(std::fs::read(path).map_err(ClientError::io("cannot read", path))?)
    }

    /// Looks at no certificate at all when `unverified`; then no server but one on this machine is spoken to.
    #[must_use]
    pub fn unverified(mut self, unverified: bool) -> Self {
        self.unverified = unverified;
        self
    }

    /// Whether certificates are not looked at.
    pub fn is_unverified(&self) -> bool {
        self.unverified
    }

    /// The authorities' certificates (PEM), where the agency has its own.
    pub fn authorities(&self) -> Option<&[u8]> {
        self.authorities.as_ref().map(|own| own.pem.as_slice())
    }

    /// Whether it is what this machine does by itself.
    pub(super) fn is_default(&self) -> bool {
        self.authorities.is_none() && !self.unverified
    }

    /// Connections to this server.
    pub(super) fn client(
        &self,
        server: &Url,
        read_timeout: Option<Duration>,
    ) -> Result<reqwest::Client, ClientError> {
        let builder = builder(read_timeout);
        let builder = if server.scheme() == "http" {
            // Loopback: no proxy, and no need for a machine with root certificates.
            builder.no_proxy().tls_certs_only(std::iter::empty())
        } else if self.unverified {
            builder.no_proxy().tls_danger_accept_invalid_certs(true)
        } else if let Some(own) = &self.authorities {
            builder.tls_certs_only(own.certificates.clone())
        } else {
            builder
        };
        build(builder, server)
    }

    /// Connections to where the server sends its callers for a capsule: another host, with a certificate of another kind.
    pub(super) fn client_for_elsewhere(
        &self,
        url: &Url,
        read_timeout: Duration,
    ) -> Result<reqwest::Client, ClientError> {
        if url.scheme() == "http" {
            return Self::default().client(url, Some(read_timeout));
        }
        let builder = builder(Some(read_timeout));
        let builder = match &self.authorities {
            Some(own) => builder.tls_certs_merge(own.certificates.clone()),
            None => builder,
        };
        build(builder, url)
    }
}

fn builder(read_timeout: Option<Duration>) -> reqwest::ClientBuilder {
    // Fails only when another part of the process chose already; then that choice holds.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("obhut/", env!("CARGO_PKG_VERSION")));
    match read_timeout {
        Some(timeout) => builder.read_timeout(timeout),
        None => builder,
    }
}

fn build(builder: reqwest::ClientBuilder, server: &Url) -> Result<reqwest::Client, ClientError> {
    builder
        .build()
        .map_err(|source| TlsFault::or_unreachable(server.as_str(), source))
}

/// Reads a server's address: https, or this machine. Without a look at certificates, this machine only.
pub(super) fn parse_server(server: &str, trust: &Trust) -> Result<Url, ClientError> {
    let wrong = || {
        ClientError::Usage(format!(
            "{server} is not a vault's address such as https://vault.agency.example"
        ))
    };
    let url = Url::parse(server).map_err(|_| wrong())?;
    let host = url.host_str().ok_or_else(wrong)?;
    let loopback = host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback());
    match url.scheme() {
        "https" | "http" if trust.unverified && !loopback => Err(ClientError::Usage(format!(
            "--insecure is for a server on this machine only: {host} is elsewhere, and only its certificate shows who \
             answers there; leave --insecure out"
        ))),
        "https" => Ok(url),
        "http" if loopback => Ok(url),
        "http" => Err(ClientError::Usage(
            "plain http is allowed to this machine only; use https".into(),
        )),
        _ => Err(wrong()),
    }
}
