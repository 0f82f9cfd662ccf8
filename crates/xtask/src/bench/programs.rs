//! Release builds of what is measured.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::run::{Result, cargo, must, output};

/// An example of a crate, built.
pub(crate) fn example(package: &str, name: &str) -> Result<PathBuf> {
    must(cargo().args([
        "build",
        "--quiet",
        "--release",
        "--package",
        package,
        "--example",
        name,
    ]))?;
    Ok(folder()?.join("examples").join(name))
}

/// The client and the server.
pub(crate) struct Programs {
    pub(crate) client: PathBuf,
    pub(crate) server: PathBuf,
}

impl Programs {
    pub(crate) fn build() -> Result<Self> {
        let packages = ["--package", "obhut-cli", "--package", "obhut-server"];
        must(
            cargo()
                .args(["build", "--quiet", "--release", "--bins"])
                .args(packages),
        )?;
        Ok(Self {
            client: folder()?.join("obhut"),
            server: folder()?.join("obhut-server"),
        })
    }

    /// The client's command line, not yet started.
    pub(crate) fn client(&self) -> Command {
        Command::new(&self.client)
    }
}

fn folder() -> Result<PathBuf> {
    let text = output(cargo().args(["metadata", "--no-deps", "--format-version=1"]))?;
    let metadata: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let target = metadata["target_directory"].as_str();
    let target = target.ok_or("cargo names no target folder")?;
    Ok(PathBuf::from(target).join("release"))
}
