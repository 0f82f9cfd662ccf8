//! One file per command: its arguments, the call of the client, what it prints.

mod status;

use clap::Subcommand;

use crate::context::Context;
use crate::stop::Stop;

#[derive(Subcommand)]
pub(crate) enum Command {
    Status(status::Args),
}

impl Command {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Stop> {
        match self {
            Self::Status(args) => status::run(context, args).await,
        }
    }
}
