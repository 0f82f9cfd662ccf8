//! Reading certificate and key, and what is worth a warning about them.

use std::fmt::Display;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rustls::client::verify_server_name;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys};
use x509_cert::der::Decode;
use zeroize::Zeroizing;

use crate::ServerError;

/// A certificate that ends sooner than this is worth a warning, in seconds.
const SOON_S: u64 = 14 * 86_400;

/// Both files, and that they belong together.
pub(super) fn load_pair(certificate: &Path, key: &Path) -> Result<CertifiedKey, ServerError> {
    let pem = fs::read(certificate).map_err(|error| ServerError::file(certificate, error))?;
    let chain = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable(certificate, error))?;
    if chain.is_empty() {
        return Err(unusable(certificate, "it holds no certificate (PEM)"));
    }
    let private = load_key(key)?;
    CertifiedKey::from_der(chain, private, &default_provider()).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => unusable(
            key,
            format!(
                "it is not the key of the first certificate in {}",
                certificate.display()
            ),
        ),
        error => unusable(certificate, format!("with {}: {error}", key.display())),
    })
}

fn load_key(path: &Path) -> Result<PrivateKeyDer<'static>, ServerError> {
    let failed = |error| ServerError::file(path, error);
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o007 != 0 {
        return Err(unusable(
            path,
            "everybody on this machine may read it; run chmod o= on it",
        ));
    }
    let pem = Zeroizing::new(fs::read(path).map_err(failed)?);
    PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|_| unusable(path, "it holds no private key (PEM, not encrypted)"))
}

fn unusable(path: &Path, why: impl Display) -> ServerError {
    ServerError::Config(format!("{} cannot be used for TLS: {why}", path.display()))
}

/// The last day, UTC.
pub(super) fn last_day(proof: &CertifiedKey) -> Option<String> {
    day(find_validity(proof)?.1)
}

/// See [`super::Identity::warnings`].
pub(super) fn warnings(proof: &CertifiedKey, now_us: u64, advertise: Option<&str>) -> Vec<String> {
    let mut warnings = Vec::new();
    let now_s = now_us / 1_000_000;
    let on = |second| day(second).unwrap_or_default();
    match find_validity(proof) {
        None => warnings.push("the dates of the certificate cannot be read".to_owned()),
        Some((_, end)) if end < now_s => warnings.push(format!(
            "the certificate expired on {}: clients refuse it",
            on(end)
        )),
        Some((start, _)) if start > now_s => warnings.push(format!(
            "the certificate is valid from {} only: clients refuse it until then",
            on(start)
        )),
        Some((_, end)) if end - now_s < SOON_S => {
            warnings.push(format!("the certificate expires on {}", on(end)));
        }
        Some(_) => {}
    }
    if let Some(host) = advertise.and_then(find_https_host)
        && !bears(proof, &host)
    {
        warnings.push(format!(
            "the certificate does not bear the name {host} of cluster.advertise: other servers refuse it"
        ));
    }
    warnings
}

/// First and last second, since 1970.
fn find_validity(proof: &CertifiedKey) -> Option<(u64, u64)> {
    let leaf = x509_cert::Certificate::from_der(proof.cert.first()?).ok()?;
    let validity = leaf.tbs_certificate().validity();
    let start = validity.not_before.to_unix_duration().as_secs();
    Some((start, validity.not_after.to_unix_duration().as_secs()))
}

fn find_https_host(address: &str) -> Option<String> {
    let url = reqwest::Url::parse(address).ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    (url.scheme() == "https").then_some(host)
}

fn bears(proof: &CertifiedKey, host: &str) -> bool {
    let leaf = proof
        .end_entity_cert()
        .and_then(ParsedCertificate::try_from);
    let name = ServerName::try_from(host);
    match (leaf, name) {
        (Ok(leaf), Ok(name)) => verify_server_name(&leaf, &name).is_ok(),
        _ => false,
    }
}

