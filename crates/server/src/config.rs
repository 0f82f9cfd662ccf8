//! Configuration: one TOML file in the data folder, unknown keys refused.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use obhut_store::SessionLimits;
use serde::{Deserialize, Serialize};

use crate::ServerError;
use crate::cluster::ClusterConfig;
use crate::database::{DatabaseConfig, Target};
pub use crate::gate_config::{GateConfig, GatePlace, WitnessConfig};
use crate::objects::S3Settings;
use crate::tls::TlsConfig;

/// Name of the configuration file in the data folder.
pub const CONFIG_FILE: &str = "obhut.toml";

/// Everything an operator can set. Relative paths count from the data folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the server listens. Without [`Self::tls`] on loopback addresses only.
    pub listen: SocketAddr,
    /// Form of the operational log on standard error.
    #[serde(default)]
    pub log: LogFormat,
    /// Where the tables lie.
    #[serde(default)]
    pub database: DatabaseConfig,
    /// Where capsules lie.
    #[serde(default)]
    pub objects: ObjectsConfig,
    /// Where the tiles of the logs lie.
    #[serde(default = "default_tiles")]
    pub tiles: PathBuf,
    /// Several servers on one database.
    #[serde(default)]
    pub cluster: ClusterConfig,
    /// The gatekeeper: in this process or elsewhere.
    pub gate: GateConfig,
    /// Witnesses elsewhere that are asked to cosign every checkpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub witnesses: Vec<WitnessConfig>,
    /// How long logins live.
    #[serde(default)]
    pub sessions: SessionConfig,
    /// Ceilings that keep one caller from starving the others.
    #[serde(default)]
    pub limits: Limits,
    /// TLS on the listener. Left out: plain HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsConfig>,
}

/// Form of the operational log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One line of text for each event.
    #[default]
    Text,
    /// One JSON object for each event.
    Json,
}

/// Where capsules lie.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ObjectsConfig {
    /// The folder; each vault has a folder of its own in it.
    pub folder: PathBuf,
    /// Whether clients fetch released capsules from the S3 store itself, by an address that holds for ten minutes. What is
    /// logged and checked stays the same.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub presign: bool,
    /// A bucket of an S3 store instead of the folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Settings>,
}

impl Default for ObjectsConfig {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("objects"),
            presign: false,
            s3: None,
        }
    }
}

/// How long logins live.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SessionConfig {
    /// A session unused for so many minutes ends.
    pub idle_minutes: u64,
    /// A session ends after so many hours, used or not.
    pub absolute_hours: u64,
    /// A login challenge must be answered within so many seconds.
    pub challenge_seconds: u64,
}

impl SessionConfig {
    /// The limits in microseconds.
    pub fn limits(&self) -> SessionLimits {
        let seconds = 1_000_000;
        SessionLimits {
            challenge_us: self.challenge_seconds.saturating_mul(seconds),
            idle_us: self.idle_minutes.saturating_mul(60 * seconds),
            longest_us: self.absolute_hours.saturating_mul(3_600 * seconds),
        }
    }
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            idle_minutes: 30,
            absolute_hours: 12,
            challenge_seconds: 60,
        }
    }
}

/// Ceilings that keep one caller from starving the others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Largest JSON body in bytes.
    pub json_bytes: usize,
    /// Largest capsule in bytes.
    pub capsule_bytes: u64,
    /// Requests handled at a time; more wait.
    pub concurrent_requests: usize,
    /// Uploads handled at a time; more wait.
    pub concurrent_uploads: usize,
    /// An upload that sends nothing for so many seconds is given up.
    pub upload_idle_seconds: u64,
    /// Requests of callers nobody knows yet (logins, invitations), per vault and minute.
    pub anonymous_per_minute: u32,
    /// TLS handshakes under way at a time; more wait.
    pub handshakes: usize,
    /// A caller that has not shaken hands within so many seconds is cut off.
    pub handshake_seconds: u64,
    /// Requests, uploads and downloads aside, are given up after so many seconds.
    pub request_seconds: u64,
    /// At shutdown, requests get so many seconds to finish.
    pub shutdown_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            json_bytes: 32 << 20,
            capsule_bytes: 1 << 40,
            concurrent_requests: 256,
            concurrent_uploads: 32,
            upload_idle_seconds: 60,
            anonymous_per_minute: 600,
            handshakes: 256,
            handshake_seconds: 10,
            request_seconds: 120,
            shutdown_seconds: 30,
        }
    }
}

