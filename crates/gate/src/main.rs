//! `obhut-gate`: reads the command line, does one thing, prints the chain of errors once.

use std::error::Error;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use obhut_gate::operator::args::{Args, Command, ConfigCommand, WitnessCommand};
use obhut_gate::operator::{self, OperatorError};

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(text) => {
            // A closed standard output (a pipe to `head`) is no failure.
            let _ = std::io::stdout().lock().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let text = format!("obhut-gate: {}\n", chain(&error));
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<String, OperatorError> {
    match args.command {
        Command::Init(args) => block_on(operator::init(args)),
        Command::Serve(args) => block_on(operator::serve(args)),
        Command::Enrol(args) => block_on(operator::enrol(args)),
        Command::Status(args) => block_on(operator::status(&args.data)),
        Command::Backup(args) => block_on(operator::backup(args)),
        Command::Verify(args) => block_on(operator::verify(args)),
        Command::Restore(args) => block_on(operator::restore(args)),
        Command::BackupKeys(args) => operator::backup_keys(&args),
        Command::RotateKey(args) => block_on(operator::rotate_key(&args.data)),
        Command::Accept(args) => block_on(operator::accept(args)),
        Command::Witness { command } => match command {
            WitnessCommand::Init(args) => block_on(operator::witness_init(args)),
            WitnessCommand::Trust(args) => block_on(operator::witness_trust(args)),
            WitnessCommand::Serve(args) => block_on(operator::witness_serve(args)),
            WitnessCommand::Status(args) => block_on(operator::witness_status(&args.data)),
        },
        Command::Config {
            command: ConfigCommand::Check(args),
        } => operator::check_config(&args.data),
    }
}

fn block_on<T>(work: impl Future<Output = Result<T, OperatorError>>) -> Result<T, OperatorError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.map_err(OperatorError::Runtime)?.block_on(work)
}

/// The error and everything behind it, in one line.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
