//! One file per command: its arguments, the call of the client, what it prints.

mod log;
mod status;

use clap::Subcommand;

use crate::context::Context;
use crate::stop::Stop;

#[derive(Subcommand)]
pub(crate) enum Command {
    Log(log::Args),
    Status(status::Args),
}

impl Command {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Stop> {
        match self {
            Self::Log(args) => log::run(context, args).await,
            Self::Status(args) => status::run(context, args).await,
        }
    }
}
