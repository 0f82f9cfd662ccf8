use std::error::Error;

use rustls::{CertificateError, InvalidMessage};

use crate::ClientError;

/// Why no TLS connection came about.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsFault {
    /// The certificate's last day is over.
    Expired,
    /// The server shows the certificate of an authority as its own.
    IsAuthority,
    /// This machine trusts no authority at all.
    NoAuthorities,
    /// What answers speaks something else.
    NoTls,
    /// The certificate's first day is to come.
    NotYetValid,
    /// The certificate is not usable for another reason.
    Other(String),
    /// Nobody who is trusted signed the certificate.
    UnknownIssuer,
    /// The certificate is for other names.
    WrongName(Vec<String>),
}

impl TlsFault {
    /// What a failed connection means: a fault of TLS, or a server that does not answer.
    pub(super) fn or_unreachable(url: &str, source: reqwest::Error) -> ClientError {
        let url = url.trim_end_matches('/').to_owned();
        match find_tls_error(&source).and_then(Self::of) {
            Some(fault) => ClientError::Tls { url, fault },
            None => ClientError::Unreachable {
                url,
                source: source.without_url(),
            },
        }
    }

    /// None for what may be well the next time, such as a broken record.
    fn of(error: &rustls::Error) -> Option<Self> {
        Some(match error {
            rustls::Error::InvalidCertificate(refused) => Self::of_certificate(refused),
            rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType) => Self::NoTls,
            rustls::Error::General(text) if text.starts_with("No CA certificates") => {
                Self::NoAuthorities
            }
            _ => return None,
        })
    }

    fn of_certificate(refused: &CertificateError) -> Self {
        match refused {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                Self::NotYetValid
            }
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::NotValidForName => Self::WrongName(Vec::new()),
            CertificateError::NotValidForNameContext { presented, .. } => {
                Self::WrongName(presented.iter().map(|name| plain_name(name)).collect())
            }
            other => {
                let text = format!("{other:?}");
                if text.contains("CaUsedAsEndEntity") {
                    Self::IsAuthority
                } else {
                    Self::Other(text)
                }
            }
        }
    }

    /// One or two sentences about what to do next.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::Expired => {
                "Check this machine's clock; if it is right, tell the operator to renew the certificate."
            }
            Self::IsAuthority => {
                "Tell the operator: the server needs a certificate of its own, which is no authority's (basicConstraints CA:FALSE)."
            }
            Self::NoAuthorities => {
                "Install the authorities of the system (package ca-certificates), or name the agency's own with --ca FILE."
            }
            Self::NoTls => {
                "Check the port. If the server runs on this machine without TLS, its address begins with http://; \
                 `obhut connection --url URL` changes that of a profile."
            }
            Self::NotYetValid => "Check this machine's clock; if it is right, tell the operator.",
            Self::Other(_) => "Tell the operator what the message says.",
            Self::UnknownIssuer => {
                "If the agency has an authority of its own, get its certificate from the operator and name the file: --ca FILE \
                 where a profile is made, `obhut connection --ca FILE` for one that is there. If it is named already, somebody may \
                 stand between you and the vault: stop and ask the operator."
            }
            Self::WrongName(_) => {
                "Use an address whose name the certificate bears; `obhut connection --url URL` changes that of a profile. Or have \
                 the operator get a certificate for this name."
            }
        }
    }
}

impl core::fmt::Display for TlsFault {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Expired => "the server's certificate has expired",
            Self::IsAuthority => "the server shows the certificate of an authority as its own",
            Self::NoAuthorities => "this machine trusts no certificate authority",
            Self::NoTls => "what answers there does not speak TLS",
            Self::NotYetValid => "the server's certificate is not valid yet",
            Self::Other(text) => return write!(f, "the server's certificate is refused: {text}"),
            Self::UnknownIssuer => {
                "the server's certificate is from an authority that is not trusted here"
            }
            Self::WrongName(names) if names.is_empty() => {
                "the server's certificate is for another name"
            }
            Self::WrongName(names) => {
                let names = names.join(", ");
                return write!(f, "the server's certificate is for another name: {names}");
            }
        })
    }
}

/// `DnsName("a.example")` and `IpAddress(10.0.0.1)` as people write them.
fn plain_name(name: &str) -> String {
    let inner = name.split_once('(').map_or(name, |(_, inner)| inner);
    inner.trim_end_matches(')').trim_matches('"').to_owned()
}

/// It may lie inside errors of the operating system's kind, which show only what is behind it.
fn find_tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(cause) = next {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        let wrapped = cause.downcast_ref::<std::io::Error>();
        if let Some(found) = wrapped
            .and_then(std::io::Error::get_ref)
            .and_then(|inner| find_tls_error(inner))
        {
            return Some(found);
        }
        next = cause.source();
    }
    None
}
