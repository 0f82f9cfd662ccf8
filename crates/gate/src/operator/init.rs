//! `obhut-gate init`.

use std::path::{Path, PathBuf};

use super::args::InitArgs;
use super::clock::system_edge;
use super::files::refuse_used;
use super::settings::CONFIG_FILE;
use super::{OperatorError, Settings};
use crate::Gate;
use crate::keys::make_folder;

/// Makes a data folder with the gatekeeper's keys and stores.
pub async fn init(args: InitArgs) -> Result<String, OperatorError> {
    let data = &args.data;
    refuse_used(data, CONFIG_FILE)?;
    let keys = match args.keys {
        Some(keys) => std::path::absolute(&keys).map_err(|e| OperatorError::file(&keys, e))?,
        None => default_keys(data)?,
    };
    let settings = Settings::new(args.listen, keys, args.database, args.mirror);
    settings.check(data)?;
    make_folder(data).map_err(|error| OperatorError::file(data, error))?;
    settings.write(data)?;
    let gate = Gate::open(settings.places(data)?, system_edge()?).await?;
    let fingerprint = gate.party_key();
    gate.close().await;
    Ok(format!(
        "The gatekeeper is made and serves no vault yet.\n\n  \
           Fingerprint   {fingerprint}\n\n\
         Next:\n  \
           1. Tell the fingerprint to the operator of the vault's server, not over the network it will use:\n     \
              obhut-server init --gate https://HOST:PORT --gate-fingerprint FINGERPRINT\n  \
           2. That prints the server's fingerprint. With it make a code for the founder of the vault:\n     \
              obhut-gate enrol --data {data} --server FINGERPRINT\n  \
           3. Start:  obhut-gate serve --data {data}\n\n\
         The storage key lies outside the data folder. Back it up apart from the data: without it no\n\
         document of any vault can be opened. signing.key is the fingerprint's other half; back it up too.\n",
        data = data.display(),
    ))
}

/// `gate` becomes `gate-key` beside it, written relative to the data folder so that both can move together.
fn default_keys(data: &Path) -> Result<PathBuf, OperatorError> {
    let data = std::path::absolute(data).map_err(|error| OperatorError::file(data, error))?;
    let name = data.file_name().unwrap_or_default().to_string_lossy();
    Ok(Path::new("..").join(format!("{name}-key")))
}
