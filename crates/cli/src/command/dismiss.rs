use obhut_client::PersonId;

use super::appoint::Appointment;
use crate::context::Context;
use crate::ids::RoleName;
use crate::stop::Stop;

/// Take a role of the whole agency back (caseworkers: `obhut unit remove`)
#[derive(clap::Args)]
#[command(after_help = "Example:\n  obhut dismiss person_… --role dpo")]
pub(crate) struct Args {
    /// The person
    #[arg(value_name = "PERSON")]
    person: PersonId,
    /// The role
    #[arg(long, value_name = "ROLE")]
    role: RoleName,
}

pub(crate) async fn run(context: &Context<'_>, args: Args) -> Result<(), Stop> {
    context.confirm(&format!("End the role {} of {}?", args.role.0, args.person))?;
    let mut vault = context.connected_vault().await?;
    vault.dismiss(args.person, args.role.0).await?;
    context.output.report(&Appointment {
        person: args.person.to_string(),
        role: args.role.0.to_string(),
        appointed: false,
    })
}