fn default_tiles() -> PathBuf {
    PathBuf::from("tiles")
}

impl Config {
    /// What `init` writes: everything at its default.
    pub fn new(listen: SocketAddr, gate: GateConfig) -> Self {
        Self {
            listen,
            log: LogFormat::default(),
            database: DatabaseConfig::default(),
            objects: ObjectsConfig::default(),
            tiles: default_tiles(),
            cluster: ClusterConfig::default(),
            gate,
            witnesses: Vec::new(),
            sessions: SessionConfig::default(),
            limits: Limits::default(),
            tls: None,
        }
    }

    /// The address to give to clients on this machine; others put the host's name in.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        if self.listen.ip().is_unspecified() {
            format!("{scheme}://HOST:{}", self.listen.port())
        } else {
            format!("{scheme}://{}", self.listen)
        }
    }

    /// Reads and checks the configuration of a data folder.
    pub fn load(data: &Path) -> Result<Self, ServerError> {
        let path = data.join(CONFIG_FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ServerError::NotInitialised(data.to_owned()));
            }
            Err(error) => return Err(ServerError::file(&path, error)),
        };
        let config: Self =
            toml::from_str(&text).map_err(|error| ServerError::Config(error.to_string()))?;
        config.check(data)?;
        Ok(config)
    }

    /// The file that `init` writes: every setting explained, defaults commented out.
    pub fn explained(&self) -> String {
        let quoted = |text: String| toml::Value::String(text).to_string();
        include_str!("obhut.toml.in")
            .replace("@LISTEN@", &quoted(self.listen.to_string()))
            .replace("@DATABASE@", &self.explained_database())
            .replace("@GATE@", &self.explained_gate())
            .replace("@TLS@", &self.explained_tls())
    }

    /// The lines that say where the gatekeeper is; of the other kind only a comment.
    fn explained_gate(&self) -> String {
        let line = |name: &str, value: Option<&str>, example: &str| {
            let hash = if value.is_some() { "" } else { "# " };
            let value = toml::Value::String(value.unwrap_or(example).to_owned());
            format!("{hash}{name} = {value}\n")
        };
        let keys = self.gate.keys.as_ref().map(|keys| keys.to_string_lossy());
        [
            "# In this process: folder of the storage key. Must lie outside this folder, and its backups apart\n\
             # from those of this folder.\n",
            &line("keys", keys.as_deref(), "../vault-gate-key"),
            "# Or run by another operator (obhut-gate): its address, and its fingerprint as that operator read it out.\n",
            &line("url", self.gate.url.as_deref(), "https://gate.example:8760"),
            &line("fingerprint", self.gate.fingerprint.as_deref(), ""),
        ]
        .concat()
    }

    fn explained_tls(&self) -> String {
        let hash = if self.tls.is_some() { "" } else { "# " };
        let path = |of: fn(&TlsConfig) -> &PathBuf, example: &str| {
            let path = self.tls.as_ref().map(|tls| of(tls).to_string_lossy());
            toml::Value::String(path.unwrap_or(example.into()).into_owned()).to_string()
        };
        format!(
            "{hash}[tls]\n{hash}certificate = {}\n{hash}key = {}",
            path(|tls| &tls.certificate, "/etc/obhut/certificate.pem"),
            path(|tls| &tls.key, "/etc/obhut/key.pem")
        )
    }

    fn explained_database(&self) -> String {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        match (&self.database.url, &self.database.url_file) {
            (Some(url), _) => format!("url = {}", quoted(url.expose())),
            (None, Some(file)) => format!("url_file = {}", quoted(&file.to_string_lossy())),
            (None, None) => "# url = \"postgres://obhut@db.agency.example/obhut\"".to_owned(),
        }
    }

    /// All settings as TOML, without passwords.
    pub fn to_toml(&self) -> Result<String, ServerError> {
        toml::to_string(self).map_err(|error| ServerError::Config(error.to_string()))
    }

    /// Refuses settings that cannot work or are not safe.
    pub fn check(&self, data: &Path) -> Result<(), ServerError> {
        check_listen(self.listen, self.tls.as_ref())?;
        match &self.objects.s3 {
            Some(s3) => s3.check()?,
            None if self.objects.presign => {
                return Err(ServerError::Config(
                    "objects.presign needs a section [objects.s3]: a folder has no addresses of its own"
                        .to_owned(),
                ));
            }
            None => {}
        }
        self.cluster.check()?;
        if let GatePlace::InProcess { keys } = self.gate.place()?
            && clean_path(data, &keys)?.starts_with(clean_path(data, Path::new("."))?)
        {
            return Err(ServerError::Config(
                "gate.keys lies inside the data folder: a backup of the data would hold the \
                 gatekeeper's storage key; move it to a folder outside"
                    .to_owned(),
            ));
        }
        self.check_databases()?;
        for witness in &self.witnesses {
            witness.verifier_key()?;
            if !witness.url.starts_with("http://") && !witness.url.starts_with("https://") {
                return Err(ServerError::Config(
                    "witnesses.url must begin with https:// or http://".to_owned(),
                ));
            }
        }
        let positive = [
            ("database.connections", u64::from(self.database.connections)),
            ("database.answer_seconds", self.database.answer_seconds),
            ("sessions.idle_minutes", self.sessions.idle_minutes),
            ("sessions.absolute_hours", self.sessions.absolute_hours),
            (
                "sessions.challenge_seconds",
                self.sessions.challenge_seconds,
            ),
            ("limits.json_bytes", self.limits.json_bytes as u64),
            ("limits.capsule_bytes", self.limits.capsule_bytes),
            (
                "limits.concurrent_requests",
                self.limits.concurrent_requests as u64,
            ),
            (
                "limits.concurrent_uploads",
                self.limits.concurrent_uploads as u64,
            ),
            (
                "limits.anonymous_per_minute",
                u64::from(self.limits.anonymous_per_minute),
            ),
            ("limits.handshakes", self.limits.handshakes as u64),
            ("limits.handshake_seconds", self.limits.handshake_seconds),
            ("limits.request_seconds", self.limits.request_seconds),
            (
                "limits.upload_idle_seconds",
                self.limits.upload_idle_seconds,
            ),
        ];
        match positive.iter().find(|(_, value)| *value == 0) {
            Some((name, _)) => Err(ServerError::Config(format!("{name} must not be 0"))),
            None => Ok(()),
        }
    }
}

