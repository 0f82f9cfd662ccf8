//! `cargo xtask bench`: speed and memory beside peers and beside what the machine can do.

#![allow(
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures for people"
)]

mod child;
mod import;
mod log;
mod machine;
mod memory;
mod micro;
mod peers;
mod programs;
mod release;
mod seal;
mod table;
mod vault;

use std::path::PathBuf;

use crate::run::Result;
use crate::stack::services::Kind;
use table::Bar;
use vault::Ground;

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to measure.
    #[arg(value_enum, default_value = "all")]
    what: What,
    /// For `micro`: only benchmarks whose package or name contains one of these words.
    words: Vec<String>,
    /// How many rounds; each round runs every contestant once.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// What vaults stand on, for `memory`, `import` and `release`.
    #[arg(long, value_enum, default_value = "embedded")]
    stack: Kind,
    /// On the full stack: servers behind one address; `import` runs with one as well, to show what a second brings.
    #[arg(long, default_value_t = 2)]
    servers: usize,
    /// On the full stack: files of 1 GiB that `import` measures besides.
    #[arg(long, default_value_t = 20)]
    large: usize,
    /// A hundredth of the bytes and files: whether everything runs, not how fast.
    #[arg(long)]
    quick: bool,
    /// Where vaults and copies are made for `memory`, `import` and `release`; a folder on a disk, not in memory.
    #[arg(long)]
    folder: Option<PathBuf>,
    /// Measure the programs in this folder instead of building them; laid out as `target/release`.
    #[arg(long)]
    programs: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Sealing and opening files in memory, beside the primitives, age and rage.
    Seal,
    /// Memory of `obhut put` and `obhut get` and of the server.
    Memory,
    /// Importing a folder of small files, beside cp, restic and rclone crypt; on the full stack beside the latter to the
    /// same store and a bare loop of puts, and of large files besides.
    Import,
    /// Releases and gets, one after another and side by side.
    Release,
    /// The sequencer: durable entries a second, time until an entry is confirmed, storage; on SQLite and PostgreSQL.
    Log,
    /// The crates' own micro-benchmarks.
    Micro,
    /// All but `micro`.
    All,
}

/// How much to measure, and where.
#[derive(Clone)]
struct Plan {
    rounds: usize,
    quick: bool,
    folder: PathBuf,
    programs: Option<PathBuf>,
    ground: Ground,
    large: usize,
}

/// Measures, prints its tables, and says how near its limits are.
type Part = fn(&Plan) -> Result<Vec<Bar>>;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.what == What::Micro {
        return micro::run(&arguments.words);
    }
    let folder = arguments.folder.clone();
    let plan = Plan {
        rounds: arguments.rounds.max(1),
        quick: arguments.quick,
        folder: folder.unwrap_or_else(|| table::folder().join("work")),
        programs: arguments.programs.clone(),
        ground: Ground {
            kind: arguments.stack,
            servers: arguments.servers,
        },
        large: arguments.large,
    };
    machine::describe();
    let parts: [(What, Part); 5] = [
        (What::Seal, seal::run),
        (What::Memory, memory::run),
        (What::Import, import::run),
        (What::Release, release::run),
        (What::Log, log::run),
    ];
    let mut bars = Vec::new();
    for (what, part) in parts {
        let bare = what == What::Seal && arguments.stack == Kind::Full;
        if arguments.what == what || arguments.what == What::All && !bare {
            bars.extend(part(&plan)?);
        }
    }
    table::print_bars(&bars);
    Ok(())
}
