//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// The Obhut vault server: keeps sealed documents, the records log and the access log.
#[derive(Parser)]
#[command(name = "obhut-server", version, about, max_term_width = 100)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Subcommand)]
pub enum Command {
    /// Make a data folder with a first vault, and print the one-time code for its founding.
    Init(InitArgs),
    /// Serve all vaults of a data folder until SIGINT or SIGTERM.
    Serve(ServeArgs),
    /// Manage the vaults of a data folder.
    Vault {
        /// What to do with them.
        #[command(subcommand)]
        command: VaultCommand,
    },
    /// Look after the configuration.
    Config {
        /// What to do with it.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Print the fingerprint by which another operator's gatekeeper knows this server.
    Fingerprint {
        /// The data folder.
        #[arg(long)]
        data: PathBuf,
    },
    /// Print the keys of all vaults' logs, for the operator of a witness. The server may be running.
    LogKeys {
        /// The data folder.
        #[arg(long)]
        data: PathBuf,
    },
    /// Cut a backup of the database, of a gatekeeper in this server and an inventory of the capsules into a new folder,
    /// without any key. The server may be running.
    Backup(BackupArgs),
    /// Prove a backup from its own files: hashes, both logs, signatures, registered capsules. Needs no server.
    Verify(VerifyArgs),
    /// Restore a backup into an empty database, SQLite or PostgreSQL. The server must be stopped.
    Restore(RestoreArgs),
    /// Take the logs of a vault as they are where its gatekeeper, in this server, was restored and no witness elsewhere can
    /// tell how far they were. The server must be stopped.
    Accept(AcceptArgs),
    /// Move all vaults from SQLite and a folder to the database and object store of another configuration. The server must
    /// be stopped; the old side stays as it is.
    MigrateTo(MigrateArgs),
    /// Copy the keys of this server to a folder of their own.
    BackupKeys(BackupKeysArgs),
    /// Try out what the configured S3 store really does; the server's next start goes by it.
    S3Probe(S3ProbeArgs),
    /// Print the description of the HTTP interface (OpenAPI 3.1).
    Openapi,
    /// Print the list of problems (Markdown).
    Problems,
}

/// `init`.
#[derive(clap::Args)]
pub struct InitArgs {
    /// The data folder; it must be new or empty.
    #[arg(long)]
    pub data: PathBuf,
    /// Name of the agency, as people will read it on letters.
    #[arg(long)]
    pub name: String,
    /// Prefix of the log origins, for example `vault.agency.example/main` [default: localhost/ and the vault's id].
    #[arg(long)]
    pub origin: Option<String>,
    /// Folder of the gatekeeper's storage key, outside the data folder and its backups [default: DATA-gate-key].
    #[arg(long, value_name = "DIR")]
    pub gate_keys: Option<PathBuf>,
    /// PostgreSQL database instead of SQLite, such as postgres://obhut@db.agency.example/obhut; without a password.
    #[arg(long, value_name = "URL")]
    pub database: Option<String>,
    /// File with the URL of the PostgreSQL database, password included. The variable OBHUT_DATABASE_URL will do as well.
    #[arg(long, value_name = "FILE", conflicts_with = "database")]
    pub database_file: Option<PathBuf>,
    /// Leave the gatekeeper to another operator, at this address (`https://host:port`).
    #[arg(
        long,
        value_name = "URL",
        requires = "gate_fingerprint",
        conflicts_with = "gate_keys"
    )]
    pub gate: Option<String>,
    /// Fingerprint of that gatekeeper, as its operator read it out.
    #[arg(long, value_name = "FINGERPRINT", requires = "gate")]
    pub gate_fingerprint: Option<String>,
    /// Where the server will listen. Without a certificate loopback only.
    #[arg(long, default_value = "127.0.0.1:8750")]
    pub listen: SocketAddr,
    /// Certificate for TLS with those that lead to its authority (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_certificate: Option<PathBuf>,
    /// Private key of the certificate (PEM), not readable for everybody.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    pub tls_key: Option<PathBuf>,
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

/// `backup`.
#[derive(clap::Args)]
pub struct BackupArgs {
    /// The data folder.
    #[arg(long)]
    pub data: PathBuf,
    /// A new or empty folder, or one in which this command was broken off.
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
    /// Copy the capsules as well, not only their inventory.
    #[arg(long)]
    pub objects: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `verify`.
#[derive(clap::Args)]
pub struct VerifyArgs {
    /// The folder of the backup.
    #[arg(long, value_name = "DIR")]
    pub backup: PathBuf,
    /// A data folder: every registered capsule must be in its object store.
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Read every byte of the capsules, in that store or in the backup.
    #[arg(long)]
    pub read_objects: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `restore`.
#[derive(clap::Args)]
pub struct RestoreArgs {
    /// The data folder; one without obhut.toml gets that of --config or of the backup.
    #[arg(long)]
    pub data: PathBuf,
    /// The folder of the backup.
    #[arg(long, value_name = "DIR")]
    pub backup: PathBuf,
    /// Configuration for the data folder, where it has none: it names the empty database.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The folder that `backup-keys` made, where the data folder lacks its keys.
    #[arg(long, value_name = "DIR")]
    pub keys: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
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

/// `migrate-to`.
#[derive(clap::Args)]
pub struct MigrateArgs {
    /// The obhut.toml of the new data folder; it names the empty database and the object store.
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,
    /// The data folder that is moved.
    #[arg(long)]
    pub data: PathBuf,
    /// Prove the old side, try the new one, show counts and sizes, and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// At the end read every byte of the capsules back from the new store.
    #[arg(long)]
    pub read_objects: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// `backup-keys`.
#[derive(clap::Args)]
pub struct BackupKeysArgs {
    /// The data folder.
    #[arg(long)]
    pub data: PathBuf,
    /// A folder outside the data folder, best on a medium of its own.
    #[arg(long, value_name = "DIR")]
    pub to: PathBuf,
}

/// `s3-probe`.
#[derive(clap::Args)]
pub struct S3ProbeArgs {
    /// The data folder.
    #[arg(long)]
    pub data: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Where the bucket has Object Lock, lock one object so that nobody can remove it for a minute.
    #[arg(long)]
    pub compliance: bool,
}

/// `vault …`.
#[derive(Subcommand)]
pub enum VaultCommand {
    /// Add a vault and print the one-time code for its founding. A running server serves it within seconds.
    Add {
        /// The data folder.
        #[arg(long)]
        data: PathBuf,
        /// Name of the agency.
        #[arg(long)]
        name: String,
        /// Prefix of the log origins [default: localhost/ and the vault's id].
        #[arg(long)]
        origin: Option<String>,
    },
}

/// `config …`.
#[derive(Subcommand)]
pub enum ConfigCommand {
    /// Read the configuration, try what it names, and say whether it can work. Changes nothing.
    Check {
        /// The data folder.
        #[arg(long)]
        data: PathBuf,
    },
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
