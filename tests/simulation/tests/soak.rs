//! Constant load for minutes: for `cargo xtask soak`.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use obhut_e2e::Stack;
use obhut_simulation::{Make, Sample, World, growth, seed};

/// How long, in minutes, unless `OBHUT_SIMULATION_MINUTES` says so.
const MINUTES: u64 = 20;
/// What memory may grow in the second half, MiB a minute: the directory of what was filed, and no more.
const MEMORY_LIMIT: f64 = 0.5;
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
    let document = world
        .agency
        .put("read.bin", &obhut_e2e::random_bytes(1, 50_000));
    let (stop, done) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut samples = [const { Vec::new() }; 3];
    std::thread::scope(|scope| {
        for profile in ["cw1", "cw2", "cw3"] {
            let (world, document, stop, done) = (&world, &document, &stop, &done);
            scope.spawn(move || {
                let case = &world.agency.case;
                for round in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    work(world.stack(), profile, case, document, round);
                    done.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        watch(world.stack(), minutes, &mut samples);
        stop.store(true, Ordering::SeqCst);
    });
    let commands = done.load(Ordering::SeqCst);
    println!("{commands} commands in {minutes} minutes");
    let flat = report_all(&samples);
    world.check();
    assert!(flat, "memory or open files grow");
}

/// One in ten files a document; the others read.
fn work(stack: &Stack, profile: &str, case: &str, document: &str, round: u64) {
    let target = stack.folder().join(format!("read-by-{profile}"));
    let run = match round % 10 {
        0 => {
            let file = stack.write(
                &format!("by-{profile}"),
                &obhut_e2e::random_bytes(round, 20_000),
            );
            stack.obhut(profile, &["put", case, file.to_str().unwrap()])
        }
        5 => stack.reading(profile, &["case", "show", case]),
        _ => {
            let get = [
                "get",
                document,
                "--force",
                "--output",
                target.to_str().unwrap(),
            ];
            stack.reading(profile, &get)
        }
    };
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
}

/// Looks at server, gatekeeper and witness every five seconds.
fn watch(stack: &Stack, minutes: u64, samples: &mut [Vec<Sample>; 3]) {
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
            report_all(samples);
        }
        std::thread::sleep(Duration::from_secs(5));
        let now = begun.elapsed().as_secs_f64() / 60.0;
        for (process, samples) in processes.iter().zip(samples.iter_mut()) {
            samples.push(Sample::of(*process, now));
        }
    }
}

/// Prints what all took; whether all stay within the limits.
fn report_all(samples: &[Vec<Sample>; 3]) -> bool {
    let names = ["obhut-server", "obhut-gate", "witness"];
    let each = names.iter().zip(samples);
    let flat: Vec<bool> = each.map(|(name, one)| report(name, one)).collect();
    !flat.contains(&false)
}

/// Prints what a process took; whether it stays within the limits.
fn report(name: &str, samples: &[Sample]) -> bool {
    let (first, last) = (samples.first().unwrap(), samples.last().unwrap());
    let memory = growth(samples, |sample| sample.memory_mib);
    let files = growth(samples, |sample| sample.files);
    println!(
        "{name}: memory {:.1} -> {:.1} MiB, in the second half {memory:+.3} MiB a minute; \
         files {} -> {}, {files:+.3} a minute",
        first.memory_mib, last.memory_mib, first.files, last.files
    );
    memory <= MEMORY_LIMIT && files <= FILES_LIMIT
}
