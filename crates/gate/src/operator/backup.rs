//! `obhut-gate backup`, `verify`, `restore`, `backup-keys`, `rotate-key` and `accept`.

use std::path::Path;

use obhut_format::VaultId;

use super::args::{AcceptArgs, BackupArgs, BackupKeysArgs, RestoreArgs};
use super::clock::{now_us, system_edge};
use super::process::lock;
use super::settings::absolute;
use super::{OperatorError, Settings};
use crate::Gate;
use crate::backup::{Backup, copy_keys};

/// Cuts a backup of the first store; the gatekeeper may be running.
pub async fn backup(args: BackupArgs) -> Result<String, OperatorError> {
    let places = Settings::load(&args.data)?.places(&args.data)?;
    let made = Backup::make(&places, &args.to, now_us()).await?;
    Ok(format!(
        "Backup of {} share(s) under storage key {} in {}.\n\
         It holds no key. Restore it in test now:  obhut-gate verify --data {} --backup {}\n",
        made.shares(),
        made.storage_key(),
        args.to.display(),
        args.data.display(),
        args.to.display(),
    ))
}

/// Restores a backup in test.
pub async fn verify(args: RestoreArgs) -> Result<String, OperatorError> {
    let places = Settings::load(&args.data)?.places(&args.data)?;
    let backup = Backup::read(&args.backup)?;
    let opened = backup.prove(&places, &system_edge()?).await?;
    Ok(format!(
        "The backup restores: every log resumes, {opened} share(s) open with the keys in {}.\n\
         Storage keys before number {} may go now; the running gatekeeper removes them within the hour.\n",
        places.key_folder.display(),
        backup.storage_key(),
    ))
}

/// Restores a backup into an empty first store.
pub async fn restore(args: RestoreArgs) -> Result<String, OperatorError> {
    let places = Settings::load(&args.data)?.places(&args.data)?;
    let _lock = lock(&args.data)?;
    let backup = Backup::read(&args.backup)?;
    backup.restore(&places, now_us()).await?;
    Ok(format!(
        "Restored {} share(s), and what the second store and the journal of tombstones know on top.\n\n\
         Start the gatekeeper now. It follows the logs from where the backup was and cosigns and releases nothing\n\
         before a witness elsewhere has shown how far each log is; `obhut-gate status` tells what is still missing.\n\
         A vault without a witness elsewhere waits for `obhut-gate accept`: compare its records log with the agency first.\n",
        backup.shares(),
    ))
}

/// Copies signing key and storage keys into a folder of their own.
pub fn backup_keys(args: &BackupKeysArgs) -> Result<String, OperatorError> {
    let places = Settings::load(&args.data)?.places(&args.data)?;
    let to = absolute(Path::new("."), &args.to)?;
    if to.starts_with(&places.folder) || to.starts_with(&places.key_folder) {
        return Err(OperatorError::Config(
            "keys are backed up outside the data folder and the key folder, best on a medium of their own".to_owned(),
        ));
    }
    let copied = copy_keys(&places, &to)?;
    Ok(format!(
        "{copied} key file(s) copied to {}. Keep them apart from every backup of the data: together they open shares.\n\
         Remove copies of storage keys that the gatekeeper has removed, or what was destroyed lives on in old backups.\n",
        to.display()
    ))
}

/// Makes a new storage key at once. The gatekeeper must be stopped.
pub async fn rotate_key(data: &Path) -> Result<String, OperatorError> {
    let places = Settings::load(data)?.places(data)?;
    let _lock = lock(data)?;
    let gate = Gate::open(places, system_edge()?).await?;
    let number = gate.rotate_storage_key().await;
    gate.close().await;
    Ok(format!(
        "Storage key {} is in use and everything living lies under it. Next: `obhut-gate backup-keys`, then\n\
         `obhut-gate backup` and `obhut-gate verify`; after that the old key goes by itself.\n",
        number?
    ))
}

/// Takes a restored vault's logs as they are.
pub async fn accept(args: AcceptArgs) -> Result<String, OperatorError> {
    let places = Settings::load(&args.data)?.places(&args.data)?;
    let _lock = lock(&args.data)?;
    let vault = args.vault.parse::<VaultId>();
    let vault =
        vault.map_err(|_| OperatorError::Config(format!("{} is no vault id", args.vault)))?;
    if Backup::accept(&places, vault).await? {
        Ok(format!(
            "The logs of {vault} count as they are fed from now on.\n"
        ))
    } else {
        Err(OperatorError::Config(format!(
            "{vault} is not enrolled here"
        )))
    }
}