impl Config {
    /// Three sets of tables with names of their own: one database cannot hold two of them.
    fn check_databases(&self) -> Result<(), ServerError> {
        let places = [
            ("gate.database", self.gate.find_database()),
            ("gate.mirror", self.gate.find_mirror()),
            (
                "database.url",
                Target::from_environment(crate::database::DATABASE_VARIABLE)
                    .or_else(|| self.database.url.clone()),
            ),
        ];
        for (number, (name, target)) in places.iter().enumerate() {
            let others = places.iter().skip(number + 1);
            let twin = target
                .as_ref()
                .and_then(|_| others.clone().find(|(_, other)| other == target));
            if let Some((other, _)) = twin {
                return Err(ServerError::Config(format!(
                    "{name} and {other} name the same database; each needs one of its own"
                )));
            }
        }
        if self
            .gate
            .find_database()
            .is_some_and(|target| !target.is_server())
        {
            return Err(ServerError::Config(
                "gate.database must be the URL of a PostgreSQL database; the SQLite file lies in gate.folder".to_owned(),
            ));
        }
        Ok(())
    }
}

/// Plain HTTP never leaves the machine: without TLS anything but a loopback address is refused.
pub fn check_listen(listen: SocketAddr, tls: Option<&TlsConfig>) -> Result<(), ServerError> {
    if tls.is_some() || listen.ip().is_loopback() {
        Ok(())
    } else {
        Err(ServerError::Config(format!(
            "{listen} is not a loopback address, and without [tls] the server speaks plain HTTP only: it \
             would show session tokens to the network; name certificate and key in [tls], or listen on \
             127.0.0.1 or [::1], behind a reverse proxy that does TLS"
        )))
    }
}

