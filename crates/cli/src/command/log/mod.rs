mod verify;

use crate::context::Context;
use crate::stop::Stop;

/// Read and check the logs
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Verify(verify::Args),
}

#[expect(clippy::unused_async, reason = "commands that ask the vault follow")]
pub(crate) async fn run(context: &Context<'_>, command: Command) -> Result<(), Stop> {
    match command {
        Command::Verify(args) => verify::run(context, &args),
    }
}
