//! A vault of its own for each measurement: server on loopback, one registrar, one caseworker, one unit.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use super::child::Running;
use super::programs::Programs;
use crate::run::{Result, output};

/// Retention class of everything filed.
pub(crate) const CLASS: &str = "ALG-10";

const PASSPHRASE: &str = "a passphrase for measurements";

/// Dropped, it ends the server and removes everything.
pub(crate) struct Vault<'a> {
    // Before the folder: the server ends before its files go.
    pub(crate) server: Running,
    folder: TempDir,
    programs: &'a Programs,
}

impl<'a> Vault<'a> {
    /// Founds a vault below a folder, up to a caseworker who may file.
    pub(crate) fn found(programs: &'a Programs, below: &Path) -> Result<Self> {
        fs::create_dir_all(below).map_err(|error| format!("{}: {error}", below.display()))?;
        let folder = tempfile::Builder::new().prefix("vault-").tempdir_in(below);
        let folder = folder.map_err(|error| format!("{}: {error}", below.display()))?;
        let data = folder.path().join("data");
        let mut init = Command::new(&programs.server);
        let printed = output(
            init.args(["init", "--name", "Test Agency", "--data"])
                .arg(&data),
        )?;
        let code = printed
            .split_whitespace()
            .find(|word| word.matches('-').count() == 12);
        let code = code.ok_or("obhut-server init printed no code")?;
        let (server, url) = serve(programs, folder.path(), &data)?;
        let vault = Self {
            server,
            folder,
            programs,
        };
        fs::write(vault.passphrase_file(), PASSPHRASE).map_err(|error| error.to_string())?;
        vault.enrol(&url, code)?;
        Ok(vault)
    }

    fn enrol(&self, url: &str, code: &str) -> Result<()> {
        fs::write(self.folder.path().join("code"), code).map_err(|error| error.to_string())?;
        let found = [
            "found",
            url,
            "code",
            "--agency",
            "Test Agency",
            "--registrar",
            "Test Person 1",
        ];
        output(&mut self.client("registrar", &found))?;
        let invite = ["invite", "Test Person 2", "--output", "invitation"];
        let invited = self.ask("registrar", &invite)?;
        output(&mut self.client("caseworker", &["join", "invitation"]))?;
        let person = text(&invited, "person")?;
        output(&mut self.client("registrar", &["unit", "create", "Test Unit", &person])).map(drop)
    }

    /// Ends the server and gives its folder, client profiles included.
    pub(crate) fn stop(self) -> TempDir {
        drop(self.server);
        self.folder
    }

    /// A new case of the caseworker's unit.
    pub(crate) fn create_case(&self) -> Result<String> {
        let words = [
            "case",
            "new",
            "--reference",
            "1/26",
            "--title",
            "Test case",
            "--class",
            CLASS,
            "--yes",
        ];
        text(&self.ask("caseworker", &words)?, "case")
    }

    /// A command line of a profile, with JSON as output; not yet started.
    pub(crate) fn client(&self, profile: &str, words: &[&str]) -> Command {
        let mut command = self.programs.client();
        command
            .current_dir(self.folder.path())
            .env("OBHUT_HOME", self.home())
            .env("OBHUT_PASSPHRASE_FILE", self.passphrase_file())
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .args(["--yes", "--json", "--profile", profile])
            .args(words);
        command
    }

    /// Runs a command line and reads the JSON it prints.
    pub(crate) fn ask(&self, profile: &str, words: &[&str]) -> Result<Value> {
        let printed = output(&mut self.client(profile, words))?;
        serde_json::from_str(&printed).map_err(|error| format!("{words:?}: {error}"))
    }

    /// The folder of the profiles.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    pub(crate) fn passphrase_file(&self) -> PathBuf {
        self.folder.path().join("passphrase")
    }

    /// For files that go with the vault.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Starts the server on a free port and waits until it says where it listens.
fn serve(programs: &Programs, folder: &Path, data: &Path) -> Result<(Running, String)> {
    let log = File::create(folder.join("server.log")).map_err(|error| error.to_string())?;
    let mut command = Command::new(&programs.server);
    let mut child = command
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(data)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .map_err(|error| format!("the server could not be started: {error}"))?;
    let out = child.stdout.take();
    let running = Running(child);
    let mut lines = out
        .into_iter()
        .flat_map(|out| BufReader::new(out).lines())
        .map_while(std::result::Result::ok);
    let url = lines.by_ref().find_map(|line| {
        let url = line
            .get(line.find("http://")?..)?
            .split_whitespace()
            .next()?;
        Some(url.trim_end_matches(['/', ',', '.']).to_owned())
    });
    let url = url.ok_or_else(|| {
        let log = fs::read_to_string(folder.join("server.log")).unwrap_or_default();
        format!("the server ended: {}", log.trim())
    })?;
    // Keeps the pipe empty for as long as the server lives.
    std::thread::spawn(move || lines.for_each(drop));
    Ok((running, url))
}

/// A text in what a command printed.
pub(crate) fn text(value: &Value, name: &str) -> Result<String> {
    let text = value.get(name).and_then(Value::as_str);
    text.map(str::to_owned)
        .ok_or_else(|| format!("no {name} in {value}"))
}
