//! Releases and gets through the SDK, one after another and many side by side.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::{Value, json};

use super::Plan;
use super::import::corpus::{Corpus, FILE_BYTES};
use super::programs::Programs;
use super::table::{Bar, Table, number, save};
use super::vault::{CLASS, Vault};
use crate::run::{Result, output};

/// Documents to choose from: one case.
const DOCUMENTS: usize = 100;

pub(crate) fn run(plan: &Plan) -> Result<Vec<Bar>> {
    let programs = Programs::find(plan.programs.as_deref())?;
    let vault = Vault::found(&programs, &plan.folder, plan.ground)?;
    let corpus = Corpus::write(&vault.folder().join("corpus"), DOCUMENTS, FILE_BYTES)?;
    let mut import = vault.client("caseworker", &["import", "--class", CLASS]);
    output(import.arg(&corpus.folder))?;
    let mut table = Table::new(
        "Release and get of 50 KiB through the SDK",
        &[
            "side by side",
            "what",
            "p50 ms",
            "p99 ms",
            "per s",
            "server cpu ms each",
        ],
    );
    let mut figures = Vec::new();
    for ways in [1, 16] {
        let count: usize = if plan.quick { 32 } else { 1_000 };
        let before = vault.cpu_s()?;
        let mut command = Command::new(&programs.release_speed);
        command
            .env("OBHUT_HOME", vault.home())
            .arg("caseworker")
            .arg(vault.passphrase_file());
        let printed = output(command.args([count.to_string(), ways.to_string()]))?;
        let server_ms = (vault.cpu_s()? - before) * 1e3 / count as f64;
        show(&mut table, &mut figures, &printed, ways, server_ms)?;
    }
    table.print();
    println!(
        "  server peak {:.0} MiB",
        vault.server_peak_kib()? as f64 / 1024.0
    );
    save("release", &json!(figures), &[])?;
    Ok(Vec::new())
}

/// Each line is a phase and its seconds; `elapsed` is that of all together.
fn show(
    table: &mut Table,
    figures: &mut Vec<Value>,
    printed: &str,
    ways: usize,
    server_ms: f64,
) -> Result<()> {
    let mut phases: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for line in printed.lines() {
        let (phase, seconds) = line
            .split_once(' ')
            .ok_or("release_speed printed no phase")?;
        let seconds = seconds.parse().map_err(|_| format!("no seconds: {line}"))?;
        phases.entry(phase).or_default().push(seconds);
    }
    let elapsed = phases
        .remove("elapsed")
        .and_then(|all| all.first().copied());
    let elapsed = elapsed.ok_or("release_speed printed no elapsed time")?;
    for (phase, mut seconds) in phases {
        seconds.sort_by(f64::total_cmp);
        let at = |part: f64| {
            let index = (part * (seconds.len() - 1) as f64).round() as usize;
            seconds.get(index).copied().unwrap_or(f64::NAN) * 1e3
        };
        let (p50, p99) = (at(0.5), at(0.99));
        let whole = phase == "whole";
        let per_s = seconds.len() as f64 / elapsed;
        let only_whole = |text: String| if whole { text } else { String::new() };
        table.row([
            ways.to_string(),
            phase.to_owned(),
            format!("{p50:.2}"),
            format!("{p99:.2}"),
            only_whole(format!("{per_s:.0}")),
            only_whole(format!("{server_ms:.2}")),
        ]);
        figures.push(json!({
            "ways": ways, "phase": phase, "p50_ms": number(p50), "p99_ms": number(p99),
            "per_s": whole.then(|| number(per_s)), "server_cpu_ms": whole.then(|| number(server_ms)),
        }));
    }
    Ok(())
}
