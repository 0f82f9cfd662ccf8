use obhut_client::PersonId;
use serde::Serialize;

use crate::context::Context;
use crate::ids::CaseName;
use crate::output::Report;
use crate::stop::Stop;
use crate::words::words;

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
    /// The case: id or file reference
    #[arg(value_name = "CASE")]
    case: CaseName,
    /// The person
    #[arg(value_name = "PERSON", required_unless_present = "name")]
    person: Option<PersonId>,
    /// Enrol somebody of this name
    #[arg(long, value_name = "NAME", conflicts_with = "person", value_parser = words)]
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
    let case = args.case.find(&mut vault).await?;
    let person = match (args.person, args.name) {
        (Some(person), _) => person,
        (None, name) => {
            let unit = vault.case(case)?.unit;
            let name = name.unwrap_or_default();
            let same = vault.citizens_named(&name).await?;
            context.confirm_another("person", &name, &same)?;
            vault.enrol_citizen(unit, &name).await?
        }
    };
    vault.add_subject(case, person).await?;
    context.output.report(&Added {
        case: case.to_string(),
        person: person.to_string(),
    })
}