/// The path with the data folder before it, cleared of `.` and `..`, without asking the disk.
pub(crate) fn clean_path(data: &Path, path: &Path) -> Result<PathBuf, ServerError> {
    let joined = std::path::absolute(data.join(path)).map_err(|e| ServerError::file(path, e))?;
    let mut clean = PathBuf::new();
    for part in joined.components() {
        match part {
            std::path::Component::ParentDir => {
                clean.pop();
            }
            std::path::Component::CurDir => {}
            other => clean.push(other),
        }
    }
    Ok(clean)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use obhut_format::gate_link::PartyKey;

    fn config() -> Config {
        Config::new(
            "127.0.0.1:8750".parse().unwrap(),
            GateConfig::in_process(PathBuf::from("../vault-gate-key")),
        )
    }

    fn tls() -> TlsConfig {
        TlsConfig {
            certificate: PathBuf::from("certificate.pem"),
            key: PathBuf::from("/etc/obhut/another key.pem"),
        }
    }

    fn with_gate_elsewhere() -> Config {
        let fingerprint = PartyKey([7; 32]).to_string();
        Config {
            gate: GateConfig::elsewhere("https://gate.example:8760".to_owned(), fingerprint),
            ..config()
        }
    }

    #[test]
    fn reads_back_what_init_writes() {
        let folder = tempfile::tempdir().unwrap();
        let mut with_tls = config();
        with_tls.tls = Some(tls());
        for config in [config(), with_gate_elsewhere(), with_tls] {
            for text in [config.explained(), config.to_toml().unwrap()] {
                std::fs::write(folder.path().join(CONFIG_FILE), text).unwrap();
                assert_eq!(Config::load(folder.path()).unwrap(), config);
            }
        }
    }

    #[test]
    fn refuses_a_gatekeeper_that_is_here_and_elsewhere_or_nowhere() {
        let key = PathBuf::from("../vault-gate-key");
        let mut both = with_gate_elsewhere();
        both.gate.keys = Some(key);
        let mut plain = with_gate_elsewhere();
        plain.gate.url = Some("http://gate.example".to_owned());
        let mut slip = with_gate_elsewhere();
        slip.gate.fingerprint = Some(PartyKey([7; 32]).to_string().replacen('O', "P", 1));
        let mut nowhere = config();
        nowhere.gate.keys = None;
        for (config, words) in [
            (both, "not both"),
            (plain, "https://"),
            (slip, "no fingerprint"),
            (nowhere, "needs keys"),
        ] {
            let error = config.check(Path::new("/srv/vault")).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn the_written_file_explains_every_setting_with_its_default() {
        let explained = config().explained();
        for line in config()
            .to_toml()
            .unwrap()
            .lines()
            .filter(|line| line.contains('='))
        {
            let there = explained
                .lines()
                .any(|other| other.trim_start_matches("# ") == line);
            assert!(there, "{line}");
        }
        let uncommented = explained.replace("\n# ", "\n");
        let known: Vec<_> = uncommented
            .lines()
            .filter(|line| line.contains(" = "))
            .collect();
        assert_eq!(known.len(), 34, "{known:?}");
    }

    #[test]
    fn refuses_keys_nobody_knows() {
        let folder = tempfile::tempdir().unwrap();
        let text = config().to_toml().unwrap() + "\n[limit]\njson_bytes = 1\n";
        std::fs::write(folder.path().join(CONFIG_FILE), text).unwrap();
        let error = Config::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains("unknown field"), "{error}");
    }

    #[test]
    fn refuses_plain_http_beyond_the_machine() {
        let mut open = config();
        for address in ["0.0.0.0:80", "[::]:80", "192.0.2.1:80"] {
            open.listen = address.parse().unwrap();
            let error = open.check(Path::new("/data")).unwrap_err().to_string();
            assert!(error.contains("plain HTTP only"), "{error}");
            let mut with_tls = open.clone();
            with_tls.tls = Some(tls());
            with_tls.check(Path::new("/data")).unwrap();
        }
    }

    #[test]
    fn refuses_a_storage_key_inside_the_data_folder() {
        let mut inside = config();
        for path in [
            "gate-key",
            "/srv/vault/gate-key",
            "../vault/keys/../gate-key",
        ] {
            inside.gate.keys = Some(PathBuf::from(path));
            assert!(inside.check(Path::new("/srv/vault")).is_err(), "{path}");
        }
        assert!(config().check(Path::new("/srv/vault")).is_ok());
    }

    #[test]
    fn names_a_setting_that_is_zero() {
        let mut zero = config();
        zero.limits.concurrent_uploads = 0;
        let error = zero.check(Path::new("/srv/vault")).unwrap_err().to_string();
        assert!(error.contains("limits.concurrent_uploads"), "{error}");
    }
}
