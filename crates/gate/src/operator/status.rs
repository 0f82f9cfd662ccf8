//! `obhut-gate status`.

use std::fmt::Write as _;
use std::path::Path;

use obhut_format::gate_link::PartyKey;

use super::{OperatorError, Settings};
use crate::stores::{count, open_first};
use crate::vaults;
use crate::{GateError, keys};

/// Fingerprint and vaults, read beside a running gatekeeper.
pub async fn status(data: &Path) -> Result<String, OperatorError> {
    let settings = Settings::load(data)?;
    let places = settings.places(data)?;
    let key = keys::load_party_key(&places)?;
    let db = open_first(&places).await?;
    let mut text = format!("Fingerprint   {key}\nListens on    {}\n\n", settings.listen);
    let vaults = vaults::load_all(&db).await.map_err(GateError::from)?;
    if vaults.is_empty() {
        text.push_str("No vault is enrolled yet.\n");
    }
    for enrolled in vaults {
        let (living, destroyed) = count(&db, enrolled.vault).await.map_err(GateError::from)?;
        let living: u64 = living.iter().map(|(_, count)| count).sum();
        let server = enrolled.server.map_or_else(
            || "in this process".to_owned(),
            |key| PartyKey(key).to_string(),
        );
        let root = enrolled
            .root
            .map_or_else(|| "not founded yet".to_owned(), |root| root.to_string());
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "Vault         {}\n  Log origin  {}\n  Server      {server}\n  Agency root {root}\n  \
             Shares      {living} living, {destroyed} destroyed\n",
            enrolled.vault, enrolled.origin,
        );
    }
    db.close().await;
    Ok(text)
}
