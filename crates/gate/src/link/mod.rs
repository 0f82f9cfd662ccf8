//! The connection between a server and a gatekeeper of another operator: canonical messages as the bodies of HTTP POSTs,
//! over TLS 1.3 in which both sides prove raw Ed25519 keys (RFC 7250). There are no certificates, no names and no
//! authorities: each side has the other's key from its operator (`docs/adr/0004-gate-link.md`).

mod client;
mod listener;
mod serve;
mod tls;

pub use client::{GateLink, LinkState};
pub use listener::{Peer, TlsListener};
pub use serve::serve;
pub use tls::LinkKey;

/// Where messages are posted to.
const PATH: &str = "/v1/ask";
/// Largest message in either direction, in bytes; a feed of 1,024 records is far below.
const MAX_MESSAGE_BYTES: usize = 64 << 20;
/// How long an answer may take.
const ANSWER_TIMEOUT: std::time::Duration = std::time::Duration::from_mins(1);
