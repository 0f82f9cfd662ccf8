use serde::Serialize;

use crate::context::Context;
use crate::output::Report;
use crate::stop::Stop;

/// Show who this profile is, at which vault, and how well the vault is watched
#[derive(clap::Args)]
#[command(after_help = "Example:\n  obhut status --profile registrar")]
pub(crate) struct Args {}

#[derive(Serialize)]
struct Status {
    profile: String,
    vault: String,
    url: String,
    person: String,
    device: String,
    role: String,
    assurance: String,
}

impl Report for Status {
    fn text(&self) -> String {
        format!(
            "Profile    {}\nVault      {}\nAddress    {}\nPerson     {}\nDevice     {}\nRole       {}\nAssurance  {}",
            self.profile, self.vault, self.url, self.person, self.device, self.role, self.assurance
        )
    }
}

pub(crate) async fn run(context: &Context<'_>, _args: Args) -> Result<(), Stop> {
    let profile = context.profile()?;
    let record = profile.record()?;
    let card = profile.load_card()?;
    let status = Status {
        profile: profile.name().to_owned(),
        vault: record.vault.to_string(),
        url: record.url.clone(),
        person: record.person.to_string(),
        device: record.device.to_string(),
        role: record.role.to_string(),
        assurance: card.assurance.to_string(),
    };
    context.output.report(&status)
}
