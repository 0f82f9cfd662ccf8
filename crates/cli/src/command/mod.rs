//! One file per command: its arguments, the call of the client, what it prints.

mod activate;
mod appoint;
mod case;
mod connection;
mod deputy;
mod devices;
mod dismiss;
mod doctor;
mod export;
mod found;
mod get;
mod import;
mod inbox;
mod invite;
mod issue;
mod join;
mod log;
mod put;
mod recovery;
mod restore;
mod root;
mod sheet;
mod status;
mod subject;
mod unit;

use clap::Subcommand;

use crate::context::Context;
use crate::stop::Stop;

#[derive(Subcommand)]
pub(crate) enum Command {
    Activate(activate::Args),
    Appoint(appoint::Args),
    #[command(subcommand)]
    Case(case::Command),
    Connection(connection::Args),
    #[command(subcommand)]
    Deputy(deputy::Command),
    #[command(subcommand)]
    Devices(devices::Command),
    Dismiss(dismiss::Args),
    Doctor(doctor::Args),
    Export(export::Args),
    Found(found::Args),
    Get(get::Args),
    Import(import::Args),
    Inbox(inbox::Args),
    Invite(invite::Args),
    Issue(issue::Args),
    Join(join::Args),
    #[command(subcommand)]
    Log(log::Command),
    Put(put::Args),
    #[command(subcommand)]
    Recovery(recovery::Command),
    Restore(restore::Args),
    #[command(subcommand)]
    Root(root::Command),
    #[command(subcommand)]
    Sheet(sheet::Command),
    Status(status::Args),
    #[command(subcommand)]
    Subject(subject::Command),
    #[command(subcommand)]
    Unit(unit::Command),
}

impl Command {
    pub(crate) async fn run(self, context: &Context<'_>) -> Result<(), Stop> {
        match self {
            Self::Activate(args) => activate::run(context, args).await,
            Self::Appoint(args) => appoint::run(context, args).await,
            Self::Case(command) => case::run(context, command).await,
            Self::Connection(args) => connection::run(context, args).await,
            Self::Deputy(command) => deputy::run(context, command).await,
            Self::Devices(command) => devices::run(context, command).await,
            Self::Dismiss(args) => dismiss::run(context, args).await,
            Self::Doctor(args) => doctor::run(context, args).await,
            Self::Export(args) => export::run(context, args).await,
            Self::Found(args) => found::run(context, args).await,
            Self::Get(args) => get::run(context, args).await,
            Self::Import(args) => import::run(context, args).await,
            Self::Inbox(args) => inbox::run(context, args).await,
            Self::Invite(args) => invite::run(context, args).await,
            Self::Issue(args) => issue::run(context, args).await,
            Self::Join(args) => join::run(context, args).await,
            Self::Log(command) => log::run(context, command).await,
            Self::Put(args) => put::run(context, args).await,
            Self::Recovery(command) => recovery::run(context, command).await,
            Self::Restore(args) => restore::run(context, args).await,
            Self::Root(command) => root::run(context, command),
            Self::Sheet(command) => sheet::run(context, command).await,
            Self::Status(args) => status::run(context, args).await,
            Self::Subject(command) => subject::run(context, command).await,
            Self::Unit(command) => unit::run(context, command).await,
        }
    }
}
