use obhut_client::{DeviceKid, PersonId, RevocationReason};
use serde::Serialize;

use crate::context::Context;
use crate::output::Report;
use crate::stop::Stop;

/// Devices that may act for a person
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    List(ListArgs),
    Revoke(RevokeArgs),
}

/// List your devices, or those of somebody
#[derive(clap::Args)]
pub(crate) struct ListArgs {
    /// Somebody else
    #[arg(value_name = "PERSON")]
    person: Option<PersonId>,
}

/// Revoke a device for good: your own, or as a registrar anybody's
#[derive(clap::Args)]
#[command(
    after_help = "Vault and gatekeeper refuse the device from the next record on. If it was lost, the person's keys and\n\
                  the keys of their units should change as well.\n\nExample:\n  obhut devices revoke dev_… --lost"
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
            None if self.revoked_us.is_some() => "revoked".into(),
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
        Command::Revoke(args) => {
            context.confirm(&format!("Revoke {} for good?", args.device))?;
            let reason = if args.lost {
                RevocationReason::Lost
            } else {
                RevocationReason::Retired
            };
            let person = vault.revoke_device(args.device, reason).await?;
            context.output.report(&DeviceLine {
                device: args.device.to_string(),
                person: person.to_string(),
                this: args.device == vault.record().device,
                revoked_us: Some(obhut_client::clock::now_us()),
                reason: Some(reason.to_string()),
            })
        }
    }
}
