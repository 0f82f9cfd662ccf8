//! How an S3 store is reached, as `obhut.toml` says it; credentials come from files or the environment.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::ServerError;

const ACCESS_VARIABLE: &str = "OBHUT_S3_ACCESS_KEY";
const SECRET_VARIABLE: &str = "OBHUT_S3_SECRET_KEY";

/// A bucket on an S3 store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct S3Settings {
    /// Address of the store, such as `https://s3.agency.example`.
    pub endpoint: String,
    /// The bucket; it must exist.
    pub bucket: String,
    /// What the store calls its region; many take any text.
    #[serde(default = "default_region")]
    pub region: String,
    /// What goes before every key; ends with a slash or is empty. Nothing outside it is touched.
    #[serde(default)]
    pub prefix: String,
    /// The bucket in the path (`https://host/bucket/key`) instead of the host name.
    #[serde(default = "default_path_style")]
    pub path_style: bool,
    /// Plain HTTP beyond this machine, for a network that only the operator's machines share.
    #[serde(default)]
    pub plain_http: bool,
    /// File with the access key. Left out: the variable `OBHUT_S3_ACCESS_KEY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_file: Option<PathBuf>,
    /// File with the secret key. Left out: the variable `OBHUT_S3_SECRET_KEY`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_file: Option<PathBuf>,
    /// PEM file of the authority that signed the store's certificate, where the system does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Memory for parts on their way to the store, in MiB; uploads beyond it wait.
    #[serde(default = "default_buffer_mib")]
    pub buffer_mib: u32,
    /// Unfinished uploads below the prefix are removed after so many hours without progress.
    #[serde(default = "default_stale_hours")]
    pub stale_upload_hours: u32,
    /// How bytes are protected on their way, and whether keys are created once: what `s3-probe` found, unless it is set
    /// here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
    /// Whether the store honours `If-None-Match: *`; see `checksum`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conditional_put: Option<bool>,
}

/// What protects bytes on their way to the store, beside the content root that readers check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Checksum {
    /// CRC64NVME in a header.
    Crc64nvme,
    /// CRC32C in a header.
    Crc32c,
    /// SHA-256 in a header: a second pass over all bytes.
    Sha256,
    /// The SHA-256 that signs the request and no checksum header; every store takes it.
    #[default]
    Signed,
}

/// The two keys of an S3 account.
pub struct Credentials {
    pub(super) access: String,
    pub(super) secret: Zeroizing<String>,
}

impl Credentials {
    /// Credentials that are known already.
    pub fn new(access: String, secret: Zeroizing<String>) -> Self {
        Self { access, secret }
    }
}

impl S3Settings {
    /// A bucket with everything else at its default.
    pub fn new(endpoint: &str, bucket: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            bucket: bucket.to_owned(),
            region: default_region(),
            prefix: String::new(),
            path_style: default_path_style(),
            plain_http: false,
            access_key_file: None,
            secret_key_file: None,
            ca_file: None,
            buffer_mib: default_buffer_mib(),
            stale_upload_hours: default_stale_hours(),
            checksum: None,
            conditional_put: None,
        }
    }

    /// Refuses settings that cannot work or are not safe.
    pub fn check(&self) -> Result<(), ServerError> {
        let wrong = |text: String| Err(ServerError::Config(format!("[objects.s3] {text}")));
        let Some((scheme, rest)) = self.endpoint.split_once("://") else {
            return wrong(format!(
                "endpoint = {:?} is not an address such as https://s3.agency.example",
                self.endpoint
            ));
        };
        let host = rest.trim_end_matches('/');
        if host.is_empty() || host.contains(['/', '@', '?', '#']) {
            return wrong("endpoint must be scheme, host and port only".to_owned());
        }
        match scheme {
            "https" => {}
            "http" if self.plain_http || is_loopback(host) => {}
            "http" => {
                return wrong(
                    "endpoint is plain HTTP beyond this machine: use https, or set plain_http = true \
                     where only your own machines share the network"
                        .to_owned(),
                );
            }
            other => return wrong(format!("endpoint has the scheme {other}, not https")),
        }
        if self.bucket.is_empty() || self.bucket.contains('/') {
            return wrong("bucket must be the name of a bucket".to_owned());
        }
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte);
        let prefix_ends = self.prefix.is_empty() || self.prefix.ends_with('/');
        if !prefix_ends || self.prefix.starts_with('/') || !self.prefix.bytes().all(fits) {
            return wrong(
                "prefix must be empty or end with a slash, of letters, digits, dots, hyphens"
                    .to_owned(),
            );
        }
        if self.buffer_mib < 32 || self.stale_upload_hours == 0 {
            return wrong(
                "buffer_mib must be at least 32, stale_upload_hours at least 1".to_owned(),
            );
        }
        Ok(())
    }

    /// The credentials; files count from the data folder.
    pub fn load_credentials(&self, data: &Path) -> Result<Credentials, ServerError> {
        Ok(Credentials {
            access: key(data, self.access_key_file.as_deref(), ACCESS_VARIABLE)?.to_string(),
            secret: key(data, self.secret_key_file.as_deref(), SECRET_VARIABLE)?,
        })
    }
}

