use obhut_client::status;
use serde::Serialize;

use crate::context::Context;
use crate::output::{Report, shown};
use crate::stop::Stop;

/// Show who this profile is, at which vault, and how well the vault is watched
#[derive(clap::Args)]
#[command(
    after_help = "Needs no passphrase. Offices are as of the last command of this profile.\n\nExample:\n  obhut status --profile registrar"
)]
pub(crate) struct Args {}

#[derive(Serialize)]
struct StatusReport {
    profile: String,
    vault: String,
    agency: String,
    url: String,
    person: String,
    device: String,
    device_active: bool,
    offices: Vec<Office>,
    records: u64,
    assurance: String,
    in_founding: bool,
    reachable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    clock_offset_s: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unreachable: Option<String>,
}

#[derive(Serialize)]
struct Office {
    role: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<String>,
}

impl Report for StatusReport {
    fn text(&self) -> String {
        let offices: Vec<_> = self
            .offices
            .iter()
            .map(|office| match &office.unit {
                Some(unit) => format!("{} of {unit}", office.role),
                None => office.role.clone(),
            })
            .collect();
        let offices = if offices.is_empty() {
            "none".into()
        } else {
            offices.join(", ")
        };
        let device = if self.device_active {
            "active"
        } else {
            "not active"
        };
        let connection = match self.clock_offset_s {
            Some(0) => "reachable, clocks agree".into(),
            Some(seconds) => format!("reachable, its clock is {seconds} s ahead of this machine's"),
            None => match &self.unreachable {
                Some(why) => format!("not reachable: {why}"),
                None => "not reachable".into(),
            },
        };
        let founding = if self.in_founding {
            "\n           In founding until there are two registrars: destruction and recovery are off."
        } else {
            ""
        };
        format!(
            "Profile    {}\nAgency     {} ({})\nAddress    {}, {connection}\nPerson     {}\nDevice     {} ({device})\n\
             Offices    {offices}\nRecords    {} replayed\nAssurance  {}{founding}",
            self.profile,
            shown(&self.agency),
            self.vault,
            self.url,
            self.person,
            self.device,
            self.records,
            self.assurance,
        )
    }
}

pub(crate) async fn run(context: &Context<'_>, _args: Args) -> Result<(), Stop> {
    let profile = context.profile()?;
    let record = profile.record()?;
    let status = status(&profile).await?;
    let offices = status.appointments.iter().map(|appointment| Office {
        role: appointment.role.to_string(),
        unit: appointment.unit.map(|unit| unit.to_string()),
    });
    context.output.report(&StatusReport {
        profile: profile.name().to_owned(),
        vault: record.vault.to_string(),
        agency: status.agency,
        url: record.url.clone(),
        person: record.person.to_string(),
        device: record.device.to_string(),
        device_active: status.device_active,
        offices: offices.collect(),
        records: status.records,
        assurance: status.assurance,
        in_founding: status.in_founding,
        reachable: status.clock_offset_s.is_ok(),
        unreachable: status
            .clock_offset_s
            .as_ref()
            .err()
            .map(ToString::to_string),
        clock_offset_s: status.clock_offset_s.ok(),
    })
}
