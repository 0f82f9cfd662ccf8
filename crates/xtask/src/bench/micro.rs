//! The crates' own micro-benchmarks.

use serde_json::Value;

use crate::postgres::{self, Server};
use crate::run::{Result, cargo, must, output};

/// Runs those whose package or name contains one of the words; without words all.
pub(crate) fn run(words: &[String]) -> Result<()> {
    let wanted: Vec<_> = benchmarks()?
        .into_iter()
        .filter(|(package, name)| {
            let named = |word: &String| package.contains(word) || name.contains(word);
            words.is_empty() || words.iter().any(named)
        })
        .collect();
    if wanted.is_empty() {
        return Err("no benchmark has such a name".to_owned());
    }
    let server = Server::start()?;
    for (package, name) in wanted {
        must(
            cargo()
                .args(["bench", "--quiet", "--package", &package, "--bench", &name])
                .env(postgres::VARIABLE, server.url()),
        )?;
    }
    Ok(())
}

/// Package and name of every benchmark of the workspace.
fn benchmarks() -> Result<Vec<(String, String)>> {
    let text = output(cargo().args(["metadata", "--no-deps", "--format-version=1"]))?;
    let metadata: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    for package in array(&metadata["packages"]) {
        for target in array(&package["targets"]) {
            // The sequencer's needs a durable database and takes long: `bench log`.
            let bench = array(&target["kind"]).iter().any(|kind| kind == "bench")
                && target["name"] != "sequencer";
            if let (true, Some(package), Some(name)) =
                (bench, package["name"].as_str(), target["name"].as_str())
            {
                found.push((package.to_owned(), name.to_owned()));
            }
        }
    }
    Ok(found)
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
