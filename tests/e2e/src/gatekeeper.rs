//! A gatekeeper of another operator: its own folders, its own process.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use crate::stack::{Run, binary, run};

/// A gatekeeper beside the vault. Killed when dropped.
pub struct Gatekeeper {
    folder: TempDir,
    process: Option<Child>,
    /// Where it listens, `https://127.0.0.1:port`.
    pub url: String,
    /// What its operator reads out.
    pub fingerprint: String,
}

impl Gatekeeper {
    /// Makes one and starts it; `more` are further arguments of `init`.
    pub fn start(more: &[&str]) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("obhut-e2e-gate-")
            .tempdir()
            .unwrap();
        let mut gatekeeper = Self {
            folder,
            process: None,
            url: String::new(),
            fingerprint: String::new(),
        };
        let made = gatekeeper.command(&["init"], more).ok();
        gatekeeper.fingerprint = fingerprint(&made);
        gatekeeper.serve("127.0.0.1:0");
        gatekeeper
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("gate")
    }

    /// The folder of its storage key.
    pub fn keys(&self) -> PathBuf {
        self.folder.path().join("gate-key")
    }

    /// The folder for all of the above.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Runs `obhut-gate COMMAND --data … MORE` to its end.
    pub fn command(&self, command: &[&str], more: &[&str]) -> Run {
        let mut gate = Command::new(binary("obhut-gate"));
        gate.args(command).arg("--data").arg(self.data()).args(more);
        run(&mut gate)
    }

    /// A code for the founder of a vault on the server with this fingerprint.
    pub fn enrol(&self, server: &str) -> String {
        let printed = self.command(&["enrol"], &["--server", server]).ok();
        let code = printed
            .split_whitespace()
            .find(|word| word.matches('-').count() == 12);
        code.unwrap_or_else(|| panic!("no code in {printed}"))
            .to_owned()
    }

    /// Starts it and waits for the line that says where it listens.
    pub fn serve(&mut self, listen: &str) {
        let log = self.folder.path().join("gate.log");
        let (process, url) = spawn(&["serve"], &self.data(), listen, &log);
        self.process = Some(process);
        self.url = url;
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// Kills it without warning.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Starts it again where it was.
    pub fn restart(&mut self) {
        self.kill();
        let listen = self.url.trim_start_matches("https://").to_owned();
        self.serve(&listen);
    }
}

impl Drop for Gatekeeper {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A witness elsewhere. Killed when dropped.
pub struct Witness {
    folder: TempDir,
    process: Option<Child>,
    /// Its submission prefix.
    pub url: String,
    /// Its verifier key.
    pub key: String,
}

impl Witness {
    /// Makes one and starts it.
    pub fn start(name: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("obhut-e2e-witness-")
            .tempdir()
            .unwrap();
        let mut witness = Self {
            folder,
            process: None,
            url: String::new(),
            key: String::new(),
        };
        let made = witness.command("init", &["--name", name]).ok();
        let key = made.split_whitespace().find(|word| word.starts_with(name));
        let key = key.unwrap_or_else(|| panic!("no key in {made}"));
        key.clone_into(&mut witness.key);
        witness.serve("127.0.0.1:0");
        witness
    }

    /// Runs `obhut-gate witness COMMAND --data … MORE` to its end.
    pub fn command(&self, command: &str, more: &[&str]) -> Run {
        let mut witness = Command::new(binary("obhut-gate"));
        witness
            .args(["witness", command, "--data"])
            .arg(self.data())
            .args(more);
        run(&mut witness)
    }

    /// Its data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("witness")
    }

    /// Lets it cosign the logs of what `obhut-server log-keys` printed.
    pub fn trust(&self, log_keys: &str) {
        let keys: Vec<&str> = log_keys.split('\'').skip(1).step_by(2).collect();
        let [records, access] = keys.as_slice() else {
            panic!("no keys in {log_keys}");
        };
        let _ = self.command("trust", &[records, "--below", access]).ok();
    }

    fn serve(&mut self, listen: &str) {
        let log = self.folder.path().join("witness.log");
        let (process, url) = spawn(&["witness", "serve"], &self.data(), listen, &log);
        self.process = Some(process);
        self.url = url;
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().id()
    }

    /// Kills it without warning.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Starts it again where it was.
    pub fn restart(&mut self) {
        self.kill();
        let listen = self.url.trim_start_matches("http://").to_owned();
        self.serve(&listen);
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Starts `obhut-gate COMMAND --data …`; the process and the address it printed.
fn spawn(command: &[&str], data: &Path, listen: &str, log: &Path) -> (Child, String) {
    let log = std::fs::File::options().create(true).append(true).open(log);
    let mut gate = Command::new(binary("obhut-gate"));
    gate.args(command)
        .args(["--listen", listen, "--data"])
        .arg(data)
        .stdin(Stdio::null());
    let mut process = gate
        .stdout(Stdio::piped())
        .stderr(log.unwrap())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let url = lines.by_ref().map_while(Result::ok).find_map(|line| {
        let start = line.find("http")?;
        line.get(start..).map(|url| url.trim_end().to_owned())
    });
    std::thread::spawn(move || lines.for_each(drop));
    (process, url.expect("it said where it listens; see its log"))
}

/// The fingerprint in what a program printed.
pub fn fingerprint(text: &str) -> String {
    let word = text
        .split_whitespace()
        .find(|word| word.matches('-').count() == 13);
    word.unwrap_or_else(|| panic!("no fingerprint in: {text}"))
        .to_owned()
}
