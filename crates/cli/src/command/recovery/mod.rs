mod act;
mod status;

use obhut_client::{PersonId, UnitId};

use crate::context::Context;
use crate::stop::Stop;

/// Agency recovery: trustees who can open the units' keys together
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Status(StatusArgs),
    Split(SplitArgs),
    Confirm(ConfirmArgs),
    Request(RequestArgs),
    Approve(ApproveArgs),
    Finish(FinishArgs),
    Withdraw(WithdrawArgs),
    Drill(DrillArgs),
}

/// Show the recovery policy, its trustees and requests
#[derive(clap::Args)]
pub(crate) struct StatusArgs {}

/// Make a recovery bundle and split it among trustees; as a registrar
#[derive(clap::Args)]
#[command(
    after_help = "Every unit key you hold is renewed and sealed to the new bundle; nobody, not even you, keeps its secret.\n\
                  Other registrars look at the policy and run `obhut recovery confirm`.\n\n\
                  Example:\n  obhut recovery split --threshold 3 person_… person_… person_… person_… person_…"
)]
pub(crate) struct SplitArgs {
    /// How many of them it takes
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    threshold: u8,
    /// The trustees, members of staff who have joined; five by custom
    #[arg(value_name = "PERSON", required = true)]
    trustees: Vec<PersonId>,
}

/// Agree to the recovery policy in force: its trustees can open what you seal
#[derive(clap::Args)]
pub(crate) struct ConfirmArgs {}

/// Ask the trustees for recovery, with a reason; as a registrar
#[derive(clap::Args)]
#[command(
    after_help = "Tell each trustee the printed code by telephone or face to face.\n\n\
                  Example:\n  obhut recovery request unit_… --reason 'The last member of the unit lost their device'"
)]
pub(crate) struct RequestArgs {
    /// The units whose keys you need
    #[arg(value_name = "UNIT", required = true)]
    units: Vec<UnitId>,
    /// Why; stands in the access log and is shown to the trustees
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Legal basis (Rechtsgrundlage)
    #[arg(long, value_name = "TEXT", default_value = "not stated")]
    legal_basis: String,
}

/// Hand your share to a request, as a trustee
#[derive(clap::Args)]
#[command(
    after_help = "Take the code from the person who asks, by telephone or face to face, never from a message of the vault.\n\n\
                  Example:\n  obhut recovery approve ABCD-EFGH-IJKL-MNOP"
)]
pub(crate) struct ApproveArgs {
    /// The code that the person who asks tells you
    #[arg(value_name = "CODE")]
    code: String,
}

/// Use the shares handed over: take the units' keys, renew all keys and the recovery bundle
#[derive(clap::Args)]
pub(crate) struct FinishArgs {
    /// Trustees of the new bundle; those of the old one where none are named
    #[arg(long = "trustee", value_name = "PERSON")]
    trustees: Vec<PersonId>,
    /// How many of them it takes; as before where nothing is said
    #[arg(long, value_name = "NUMBER")]
    threshold: Option<u8>,
}

/// Take your request back
#[derive(clap::Args)]
pub(crate) struct WithdrawArgs {}

/// Find out, as a trustee, whether your share still opens; it is used for nothing
#[derive(clap::Args)]
pub(crate) struct DrillArgs {}

pub(crate) async fn run(context: &Context<'_>, command: Command) -> Result<(), Stop> {
    match command {
        Command::Status(_) => status::run(context).await,
        Command::Split(args) => act::split(context, args.threshold, &args.trustees).await,
        Command::Confirm(_) => act::confirm(context).await,
        Command::Request(args) => {
            act::request(context, &args.units, args.reason, args.legal_basis).await
        }
        Command::Approve(args) => act::approve(context, &args.code).await,
        Command::Finish(args) => act::finish(context, args.threshold, &args.trustees).await,
        Command::Withdraw(_) => act::withdraw(context).await,
        Command::Drill(_) => act::drill(context).await,
    }
}