fn key(data: &Path, file: Option<&Path>, variable: &str) -> Result<Zeroizing<String>, ServerError> {
    let text = if let Some(file) = file {
        let path = data.join(file);
        std::fs::read_to_string(&path).map_err(|error| ServerError::file(&path, error))?
    } else {
        std::env::var(variable).map_err(|_| {
            ServerError::Config(format!(
                "[objects.s3] no credentials: set access_key_file and secret_key_file, or the \
                 variables {ACCESS_VARIABLE} and {SECRET_VARIABLE}"
            ))
        })?
    };
    let text = Zeroizing::new(text);
    let key = Zeroizing::new(text.trim().to_owned());
    if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        let place = file.map_or_else(|| variable.to_owned(), |file| file.display().to_string());
        return Err(ServerError::Config(format!(
            "[objects.s3] {place} holds no key"
        )));
    }
    Ok(key)
}

fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(ip6) => ip6.split(']').next(),
        None => host.split(':').next(),
    };
    let name = name.unwrap_or_default();
    name == "localhost"
        || name
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

fn default_region() -> String {
    "us-east-1".to_owned()
}

fn default_path_style() -> bool {
    true
}

fn default_buffer_mib() -> u32 {
    256
}

fn default_stale_hours() -> u32 {
    168
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn refuses_plain_http_beyond_the_machine_unless_it_is_asked_for() {
        for (endpoint, fine) in [
            ("http://127.0.0.1:8333", true),
            ("http://localhost", true),
            ("http://[::1]:8333/", true),
            ("https://s3.agency.example", true),
            ("http://s3.agency.example", false),
            ("http://127.0.0.1.agency.example", false),
            ("ftp://127.0.0.1", false),
            ("https://user:key@s3.agency.example", false),
            ("s3.agency.example", false),
        ] {
            let mut settings = S3Settings::new(endpoint, "vault");
            assert_eq!(settings.check().is_ok(), fine, "{endpoint}");
            settings.plain_http = true;
            let plain = endpoint.starts_with("http://");
            assert_eq!(settings.check().is_ok(), fine || plain, "{endpoint}");
        }
    }

    #[test]
    fn reads_keys_from_files_without_their_line_ends_and_refuses_empty_ones() {
        let folder = tempfile::tempdir().unwrap();
        let mut settings = S3Settings::new("https://s3.agency.example", "vault");
        settings.access_key_file = Some("access".into());
        settings.secret_key_file = Some("secret".into());
        std::fs::write(folder.path().join("access"), "AK1\n").unwrap();
        std::fs::write(folder.path().join("secret"), "s/k+2=\r\n").unwrap();
        let keys = settings.load_credentials(folder.path()).unwrap();
        assert_eq!(
            (keys.access.as_str(), keys.secret.as_str()),
            ("AK1", "s/k+2=")
        );
        std::fs::write(folder.path().join("secret"), "\n").unwrap();
        assert!(settings.load_credentials(folder.path()).is_err());
        settings.secret_key_file = Some("missing".into());
        assert!(settings.load_credentials(folder.path()).is_err());
    }
}
