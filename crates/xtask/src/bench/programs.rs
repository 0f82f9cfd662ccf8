//! Release builds of what is measured.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::run::{Result, cargo, must, output};

/// An example of a crate, built.
pub(crate) fn example(package: &str, name: &str) -> Result<PathBuf> {
    let named = ["--package", package, "--example", name];
    must(cargo().args(["build", "--quiet", "--release"]).args(named))?;
    Ok(folder()?.join("examples").join(name))
}

/// The client and the server.
pub(crate) struct Programs {
    pub(crate) client: PathBuf,
    pub(crate) server: PathBuf,
    /// [`example`] `release_speed` of the client.
    pub(crate) release_speed: PathBuf,
}

impl Programs {
    /// Those in a folder laid out as cargo's, else newly built ones.
    pub(crate) fn find(given: Option<&Path>) -> Result<Self> {
        let folder = if let Some(given) = given {
            given.to_owned()
        } else {
            let packages = ["--package", "obhut-cli", "--package", "obhut-server"];
            let mut build = cargo();
            must(
                build
                    .args(["build", "--quiet", "--release", "--bins"])
                    .args(packages),
            )?;
            example("obhut-client", "release_speed")?;
            folder()?
        };
        Ok(Self {
            client: folder.join("obhut"),
            server: folder.join("obhut-server"),
            release_speed: folder.join("examples/release_speed"),
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
