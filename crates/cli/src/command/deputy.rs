use obhut_client::clock::{now_us, parse_moment, utc_text};
use obhut_client::{ClientError, DeputyTerms, PersonId, UnitId};
use serde::Serialize;

use crate::context::Context;
use crate::output::Report;
use crate::stop::Stop;

/// Deputies: who stands in for a caseworker, from when until when
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Add(AddArgs),
    End(EndArgs),
    List(ListArgs),
}

/// Let somebody stand in for a caseworker of a unit
#[derive(clap::Args)]
#[command(
    after_help = "What a deputy does stands in the access log under their own name, on behalf of whom they stand in for.\n\
                  Vault and gatekeeper refuse them before the start and after the end.\n\n\
                  Example:\n  obhut deputy add person_… --for person_… --unit unit_… --until 2026-12-31"
)]
pub(crate) struct AddArgs {
    /// Who stands in
    #[arg(value_name = "PERSON")]
    deputy: PersonId,
    /// For whom
    #[arg(long = "for", value_name = "PERSON")]
    on_behalf_of: PersonId,
    /// In which unit
    #[arg(long, value_name = "UNIT")]
    unit: UnitId,
    /// First day, or a moment such as 2026-12-01T12:00:00Z; now where nothing is said
    #[arg(long, value_name = "DAY")]
    from: Option<String>,
    /// Last day, or a moment; at most a year ahead
    #[arg(long, value_name = "DAY")]
    until: String,
}

/// End a deputy early
#[derive(clap::Args)]
pub(crate) struct EndArgs {
    /// Who stands in
    #[arg(value_name = "PERSON")]
    deputy: PersonId,
    /// For whom
    #[arg(long = "for", value_name = "PERSON")]
    on_behalf_of: PersonId,
    /// In which unit
    #[arg(long, value_name = "UNIT")]
    unit: UnitId,
}

/// List deputies, those whose time is over included
#[derive(clap::Args)]
pub(crate) struct ListArgs {}

#[derive(Serialize)]
struct DeputyLine {
    deputy: String,
    on_behalf_of: String,
    unit: String,
    from_us: u64,
    until_us: u64,
    state: &'static str,
}

impl Report for DeputyLine {
    fn text(&self) -> String {
        format!(
            "{} for {} in {}  {} to {}  {}",
            self.deputy,
            self.on_behalf_of,
            self.unit,
            utc_text(self.from_us),
            utc_text(self.until_us),
            self.state
        )
    }
}

pub(crate) async fn run(context: &Context<'_>, command: Command) -> Result<(), Stop> {
    let mut vault = context.connected_vault().await?;
    match command {
        Command::Add(args) => {
            let from_us = match &args.from {
                Some(text) => moment(text, false)?,
                None => now_us(),
            };
            let terms = DeputyTerms {
                deputy: args.deputy,
                on_behalf_of: args.on_behalf_of,
                unit: args.unit,
                from_us,
                until_us: moment(&args.until, true)?,
            };
            vault.add_deputy(&terms).await?;
        }
        Command::End(args) => {
            vault
                .end_deputy(args.deputy, args.on_behalf_of, args.unit)
                .await?;
        }
        Command::List(_) => {}
    }
    let now = now_us();
    for known in vault.directory().deputies() {
        context.output.report(&DeputyLine {
            deputy: known.deputy.to_string(),
            on_behalf_of: known.on_behalf_of.to_string(),
            unit: known.unit.to_string(),
            from_us: known.from_us,
            until_us: known.until_us.min(known.ended_us.unwrap_or(u64::MAX)),
            state: match known {
                known if known.is_over(now) => "over",
                known if known.holds(now) => "stands in",
                _ => "to come",
            },
        })?;
    }
    Ok(())
}

fn moment(text: &str, end_of_day: bool) -> Result<u64, ClientError> {
    parse_moment(text, end_of_day).ok_or_else(|| {
        ClientError::Usage(format!("{text} is no day like 2026-12-31 and no moment"))
    })
}
