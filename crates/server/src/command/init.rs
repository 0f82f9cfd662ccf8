//! `obhut-server init`.

use std::path::{Path, PathBuf};

use obhut_store::Store;

use super::add_vault::{announce, check_texts, make_vault};
use crate::ServerError;
use crate::args::InitArgs;
use crate::config::{CONFIG_FILE, Config, GateConfig};
use crate::data::Data;
use crate::database::Target;
use crate::keys::{create_file, make_folder};
use crate::tls::{Identity, TlsConfig};

/// Makes a data folder with a first vault. The configuration is written first, so that whatever fails later is mended
/// with `vault add`.
pub async fn init(args: InitArgs) -> Result<String, ServerError> {
    let data = &args.data;
    refuse_used(data)?;
    check_texts(&args.name, args.origin.as_deref())?;
    let mut config = Config::new(args.listen, gate_of(&args)?);
    config.database.url = args.database.as_deref().map(Target::new);
    if config
        .database
        .url
        .as_ref()
        .is_some_and(Target::has_password)
    {
        return Err(ServerError::Config(
            "a password on the command line is seen by everybody on this machine: put the URL into a file for --database-file"
                .to_owned(),
        ));
    }
    if let Some(file) = &args.database_file {
        let file = std::path::absolute(file).map_err(|error| ServerError::file(file, error))?;
        config.database.url_file = Some(file);
    }
    config.tls = tls_of(&args)?;
    config.check(data)?;
    if let Some(tls) = &config.tls {
        Identity::load(tls, data)?;
    }
    try_server(&config, data).await?;
    make_folder(data)?;
    create_file(&data.join(CONFIG_FILE), config.explained().as_bytes())?;
    let open = Data::open_with(data, config).await?;
    let made = make_vault(&open, &args.name, args.origin).await?;
    let text = announce(data, &args.name, &made, &open.config)?;
    open.close().await;
    Ok(text)
}

fn gate_of(args: &InitArgs) -> Result<GateConfig, ServerError> {
    if let (Some(url), Some(fingerprint)) = (&args.gate, &args.gate_fingerprint) {
        return Ok(GateConfig::elsewhere(url.clone(), fingerprint.clone()));
    }
    let keys = match &args.gate_keys {
        Some(keys) => std::path::absolute(keys).map_err(|error| ServerError::file(keys, error))?,
        None => default_gate_keys(&args.data)?,
    };
    Ok(GateConfig::in_process(keys))
}

fn tls_of(args: &InitArgs) -> Result<Option<TlsConfig>, ServerError> {
    let (Some(certificate), Some(key)) = (&args.tls_certificate, &args.tls_key) else {
        return Ok(None);
    };
    let absolute =
        |path: &Path| std::path::absolute(path).map_err(|error| ServerError::file(path, error));
    Ok(Some(TlsConfig {
        certificate: absolute(certificate)?,
        key: absolute(key)?,
    }))
}

/// A database elsewhere is tried before anything is made here, and must not hold vaults.
async fn try_server(config: &Config, data: &Path) -> Result<(), ServerError> {
    let (target, _) = config.database.find(data)?;
    if !target.is_server() {
        return Ok(());
    }
    let db = config.database.open(data).await?;
    let store = Store::open(db.clone()).await?;
    let used = !store.vaults().await?.is_empty();
    db.close().await;
    if used {
        return Err(ServerError::DatabaseInUse(target.to_string()));
    }
    Ok(())
}

fn refuse_used(data: &Path) -> Result<(), ServerError> {
    if data.join(CONFIG_FILE).exists() {
        return Err(ServerError::AlreadyInitialised(data.to_owned()));
    }
    match std::fs::read_dir(data).map(|mut entries| entries.next()) {
        Ok(Some(_)) => Err(ServerError::NotEmpty(data.to_owned())),
        Ok(None) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(ServerError::file(data, error)),
    }
}

/// `vault` becomes `vault-gate-key` beside it, written relative to the data folder so that both can move together.
fn default_gate_keys(data: &Path) -> Result<PathBuf, ServerError> {
    let data = std::path::absolute(data).map_err(|error| ServerError::file(data, error))?;
    let name = data.file_name().unwrap_or_default().to_string_lossy();
    Ok(Path::new("..").join(format!("{name}-gate-key")))
}
