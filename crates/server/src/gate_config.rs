//! Configuration: where the gatekeeper and the witnesses are.

use std::path::PathBuf;

use obhut_format::gate_link::PartyKey;
use obhut_log::{NoteKeyType, VerifierKey};
use serde::{Deserialize, Serialize};

use crate::ServerError;
use crate::database::{GATE_DATABASE_VARIABLE, GATE_MIRROR_VARIABLE, Target};

/// The gatekeeper: in this process (`folder`, `mirror`, `keys`), or another operator's (`url`, `fingerprint`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateConfig {
    /// Where another operator runs the gatekeeper, `https://host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// That gatekeeper's fingerprint, from its operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// First store; it has its own, short backup window.
    #[serde(default = "default_gate_folder")]
    pub folder: PathBuf,
    /// First store, as the URL of a PostgreSQL database of its own. Left out: a SQLite file in `folder`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Target>,
    /// Second store (a SQLite file or a URL), written before a deposit is acknowledged; best on another disk. Left out: below
    /// `folder`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Target>,
    /// Folder of the storage key. Must lie outside the data folder and its backups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<PathBuf>,
}

impl GateConfig {
    /// A gatekeeper in this process with its storage key in this folder.
    pub fn in_process(keys: PathBuf) -> Self {
        Self {
            url: None,
            fingerprint: None,
            folder: default_gate_folder(),
            database: None,
            mirror: None,
            keys: Some(keys),
        }
    }

    /// Another operator's gatekeeper.
    pub fn elsewhere(url: String, fingerprint: String) -> Self {
        Self {
            url: Some(url),
            fingerprint: Some(fingerprint),
            folder: default_gate_folder(),
            database: None,
            mirror: None,
            keys: None,
        }
    }

    /// Where the gatekeeper is.
    pub fn place(&self) -> Result<GatePlace, ServerError> {
        let bad = |text: &str| Err(ServerError::Config(text.to_owned()));
        match (&self.url, &self.fingerprint, &self.keys) {
            (None, None, Some(keys)) => Ok(GatePlace::InProcess { keys: keys.clone() }),
            (Some(url), Some(fingerprint), None)
                if self.database.is_none() && self.mirror.is_none() =>
            {
                if !url.starts_with("https://") {
                    return bad("gate.url must begin with https://");
                }
                match fingerprint.parse() {
                    Ok(key) => Ok(GatePlace::Elsewhere {
                        url: url.clone(),
                        key,
                    }),
                    Err(_) => bad(
                        "gate.fingerprint is no fingerprint: it has 56 letters and digits; ask the \
                         gatekeeper's operator for what `obhut-gate status` shows",
                    ),
                }
            }
            (None, None, None) => bad(
                "[gate] needs keys, the folder of the storage key, or url and fingerprint of \
                 another operator's gatekeeper",
            ),
            _ => bad(
                "[gate] names a gatekeeper in this process (folder, mirror, keys) or another \
                 operator's (url and fingerprint), not both",
            ),
        }
    }
}

/// Where the gatekeeper is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GatePlace {
    /// In this process.
    InProcess {
        /// Folder of its storage key.
        keys: PathBuf,
    },
    /// Run by another operator.
    Elsewhere {
        /// `https://host:port`.
        url: String,
        /// The key it must prove.
        key: PartyKey,
    },
}

/// A witness elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WitnessConfig {
    /// Its submission prefix (C2SP tlog-witness); `/add-checkpoint` is put behind it.
    pub url: String,
    /// Its verifier key, `name+id+key`, as it stands in the vault card.
    pub key: String,
}

impl WitnessConfig {
    /// The key, parsed.
    pub fn verifier_key(&self) -> Result<VerifierKey, ServerError> {
        let key = self.key.parse::<VerifierKey>().ok();
        let key = key.filter(|key| key.kind() == NoteKeyType::Cosigner);
        key.ok_or_else(|| {
            ServerError::Config(format!(
                "witnesses.key {} is no witness's verifier key: it looks like \
                 witness.example+0123abcd+…, a slip in it shows",
                self.key
            ))
        })
    }
}

impl GateConfig {
    /// The first store, if it is not the SQLite file in `folder`.
    pub fn find_database(&self) -> Option<Target> {
        Target::from_environment(GATE_DATABASE_VARIABLE).or_else(|| self.database.clone())
    }

    /// The second store, if it is not the SQLite file below `folder`.
    pub fn find_mirror(&self) -> Option<Target> {
        Target::from_environment(GATE_MIRROR_VARIABLE).or_else(|| self.mirror.clone())
    }
}

fn default_gate_folder() -> PathBuf {
    PathBuf::from("gate")
}
