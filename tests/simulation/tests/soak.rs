//! Constant load for minutes: for `cargo xtask soak`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use obhut_e2e::Stack;
use obhut_simulation::{Make, Sample, World, growth, seed};

/// How long, in minutes, unless `OBHUT_SIMULATION_MINUTES` says so.
const MINUTES: u64 = 20;
/// What memory may grow in the second half, MiB a minute, ...
const MEMORY_LIMIT: f64 = 0.25;
/// ... and for each document filed a minute besides: the directory of what was filed (docs/performance.md).
const DOCUMENT_MIB: f64 = 5.0 / 1024.0;
/// What the number of open files may grow a minute.
const FILES_LIMIT: f64 = 0.2;

#[test]
#[ignore = "minutes: for `cargo xtask soak`"]
fn soak_constant_load_keeps_memory_and_open_files_flat() {
    let make = Make {
        seed: seed(),
        ..Make::default()
    };
    let Some(mut world) = World::open(make) else {
        return;
    };
    let minutes = std::env::var("OBHUT_SIMULATION_MINUTES");
    let minutes = minutes.map_or(MINUTES, |text| text.parse().unwrap());
    let load = Load::prepare(&world);
    let stop = AtomicBool::new(false);
    let mut samples = [const { Vec::new() }; 3];
    std::thread::scope(|scope| {
        for profile in ["cw1", "cw2", "cw3"] {
            let (world, load, stop) = (&world, &load, &stop);
            scope.spawn(move || {
                for round in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    load.work(world.stack(), profile, round);
                }
            });
        }
        watch(world.stack(), minutes, &load, &mut samples);
        stop.store(true, Ordering::SeqCst);
    });
    let commands = load.done.load(Ordering::SeqCst);
    println!("{commands} commands in {minutes} minutes");
    let flat = report_all(&samples, load.filed_a_minute());
    world.check();
    assert!(flat, "memory or open files grow");
}

/// What three people do all the time. The case they list and read from stays as it is, so that each answer is as large as
/// the one before.
struct Load {
    listed: String,
    document: String,
    grows: String,
    done: AtomicU64,
    filed: AtomicU32,
    begun: Instant,
}

impl Load {
    fn prepare(world: &World) -> Self {
        let agency = &world.agency;
        let read = obhut_e2e::random_bytes(1, 50_000);
        Self {
            listed: agency.case.clone(),
            document: agency.put("read.bin", &read),
            grows: world.stack().new_case("cw1", &agency.unit, "AZ-LOAD").0,
            done: AtomicU64::new(0),
            filed: AtomicU32::new(0),
            begun: Instant::now(),
        }
    }

    /// One in ten files a document; the others read.
    fn work(&self, stack: &Stack, profile: &str, round: u64) {
        let target = stack.folder().join(format!("read-by-{profile}"));
        let target = target.to_str().unwrap();
        let run = match round % 10 {
            0 => {
                let bytes = obhut_e2e::random_bytes(round, 20_000);
                let file = stack.write(&format!("by-{profile}"), &bytes);
                self.filed.fetch_add(1, Ordering::SeqCst);
                stack.obhut(profile, &["put", &self.grows, file.to_str().unwrap()])
            }
            5 => stack.reading(profile, &["case", "show", &self.listed]),
            _ => {
                let get = ["get", &self.document, "--force", "--output", target];
                stack.reading(profile, &get)
            }
        };
        assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
        self.done.fetch_add(1, Ordering::SeqCst);
    }

    fn filed_a_minute(&self) -> f64 {
        f64::from(self.filed.load(Ordering::SeqCst)) * 60.0 / self.begun.elapsed().as_secs_f64()
    }
}

/// Looks at server, gatekeeper and witness every five seconds.
fn watch(stack: &Stack, minutes: u64, load: &Load, samples: &mut [Vec<Sample>; 3]) {
    let processes = [
        stack.server_pid(),
        stack.gatekeeper.as_ref().unwrap().pid(),
        stack.witness.as_ref().unwrap().pid(),
    ];
    let begun = Instant::now();
    let mut told = 0;
    while begun.elapsed() < Duration::from_secs(60 * minutes) {
        let five = begun.elapsed().as_secs() / 300;
        if five > told {
            told = five;
            println!("after {} minutes:", 5 * five);
            report_all(samples, load.filed_a_minute());
        }
        std::thread::sleep(Duration::from_secs(5));
        let now = begun.elapsed().as_secs_f64() / 60.0;
        for (process, samples) in processes.iter().zip(samples.iter_mut()) {
            samples.push(Sample::of(*process, now));
        }
    }
}

/// Prints what all took; whether all stay within the limits.
fn report_all(samples: &[Vec<Sample>; 3], filed: f64) -> bool {
    let limit = MEMORY_LIMIT + filed * DOCUMENT_MIB;
    println!("{filed:.1} documents filed a minute: memory may grow by {limit:.3} MiB a minute");
    let names = ["obhut-server", "obhut-gate", "witness"];
    let each = names.iter().zip(samples);
    let flat: Vec<bool> = each.map(|(name, one)| report(name, one, limit)).collect();
    !flat.contains(&false)
}

/// Prints what a process took; whether it stays within the limits.
fn report(name: &str, samples: &[Sample], limit: f64) -> bool {
    let (first, last) = (samples.first().unwrap(), samples.last().unwrap());
    let memory = growth(samples, |sample| sample.memory_mib);
    let files = growth(samples, |sample| sample.files);
    println!(
        "{name}: memory {:.1} -> {:.1} MiB, in the second half {memory:+.3} MiB a minute; \
         files {} -> {}, {files:+.3} a minute",
        first.memory_mib, last.memory_mib, first.files, last.files
    );
    memory <= limit && files <= FILES_LIMIT
}
