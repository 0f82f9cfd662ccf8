use std::path::PathBuf;

use obhut_client::letter::{fingerprint_text, parse_invitation};
use obhut_client::{ClientError, Role, join};
use serde::Serialize;

use crate::context::{Context, ServerArgs};
use crate::input::read_input;
use crate::output::{Report, shown};
use crate::stop::Stop;

/// Activate your access with the letter you got
///
/// Takes the characters of the letter, or the link of its QR code. This machine makes new keys for you; the access in
/// the letter is used up afterwards. If it was used before and not by you, tell the agency at once.
#[derive(clap::Args)]
#[command(
    after_help = "The secret is never an argument: give a file, or paste it and end with an empty line.\n\n\
                  Examples:\n  obhut activate --profile citizen\n  obhut activate letter.txt --profile citizen"
)]
pub(crate) struct Args {
    /// A file with the characters or the link; `-` or nothing reads standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Serialize)]
struct Activated {
    profile: String,
    agency: String,
    person: String,
    card: String,
    assurance: String,
}

impl Report for Activated {
    fn text(&self) -> String {
        format!(
            "Activated at {}.\nFingerprint {}\n  must be the one printed in the letter.\n\
             Next: `obhut inbox` lists your documents, `obhut log mine` shows who has looked at your data.",
            shown(&self.agency),
            self.card
        )
    }
}

pub(crate) async fn run(context: &Context<'_>, args: Args) -> Result<(), Stop> {
    let invitation = parse_invitation(&read_input(&args.file, "the characters of the letter, or the link")?).map_err(|_| {
        ClientError::Usage(
            "these are not the characters of a letter, or one of them is wrong; compare them row by row".into(),
        )
    })?;
    if invitation.role != Role::Citizen {
        let text = "this is an invitation for staff; use `obhut join`";
        return Err(ClientError::Usage(text.into()).into());
    }
    context.output.note(&format!(
        "Fingerprint {}",
        fingerprint_text(&invitation.card)
    ));
    let passphrase = context.new_passphrase()?;
    let (home, name) = (context.home(&args.server)?, context.profile_name());
    let vault = join(&home, name, &passphrase, &invitation).await?;
    context.output.report(&Activated {
        profile: vault.profile().name().to_owned(),
        agency: vault.card().name.clone(),
        person: vault.person().to_string(),
        card: fingerprint_text(&vault.card().fingerprint()),
        assurance: vault.card().assurance.to_string(),
    })
}
