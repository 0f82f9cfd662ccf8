//! Running a program under the clock.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::run::{Result, line};

/// How often a running program's peak memory is read.
const GLANCE: Duration = Duration::from_millis(2);

/// The unit of processor times in `/proc`: fixed at 100 a second for programs (proc(5), USER_HZ).
const TICKS_PER_SECOND: f64 = 100.0;

/// What a program took and printed.
pub(crate) struct Took {
    pub(crate) wall_s: f64,
    /// User and system time of the program and what it waited for.
    pub(crate) cpu_s: f64,
    /// Peak resident memory.
    pub(crate) peak_kib: u64,
    pub(crate) printed: String,
}

/// Runs a program that must succeed. Programs run one at a time: the times are those of all children.
pub(crate) fn clock(command: &mut Command) -> Result<Took> {
    let (began, before) = (Instant::now(), children_cpu_s()?);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{} could not be started: {error}", line(command)))?;
    let out = child.stdout.take().map(collect);
    let err = child.stderr.take().map(collect);
    let mut peak_kib = 0;
    let status = loop {
        peak_kib = peak_kib.max(find_peak_kib(child.id()).unwrap_or(0));
        match child.try_wait().map_err(|error| error.to_string())? {
            Some(status) => break status,
            None => thread::sleep(GLANCE),
        }
    };
    let wall_s = began.elapsed().as_secs_f64();
    let (printed, words) = (joined(out), joined(err));
    if !status.success() {
        return Err(format!(
            "{} ended with {status}: {}",
            line(command),
            words.trim()
        ));
    }
    Ok(Took {
        wall_s,
        cpu_s: children_cpu_s()? - before,
        peak_kib,
        printed,
    })
}

/// User and system time of a process so far.
pub(crate) fn cpu_s(process: u32) -> Result<f64> {
    ticks(&format!("/proc/{process}/stat"), 14)
}

fn collect(mut pipe: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What could be read is shown; the exit status decides.
        let _ = pipe.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn joined(collected: Option<JoinHandle<String>>) -> String {
    collected
        .and_then(|thread| thread.join().ok())
        .unwrap_or_default()
}

/// Of all children that were waited for.
fn children_cpu_s() -> Result<f64> {
    ticks("/proc/self/stat", 16)
}

/// Two neighbouring fields of a `stat` file, counted from 1 as in proc(5), together.
fn ticks(path: &str, field: usize) -> Result<f64> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))?;
    // The program's name, field 2, is in brackets and may hold anything.
    let behind = text.rsplit_once(')').map_or("", |(_, behind)| behind);
    let fields = behind.split_whitespace().skip(field - 3).take(2);
    let both: Vec<f64> = fields.map_while(|field| field.parse().ok()).collect();
    match both.as_slice() {
        [user, system] => Ok((user + system) / TICKS_PER_SECOND),
        _ => Err(format!("{path} cannot be read")),
    }
}

/// Peak resident memory of a process so far.
pub(crate) fn find_peak_kib(process: u32) -> Option<u64> {
    let path = format!("/proc/{process}/status");
    let text = std::fs::read_to_string(Path::new(&path)).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}
