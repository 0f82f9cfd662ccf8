use obhut_client::PersonId;
use serde::Serialize;

use crate::context::Context;
use crate::ids::RoleName;
use crate::output::Report;
use crate::stop::Stop;

/// Give a person a role of the whole agency (caseworkers: `obhut unit add`)
#[derive(clap::Args)]
#[command(after_help = "Example:\n  obhut appoint person_… --role dpo")]
pub(crate) struct Args {
    /// The person, who must have joined
    #[arg(value_name = "PERSON")]
    person: PersonId,
    /// The role
    #[arg(long, value_name = "ROLE")]
    role: RoleName,
}

#[derive(Serialize)]
pub(crate) struct Appointment {
    pub(crate) person: String,
    pub(crate) role: String,
    pub(crate) appointed: bool,
}

impl Report for Appointment {
    fn text(&self) -> String {
        let what = if self.appointed {
            "is now"
        } else {
            "is no longer"
        };
        format!("{} {what} {}.", self.person, self.role)
    }
}

pub(crate) async fn run(context: &Context<'_>, args: Args) -> Result<(), Stop> {
    let mut vault = context.connected_vault().await?;
    vault.appoint(args.person, args.role.0, None).await?;
    context.output.report(&Appointment {
        person: args.person.to_string(),
        role: args.role.0.to_string(),
        appointed: true,
    })
}
