//! `obhut log`.

mod mine;
mod verify;

use crate::context::Context;
use crate::stop::Stop;

/// Read and check the logs
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Mine(mine::Args),
    Verify(verify::Args),
}

pub(crate) async fn run(context: &Context<'_>, command: Command) -> Result<(), Stop> {
    match command {
        Command::Mine(args) => mine::run(context, args).await,
        Command::Verify(args) => verify::run(context, &args),
    }
}
