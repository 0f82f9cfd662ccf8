//! The sequencer: durable entries, time to a confirmed entry, storage. Measured inside one process by a benchmark of the
//! store, because no client is fast enough to fill it.

use serde_json::json;

use super::table::{self, Bar};
use super::{Plan, Result};
use crate::postgres::{self, Server};
use crate::run::{cargo, output};

/// Data subjects and seconds of a quick run.
const QUICK: (&str, &str) = ("1000", "3");

pub(super) fn run(plan: &Plan) -> Result<Vec<Bar>> {
    let server = Server::start_own()?;
    let mut bench = cargo();
    bench.args(["bench", "--quiet", "--package", "obhut-store"]);
    bench.args(["--bench", "sequencer"]);
    match &server {
        Some(server) => bench.env(postgres::VARIABLE, server.url()),
        None => bench.env_remove(postgres::VARIABLE),
    };
    if plan.quick {
        bench.env("OBHUT_BENCH_SUBJECTS", QUICK.0);
        bench.env("OBHUT_BENCH_SECONDS", QUICK.1);
    }
    let printed = output(&mut bench)?;
    let is_bar = |line: &&str| line.contains('\t');
    for line in printed.lines().filter(|line| !is_bar(line)) {
        println!("{line}");
    }
    let bars: Vec<Bar> = printed
        .lines()
        .filter(is_bar)
        .filter_map(read_bar)
        .collect();
    table::save("log", &json!(printed.lines().collect::<Vec<_>>()), &bars)?;
    Ok(bars)
}

/// What, measured, limit and verdict, with tabs between.
fn read_bar(line: &str) -> Option<Bar> {
    let mut cells = line.split('\t').map(str::to_owned);
    let (what, measured, limit, verdict) =
        (cells.next()?, cells.next()?, cells.next()?, cells.next()?);
    Some(Bar {
        what,
        limit,
        measured,
        met: verdict == "met",
    })
}
