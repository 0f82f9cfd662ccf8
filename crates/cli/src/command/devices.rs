use std::path::PathBuf;

use obhut_client::{DeviceKid, Existing, PersonId, RevocationReason, Revoked, WholeFile};
use serde::Serialize;

use crate::context::Context;
use crate::output::Report;
use crate::stop::Stop;

/// Devices that may act for a person
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    List(ListArgs),
    Add(AddArgs),
    Revoke(RevokeArgs),
}

/// List your devices, or those of somebody
#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// Somebody else
    #[arg(value_name = "PERSON")]
    person: Option<PersonId>,
}

/// Bring yourself to a second device: writes a sealed file and shows the code that opens it
#[derive(clap::Args)]
#[command(
    after_help = "Carry the file to the new device, type the code there: obhut restore --device FILE. Then remove the\n\
                  file. Whoever has file and code is you.\n\nExample:\n  obhut devices add --output device.obhut"
)]
pub(crate) struct AddArgs {
    /// Where to write the file
    #[arg(long, short, value_name = "FILE", default_value = "device.obhut")]
    output: PathBuf,
}

#[derive(Serialize)]
struct AddReport {
    file: String,
    code: String,
}

impl Report for AddReport {
    fn text(&self) -> String {
        format!(
            "File  {}\nCode  {}\nOn the new device: obhut restore --device FILE, then type the code.",
            self.file, self.code
        )
    }
}

/// Revoke a device for good: your own, or as a registrar anybody's
#[derive(clap::Args)]
#[command(
    after_help = "Vault and gatekeeper refuse the device from the next record on. With --lost your own keys change as well,\n\
                  or, for somebody else, the keys of the units that you keep: print a new sheet and add your other\n\
                  devices again.\n\nExample:\n  obhut devices revoke dev_… --lost"
)]
pub(crate) struct RevokeArgs {
    /// The device
    #[arg(value_name = "DEVICE")]
    device: DeviceKid,
    /// It was lost or stolen, not given back
    #[arg(long)]
    lost: bool,
}

#[derive(Serialize)]
struct DeviceLine {
    device: String,
    person: String,
    this: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked_us: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Report for DeviceLine {
    fn text(&self) -> String {
        let state = match &self.reason {
            Some(reason) => format!("revoked ({reason})"),
            None if self.revoked_us.is_some() => {
                "void: the keys were replaced since; add it again".into()
            }
            None if self.this => "active, this device".into(),
            None => "active".into(),
        };
        format!("{}  {state}", self.device)
    }
}

pub(crate) async fn run(context: &Context<'_>, command: Command) -> Result<(), Stop> {
    let mut vault = context.connected_vault().await?;
    match command {
        Command::List(args) => {
            let person = args.person.unwrap_or(vault.person());
            let own = vault.record().device;
            for device in vault.devices(person)? {
                context.output.report(&DeviceLine {
                    device: device.device.to_string(),
                    person: person.to_string(),
                    this: device.device == own,
                    revoked_us: device.revoked_us,
                    reason: device.reason.map(|reason| reason.to_string()),
                })?;
            }
            Ok(())
        }
        Command::Add(args) => {
            let added = vault.hand_to_device()?;
            WholeFile::write(&args.output, 0o600, Existing::Keep, &added.file)?;
            context.output.report(&AddReport {
                file: args.output.display().to_string(),
                code: added.code.to_string(),
            })
        }
        Command::Revoke(args) => {
            context.confirm(&format!("Revoke {} for good?", args.device))?;
            let reason = if args.lost {
                RevocationReason::Lost
            } else {
                RevocationReason::Retired
            };
            let revoked = vault.revoke_device(args.device, reason).await?;
            for line in consequences(&revoked) {
                context.output.note(&line);
            }
            context.output.report(&DeviceLine {
                device: args.device.to_string(),
                person: revoked.person.to_string(),
                this: args.device == vault.record().device,
                revoked_us: Some(obhut_client::clock::now_us()),
                reason: Some(reason.to_string()),
            })
        }
    }
}

fn consequences(revoked: &Revoked) -> Vec<String> {
    let mut lines = Vec::new();
    if revoked.rotated {
        lines.push(
            "Your keys have changed: print a new sheet (`obhut sheet print`) and add your other devices again."
                .to_owned(),
        );
    }
    for unit in &revoked.renewed {
        lines.push(format!(
            "{unit} has a new key that the person does not hold."
        ));
    }
    for unit in &revoked.stale {
        lines.push(format!(
            "{unit} needs a new key: a registrar who keeps it runs `obhut unit renew {unit}`."
        ));
    }
    lines
}
