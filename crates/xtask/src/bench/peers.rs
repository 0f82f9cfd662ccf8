//! Programs to measure against: found, else installed, else named and left out.

use std::path::PathBuf;
use std::process::Command;

use crate::run::{output, root};
use crate::tools;

/// Where the peer's program is; `None`, with a line that says so, where it cannot be had.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    if let Some(found) = in_path(name) {
        return Some(found);
    }
    println!("{name} is missing; installing it");
    let installed = match name {
        "rage" => tools::install("rage"),
        _ => install_package(name),
    };
    let found = in_path(name);
    if let (None, Err(reason)) = (&found, installed) {
        println!("{name} is left out: {reason}");
    }
    found
}

/// A peer's version line.
pub(crate) fn version(program: &PathBuf) -> String {
    let asked = |word| output(Command::new(program).arg(word)).ok();
    let text = asked("--version").or_else(|| asked("version"));
    let text = text.unwrap_or_default();
    text.lines().next().unwrap_or_default().to_owned()
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = tools::path();
    let mut folders = std::env::split_paths(&path);
    folders.find_map(|folder| {
        let program = folder.join(name);
        program.is_file().then_some(program)
    })
}

/// A Debian package, where this is Debian and we may.
fn install_package(name: &str) -> crate::run::Result<()> {
    let mut command = Command::new("apt-get");
    command
        .current_dir(root())
        .env("DEBIAN_FRONTEND", "noninteractive")
        .args(["install", "--yes", "--no-install-recommends", name]);
    output(&mut command).map(drop)
}
