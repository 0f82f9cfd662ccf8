//! One file per command: its arguments, the call of the client, what it prints.

mod appoint;
mod dismiss;
mod found;
mod invite;
mod join;
mod status;
mod unit;

use clap::Subcommand;

use crate::context::Context;
use crate::stop::Stop;

#[derive(Subcommand)]
pub(crate) enum Command {
    Appoint(appoint::Args),
    Dismiss(dismiss::Args),
    Found(found::Args),
    Invite(invite::Args),
    Join(join::Args),
    Status(status::Args),
    #[command(subcommand)]
    Unit(unit::Command),
}

impl Command {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Stop> {
        match self {
            Self::Appoint(args) => appoint::run(context, args).await,
            Self::Dismiss(args) => dismiss::run(context, args).await,
            Self::Found(args) => found::run(context, args).await,
            Self::Invite(args) => invite::run(context, args).await,
            Self::Join(args) => join::run(context, args).await,
            Self::Status(args) => status::run(context, args).await,
            Self::Unit(command) => unit::run(context, command).await,
        }
    }
}
