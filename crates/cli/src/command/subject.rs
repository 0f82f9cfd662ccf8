use obhut_client::{CaseId, PersonId};
use serde::Serialize;

use crate::context::Context;
use crate::output::Report;
use crate::stop::Stop;

/// Data subjects of case files
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Add(AddArgs),
}

/// Name a further person a case is about
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  obhut subject add case_… person_…\n  obhut subject add case_… --name 'Test Person 3'"
)]
pub(crate) struct AddArgs {
    /// The case
    #[arg(value_name = "CASE")]
    case: CaseId,
    /// The person
    #[arg(value_name = "PERSON", required_unless_present = "name")]
    person: Option<PersonId>,
    /// Enrol somebody of this name
    #[arg(long, value_name = "NAME", conflicts_with = "person")]
    name: Option<String>,
}

#[derive(Serialize)]
struct Added {
    case: String,
    person: String,
}

impl Report for Added {
    fn text(&self) -> String {
        format!("{} is about {} now.", self.case, self.person)
    }
}

pub(crate) async fn run(context: &Context<'_>, command: Command) -> Result<(), Stop> {
    let Command::Add(args) = command;
    let mut vault = context.connected_vault().await?;
    let person = match (args.person, args.name) {
        (Some(person), _) => person,
        (None, name) => {
            let unit = vault.case(args.case)?.unit;
            let name = name.unwrap_or_default();
            vault.enrol_citizen(unit, &name).await?
        }
    };
    vault.add_subject(args.case, person).await?;
    context.output.report(&Added {
        case: args.case.to_string(),
        person: person.to_string(),
    })
}
