use obhut_client::clock::now_us;
use obhut_client::{ClientError, PersonId, Role, UnitId, Vault};
use serde::Serialize;

use crate::context::Context;
use crate::output::{Report, shown};
use crate::stop::Stop;

/// Units: create them, add and remove caseworkers
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Create(CreateArgs),
    Add(AddArgs),
    Remove(RemoveArgs),
    Renew(RenewArgs),
    List(ListArgs),
}

/// Create a unit and appoint its caseworkers
#[derive(clap::Args)]
#[command(after_help = "Example:\n  obhut unit create 'Building Permits' person_… person_…")]
pub(crate) struct CreateArgs {
    /// Name of the unit
    #[arg(value_name = "NAME")]
    name: String,
    /// Its caseworkers; they must have joined
    #[arg(value_name = "PERSON")]
    members: Vec<PersonId>,
}

/// Appoint a caseworker to a unit; the unit gets a new key
#[derive(clap::Args)]
pub(crate) struct AddArgs {
    /// The unit
    #[arg(value_name = "UNIT")]
    unit: UnitId,
    /// The caseworker, who must have joined
    #[arg(value_name = "PERSON")]
    person: PersonId,
}

/// End a caseworker's appointment; the unit gets a new key they do not hold
#[derive(clap::Args)]
#[command(
    after_help = "What the person could read before stays readable to who read it. What is filed from now on is\n\
                  sealed under the new key."
)]
pub(crate) struct RemoveArgs {
    /// The unit
    #[arg(value_name = "UNIT")]
    unit: UnitId,
    /// The caseworker
    #[arg(value_name = "PERSON")]
    person: PersonId,
}

/// Give a unit a new key, for example after the keys of a caseworker have changed
#[derive(clap::Args)]
#[command(
    after_help = "Everybody who is in office in the unit and has a device holds the new key; what is filed from now on is\n\
                  sealed under it."
)]
pub(crate) struct RenewArgs {
    /// The unit
    #[arg(value_name = "UNIT")]
    unit: UnitId,
}

/// List the units whose names this profile may read
#[derive(clap::Args)]
pub(crate) struct ListArgs {}

#[derive(Serialize)]
struct UnitReport {
    unit: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    epoch: u32,
    members: Vec<MemberReport>,
}

#[derive(Serialize)]
struct MemberReport {
    person: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Else somebody who only keeps the key, such as the registrar who made the unit.
    caseworker: bool,
}

impl Report for UnitReport {
    fn text(&self) -> String {
        let name = name_shown(self.name.as_deref());
        let mut text = format!("{}  {name}, key epoch {}", self.unit, self.epoch);
        for member in &self.members {
            let name = name_shown(member.name.as_deref());
            text.extend(["\n  ", &member.person, "  ", &name]);
            if !member.caseworker {
                text.push_str(", keeps the key, no caseworker");
            }
        }
        text
    }
}

fn name_shown(name: Option<&str>) -> String {
    name.map_or_else(|| "(name not readable here)".to_owned(), shown)
}

pub(crate) async fn run(context: &Context<'_>, command: Command) -> Result<(), Stop> {
    let mut vault = context.connected_vault().await?;
    let unit = match command {
        Command::Create(args) => {
            let same = vault.units_named(&args.name).await?;
            context.confirm_another("unit", &args.name, &same)?;
            vault.create_unit(&args.name, &args.members).await?
        }
        Command::Add(args) => {
            if is_caseworker(&vault, args.person, args.unit) {
                let text = format!("{} is a caseworker of this unit already", args.person);
                return Err(ClientError::Refused(text).into());
            }
            vault.add_to_unit(args.unit, args.person, None).await?;
            args.unit
        }
        Command::Remove(args) => {
            context.confirm(&format!(
                "End the appointment of {} in {}?",
                args.person, args.unit
            ))?;
            vault.remove_from_unit(args.unit, args.person).await?;
            args.unit
        }
        Command::Renew(args) => {
            vault.renew_unit_key(args.unit).await?;
            args.unit
        }
        Command::List(_) => return list(context, &mut vault).await,
    };
    let report = describe(&mut vault, unit).await?;
    context.output.report(&report)
}

fn is_caseworker(vault: &Vault, person: PersonId, unit: UnitId) -> bool {
    let directory = vault.directory();
    directory.holds_role(person, Role::CaseWorker, Some(unit), now_us())
}

async fn list(context: &Context<'_>, vault: &mut Vault) -> Result<(), Stop> {
    let agency = vault.agency_unit();
    let mut units: Vec<_> = vault.directory().units().map(|unit| unit.unit).collect();
    units.sort_unstable();
    for unit in units.into_iter().filter(|unit| *unit != agency) {
        let report = describe(vault, unit).await?;
        context.output.report(&report)?;
    }
    Ok(())
}

async fn describe(vault: &mut Vault, unit: UnitId) -> Result<UnitReport, Stop> {
    let mut members = Vec::new();
    for person in vault.members(unit)? {
        members.push(MemberReport {
            person: person.to_string(),
            name: vault.find_person_name(person).await?,
            caseworker: is_caseworker(vault, person, unit),
        });
    }
    Ok(UnitReport {
        unit: unit.to_string(),
        name: vault.find_unit_name(unit).await?,
        epoch: vault.unit_epoch(unit)?,
        members,
    })
}
