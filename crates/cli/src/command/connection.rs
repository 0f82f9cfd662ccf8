use std::path::PathBuf;

use obhut_client::transport::Trust;
use obhut_client::{NewTrust, change_connection};
use serde::Serialize;

use crate::context::Context;
use crate::output::Report;
use crate::stop::Stop;

/// Show or change where the vault of this profile is reached, and by what its server is recognised
#[derive(clap::Args)]
#[command(
    after_help = "A change is kept only when the vault answers there. Needs no passphrase.\n\n\
                  Examples:\n  obhut connection\n  obhut connection --url https://vault.agency.example --ca agency-ca.pem"
)]
pub(crate) struct Args {
    /// New address of the vault
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Certificates (PEM) of the agency's own authority; no other is believed from now on
    #[arg(long, value_name = "FILE", conflicts_with = "system_ca")]
    ca: Option<PathBuf>,
    /// From now on believe the authorities that this machine trusts
    #[arg(long)]
    system_ca: bool,
}

#[derive(Serialize)]
struct Connection {
    profile: String,
    url: String,
    authorities: &'static str,
    changed: bool,
}

impl Report for Connection {
    fn text(&self) -> String {
        let recognised = match self.authorities {
            "own" => "certificates of the agency's own authority, kept in this profile",
            "system" => "certificates of the authorities that this machine trusts",
            _ => "nothing: plain http on this machine",
        };
        let changed = if self.changed {
            "\nThe vault answers there; this is kept."
        } else {
            ""
        };
        format!(
            "Address     {}\nRecognised  by {recognised}{changed}",
            self.url
        )
    }
}

pub(crate) async fn run(context: &Context<'_>, args: Args) -> Result<(), Stop> {
    let mut profile = context.profile()?;
    let changed = args.url.is_some() || args.ca.is_some() || args.system_ca;
    if changed {
        let trust = match &args.ca {
            Some(file) => NewTrust::Only(Trust::read(file)?),
            None if args.system_ca => NewTrust::System,
            None => NewTrust::Same,
        };
        change_connection(&mut profile, args.url.as_deref(), trust).await?;
    }
    let url = profile.record()?.url.clone();
    let own = profile.trust()?.authorities().is_some();
    let authorities = match () {
        () if url.starts_with("http:") => "none",
        () if own => "own",
        () => "system",
    };
    context.output.report(&Connection {
        profile: profile.name().to_owned(),
        url,
        authorities,
        changed,
    })
}
