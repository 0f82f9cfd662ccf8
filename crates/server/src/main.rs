//! `obhut-server`: reads the command line, does one thing, prints the chain of errors once.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use obhut_server::args::{Args, Command, ConfigCommand, VaultCommand};
use obhut_server::{ServerError, command, error_chain, openapi_json, problems_markdown};

fn main() -> ExitCode {
    match run(Args::parse()) {
        Ok(text) => {
            // A closed standard output (a pipe to `head`) is no failure.
            let _ = std::io::stdout().lock().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let mut text = format!("obhut-server: {}\n", error_chain(&error));
            if let Some(next) = error.next_step() {
                text = format!("{text}  {next}\n");
            }
            let _ = std::io::stderr().lock().write_all(text.as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<String, ServerError> {
    match args.command {
        Command::Init(args) => block_on(command::init(args)),
        Command::Serve(args) => block_on(command::serve(args)),
        Command::Vault {
            command: VaultCommand::Add { data, name, origin },
        } => block_on(command::add_vault(&data, &name, origin)),
        Command::Config {
            command: ConfigCommand::Check { data },
        } => block_on(command::check_config(&data)),
        Command::Fingerprint { data } => command::fingerprint(&data),
        Command::LogKeys { data } => block_on(command::log_keys(&data)),
        Command::Backup(args) => block_on(command::backup(args)),
        Command::Verify(args) => block_on(command::verify(args)),
        Command::Restore(args) => block_on(command::restore(args)),
        Command::Accept(args) => block_on(command::accept(args)),
        Command::MigrateTo(args) => block_on(command::migrate_to(args)),
        Command::BackupKeys(args) => command::backup_keys(&args),
        Command::S3Probe(args) => block_on(command::s3_probe(args)),
        Command::Openapi => Ok(openapi_json()),
        Command::Problems => Ok(problems_markdown()),
    }
}

fn block_on<T>(work: impl Future<Output = Result<T, ServerError>>) -> Result<T, ServerError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    runtime.map_err(ServerError::Runtime)?.block_on(work)
}
