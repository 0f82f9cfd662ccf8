//! Importing a folder of small files, beside what copies, backs up or encrypts the same folder.

mod contestants;
pub(super) mod corpus;
mod remote;

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use self::contestants::{Entrant, Run, entrants};
use self::corpus::Corpus;
use self::remote::Peer;
use super::Plan;
use super::programs::Programs;
use super::table::{Bar, Table, median, number, save};
use crate::run::Result;
use crate::stack::services::Kind;

/// Bytes of a large file.
const LARGE: usize = 1 << 30;
const MOST_SERVER_MIB: f64 = 256.0;

pub(crate) fn run(plan: &Plan) -> Result<Vec<Bar>> {
    let programs = Programs::find(plan.programs.as_deref())?;
    fs::create_dir_all(&plan.folder).map_err(|error| error.to_string())?;
    let files = if plan.quick { 100 } else { 10_000 };
    let mut bars = race(plan, &programs, "import", (files, corpus::FILE_BYTES))?;
    if plan.ground.kind == Kind::Full && plan.large > 0 {
        let large = if plan.quick { LARGE / 100 } else { LARGE };
        // One round: each contestant moves many GiB.
        let plan = Plan {
            rounds: 1,
            ..plan.clone()
        };
        bars.extend(race(&plan, &programs, "import-large", (plan.large, large))?);
    }
    Ok(bars)
}

/// All contestants with so many files of so many bytes.
fn race(
    plan: &Plan,
    programs: &Programs,
    name: &str,
    (files, file_bytes): (usize, usize),
) -> Result<Vec<Bar>> {
    let corpus = Corpus::write(&plan.folder.join("corpus"), files, file_bytes)?;
    let entrants = entrants(programs, plan);
    let mut seen: BTreeMap<&str, Vec<Run>> = BTreeMap::new();
    for round in 0..plan.rounds {
        // The order turns round by round, so that nobody always runs after the same neighbour.
        for at in 0..entrants.len() {
            if let Some(entrant) = entrants.get((at + round) % entrants.len()) {
                let mut run = entrant.run(&corpus)?;
                println!(
                    "round {}: {} {:.1} s",
                    round + 1,
                    entrant.name(),
                    run.wall_s
                );
                if file_bytes > corpus::FILE_BYTES {
                    // Few inodes, many bytes: the disk would not hold them all.
                    run.forget();
                }
                seen.entry(entrant.name()).or_default().push(run);
            }
        }
    }
    corpus.remove()?;
    let (figures, bars) = compare(&seen, &corpus);
    save(name, &figures, &bars)?;
    Ok(bars)
}

fn compare(seen: &BTreeMap<&str, Vec<Run>>, corpus: &Corpus) -> (Value, Vec<Bar>) {
    let title = format!(
        "{} files of {} KiB, durable at the end",
        corpus.files,
        corpus.file_bytes / 1024
    );
    let mut table = Table::new(
        &title,
        &[
            "program",
            "files/s",
            "MiB/s",
            "wall s",
            "cpu s",
            "cores busy",
            "peak MiB",
            "of that servers: cpu s",
            "peak MiB",
        ],
    );
    let mut figures = Vec::new();
    for (name, runs) in seen {
        let of = |pick: fn(&Run) -> f64| median(runs.iter().map(pick));
        let (wall, cpu, server) = (
            of(|run| run.wall_s),
            of(|run| run.cpu_s),
            of(|run| run.server_cpu_s),
        );
        let (peak, server_peak) = (of(|run| run.peak_mib), of(|run| run.server_peak_mib));
        let per_second = corpus.files as f64 / wall;
        table.row([
            (*name).to_owned(),
            format!("{per_second:.1}"),
            format!(
                "{:.0}",
                per_second * corpus.file_bytes as f64 / f64::from(1 << 20)
            ),
            format!("{wall:.2}"),
            format!("{cpu:.2}"),
            format!("{:.1}", cpu / wall),
            format!("{peak:.0}"),
            format!("{server:.2}"),
            format!("{server_peak:.0}"),
        ]);
        figures.push(json!({
            "program": name, "files_per_s": number(per_second), "wall_s": number(wall), "cpu_s": number(cpu),
            "peak_mib": number(peak), "server_cpu_s": number(server), "server_peak_mib": number(server_peak),
            "rounds_wall_s": runs.iter().map(|run| number(run.wall_s)).collect::<Vec<_>>(),
        }));
    }
    table.print();
    (
        json!({ "files": corpus.files, "programs": figures }),
        bars(seen),
    )
}

fn bars(seen: &BTreeMap<&str, Vec<Run>>) -> Vec<Bar> {
    let Some(ours) = seen.get(Entrant::OBHUT) else {
        return Vec::new();
    };
    let mut bars = Vec::new();
    for theirs in [Entrant::RCLONE, Peer::RCLONE]
        .iter()
        .filter_map(|name| seen.get(name))
    {
        let ratios = theirs
            .iter()
            .zip(ours)
            .map(|(theirs, ours)| theirs.wall_s / ours.wall_s);
        let ratio = median(ratios);
        bars.push(Bar {
            what: "import".to_owned(),
            limit: "ahead of rclone crypt".to_owned(),
            measured: format!("{ratio:.2} x as fast"),
            met: ratio > 1.0,
        });
    }
    let peak = ours
        .iter()
        .map(|run| run.server_peak_mib)
        .fold(0.0, f64::max);
    bars.push(Bar {
        what: "server memory during import".to_owned(),
        limit: format!("<= {MOST_SERVER_MIB:.0} MiB"),
        measured: format!("{peak:.0} MiB"),
        met: peak <= MOST_SERVER_MIB,
    });
    bars
}
