use std::path::{Path, PathBuf};

use obhut_client::{ClientError, Existing, WholeFile, invitation_text};
use serde::Serialize;

use crate::context::Context;
use crate::ids::RoleName;
use crate::output::Report;
use crate::stop::Stop;
use crate::words::words;

/// Enrol a member of staff and make the invitation they join with
#[derive(clap::Args)]
#[command(
    after_help = "The invitation is a secret: bring it to the person by a way the server does not see. It ends after\n\
                  14 days and can be used once.\n\n\
                  Example:\n  obhut invite 'Test Person 2' --role caseworker --output invitation.txt"
)]
pub(crate) struct Args {
    /// The person's name
    #[arg(value_name = "NAME", value_parser = words)]
    name: String,
    /// The office the person is to hold
    #[arg(long, value_name = "ROLE", default_value = "caseworker")]
    role: RoleName,
    /// Write the invitation to this file, readable for you only; without it, to standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Serialize)]
struct Invited {
    person: String,
    role: String,
    expires_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invitation: Option<String>,
}

impl Report for Invited {
    fn text(&self) -> String {
        match (&self.file, &self.invitation) {
            (Some(file), _) => format!(
                "Enrolled {} as {}.\nInvitation: {file} - hand it over by a way the server does not see.",
                self.person, self.role
            ),
            (None, Some(text)) => text.clone(),
            (None, None) => String::new(),
        }
    }
}

pub(crate) async fn run(context: &Context<'_>, args: Args) -> Result<(), Stop> {
    // Before anybody is enrolled: nobody could write this invitation a second time.
    let file = match args.output.as_deref() {
        Some(path) => Some(invitation_file(path)?),
        None => None,
    };
    let mut vault = context.connected_vault().await?;
    let invitation = vault.invite_staff(&args.name, args.role.0).await?;
    let text = invitation_text(&invitation);
    if let Some(file) = file {
        file.finish_with(Existing::Keep, format!("{}\n", *text).as_bytes())?;
    } else {
        context.output.note(&format!(
            "Enrolled {} as {}. The invitation follows; hand it over by a way the server does not see.",
            invitation.person, args.role.0
        ));
    }
    let shown = args.output.is_none().then(|| text.to_string());
    context.output.report(&Invited {
        person: invitation.person.to_string(),
        role: args.role.0.to_string(),
        expires_us: invitation.expires_us,
        file: args.output.map(|path| path.display().to_string()),
        invitation: shown,
    })
}

fn invitation_file(path: &Path) -> Result<WholeFile, ClientError> {
    if path.symlink_metadata().is_ok() {
        let text = format!("{} exists already", path.display());
        return Err(ClientError::Usage(text));
    }
    WholeFile::create(path, 0o600)
}
