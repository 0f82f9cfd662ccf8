use obhut_client::{Check, ClientError, Finding};

use crate::context::Context;
use crate::output::Report;
use crate::stop::Stop;

/// Check connection, clock, card, login, log and keys of this profile
#[derive(clap::Args)]
#[command(after_help = "Changes nothing. Ends with 1 when something is broken.")]
pub(crate) struct Args {}

impl Report for Check {
    fn text(&self) -> String {
        let mark = match self.finding {
            Finding::Fine => "ok     ",
            Finding::Warning => "warning",
            Finding::Broken => "BROKEN ",
        };
        format!("{mark}  {:<10}  {}", self.check, self.text)
    }
}

pub(crate) async fn run(context: &Context<'_>, _args: Args) -> Result<(), Stop> {
    let mut vault = context.unlocked_vault()?;
    let checks = vault.examine().await;
    let broken = checks
        .iter()
        .filter(|check| check.finding == Finding::Broken);
    let broken = broken.count();
    for check in &checks {
        context.output.report(check)?;
    }
    if broken == 0 {
        return Ok(());
    }
    let (failed, all) = (broken, checks.len());
    Err(ClientError::ChecksFailed { failed, all }.into())
}
