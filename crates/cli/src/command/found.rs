use std::path::{Path, PathBuf};

use obhut_client::assurance::assurance_sentence;
use obhut_client::letter::fingerprint_text;
use obhut_client::{
    ClientError, EnrolmentCode, Founding, found, parse_bootstrap_code, parse_enrolment_code,
};
use serde::Serialize;

use crate::context::{Context, ServerArgs};
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
    /// File with the enrolment code of another operator's gatekeeper (`obhut-gate enrol`); `-` reads standard input
    #[arg(long, value_name = "FILE")]
    gate_code: Option<PathBuf>,
    /// Verifier key of a witness elsewhere, as its operator read it out; repeat for more
    #[arg(long, value_name = "KEY")]
    witness: Vec<String>,
    /// How many of gatekeeper and witnesses must cosign [default: all of them]
    #[arg(long, value_name = "N")]
    quorum: Option<u64>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Serialize)]
struct Founded {
    vault: String,
    agency: String,
    person: String,
    card: String,
    assurance: String,
    assurance_means: String,
    root_file: String,
}

impl Report for Founded {
    fn text(&self) -> String {
        format!(
            "Founded {agency} ({vault}).\n\
             You are its first registrar: {person}\n\
             Card fingerprint: {card}\n\
             Agency root: {root} - move this file offline now and keep it in two safe places.\n\
             {assurance}\n\
             The vault stays in founding until there are two registrars: destruction and recovery are off.",
            agency = self.agency,
            vault = self.vault,
            person = self.person,
            card = self.card,
            root = self.root_file,
            assurance = self.assurance_means,
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
    let gate_code = args.gate_code.as_deref().map(read_gate_code).transpose()?;
    let passphrase = context.new_passphrase()?;
    let founding = Founding {
        url: &args.url,
        code: &code,
        agency: &args.agency,
        registrar: &args.registrar,
        root_file: &args.root_file,
        gate_code: gate_code.as_ref(),
        witnesses: &args.witness,
        quorum: args.quorum,
    };
    let founded = found(
        &context.home(&args.server)?,
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
        assurance_means: assurance_sentence(founded.vault.card().assurance).to_owned(),
        root_file: founded.root_file.display().to_string(),
    })
}

fn read_gate_code(file: &Path) -> Result<EnrolmentCode, Stop> {
    let text = String::from_utf8_lossy(&read_input(file, "the enrolment code")?).into_owned();
    let code = parse_enrolment_code(&text).map_err(|_| {
        ClientError::Usage("the enrolment code is not complete or a character is wrong".into())
    })?;
    Ok(code)
}
