use std::path::PathBuf;

use obhut_client::letter::parse_invitation;
use obhut_client::{ClientError, join};
use serde::Serialize;

use crate::context::{Context, ServerArgs};
use crate::input::read_input;
use crate::output::{Report, shown};
use crate::stop::Stop;

/// Join a vault with an invitation: makes your keys on this machine
#[derive(clap::Args)]
#[command(
    after_help = "The passphrase protects your keys on this machine; nobody can reset it.\n\n\
                  Example:\n  obhut join invitation.txt --profile caseworker"
)]
pub(crate) struct Args {
    /// The invitation; `-` or nothing reads it from standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Serialize)]
pub(crate) struct Joined {
    profile: String,
    vault: String,
    agency: String,
    person: String,
    role: String,
    device: String,
    assurance: String,
}

impl Report for Joined {
    fn text(&self) -> String {
        format!(
            "Joined {} as {}.\nPerson     {}\nDevice     {}\nAssurance  {}\nThe invitation is used up.",
            shown(&self.agency),
            self.role,
            self.person,
            self.device,
            self.assurance
        )
    }
}

pub(crate) async fn run(context: &Context<'_>, args: Args) -> Result<(), Stop> {
    let invitation =
        parse_invitation(&read_input(&args.file, "the invitation")?).map_err(|_| {
            ClientError::Usage("this is no invitation, or a character of it is wrong".into())
        })?;
    let passphrase = context.new_passphrase()?;
    let vault = join(
        &context.home(&args.server)?,
        context.profile_name(),
        &passphrase,
        &invitation,
    )
    .await?;
    context.output.report(&Joined {
        profile: vault.profile().name().to_owned(),
        vault: vault.id().to_string(),
        agency: vault.card().name.clone(),
        person: vault.person().to_string(),
        role: vault.record().role.to_string(),
        device: vault.record().device.to_string(),
        assurance: vault.card().assurance.to_string(),
    })
}
