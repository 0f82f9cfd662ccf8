//! Those that take the folder in, each into a fresh place.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::corpus::Corpus;
use super::remote::{Bucket, Peer};
use crate::bench::child::{Took, clock};
use crate::bench::programs::Programs;
use crate::bench::vault::{CLASS, Ground, Vault};
use crate::bench::{Plan, peers};
use crate::run::{Result, output};
use crate::stack::services::Kind;

/// One run; what comes before and after it is not counted.
pub(crate) struct Run {
    pub(crate) wall_s: f64,
    /// With the server's.
    pub(crate) cpu_s: f64,
    pub(crate) peak_mib: f64,
    pub(crate) server_cpu_s: f64,
    pub(crate) server_peak_mib: f64,
    /// What it wrote, until the measurement ends: a file system that has just lost ten thousand files is slow in making
    /// new ones (ext4 goes round the inodes of the last minutes).
    written: Option<TempDir>,
}

pub(crate) enum Entrant<'a> {
    Obhut(&'a Programs, PathBuf, Ground),
    Cp(PathBuf),
    Restic(PathBuf, PathBuf),
    Rclone(PathBuf, PathBuf),
    /// One that writes to the same kind of store as the full stack.
    Remote(&'a Programs, Peer),
}

/// All that can be had on this machine.
pub(crate) fn entrants<'a>(programs: &'a Programs, plan: &Plan) -> Vec<Entrant<'a>> {
    let folder = || plan.folder.clone();
    if plan.ground.kind == Kind::Full {
        let with = |servers| Ground {
            servers,
            ..plan.ground
        };
        let mut all = vec![Entrant::Obhut(programs, folder(), with(1))];
        if plan.ground.servers > 1 {
            all.push(Entrant::Obhut(programs, folder(), plan.ground));
        }
        let peers = Peer::all(programs).into_iter();
        all.extend(peers.map(|peer| Entrant::Remote(programs, peer)));
        return all;
    }
    let ours = Entrant::Obhut(programs, folder(), plan.ground);
    let mut all = vec![ours, Entrant::Cp(folder())];
    all.extend(peers::find("restic").map(|program| Entrant::Restic(program, folder())));
    all.extend(peers::find("rclone").map(|program| Entrant::Rclone(program, folder())));
    for entrant in &all {
        if let Entrant::Restic(program, _) | Entrant::Rclone(program, _) = entrant {
            println!("{}", peers::version(program));
        }
    }
    all
}

impl Run {
    /// Removes what was written.
    pub(crate) fn forget(&mut self) {
        self.written = None;
    }
}

impl Entrant<'_> {
    pub(crate) const OBHUT: &'static str = "obhut import";
    const OBHUT_TWO: &'static str = "obhut import, several servers";
    pub(crate) const RCLONE: &'static str = "rclone copy through crypt, sync";

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Obhut(_, _, ground) if ground.kind == Kind::Full && ground.servers > 1 => {
                Self::OBHUT_TWO
            }
            Self::Obhut(..) => Self::OBHUT,
            Self::Remote(_, peer) => peer.name(),
            Self::Cp(_) => "cp -r, sync",
            Self::Restic(..) => "restic backup",
            Self::Rclone(..) => Self::RCLONE,
        }
    }

    pub(crate) fn run(&self, corpus: &Corpus) -> Result<Run> {
        match self {
            Self::Obhut(programs, folder, ground) => import(programs, folder, *ground, corpus),
            Self::Remote(programs, peer) => {
                // A store of its own: what one wrote burdens no other.
                let bucket = Bucket::make(programs)?;
                let place = tempfile::tempdir().map_err(|error| error.to_string())?;
                let took = clock(&mut peer.prepare(&bucket, place.path(), &corpus.folder)?)?;
                Ok(alone(&[took], place))
            }
            Self::Cp(folder) => {
                let place = place(folder)?;
                let mut copy = Command::new("cp");
                copy.arg("-r")
                    .arg(&corpus.folder)
                    .arg(place.path().join("copy"));
                Ok(alone(&[clock(&mut copy)?, sync(place.path())?], place))
            }
            Self::Restic(program, folder) => {
                let place = place(folder)?;
                let restic = |words: &[&str]| {
                    let mut command = Command::new(program);
                    let cache = place.path().join("cache");
                    command
                        .env("RESTIC_PASSWORD", "measuring")
                        .env("RESTIC_REPOSITORY", place.path().join("repo"));
                    command
                        .env("RESTIC_CACHE_DIR", cache)
                        .arg("--quiet")
                        .args(words);
                    command
                };
                output(&mut restic(&["init"]))?;
                // It syncs its packs itself.
                let took = clock(restic(&["backup"]).arg(&corpus.folder))?;
                Ok(alone(&[took], place))
            }
            Self::Rclone(program, folder) => {
                let place = place(folder)?;
                let hidden = output(Command::new(program).args(["obscure", "measuring"]))?;
                let mut copy = Command::new(program);
                copy.env("RCLONE_CONFIG", place.path().join("rclone.conf"))
                    .env("RCLONE_CONFIG_SEALED_TYPE", "crypt")
                    .env("RCLONE_CONFIG_SEALED_REMOTE", place.path().join("sealed"))
                    .env("RCLONE_CONFIG_SEALED_PASSWORD", hidden.trim())
                    .arg("copy")
                    .arg(&corpus.folder)
                    .arg("sealed:");
                Ok(alone(&[clock(&mut copy)?, sync(place.path())?], place))
            }
        }
    }
}

/// Into a new vault. Everything is durable and in the log when the command ends.
fn import(programs: &Programs, folder: &Path, ground: Ground, corpus: &Corpus) -> Result<Run> {
    let vault = Vault::found(programs, folder, ground)?;
    let before = vault.cpu_s()?;
    let mut import = vault.client("caseworker", &["import", "--class", CLASS]);
    let took = clock(import.arg(&corpus.folder))?;
    let report: Value = serde_json::from_str(&took.printed).map_err(|error| error.to_string())?;
    if report["stored_files"] != corpus.files {
        return Err(format!("not all files were imported: {report}"));
    }
    let server_cpu_s = vault.cpu_s()? - before;
    Ok(Run {
        wall_s: took.wall_s,
        cpu_s: took.cpu_s + server_cpu_s,
        peak_mib: took.peak_kib as f64 / 1024.0,
        server_cpu_s,
        server_peak_mib: vault.server_peak_kib()? as f64 / 1024.0,
        written: vault.stop(),
    })
}

fn alone(took: &[Took], written: TempDir) -> Run {
    let peak = took.iter().map(|took| took.peak_kib).max().unwrap_or(0);
    Run {
        wall_s: took.iter().map(|took| took.wall_s).sum(),
        cpu_s: took.iter().map(|took| took.cpu_s).sum(),
        peak_mib: peak as f64 / 1024.0,
        server_cpu_s: 0.0,
        server_peak_mib: 0.0,
        written: Some(written),
    }
}

fn place(folder: &Path) -> Result<TempDir> {
    let place = tempfile::Builder::new().prefix("copy-").tempdir_in(folder);
    place.map_err(|error| format!("{}: {error}", folder.display()))
}

/// The file system of this folder, and none other.
fn sync(folder: &Path) -> Result<Took> {
    clock(Command::new("sync").arg("--file-system").arg(folder))
}
