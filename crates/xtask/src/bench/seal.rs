//! Sealing and opening files in memory: how near the primitives' bound, how much faster than peers.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::child::{Took, clock};
use super::table::{Bar, Table, median, number, save};
use super::{Plan, peers, programs};
use crate::run::{Result, output};

/// Memory as a file system: what is measured is the program, not a disk.
const MEMORY: &str = "/dev/shm";

const MIB: usize = 1 << 20;

/// Of what the primitives allow together.
const LEAST_OF_BOUND: f64 = 0.85;

/// Times as fast as a peer.
const LEAST_OVER_PEER: f64 = 2.0;

pub(crate) fn run(plan: &Plan) -> Result<Vec<Bar>> {
    let program = programs::example("obhut-crypto", "capsule_speed")?;
    let folder = tempfile::Builder::new()
        .prefix("obhut-bench-")
        .tempdir_in(MEMORY);
    let folder = folder.map_err(|error| format!("{MEMORY}: {error}"))?;
    let (mut figures, mut bars) = (Vec::new(), Vec::new());
    let mut table = Table::new(
        "Seal and open with content root, in memory",
        &[
            "size",
            "threads",
            "what",
            "GiB/s",
            "GiB per cpu s",
            "of bound, clock",
            "of bound, cpu",
        ],
    );
    for mib in [1, 64, if plan.quick { 10 } else { 1024 }] {
        for threads in [1, 2] {
            let rounds = rounds(&program, folder.path(), mib * MIB, threads, plan.rounds)?;
            bars.extend(show(&mut table, &rounds, mib, threads, &mut figures));
        }
    }
    table.print();
    let (peers, more) = beside_peers(plan, &program, folder.path())?;
    bars.extend(more);
    save(
        "seal",
        &json!({ "capsules": figures, "peers": peers }),
        &bars,
    )?;
    Ok(bars)
}

/// Seconds by the clock and of processor time, of each round.
type Rounds = BTreeMap<String, Vec<(f64, f64)>>;

fn rounds(
    program: &Path,
    folder: &Path,
    bytes: usize,
    threads: usize,
    rounds: usize,
) -> Result<Rounds> {
    let numbers = [bytes, threads, rounds].map(|number| number.to_string());
    let printed = output(
        Command::new(program)
            .arg("rounds")
            .arg(folder)
            .args(numbers),
    )?;
    let mut seen = Rounds::new();
    for line in printed.lines() {
        let mut words = line.splitn(3, ' ');
        let mut second = || words.next().and_then(|word| word.parse().ok());
        let times = second()
            .zip(second())
            .ok_or("capsule_speed printed no times")?;
        let what = words.next().unwrap_or_default().to_owned();
        seen.entry(what).or_default().push(times);
    }
    Ok(seen)
}

fn show(
    table: &mut Table,
    rounds: &Rounds,
    mib: usize,
    threads: usize,
    figures: &mut Vec<Value>,
) -> Vec<Bar> {
    let gib = mib as f64 / 1024.0;
    let mut bars = Vec::new();
    for (what, times) in rounds {
        let wall = gib / median(times.iter().map(|(wall, _)| *wall));
        let cpu = gib / median(times.iter().map(|(_, cpu)| *cpu));
        let near = (what.starts_with("seal") || what.starts_with("open")).then(|| {
            (
                of_bound(rounds, what, |(wall, _)| wall),
                of_bound(rounds, what, |(_, cpu)| cpu),
            )
        });
        let percent = |part: f64| format!("{:.0} %", part * 100.0);
        table.row([
            format!("{mib} MiB"),
            threads.to_string(),
            what.clone(),
            format!("{wall:.2}"),
            format!("{cpu:.2}"),
            near.map_or_else(String::new, |(wall, _)| percent(wall)),
            near.map_or_else(String::new, |(_, cpu)| percent(cpu)),
        ]);
        figures.push(json!({
            "mib": mib, "threads": threads, "what": what,
            "gib_per_s": number(wall), "gib_per_cpu_s": number(cpu),
            "of_bound": near.map(|(wall, _)| number(wall)), "of_bound_cpu": near.map(|(_, cpu)| number(cpu)),
        }));
        if let Some((wall, cpu)) = near {
            bars.push(Bar {
                what: format!("{what} {mib} MiB, {threads} threads"),
                limit: format!(">= {} of 1/(1/AEAD + 1/SHA-256)", percent(LEAST_OF_BOUND)),
                measured: format!("{} (cpu {})", percent(wall), percent(cpu)),
                met: wall >= LEAST_OF_BOUND,
            });
        }
    }
    bars
}

/// The bound's time over ours, the median of the rounds. In each round the bound is that round's.
fn of_bound(rounds: &Rounds, what: &str, pick: impl Fn((f64, f64)) -> f64) -> f64 {
    let times = |name: &str| rounds.get(name).map(Vec::as_slice).unwrap_or_default();
    let aead = times("aes-gcm").iter().zip(times("ring"));
    let aead = aead.map(|(one, other)| pick(*one).min(pick(*other)));
    let bound = aead
        .zip(times("sha-256"))
        .map(|(aead, hash)| aead + pick(*hash));
    let ours = times(what).iter().map(|times| pick(*times));
    median(bound.zip(ours).map(|(bound, ours)| bound / ours))
}

