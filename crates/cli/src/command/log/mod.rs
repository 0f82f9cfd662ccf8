mod verify;

use clap::Subcommand;

use crate::context::Context;
use crate::stop::Stop;

/// Read and check the logs
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: LogCommand,
}

#[derive(Subcommand)]
enum LogCommand {
    Verify(verify::Args),
}

pub(crate) async fn run(context: &Context<'_>, args: Args) -> Result<(), Stop> {
    match args.command {
        LogCommand::Verify(args) => verify::run(context, &args),
    }
}