fn day(second: u64) -> Option<String> {
    let second = i64::try_from(second).ok()?;
    let time = jiff::Timestamp::from_second(second).ok()?;
    Some(time.strftime("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use std::path::PathBuf;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::super::{Identity, TlsConfig};
    use super::*;

    /// 1 January 2026, microseconds.
    const NOW_US: u64 = 1_767_225_600_000_000;

    struct Pair {
        folder: tempfile::TempDir,
        config: TlsConfig,
    }

    impl Pair {
        /// A certificate for `vault.example` that ends on this day of 2026.
        fn until(month: u8, day: u8) -> Self {
            let mut params = CertificateParams::new(vec!["vault.example".to_owned()]).unwrap();
            params.not_before = date_time_ymd(2025, 6, 1);
            params.not_after = date_time_ymd(2026, month, day);
            let key = KeyPair::generate().unwrap();
            let folder = tempfile::tempdir().unwrap();
            let config = TlsConfig {
                certificate: PathBuf::from("certificate.pem"),
                key: PathBuf::from("key.pem"),
            };
            let pair = Self { folder, config };
            pair.write("certificate.pem", &params.self_signed(&key).unwrap().pem());
            pair.write("key.pem", &key.serialize_pem());
            pair
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.folder.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }

        fn identity(&self) -> Result<Identity, ServerError> {
            Identity::load(&self.config, self.folder.path())
        }

        #[track_caller]
        fn refused(&self, why: &str) {
            let error = self.identity().err().unwrap();
            let text = crate::error_chain(&error);
            assert!(text.contains(why), "{text}");
        }
    }

    #[test]
    fn refuses_files_that_do_not_fit_together_or_are_open_to_everybody() {
        let pair = Pair::until(12, 1);
        assert_eq!(pair.identity().unwrap().last_day().unwrap(), "2026-12-01");
        let key = pair.folder.path().join("key.pem");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
        pair.refused("everybody on this machine may read it");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(pair.identity().is_ok());

        pair.write("key.pem", &KeyPair::generate().unwrap().serialize_pem());
        pair.refused("it is not the key of the first certificate");
        pair.write("key.pem", "nothing");
        pair.refused("it holds no private key");
        fs::remove_file(&key).unwrap();
        pair.refused("key.pem cannot be used");
        pair.write("certificate.pem", "nothing");
        pair.refused("it holds no certificate");
    }

    #[test]
    fn keeps_the_certificate_when_the_new_one_cannot_be_used() {
        let pair = Pair::until(12, 1);
        let identity = pair.identity().unwrap();
        let other = Pair::until(11, 1);
        let read = |pair: &Pair, name| fs::read_to_string(pair.folder.path().join(name)).unwrap();
        pair.write("certificate.pem", &read(&other, "certificate.pem"));
        assert!(identity.reload().is_err());
        assert_eq!(identity.last_day().unwrap(), "2026-12-01");
        pair.write("key.pem", &read(&other, "key.pem"));
        identity.reload().unwrap();
        assert_eq!(identity.last_day().unwrap(), "2026-11-01");
    }

    #[test]
    fn warns_of_dates_and_of_a_name_other_servers_would_refuse() {
        let warnings = |pair: &Pair, now_us, advertise| {
            let identity = pair.identity().unwrap();
            identity.warnings(now_us, advertise).join("; ")
        };
        let pair = Pair::until(12, 1);
        let fits = Some("https://vault.example:8750");
        assert_eq!(warnings(&pair, NOW_US, fits), "");
        assert_eq!(warnings(&pair, NOW_US, Some("http://127.0.0.1:8750")), "");
        let other = warnings(&pair, NOW_US, Some("https://10.0.0.2:8750"));
        assert!(other.contains("does not bear the name 10.0.0.2"), "{other}");
        let early = warnings(&pair, 0, None);
        assert!(early.contains("valid from 2025-06-01 only"), "{early}");
        let soon = warnings(&Pair::until(1, 14), NOW_US, None);
        assert_eq!(soon, "the certificate expires on 2026-01-14");
        assert_eq!(warnings(&Pair::until(1, 16), NOW_US, None), "");
        let late = warnings(&Pair::until(1, 1), NOW_US + 2_000_000, None);
        assert!(late.contains("expired on 2026-01-01"), "{late}");
    }
}
