//! `obhut case`.

mod change;
mod list;
mod new;
mod show;
mod verify;

use crate::context::Context;
use crate::stop::Stop;

/// Case files: create, find, close
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    New(new::Args),
    List(list::Args),
    Show(show::Args),
    Close(change::CloseArgs),
    Reopen(change::ReopenArgs),
    Verify(verify::Args),
}

pub(crate) async fn run(context: &Context<'_>, command: Command) -> Result<(), Stop> {
    match command {
        Command::New(args) => new::run(context, args).await,
        Command::List(args) => list::run(context, args).await,
        Command::Show(args) => show::run(context, args).await,
        Command::Close(args) => change::close(context, args).await,
        Command::Reopen(args) => change::reopen(context, args).await,
        Command::Verify(args) => verify::run(context, args).await,
    }
}
