use obhut_client::today;
use serde::Serialize;

use crate::context::Context;
use crate::ids::CaseName;
use crate::output::Report;
use crate::stop::Stop;

/// Close a case file (z. d. A.): its retention period may begin
#[derive(clap::Args)]
#[command(after_help = "Example:\n  obhut case close case_… --on 2026-01-31")]
pub(crate) struct CloseArgs {
    /// The case: id or file reference
    #[arg(value_name = "CASE")]
    case: CaseName,
    /// Civil date of closing; today without it
    #[arg(long, value_name = "DATE")]
    on: Option<String>,
}

/// Open a closed case file again
#[derive(clap::Args)]
pub(crate) struct ReopenArgs {
    /// The case: id or file reference
    #[arg(value_name = "CASE")]
    case: CaseName,
}

#[derive(Serialize)]
struct Changed {
    case: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_on: Option<String>,
}

impl Report for Changed {
    fn text(&self) -> String {
        match &self.closed_on {
            Some(on) => format!("Closed {} on {on}.", self.case),
            None => format!("{} is open again.", self.case),
        }
    }
}

pub(crate) async fn close(context: &Context<'_>, args: CloseArgs) -> Result<(), Stop> {
    let on = args.on.unwrap_or_else(today);
    let mut vault = context.connected_vault().await?;
    let case = args.case.find(&mut vault).await?;
    vault.close_case(case, &on).await?;
    context.output.report(&Changed {
        case: case.to_string(),
        closed_on: Some(on),
    })
}

pub(crate) async fn reopen(context: &Context<'_>, args: ReopenArgs) -> Result<(), Stop> {
    let mut vault = context.connected_vault().await?;
    let case = args.case.find(&mut vault).await?;
    vault.reopen_case(case).await?;
    context.output.report(&Changed {
        case: case.to_string(),
        closed_on: None,
    })
}
