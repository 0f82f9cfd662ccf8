//! `obhut-server backup`, `verify`, `restore`, `accept` and `backup-keys`.

use std::fmt::Write;
use std::path::Path;

use jiff::Timestamp;
use obhut_format::VaultId;
use serde::Serialize;

use crate::ServerError;
use crate::args::{AcceptArgs, BackupArgs, BackupKeysArgs, RestoreArgs, VerifyArgs};
use crate::backup::{self, GateRestored};
use crate::config::Config;

/// Cuts a backup; the server may be running.
pub async fn backup(args: BackupArgs) -> Result<String, ServerError> {
    let config = Config::load(&args.data)?;
    let to = std::path::absolute(&args.to).map_err(|error| ServerError::file(&args.to, error))?;
    let made = backup::make(&config, &args.data, &to, args.objects).await?;
    if args.json {
        return Ok(json(&made));
    }
    let capsules = if made.with_objects {
        "with their capsules"
    } else {
        "their capsules stay in the object store"
    };
    let shares = made.shares.map_or_else(
        || "The gatekeeper has backups of its own.".to_owned(),
        |shares| format!("The gatekeeper is in it, with {shares} share(s)."),
    );
    Ok(format!(
        "Backup of {} vault(s) in {}: {} rows; inventory of {} capsules, {} MiB ({capsules}).\n\
         {shares}\n\
         It holds no key: `obhut-server backup-keys` copies those, to be kept apart.\n\
         Prove it now:  obhut-server verify --backup {} --data {}\n",
        made.vaults,
        to.display(),
        made.rows,
        made.objects,
        made.object_bytes >> 20,
        to.display(),
        args.data.display(),
    ))
}

/// Proves a backup.
pub async fn verify(args: VerifyArgs) -> Result<String, ServerError> {
    let proved = backup::prove(&args.backup, args.data.as_deref(), args.read_objects).await?;
    if args.json {
        return Ok(json(&proved));
    }
    let mut text = format!("The backup of {} is whole.\n", shown_time(proved.made_us));
    show_vaults(&mut text, &proved.vaults);
    // Writing to a String cannot fail.
    let _ = match proved.objects_checked {
        Some(_) if args.read_objects => writeln!(
            text,
            "All {} registered capsules are there, every byte read.",
            proved.objects_registered
        ),
        Some(_) => writeln!(
            text,
            "All {} registered capsules are there with length and root.",
            proved.objects_registered
        ),
        None => writeln!(
            text,
            "All {} registered capsules are in the inventory. Whether they are in the object store shows --data DIR.",
            proved.objects_registered
        ),
    };
    if let Some(shares) = proved.shares_opened {
        let _ = writeln!(
            text,
            "The gatekeeper restores: every log resumes, {shares} share(s) open with the keys of {}.",
            args.data.unwrap_or_default().display()
        );
    }
    Ok(text)
}

/// Restores a backup.
pub async fn restore(args: RestoreArgs) -> Result<String, ServerError> {
    let data = std::path::absolute(&args.data);
    let data = data.map_err(|error| ServerError::file(&args.data, error))?;
    let (config, keys) = (args.config.as_deref(), args.keys.as_deref());
    let restored = backup::restore(&args.backup, &data, config, keys).await?;
    if args.json {
        return Ok(json(&restored));
    }
    let mut text = format!("Restored the backup of {}.\n", shown_time(restored.made_us));
    show_vaults(&mut text, &restored.vaults);
    // Writing to a String cannot fail.
    let _ = writeln!(
        text,
        "{} registered capsules are in the object store, {} of them from the backup.",
        restored.objects_whole, restored.objects_copied
    );
    if let Some(complaint) = restored.objects_complaint {
        let _ = writeln!(text, "{complaint}");
    }
    text.push_str(&gatekeeper_text(restored.gatekeeper, &data));
    let _ = writeln!(
        text,
        "\nStart the server now:  obhut-server serve --data {}\n\
         It signs nothing before gatekeeper and witnesses have said how far they know each log. If they know more than this\n\
         backup, the vault is not served and the server says what to do.",
        data.display()
    );
    Ok(text)
}

/// Takes a vault's logs as they are where its gatekeeper was restored.
pub async fn accept(args: AcceptArgs) -> Result<String, ServerError> {
    let vault = args.vault.parse::<VaultId>();
    let vault = vault.map_err(|_| ServerError::Config(format!("{} is no vault id", args.vault)))?;
    if backup::accept_gate(&args.data, vault).await? {
        Ok(format!(
            "The logs of {vault} count as they are from now on.\n"
        ))
    } else {
        Err(ServerError::Config(format!(
            "the gatekeeper does not know {vault}"
        )))
    }
}

fn gatekeeper_text(restored: GateRestored, data: &Path) -> String {
    match restored {
        GateRestored::Elsewhere => String::new(),
        GateRestored::Kept => "The gatekeeper was not lost and stays as it is.\n".to_owned(),
        GateRestored::Missing => {
            "No gatekeeper is in the backup: bring its folder and keys back before the server starts.\n".to_owned()
        }
        GateRestored::Restored(shares) => format!(
            "Restored {shares} share(s) of the gatekeeper, and what a second store and the journal of tombstones know on top. It\n\
             cosigns and releases nothing before a witness elsewhere has shown how far each log is. A vault without one waits for\n\
             obhut-server accept --data {} --vault VAULT\n\
             Whoever saw what was logged after the backup refuses the vault from then on: look for a newer database, and ask the\n\
             agency, before.\n",
            data.display()
        ),
    }
}

/// Copies the server's keys.
pub fn backup_keys(args: &BackupKeysArgs) -> Result<String, ServerError> {
    let config = Config::load(&args.data)?;
    let absolute = |path: &Path| std::path::absolute(path).map_err(|e| ServerError::file(path, e));
    let (data, to) = (absolute(&args.data)?, absolute(&args.to)?);
    if to.starts_with(&data) {
        return Err(ServerError::Config(
            "keys are backed up outside the data folder, best on a medium of their own".to_owned(),
        ));
    }
    let copied = backup::copy_keys(&config, &data, &to)?;
    Ok(format!(
        "{copied} key file(s) copied to {}. Keep them apart from every backup of the data: with both, anybody can sign\n\
         another history of the logs, and with those of a gatekeeper in this process open its shares. They change with\n\
         `vault add`.\n",
        to.display()
    ))
}

pub(super) fn show_vaults(text: &mut String, vaults: &[backup::Shown]) {
    for vault in vaults {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", vault.vault);
        if let Some(card) = &vault.card_sha256 {
            let _ = writeln!(text, "  card {card}");
        }
        for log in &vault.logs {
            let _ = writeln!(
                text,
                "  {}: {} entries, confirmed up to {}",
                log.origin, log.size, log.checkpoint
            );
        }
    }
}

fn shown_time(us: u64) -> String {
    let time = i64::try_from(us)
        .ok()
        .and_then(|us| Timestamp::from_microsecond(us).ok());
    time.map_or_else(|| "an unknown time".to_owned(), |time| format!("{time:.0}"))
}

/// One object on one line.
pub(super) fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default() + "\n"
}
