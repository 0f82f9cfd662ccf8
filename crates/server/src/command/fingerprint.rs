//! `obhut-server fingerprint`.

use std::path::Path;

use crate::ServerError;
use crate::config::{Config, GatePlace};
use crate::keys::load_or_create_link_key;

/// The key this server proves to another operator's gatekeeper, as it is read out.
pub fn fingerprint(data: &Path) -> Result<String, ServerError> {
    match Config::load(data)?.gate.place()? {
        GatePlace::Elsewhere { .. } => Ok(format!("{}\n", load_or_create_link_key(data)?.public())),
        GatePlace::InProcess { .. } => Err(ServerError::Config(
            "the gatekeeper runs in this server's process: there is no connection to prove a key on"
                .to_owned(),
        )),
    }
}
