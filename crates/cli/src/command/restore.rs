use std::path::PathBuf;

use obhut_client::sheet::Sheet;
use obhut_client::{ClientError, restore};
use serde::Serialize;

use crate::context::{Context, ServerArgs};
use crate::input::read_input;
use crate::output::Report;
use crate::stop::Stop;

/// Be yourself on this machine: with your recovery sheet, or with a file from another device of yours
#[derive(clap::Args)]
#[command(
    after_help = "If a device was lost, revoke it afterwards with --lost: your keys change, and the sheet with them.\n\n\
                  Examples:\n  obhut restore --sheet sheet.txt\n  obhut restore --device device.obhut --code-file -"
)]
pub(crate) struct Args {
    /// The text of a recovery sheet; `-` reads it from standard input
    #[arg(
        long,
        value_name = "FILE",
        required_unless_present = "device",
        conflicts_with = "device"
    )]
    sheet: Option<PathBuf>,
    /// A file made by `obhut devices add`
    #[arg(long, value_name = "FILE")]
    device: Option<PathBuf>,
    /// File with the code of the device file; `-` reads it from standard input
    #[arg(long, value_name = "FILE", default_value = "-", requires = "device")]
    code_file: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Serialize)]
struct Restored {
    profile: String,
    agency: String,
    person: String,
    device: String,
    other_devices: Vec<String>,
}

impl Report for Restored {
    fn text(&self) -> String {
        let mut text = format!(
            "You are {} of {} on this device: {}",
            self.person, self.agency, self.device
        );
        for device in &self.other_devices {
            text.push_str("\nStill active: ");
            text.push_str(device);
            text.push_str(" - if it is lost: obhut devices revoke ");
            text.push_str(device);
            text.push_str(" --lost");
        }
        text
    }
}

pub(crate) async fn run(context: &Context<'_>, args: Args) -> Result<(), Stop> {
    let sheet = read_sheet(&args)?;
    let passphrase = context.new_passphrase()?;
    let vault = restore(
        &context.home(&args.server)?,
        context.profile_name(),
        &passphrase,
        &sheet,
    )
    .await?;
    let own = vault.record().device;
    let devices = vault.devices(vault.person())?;
    let others = devices
        .iter()
        .filter(|device| device.device != own && device.revoked_us.is_none());
    context.output.report(&Restored {
        profile: vault.profile().name().to_owned(),
        agency: vault.card().name.clone(),
        person: vault.person().to_string(),
        device: own.to_string(),
        other_devices: others.map(|device| device.device.to_string()).collect(),
    })
}

fn read_sheet(args: &Args) -> Result<Sheet, Stop> {
    if let Some(file) = &args.device {
        let sealed = read_input(file, "what the other device made")?;
        let code = read_input(&args.code_file, "the code that the other device showed")?;
        return Ok(Sheet::open_transfer(
            &sealed,
            &String::from_utf8_lossy(&code),
        )?);
    }
    let file = args.sheet.as_deref();
    let file = file.ok_or_else(|| ClientError::Usage("name --sheet or --device".into()))?;
    Ok(Sheet::read(&read_input(file, "the words of the sheet")?)?)
}
