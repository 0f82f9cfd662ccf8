//! Programs the chores need and install when they are missing.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{Result, cargo, must, output};

/// `cargo nextest run`, or `cargo test` where nextest can be neither found nor installed.
pub fn test_runner() -> Command {
    let mut runner = cargo();
    runner.env("PATH", path());
    if !has_nextest() {
        println!("cargo-nextest is missing; installing it once takes some minutes");
        if let Err(error) = install("cargo-nextest") {
            println!("{error}; going on with cargo test");
        }
    }
    if has_nextest() {
        runner.args(["nextest", "run"]);
    } else {
        runner.arg("test");
    }
    runner
}

fn has_nextest() -> bool {
    let mut asked = cargo();
    asked.env("PATH", path()).args(["nextest", "--version"]);
    output(&mut asked).is_ok()
}

/// Builds a program of crates.io into the tools folder. Outside the workspace, because its pinned
/// toolchain may be too old for the newest version.
pub fn install(program: &str) -> Result<()> {
    let mut command = cargo();
    command
        .current_dir(std::env::temp_dir())
        .env_remove("RUSTUP_TOOLCHAIN")
        .env_remove("CARGO_TARGET_DIR")
        .args(["install", "--locked", "--root"])
        .arg(folder())
        .arg(program);
    must(&mut command)
}

/// Whether Debian packages can be installed: this is Debian, and we are root.
pub fn may_install_packages() -> bool {
    Path::new("/usr/bin/apt-get").exists() && rustix::process::geteuid().is_root()
}

/// Installs a Debian package and nothing it only recommends.
pub fn install_package(name: &str) -> Result<()> {
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command
            .arg("--quiet")
            .env("DEBIAN_FRONTEND", "noninteractive");
        command
    };
    must(apt_get().arg("update"))?;
    must(apt_get().args(["install", "--yes", "--no-install-recommends", name]))
}

/// A program in the search path.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let path = path();
    let mut folders = std::env::split_paths(&path);
    folders.find_map(|folder| {
        let program = folder.join(name);
        program.is_file().then_some(program)
    })
}

/// Where tools are kept: `$XDG_CACHE_HOME/obhut/tools`.
pub fn folder() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    cache.unwrap_or_else(home).join("obhut/tools")
}

/// The search path with the tools folder in it.
pub fn path() -> OsString {
    let old = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&old).collect();
    folders.push(folder().join("bin"));
    std::env::join_paths(folders).unwrap_or(old)
}
