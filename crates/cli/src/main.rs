//! The `obhut` command: arguments and printing; everything else is `obhut-client`.

mod command;
mod context;
mod ids;
mod input;
mod output;
mod reason;
#[cfg(test)]
mod reference;
mod stop;
mod usage;
mod words;

use std::process::ExitCode;

use clap::Parser;

use crate::command::Command;
use crate::context::{Context, GlobalArgs};
use crate::output::Output;

/// Document vault for public agencies: documents are sealed on this machine.
#[derive(Parser)]
#[command(
    name = "obhut",
    version,
    after_help = "Exit codes: 0 ok, 1 failed, 2 usage, 3 authentication or device, 4 not found or refused,\n\
                  5 partial with report, 6 integrity, 7 vault unreachable."
)]
struct Cli {
    #[command(flatten)]
    global: GlobalArgs,
    #[command(subcommand)]
    command: Command,
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(refused) => return usage::refuse(&refused),
    };
    let output = Output::new(cli.global.json);
    match run(cli, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => output.stop(&stop),
    }
}

fn run(cli: Cli, output: &Output) -> Result<(), stop::Stop> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(stop::Stop::Terminal)?;
    let context = Context::new(cli.global, output)?;
    runtime.block_on(cli.command.run(&context))
}
