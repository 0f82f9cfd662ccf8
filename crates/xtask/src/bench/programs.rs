//! Release builds of what is measured.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::run::{Result, cargo, must, output};

/// An example of a crate, built.
pub(crate) fn example(package: &str, name: &str) -> Result<PathBuf> {
    let named = ["--package", package, "--example", name];
    must(cargo().args(["build", "--quiet", "--release"]).args(named))?;
    Ok(folder()?.join("examples").join(name))
}

/// Client, server and gatekeeper in one folder, and what measures with them.
pub(crate) struct Programs {
    pub(crate) folder: PathBuf,
    /// [`example`] `release_speed` of the client.
    pub(crate) release_speed: PathBuf,
    /// [`example`] `s3_put` of the server.
    pub(crate) s3_put: PathBuf,
}

impl Programs {
    /// Those in a folder laid out as cargo's, else newly built ones.
    pub(crate) fn find(given: Option<&Path>) -> Result<Self> {
        let folder = if let Some(given) = given {
            given.to_owned()
        } else {
            let packages = ["obhut-cli", "obhut-server", "obhut-gate"];
            let packages = packages.iter().flat_map(|name| ["--package", name]);
            let mut build = cargo();
            build.args(["build", "--quiet", "--release", "--bins"]);
            must(build.args(packages))?;
            example("obhut-client", "release_speed")?;
            example("obhut-server", "s3_put")?;
            folder()?
        };
        Ok(Self {
            release_speed: folder.join("examples/release_speed"),
            s3_put: folder.join("examples/s3_put"),
            folder,
        })
    }
}

fn folder() -> Result<PathBuf> {
    let text = output(cargo().args(["metadata", "--no-deps", "--format-version=1"]))?;
    let metadata: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let target = metadata["target_directory"].as_str();
    let target = target.ok_or("cargo names no target folder")?;
    Ok(PathBuf::from(target).join("release"))
}
