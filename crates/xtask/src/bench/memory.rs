//! Peak memory of putting and getting a huge document against a small one, and of the server meanwhile.

use std::fs::{self, File};
use std::path::Path;

use serde_json::json;

use super::Plan;
use super::child::{Took, clock};
use super::programs::Programs;
use super::table::{Bar, Table, number, save};
use super::vault::{Vault, text};
use crate::run::Result;

const MIB: u64 = 1 << 20;

/// So much more than for 1 MiB.
const MOST_MORE_MIB: f64 = 64.0;

pub(crate) fn run(plan: &Plan) -> Result<Vec<Bar>> {
    let programs = Programs::find(plan.programs.as_deref())?;
    let large = if plan.quick { 64 * MIB } else { 4096 * MIB };
    let mut table = Table::new(
        "Memory of putting and getting one document",
        &[
            "MiB",
            "what",
            "peak MiB",
            "wall s",
            "cpu s",
            "server peak MiB",
        ],
    );
    let (mut figures, mut peaks) = (Vec::new(), Vec::new());
    for bytes in [MIB, large] {
        // A new server each time: a peak never falls.
        let vault = Vault::found(&programs, &plan.folder, plan.ground)?;
        for (what, took) in put_and_get(&vault, bytes)? {
            let peak = took.peak_kib as f64 / 1024.0;
            let server = vault.server_peak_kib()? as f64 / 1024.0;
            table.row([
                (bytes / MIB).to_string(),
                what.to_owned(),
                format!("{peak:.1}"),
                format!("{:.2}", took.wall_s),
                format!("{:.2}", took.cpu_s),
                format!("{server:.1}"),
            ]);
            figures.push(json!({
                "mib": bytes / MIB, "what": what, "peak_mib": number(peak), "wall_s": number(took.wall_s),
                "cpu_s": number(took.cpu_s), "server_peak_mib": number(server),
            }));
            peaks.push((what, peak));
        }
    }
    table.print();
    let bars = bars(&peaks, large);
    save("memory", &json!(figures), &bars)?;
    Ok(bars)
}

fn put_and_get(vault: &Vault, bytes: u64) -> Result<[(&'static str, Took); 2]> {
    let case = vault.create_case()?;
    let source = vault.folder().join("source");
    // Without blocks on the disk: what it holds does not change the memory it takes.
    let made = File::create(&source).and_then(|file| file.set_len(bytes));
    made.map_err(|error| error.to_string())?;
    let put = clock(&mut vault.client("caseworker", &["put", &case, "source"]))?;
    let printed = serde_json::from_str(&put.printed).map_err(|error| error.to_string())?;
    let document = text(&printed, "document")?;
    let words = [
        "get",
        &document,
        "--purpose",
        "measuring",
        "--legal-basis",
        "none",
        "--output",
        "copy",
    ];
    let got = clock(&mut vault.client("caseworker", &words))?;
    expect_length(&vault.folder().join("copy"), bytes)?;
    Ok([("put", put), ("get", got)])
}

fn expect_length(path: &Path, bytes: u64) -> Result<()> {
    match fs::metadata(path) {
        Ok(about) if about.len() == bytes => Ok(()),
        Ok(about) => Err(format!(
            "{} has {} bytes, not {bytes}",
            path.display(),
            about.len()
        )),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

fn bars(peaks: &[(&'static str, f64)], large: u64) -> Vec<Bar> {
    let [(_, put), (_, get), (_, large_put), (_, large_get)] = peaks else {
        return Vec::new();
    };
    let bar = |what: &str, small: f64, peak: f64| Bar {
        what: format!("memory of {what}, {} MiB", large / MIB),
        limit: format!("<= {MOST_MORE_MIB:.0} MiB more than for 1 MiB"),
        measured: format!("{:+.1} MiB ({peak:.1})", peak - small),
        met: peak - small <= MOST_MORE_MIB,
    };
    vec![bar("put", *put, *large_put), bar("get", *get, *large_get)]
}