/// One of those that seal and open the same file.
struct Contestant {
    name: String,
    seal: Vec<String>,
    open: Vec<String>,
}

fn beside_peers(plan: &Plan, program: &Path, folder: &Path) -> Result<(Value, Vec<Bar>)> {
    let mib = if plan.quick { 16 } else { 1024 };
    let plain = folder.join("plain");
    fs::write(&plain, vec![b'x'; mib * MIB]).map_err(|error| error.to_string())?;
    let contestants = contestants(program, folder)?;
    let mut seen: BTreeMap<(&str, &str), Vec<Took>> = BTreeMap::new();
    for _ in 0..plan.rounds {
        for contestant in &contestants {
            for (what, words) in [("seal", &contestant.seal), ("open", &contestant.open)] {
                let took = clock(&mut command(words)?)?;
                seen.entry((what, &contestant.name)).or_default().push(took);
            }
            for leftover in ["sealed", "opened"] {
                // Not every contestant makes both.
                let _ = fs::remove_file(folder.join(leftover));
            }
        }
    }
    Ok(compare(&seen, mib))
}

fn contestants(program: &Path, folder: &Path) -> Result<Vec<Contestant>> {
    let at = |name: &str| folder.join(name).display().to_string();
    let (plain, sealed, opened) = (at("plain"), at("sealed"), at("opened"));
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
    let ours = program.display().to_string();
    let mut all = Vec::new();
    for threads in ["1", "2"] {
        all.push(Contestant {
            name: format!("obhut, {threads} threads"),
            seal: words(&[&ours, "seal", &plain, &sealed, threads]),
            open: words(&[&ours, "open", &sealed, &opened, threads]),
        });
    }
    for name in ["age", "rage"] {
        let Some(peer) = peers::find(name) else {
            continue;
        };
        let (key, recipient) = key(&peer, name, folder)?;
        let program = peer.display().to_string();
        all.push(Contestant {
            name: peer_name(name, &peer),
            seal: words(&[&program, "-r", &recipient, "-o", &sealed, &plain]),
            open: words(&[&program, "-d", "-i", &key, "-o", &opened, &sealed]),
        });
    }
    Ok(all)
}

fn peer_name(name: &str, program: &PathBuf) -> String {
    let version = peers::version(program);
    if version.starts_with(name) {
        version
    } else {
        format!("{name} {version}")
    }
}

/// A fresh key file of a peer, and the recipient in it.
fn key(peer: &Path, name: &str, folder: &Path) -> Result<(String, String)> {
    let path = folder.join(format!("{name}.key"));
    let generator = peer.with_file_name(format!("{name}-keygen"));
    output(Command::new(generator).arg("-o").arg(&path))?;
    let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
    let mut words = text.split_whitespace();
    let recipient = words.find(|word| word.starts_with("age1"));
    let recipient = recipient.ok_or_else(|| format!("{name}-keygen wrote no recipient"))?;
    Ok((path.display().to_string(), recipient.to_owned()))
}

fn command(words: &[String]) -> Result<Command> {
    let (program, arguments) = words.split_first().ok_or("nothing to run")?;
    let mut command = Command::new(program);
    command.args(arguments);
    Ok(command)
}

fn compare(seen: &BTreeMap<(&str, &str), Vec<Took>>, mib: usize) -> (Value, Vec<Bar>) {
    let title = format!("The same file of {mib} MiB, whole programs, in memory");
    let mut table = Table::new(&title, &["what", "program", "wall s", "cpu s", "peak MiB"]);
    let (mut figures, mut bars) = (Vec::new(), Vec::new());
    for ((what, name), took) in seen {
        let wall = median(took.iter().map(|took| took.wall_s));
        let cpu = median(took.iter().map(|took| took.cpu_s));
        let peak = median(took.iter().map(|took| took.peak_kib as f64 / 1024.0));
        table.row([
            (*what).to_owned(),
            (*name).to_owned(),
            format!("{wall:.2}"),
            format!("{cpu:.2}"),
            format!("{peak:.0}"),
        ]);
        figures.push(json!({
            "what": what, "program": name,
            "wall_s": number(wall), "cpu_s": number(cpu), "peak_mib": number(peak),
        }));
        let ours = seen.get(&(*what, "obhut, 2 threads"));
        if let (Some(ours), false) = (ours, name.starts_with("obhut")) {
            bars.push(bar(what, name, took, ours));
        }
    }
    table.print();
    (json!(figures), bars)
}

fn bar(what: &str, name: &str, theirs: &[Took], ours: &[Took]) -> Bar {
    let ratio = |pick: fn(&Took) -> f64| {
        median(
            theirs
                .iter()
                .zip(ours)
                .map(|(theirs, ours)| pick(theirs) / pick(ours)),
        )
    };
    let (wall, cpu) = (ratio(|took| took.wall_s), ratio(|took| took.cpu_s));
    Bar {
        what: format!("{what} beside {name}"),
        limit: format!(">= {LEAST_OVER_PEER:.0} x as fast, wall and cpu"),
        measured: format!("wall {wall:.2} x, cpu {cpu:.2} x"),
        met: wall >= LEAST_OVER_PEER && cpu >= LEAST_OVER_PEER,
    }
}
