use std::path::PathBuf;

use obhut_client::letter::fingerprint_text;
use obhut_client::{ClientError, Founding, found, parse_bootstrap_code};
use serde::Serialize;

use crate::context::Context;
use crate::input::read_input;
use crate::output::Report;
use crate::stop::Stop;

/// Found a vault as its first registrar: makes the agency root and signs the vault card
#[derive(clap::Args)]
#[command(
    after_help = "The code stands on the screen of whoever ran `obhut-server init`. The agency root is written to a\n\
                  file of its own and nowhere else: move it offline.\n\n\
                  Example:\n  obhut found https://vault.agency.example code.txt --agency 'Test Agency' --registrar 'Test Person 1'"
)]
pub(crate) struct Args {
    /// Address of the server
    #[arg(value_name = "URL")]
    url: String,
    /// File with the one-time code printed by `obhut-server init`; `-` or nothing reads standard input
    #[arg(value_name = "FILE", default_value = "-")]
    code: PathBuf,
    /// Name of the agency
    #[arg(long, value_name = "NAME")]
    agency: String,
    /// Your name, as colleagues know it
    #[arg(long, value_name = "NAME")]
    registrar: String,
    /// Where to write the agency root; must not exist yet
    #[arg(long, value_name = "FILE", default_value = "obhut-agency-root.txt")]
    root_file: PathBuf,
}

#[derive(Serialize)]
struct Founded {
    vault: String,
    agency: String,
    person: String,
    card: String,
    assurance: String,
    root_file: String,
}

impl Report for Founded {
    fn text(&self) -> String {
        format!(
            "Founded {agency} ({vault}).\n\
             You are its first registrar: {person}\n\
             Card fingerprint: {card}\n\
             Agency root: {root} - move this file offline now and keep it in two safe places.\n\
             Assurance: {assurance} - gatekeeper and log are run by the vault's own operator. What badges and\n\
             proofs say here is confirmed by the agency itself only, not by anybody else.\n\
             The vault stays in founding until there are two registrars: destruction and recovery are off.",
            agency = self.agency,
            vault = self.vault,
            person = self.person,
            card = self.card,
            root = self.root_file,
            assurance = self.assurance,
        )
    }
}

pub(crate) async fn run(context: &Context<'_>, args: Args) -> Result<(), Stop> {
    let code = String::from_utf8_lossy(&read_input(
        &args.code,
        "the one-time code of `obhut-server init`",
    )?)
    .into_owned();
    let code = parse_bootstrap_code(&code).map_err(|_| {
        ClientError::Usage("the bootstrap code is not complete or a character is wrong".into())
    })?;
    let passphrase = context.new_passphrase()?;
    let founding = Founding {
        url: &args.url,
        code: &code,
        agency: &args.agency,
        registrar: &args.registrar,
        root_file: &args.root_file,
    };
    let founded = found(
        context.home(),
        context.profile_name(),
        &passphrase,
        &founding,
    )
    .await?;
    context.output.report(&Founded {
        vault: founded.vault.id().to_string(),
        agency: args.agency,
        person: founded.vault.person().to_string(),
        card: fingerprint_text(&founded.card),
        assurance: founded.vault.card().assurance.to_string(),
        root_file: founded.root_file.display().to_string(),
    })
}
