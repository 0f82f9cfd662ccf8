//! Programs to measure against: found, else installed, else named and left out.

use std::path::PathBuf;
use std::process::Command;

use crate::run::output;
use crate::tools;

/// Where the peer's program is; `None`, with a line that says so, where it cannot be had.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    if let Some(found) = tools::find_program(name) {
        return Some(found);
    }
    println!("{name} is missing; installing it");
    let installed = match name {
        "rage" => tools::install("rage"),
        _ => tools::install_package(name),
    };
    let found = tools::find_program(name);
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
