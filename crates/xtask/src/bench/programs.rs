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
    /// The client's example that releases and gets.
    pub(crate) release_speed: PathBuf,
    /// The server's example that only puts.
    pub(crate) s3_put: PathBuf,
}

impl Programs {
    /// Those in a folder laid out as cargo's, else newly built ones.
    pub(crate) fn find(given: Option<&Path>) -> Result<Self> {
        let folder = if let Some(given) = given {
            given.to_owned()
        } else {
            // In one go: every further call would settle on other features and build half of it again.
            let packages = ["obhut-cli", "obhut-client", "obhut-gate", "obhut-server"];
            let examples = ["release_speed", "s3_put"];
            let mut build = cargo();
            build.args(["build", "--quiet", "--release", "--bins"]);
            build.args(packages.iter().flat_map(|name| ["--package", name]));
            must(build.args(examples.iter().flat_map(|name| ["--example", name])))?;
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
