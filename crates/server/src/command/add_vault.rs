//! `obhut-server vault add`, and the part of `init` that makes the first vault.

use std::path::Path;

use obhut_format::VaultId;
use obhut_format::bootstrap::BootstrapCode;
use obhut_format::card::bootstrap_hash;
use obhut_format::context::sha256;
use obhut_format::release::EnrolVault;
use obhut_store::{NewVault, Store};

use crate::ServerError;
use crate::backup::refuse_unfinished;
use crate::clock::now_us;
use crate::config::{Config, GatePlace};
use crate::data::Data;
use crate::keys::{LogKeys, load_or_create_link_key};
use crate::randomness::random_bytes;

/// Adds a vault to an initialised data folder. A running server finds it by itself.
pub async fn add_vault(
    data: &Path,
    name: &str,
    origin: Option<String>,
) -> Result<String, ServerError> {
    check_texts(name, origin.as_deref())?;
    refuse_unfinished(data)?;
    let config = Config::load(data)?;
    let db = config.database.open(data).await?;
    let store = Store::open(db.clone()).await?;
    let vaults = store.vaults().await?;
    let made = if let Some(other) = vaults.first() {
        // All vaults of a server have one gatekeeper; whoever leads makes the vault known to it.
        let gate_key = other.gate_key;
        insert_vault(data, &store, name, origin, async |_| Ok(gate_key)).await?
    } else {
        let open = Data::open(data).await?;
        let made = make_vault(&open, name, origin).await?;
        open.close().await;
        made
    };
    db.close().await;
    announce(data, name, &made, &config)
}

/// A vault that waits for its founding.
pub(super) struct Made {
    vault: VaultId,
    origin: String,
    code: BootstrapCode,
}

/// Makes keys, enrols the vault at the gatekeeper and writes its row.
pub(super) async fn make_vault(
    open: &Data,
    name: &str,
    origin: Option<String>,
) -> Result<Made, ServerError> {
    open.gatekeeper.start().await?;
    let enrol = async |enrolment| open.gatekeeper.enrol(enrolment).await;
    insert_vault(&open.folder, &open.store, name, origin, enrol).await
}

async fn insert_vault(
    folder: &Path,
    store: &Store,
    name: &str,
    origin: Option<String>,
    enrol: impl AsyncFnOnce(EnrolVault) -> Result<[u8; 32], ServerError>,
) -> Result<Made, ServerError> {
    let vault = VaultId(random_bytes()?);
    let origin = origin.unwrap_or_else(|| format!("localhost/{vault}"));
    let keys = LogKeys::create(folder, vault)?;
    let records_key = *keys.records.public().as_bytes();
    let access_key = *keys.access.public().as_bytes();
    let enrolment = EnrolVault {
        vault,
        origin: origin.clone(),
        records_key,
        access_key,
        root: None,
    };
    let gate_key = enrol(enrolment).await?;
    let secret = random_bytes()?;
    let row = NewVault {
        vault,
        name: name.to_owned(),
        origin: origin.clone(),
        records_key,
        access_key,
        gate_key,
        bootstrap_hash: sha256(&[&secret]),
        created_us: now_us(),
    };
    store.create_vault(row).await?;
    let hash = bootstrap_hash(vault, &origin, &records_key, &access_key, &gate_key);
    let code = BootstrapCode::new(secret, &hash);
    Ok(Made {
        vault,
        origin,
        code,
    })
}

/// The origin becomes a path of tiles and a line of checkpoints.
pub(super) fn check_texts(name: &str, origin: Option<&str>) -> Result<(), ServerError> {
    if name.trim().is_empty() || name.len() > 200 || name.contains(char::is_control) {
        return Err(ServerError::Config(
            "--name must hold 1 to 200 bytes in one line".to_owned(),
        ));
    }
    let Some(origin) = origin else {
        return Ok(());
    };
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte);
    let plain = origin
        .split('/')
        .all(|part| !part.is_empty() && !part.starts_with('.') && part.bytes().all(fits));
    if !plain || origin.len() > 150 {
        return Err(ServerError::Config(
            "--origin must look like vault.agency.example/main: letters, digits, dots, hyphens, \
             colons and slashes, at most 150 bytes"
                .to_owned(),
        ));
    }
    Ok(())
}

/// What the operator reads.
pub(super) fn announce(
    data: &Path,
    name: &str,
    made: &Made,
    config: &Config,
) -> Result<String, ServerError> {
    let (steps, end) = match config.gate.place()? {
        GatePlace::InProcess { .. } => (found_here(data, &config.url()), STORAGE_KEY.to_owned()),
        GatePlace::Elsewhere { .. } => {
            let own = load_or_create_link_key(data)?.public().to_string();
            (found_elsewhere(data, &config.url(), &own), String::new())
        }
    };
    Ok(format!(
        "The vault of {name} is made and waits for its founding.\n\n  \
           Vault            {vault}\n  \
           Log origin       {origin}\n  \
           Bootstrap code   {code}\n\n\
         Next:\n{steps}{end}",
        vault = made.vault,
        origin = made.origin,
        code = made.code.to_text(),
    ))
}

const STORAGE_KEY: &str = "
The gatekeeper's storage key lies outside the data folder. Back it up, apart from the data:
without it no document can be opened; with both in one place the gatekeeper guards nothing.
";

fn found_here(data: &Path, url: &str) -> String {
    format!(
        "  \
           1. Start the server:       obhut-server serve --data {data}\n  \
           2. Hand the code to the first registrar, not by e-mail. It works once and is shown only now.\n     \
              It proves the registrar to the server, and the server's keys to the registrar.\n  \
           3. The registrar founds:   obhut found {url} --agency NAME --registrar NAME\n     \
              The agency root is made on the registrar's machine; this server never holds it.\n",
        data = data.display(),
    )
}

fn found_elsewhere(data: &Path, url: &str, own: &str) -> String {
    format!(
        "  \
           1. Start the server:       obhut-server serve --data {data}\n  \
           2. Tell this server's fingerprint to the gatekeeper's operator, by telephone or on paper:\n     \
              {own}\n     \
              That operator runs `obhut-gate enrol --server FINGERPRINT` and hands the first registrar a code.\n  \
           3. Hand your bootstrap code to the first registrar, not by e-mail. It works once and is shown only now.\n  \
           4. The registrar founds:   obhut found {url} --gate-code FILE --agency NAME --registrar NAME\n     \
              The agency root is made on the registrar's machine; neither operator ever holds it.\n",
        data = data.display(),
    )
}
