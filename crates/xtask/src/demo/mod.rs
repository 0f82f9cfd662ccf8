//! `cargo xtask demo`: the life of a document, played with the real programs.

mod canaries;
mod checking;
mod citizen;
mod filing;
mod people;
mod reading;
mod refusing;

use std::path::PathBuf;

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

use crate::run::{Result, cargo, must};
use crate::stack::founding;
use crate::stack::services::{Kind, Services};
use crate::stack::stage::{Stage, built};

/// What to show.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A folder of your own files, one case file a folder, instead of synthetic ones.
    folder: Option<PathBuf>,
    /// End after the story instead of keeping the server running.
    #[arg(long)]
    once: bool,
    /// Play in this new folder and leave it behind.
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
    /// What the vault stands on.
    #[arg(long, value_enum, default_value = "embedded")]
    stack: Kind,
    /// What the synthetic files and canaries are made from.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    println!("Building the programs …");
    must(cargo().args(["build", "--quiet", "--workspace", "--bins"]))?;
    let rng = ChaCha20Rng::seed_from_u64(arguments.seed);
    let services = Services::start(arguments.stack, 2)?;
    println!("The stack: {}.", services.describe());
    let mut stage = Stage::open(arguments.keep.as_deref(), built()?, rng, services)?;
    play(&mut stage, arguments)?;
    println!();
    println!("The story is told; every step did what it says.");
    if arguments.once {
        return Ok(());
    }
    stage.keep_serving()
}

fn play(stage: &mut Stage, arguments: &Arguments) -> Result<()> {
    founding::found(stage)?;
    let people = people::join(stage)?;
    let files = filing::prepare(stage, arguments.folder.as_deref(), arguments.seed)?;
    let filed = filing::file(stage, &people, &files)?;
    reading::read(stage, &filed)?;
    let copy = citizen::issue(stage, &filed)?;
    citizen::open(stage, &filed, &copy)?;
    refusing::refuse_strangers(stage, &filed)?;
    refusing::remove(stage, &people, &filed)?;
    if stage.services().is_full() {
        checking::go_on_without_the_first(stage, &filed)?;
    }
    checking::verify(stage, &filed)?;
    canaries::search(stage)
}
