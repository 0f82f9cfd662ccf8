use obhut_client::{ActKind, ClassCode, NewCase, PersonId, RegisterEntry, UnitId, new_case_id};
use serde::Serialize;

use crate::context::Context;
use crate::output::{Report, shown};
use crate::reason::OptionalReasonArgs;
use crate::stop::Stop;
use crate::words::words;

/// Create a case file
///
/// Asks first when a case file of this reference or a person of a new subject's name is there already.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  obhut case new --reference '5-0815/2026' --title 'Test case' --class permit-10y --subject person_…"
)]
pub(crate) struct Args {
    /// File reference (Aktenzeichen)
    #[arg(long, value_name = "TEXT", value_parser = words)]
    reference: String,
    /// Title
    #[arg(long, value_name = "TEXT", value_parser = words)]
    title: String,
    /// Notes
    #[arg(long, value_name = "TEXT")]
    notes: Option<String>,
    /// Retention class, at most 16 of `A-Z a-z 0-9 . _ -`
    #[arg(long, value_name = "CLASS")]
    class: ClassCode,
    /// A person the case is about; may be given several times
    #[arg(long = "subject", value_name = "PERSON")]
    subjects: Vec<PersonId>,
    /// Enrol a person of this name and make them a subject; may be given several times
    #[arg(long = "new-subject", value_name = "NAME", value_parser = words)]
    new_subjects: Vec<String>,
    /// The unit, when you are a caseworker of several
    #[arg(long, value_name = "UNIT")]
    unit: Option<UnitId>,
    #[command(flatten)]
    reason: OptionalReasonArgs,
}

#[derive(Serialize)]
struct Created {
    case: String,
    reference: String,
    unit: String,
    subjects: Vec<String>,
}

impl Report for Created {
    fn text(&self) -> String {
        let mut text = format!("Created {} ({})", self.case, shown(&self.reference));
        for subject in &self.subjects {
            text.push_str("\n  about ");
            text.push_str(subject);
        }
        text
    }
}

pub(crate) async fn run(context: &Context<'_>, args: Args) -> Result<(), Stop> {
    let mut vault = context.connected_vault().await?;
    let unit = vault.caseworker_unit(args.unit)?;
    let same = vault.cases_named(unit, &args.reference).await?;
    context.confirm_another("case file", &args.reference, &same)?;
    for name in &args.new_subjects {
        let same = vault.citizens_named(name).await?;
        context.confirm_another("person", name, &same)?;
    }
    let mut subjects = args.subjects;
    for name in &args.new_subjects {
        subjects.push(vault.enrol_citizen(unit, name).await?);
    }
    let new = NewCase {
        case: new_case_id(),
        unit,
        entry: RegisterEntry {
            file_reference: args.reference.clone(),
            title: args.title,
            notes: args.notes,
        },
        class: args.class,
        subjects: subjects.clone(),
        reason: args.reason.reason(ActKind::CreateCase),
    };
    let case = new.case;
    vault.create_case(new).await?;
    context.output.report(&Created {
        case: case.to_string(),
        reference: args.reference,
        unit: unit.to_string(),
        subjects: subjects.iter().map(ToString::to_string).collect(),
    })
}
