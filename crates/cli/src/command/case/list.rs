use obhut_client::{ActKind, OpenedCase, UnitId, Vault};
use serde::Serialize;

use crate::context::Context;
use crate::output::{Report, shown};
use crate::reason::OptionalReasonArgs;
use crate::stop::Stop;

/// List a unit's case files; each gets an entry in its access log
#[derive(clap::Args)]
#[command(after_help = "Example:\n  obhut case list --json")]
pub(crate) struct Args {
    /// The unit, when you are a caseworker of several
    #[arg(long, value_name = "UNIT")]
    unit: Option<UnitId>,
    #[command(flatten)]
    reason: OptionalReasonArgs,
}

/// One case file on one line.
#[derive(Serialize)]
pub(crate) struct CaseLine {
    pub(crate) case: String,
    pub(crate) reference: String,
    pub(crate) title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) notes: Option<String>,
    pub(crate) class: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) closed_on: Option<String>,
    pub(crate) documents: u64,
    pub(crate) subjects: Vec<String>,
}

impl CaseLine {
    pub(crate) fn of(vault: &Vault, opened: OpenedCase) -> Result<Self, Stop> {
        let case = vault.case(opened.case)?;
        Ok(Self {
            case: opened.case.to_string(),
            reference: opened.entry.file_reference,
            title: opened.entry.title,
            notes: opened.entry.notes,
            class: case.class.to_string(),
            closed_on: case.closed_on.clone(),
            documents: vault.directory().documents_of_case(opened.case).count() as u64,
            subjects: case.subjects.iter().map(ToString::to_string).collect(),
        })
    }
}

impl Report for CaseLine {
    fn text(&self) -> String {
        let state = match &self.closed_on {
            Some(on) => format!("closed {on}"),
            None => "open".into(),
        };
        format!(
            "{}  {}  {}  [{}, {state}, {} document(s)]",
            self.case,
            shown(&self.reference),
            shown(&self.title),
            self.class,
            self.documents
        )
    }
}

pub(crate) async fn run(context: &Context<'_>, args: Args) -> Result<(), Stop> {
    let mut vault = context.connected_vault().await?;
    let unit = vault.caseworker_unit(args.unit)?;
    let reason = args.reason.reason(ActKind::ListCases);
    let cases = vault.list_cases(unit, reason).await?;
    let mut lines = Vec::with_capacity(cases.len());
    for case in cases {
        lines.push(CaseLine::of(&vault, case)?);
    }
    lines.sort_by(|a, b| a.reference.cmp(&b.reference));
    if lines.is_empty() {
        context.output.note("No case files yet.");
    }
    for line in lines {
        context.output.report(&line)?;
    }
    Ok(())
}
