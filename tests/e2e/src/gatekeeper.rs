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
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("gate.log"))
            .unwrap();
        let mut command = Command::new(binary("obhut-gate"));
        command
            .args(["serve", "--listen", listen, "--data"])
            .arg(self.data())
            .stdin(Stdio::null());
        let mut process = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let url = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let start = line.find("https://")?;
            line.get(start..).map(|url| url.trim_end().to_owned())
        });
        std::thread::spawn(move || lines.for_each(drop));
        self.process = Some(process);
        self.url = url.expect("the gatekeeper said where it listens; see gate.log");
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

/// The fingerprint in what a program printed.
pub fn fingerprint(text: &str) -> String {
    let word = text
        .split_whitespace()
        .find(|word| word.matches('-').count() == 13);
    word.unwrap_or_else(|| panic!("no fingerprint in: {text}"))
        .to_owned()
}
