//! The command line of `obhut-gate`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// Obhut's gatekeeper, run by another operator than the vault: holds one half of every document's key and releases it
/// only for what stands in the access log.
#[derive(Parser)]
#[command(name = "obhut-gate", version, about, max_term_width = 100)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Subcommand)]
pub enum Command {
    /// Make a data folder and the gatekeeper's keys, and print its fingerprint.
    Init(InitArgs),
    /// Serve all enrolled vaults until SIGINT or SIGTERM.
    Serve(ServeArgs),
    /// Print a one-time code for the founder of one vault. The gatekeeper may be running.
    Enrol(EnrolArgs),
    /// Show fingerprint, vaults and stores. The gatekeeper may be running.
    Status(DataArgs),
    /// Cut a backup of the first store into a new folder, without any key. The gatekeeper may be running.
    Backup(BackupArgs),
    /// Restore a backup in test: resume every log, open every share. The gatekeeper may be running.
    Verify(RestoreArgs),
    /// Restore a backup into an empty first store. The gatekeeper must be stopped.
    Restore(RestoreArgs),
    /// Copy signing key and storage keys to a folder of their own.
    BackupKeys(BackupKeysArgs),
    /// Make a new storage key at once and re-encrypt what lives. The gatekeeper must be stopped.
    RotateKey(DataArgs),
    /// After a restore: take the logs of a vault without a witness elsewhere as they are. The gatekeeper must be stopped.
    Accept(AcceptArgs),
    /// Run a witness: it cosigns the heads of logs, each only as a continuation of what it cosigned before.
    Witness {
        /// What to do.
        #[command(subcommand)]
        command: WitnessCommand,
    },
    /// Look after the configuration.
    Config {
        /// What to do with it.
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

/// A command that needs nothing but the data folder.
#[derive(clap::Args)]
pub struct DataArgs {
    /// The data folder.
    #[arg(long)]
    pub data: PathBuf,
}

/// `init`.
#[derive(clap::Args)]
pub struct InitArgs {
    /// The data folder; it must be new or empty.
    #[arg(long)]
    pub data: PathBuf,
    /// Folder of the storage key, outside the data folder and its backups [default: DATA-key].
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
    /// Where to listen. Every caller must prove a key, so any address will do.
    #[arg(long, default_value = "127.0.0.1:8760")]
    pub listen: SocketAddr,
    /// First store: a `postgres://` URL instead of a SQLite file in the data folder.
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// Second store: a `postgres://` URL or a file, best on another disk.
    #[arg(long, value_name = "URL|FILE")]
    pub mirror: Option<String>,
}

/// `backup`.
#[derive(clap::Args)]
pub struct BackupArgs {
    /// The data folder.
    #[arg(long)]
    pub data: PathBuf,
    /// A new or empty folder.
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
}

/// `backup-keys`.
#[derive(clap::Args)]
pub struct BackupKeysArgs {
    /// The data folder.
    #[arg(long)]
    pub data: PathBuf,
    /// A folder outside data and keys, best on a medium of its own.
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
}

/// `verify` and `restore`.
#[derive(clap::Args)]
pub struct RestoreArgs {
    /// The data folder.
    #[arg(long)]
    pub data: PathBuf,
    /// The folder of the backup.
    #[arg(long, value_name = "DIR")]
    pub backup: PathBuf,
}

/// `accept`.
#[derive(clap::Args)]
pub struct AcceptArgs {
    /// The data folder.
    #[arg(long)]
    pub data: PathBuf,
    /// The vault.
    #[arg(long)]
    pub vault: String,
}

/// `serve`.
#[derive(clap::Args)]
pub struct ServeArgs {
    /// The data folder.
    #[arg(long)]
    pub data: PathBuf,
    /// Where to listen, instead of the configured address; port 0 takes a free one.
    #[arg(long)]
    pub listen: Option<SocketAddr>,
}

/// `enrol`.
#[derive(clap::Args)]
pub struct EnrolArgs {
    /// The data folder.
    #[arg(long)]
    pub data: PathBuf,
    /// Fingerprint of the vault's server, as `obhut-server init` or `obhut-server fingerprint` printed it there.
    #[arg(long, value_name = "FINGERPRINT")]
    pub server: String,
    /// How many days the code can be used.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=90))]
    pub days: u16,
}

/// `witness …`.
#[derive(Subcommand)]
pub enum WitnessCommand {
    /// Make a data folder and the witness's key, and print its verifier key.
    Init(WitnessInitArgs),
    /// Cosign further logs from now on. The witness may be running.
    Trust(WitnessTrustArgs),
    /// Serve until SIGINT or SIGTERM.
    Serve(WitnessServeArgs),
    /// Show the key, the known logs and how far each was cosigned.
    Status(DataArgs),
}

/// `witness init`.
#[derive(clap::Args)]
pub struct WitnessInitArgs {
    /// The data folder; it must be new or empty.
    #[arg(long)]
    pub data: PathBuf,
    /// Name of the witness in its cosignatures, for example `witness.example/obhut`.
    #[arg(long)]
    pub name: String,
    /// Where to listen. Plain HTTP: what comes and goes is public, and every answer is signed.
    #[arg(long, default_value = "127.0.0.1:8770")]
    pub listen: SocketAddr,
    /// A `postgres://` URL instead of a SQLite file in the data folder.
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
}

/// `witness trust`.
#[derive(clap::Args)]
pub struct WitnessTrustArgs {
    /// The data folder.
    #[arg(long)]
    pub data: PathBuf,
    /// Verifier keys of single logs, as `obhut-server log-keys` prints them.
    #[arg(value_name = "KEY")]
    pub keys: Vec<String>,
    /// Verifier key for every log below its name, such as all shards of an access log; repeat for more.
    #[arg(long, value_name = "KEY")]
    pub below: Vec<String>,
}

/// `witness serve`.
#[derive(clap::Args)]
pub struct WitnessServeArgs {
    /// The data folder.
    #[arg(long)]
    pub data: PathBuf,
    /// Where to listen, instead of the configured address; port 0 takes a free one.
    #[arg(long)]
    pub listen: Option<SocketAddr>,
}

/// `config …`.
#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Read the configuration and say whether it can work.
    Check(DataArgs),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }
}
