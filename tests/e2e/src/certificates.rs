//! An authority and certificates of servers, made on the spot.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use crate::{Databases, Gatekeeper, Stack, run};

/// Signs certificates of servers.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// Certificate and key, PEM.
pub struct Certified {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Authority {
    /// A new one.
    pub fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self(CertifiedIssuer::self_signed(params, key).unwrap())
    }

    /// Its own certificate, PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate that is valid for decades.
    pub fn certify(&self, names: &[&str]) -> Certified {
        self.certify_for(names, 2020, 2090)
    }

    /// A certificate from the beginning of one year to the beginning of another.
    pub fn certify_for(&self, names: &[&str], from: i32, until: i32) -> Certified {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = rcgen::date_time_ymd(from, 1, 1);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        Certified {
            certificate: params.signed_by(&key, &self.0).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }
}

/// Names of a server on this machine.
pub const HERE: &[&str] = &["localhost", "127.0.0.1"];

impl Certified {
    /// Writes both files where [`Stack::start_with_tls`] has them; the arguments of `obhut-server init` for them.
    pub fn write(&self, folder: &Path) -> [String; 4] {
        use std::os::unix::fs::PermissionsExt as _;
        let (certificate, key) = places(folder);
        std::fs::create_dir_all(folder).unwrap();
        std::fs::write(&certificate, &self.certificate).unwrap();
        std::fs::write(&key, &self.key).unwrap();
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        [
            "--tls-certificate".to_owned(),
            text(certificate),
            "--tls-key".to_owned(),
            text(key),
        ]
    }
}

fn places(folder: &Path) -> (PathBuf, PathBuf) {
    (folder.join("certificate.pem"), folder.join("key.pem"))
}

impl Stack {
    /// As [`Stack::start`], by TLS with a certificate of this authority for [`HERE`]; profiles of [`Stack::found`] and
    /// [`Stack::join`] recognise the server by it.
    pub fn start_with_tls(authority: &Authority) -> Self {
        let mut stack = Self::make_with_tls(authority, None);
        stack.serve("127.0.0.1:0");
        stack
    }

    /// As [`Stack::start_fleet`] by TLS, also between the servers.
    pub fn start_fleet_with_tls(count: usize, authority: &Authority) -> Option<Self> {
        let databases = Databases::make()?;
        let stack = Self::make_with_tls(authority, Some(databases));
        Some(stack.into_fleet(count))
    }

    /// As `deploy/compose` is set up: a vault on these databases whose configuration is that of `server-1`, made fit for
    /// the test by `fit`. No server runs yet.
    pub fn composed(
        databases: Databases,
        gatekeeper: &Gatekeeper,
        fit: impl FnOnce(&str, &Databases) -> String,
    ) -> Self {
        let folder = crate::stack::temporary();
        let data = folder.path().join("vault");
        let (url, fingerprint) = (&gatekeeper.url, &gatekeeper.fingerprint);
        let theirs = include_str!("../../../deploy/compose/config/server-1.toml");
        let config = fit(theirs, &databases);
        let init = ["--gate", url, "--gate-fingerprint", fingerprint];
        let stack = Self::make(folder, data, Some(databases), &init);
        std::fs::write(stack.data().join("obhut.toml"), config).unwrap();
        stack
    }

    /// Starts so many servers of what is set up; profiles recognise them by this authority.
    #[must_use]
    pub fn with_servers(mut self, count: usize, ca: &str) -> Self {
        self.ca = Some(ca.to_owned());
        self.into_fleet(count)
    }

    fn make_with_tls(authority: &Authority, databases: Option<Databases>) -> Self {
        let folder = crate::stack::temporary();
        let (data, tls) = (folder.path().join("vault"), folder.path().join("tls"));
        let init = authority.certify(HERE).write(&tls);
        let ca = tls.join("ca.pem");
        std::fs::write(&ca, authority.pem()).unwrap();
        let init = init.each_ref().map(String::as_str);
        let mut stack = Self::make(folder, data, databases, &init);
        stack.ca = Some(ca.to_str().unwrap().to_owned());
        stack
    }

    /// Where certificate and key of [`Stack::start_with_tls`] lie.
    pub fn tls_folder(&self) -> PathBuf {
        self.folder().join("tls")
    }

    /// Gives the server another certificate while it runs.
    pub fn replace_certificate(&self, certified: &Certified) {
        certified.write(&self.tls_folder());
        self.hang_up("the certificate was read again");
    }

    /// Sends SIGHUP and waits until the server's log says this once more.
    pub fn hang_up(&self, answer: &str) {
        let before = self.count_in_log(answer);
        let pid = self.server_pid().to_string();
        let _ = run(Command::new("kill").args(["-HUP", &pid])).ok();
        let started = Instant::now();
        while self.count_in_log(answer) == before {
            let waited = started.elapsed();
            assert!(
                waited < Duration::from_secs(20),
                "the log never says {answer}"
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn count_in_log(&self, text: &str) -> usize {
        let log = std::fs::read_to_string(self.folder().join("server.log"));
        log.unwrap_or_default().matches(text).count()
    }
}
