//! What `cargo xtask bench seal` measures with: seals and opens files as the client does, beside the
//! primitives that bound it.
//!
//! `rounds FOLDER BYTES THREADS ROUNDS` measures everything in turn, round by round, and prints a line
//! `wall-seconds cpu-seconds what` for each, all for the same number of bytes.
//! `seal FILE OBJECT THREADS` and `open OBJECT FILE THREADS` do one file each, for an outside clock.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a measuring program"
)]

mod capsule;
mod primitives;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use capsule::{Bench, Forget};
use obhut_format::manifest::Manifest;
use rustix::time::{ClockId, clock_gettime};

/// Small files are sealed so often that each measurement covers at least this much.
const AT_LEAST: usize = 64 << 20;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["rounds", folder, bytes, threads, rounds] => rounds_in(
            Path::new(folder),
            bytes.parse().unwrap(),
            threads.parse().unwrap(),
            rounds.parse().unwrap(),
        ),
        ["seal", file, object, threads] => {
            Bench::new(threads.parse().unwrap()).seal(Path::new(file), Path::new(object));
        }
        ["open", object, file, threads] => {
            Bench::new(threads.parse().unwrap()).open(Path::new(object), Path::new(file));
        }
        _ => panic!(
            "rounds FOLDER BYTES THREADS ROUNDS | seal FILE OBJECT THREADS | open OBJECT FILE THREADS"
        ),
    }
}

fn rounds_in(folder: &Path, bytes: usize, threads: usize, rounds: usize) {
    let files = ["plain", "object", "opened", "copy"].map(|name| folder.join(name));
    let [plain, object, opened, copied]: &[PathBuf; 4] = &files;
    std::fs::write(plain, vec![7; bytes]).unwrap();
    let repeats = (AT_LEAST / bytes).max(1);
    let mut memory = primitives::Memory::new(bytes * repeats, threads);
    let bench = Bench::new(threads);
    // Once for nothing: threads, buffers, page cache.
    bench.seal(plain, object);
    bench.open(object, opened);
    capsule::copy(plain, copied);
    let in_memory = InMemory::new(&bench, bytes);
    for _ in 0..rounds {
        for name in primitives::NAMES {
            measure(name, repeats, || memory.run(name));
        }
        measure("seal", repeats, || {
            (0..repeats).for_each(|_| bench.seal(plain, object));
        });
        measure("open", repeats, || {
            (0..repeats).for_each(|_| bench.open(object, opened));
        });
        measure("copy", repeats, || {
            (0..repeats).for_each(|_| capsule::copy(plain, copied));
        });
        measure("seal in memory", repeats, || {
            (0..repeats).for_each(|_| in_memory.seal());
        });
        measure("open in memory", repeats, || {
            (0..repeats).for_each(|_| in_memory.open());
        });
    }
    for file in files {
        std::fs::remove_file(file).unwrap();
    }
}

/// A capsule that touches no file.
struct InMemory<'a> {
    bench: &'a Bench,
    plain: Vec<u8>,
    object: Vec<u8>,
    manifest: Manifest,
    info: Vec<u8>,
}

impl<'a> InMemory<'a> {
    fn new(bench: &'a Bench, bytes: usize) -> Self {
        let (plain, mut object) = (vec![7; bytes], Vec::new());
        let (manifest, info) = bench.seal_into(&plain[..], bytes as u64, &mut object);
        Self {
            bench,
            plain,
            object,
            manifest,
            info,
        }
    }

    fn seal(&self) {
        let bytes = self.plain.len() as u64;
        self.bench.seal_into(&self.plain[..], bytes, Forget);
    }

    fn open(&self) {
        let object = &self.object[..];
        self.bench
            .open_into(&self.manifest, &self.info, object, Forget);
    }
}

/// Prints what one of so many repeats took, by the clock and of all threads together.
fn measure(what: &str, repeats: usize, work: impl FnOnce()) {
    let (wall, cpu) = (Instant::now(), processor_time());
    work();
    let each = |total: Duration| total.as_secs_f64() / repeats as f64;
    println!(
        "{:.9} {:.9} {what}",
        each(wall.elapsed()),
        each(processor_time().saturating_sub(cpu))
    );
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap()
}
