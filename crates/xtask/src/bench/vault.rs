//! A vault of its own for each measurement: one registrar, one caseworker, one unit.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::child;
use super::programs::Programs;
use crate::run::{Result, output};
use crate::stack::founding;
use crate::stack::services::{Kind, Services};
use crate::stack::stage::Stage;

/// Retention class of everything filed.
pub(crate) const CLASS: &str = "ALG-10";

/// What a vault stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ground {
    pub(crate) kind: Kind,
    /// Servers behind one address, on the full stack.
    pub(crate) servers: usize,
}

/// Dropped, it ends all its programs and removes everything.
pub(crate) struct Vault {
    stage: Stage,
}

impl Vault {
    /// Founds a vault below a folder, up to a caseworker who may file.
    pub(crate) fn found(programs: &Programs, below: &Path, ground: Ground) -> Result<Self> {
        let services = Services::start(ground.kind, ground.servers)?;
        let mut stage = Stage::quiet(below, &programs.folder, services)?;
        founding::found(&mut stage)?;
        let vault = Self { stage };
        let invite = ["invite", "Test Person 2", "--output", "invitation"];
        let invited = vault.ask("registrar", &invite)?;
        output(&mut vault.client("caseworker", &["join", "invitation"]))?;
        let person = text(&invited, "person")?;
        let unit = ["unit", "create", "Test Unit", &person];
        output(&mut vault.client("registrar", &unit))?;
        Ok(vault)
    }

    /// Ends all programs and gives the folder, client profiles included.
    pub(crate) fn stop(self) -> Option<TempDir> {
        self.stage.stop()
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
        let mut command = self.stage.command(profile, &["--yes", "--json"]);
        command.args(words);
        command
    }

    /// Runs a command line and reads the JSON it prints.
    pub(crate) fn ask(&self, profile: &str, words: &[&str]) -> Result<Value> {
        let printed = output(&mut self.client(profile, words))?;
        serde_json::from_str(&printed).map_err(|error| format!("{words:?}: {error}"))
    }

    /// The folder of the profiles.
    pub(crate) fn home(&self) -> PathBuf {
        self.stage.path("clients")
    }

    pub(crate) fn passphrase_file(&self) -> PathBuf {
        self.stage.path("passphrase")
    }

    /// For files that go with the vault.
    pub(crate) fn folder(&self) -> PathBuf {
        self.stage.path("")
    }

    /// User and system time so far of servers, gatekeeper and witness, not of database and object store.
    pub(crate) fn cpu_s(&self) -> Result<f64> {
        self.stage.processes().into_iter().map(child::cpu_s).sum()
    }

    /// Peak resident memory so far of the server that took most.
    pub(crate) fn server_peak_kib(&self) -> Result<u64> {
        let peaks = self.stage.server_processes().into_iter();
        let peak = peaks.filter_map(child::find_peak_kib).max();
        peak.ok_or_else(|| "the server has ended".to_owned())
    }
}

/// A text in what a command printed.
pub(crate) fn text(value: &Value, name: &str) -> Result<String> {
    let text = value.get(name).and_then(Value::as_str);
    text.map(str::to_owned)
        .ok_or_else(|| format!("no {name} in {value}"))
}
