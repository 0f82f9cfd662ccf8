//! The class of machine the figures are from.

use serde_json::{Value, json};

use super::table::number;

/// Prints the machine's class, and a warning when it is busy with something else.
pub(crate) fn describe() {
    println!("{}", class());
    let (load, cores) = (load(), cores());
    if load > cores / 2.0 {
        println!(
            "The machine is busy: load {load:.1} on {cores} cores. Times by the clock say little now; processor \
             times and ratios within a round say more."
        );
    }
}

/// As JSON, with the load at this moment.
pub(crate) fn json() -> Value {
    json!({ "class": class(), "load": number(load()) })
}

/// Processor, cores, memory, kernel; no names.
fn class() -> String {
    let cpus = read("/proc/cpuinfo");
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        let value = line.and_then(|line| line.split_once(':'));
        value.map_or_else(String::new, |(_, value)| value.trim().to_owned())
    };
    let memory = field(&read("/proc/meminfo"), "MemTotal");
    let kib: u64 = memory
        .split_whitespace()
        .next()
        .and_then(|kib| kib.parse().ok())
        .unwrap_or(0);
    format!(
        "{}, {} cores, {} GiB, Linux {}",
        field(&cpus, "model name"),
        cores(),
        kib >> 20,
        read("/proc/sys/kernel/osrelease").trim()
    )
}

fn cores() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64)
}

/// The last minute's load.
fn load() -> f64 {
    let text = read("/proc/loadavg");
    let first = text.split_whitespace().next();
    first.and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
