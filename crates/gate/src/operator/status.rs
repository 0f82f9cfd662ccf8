//! `obhut-gate status`.

use std::fmt::Write as _;
use std::path::Path;

use obhut_format::gate_link::PartyKey;
use obhut_sql::Db;

use super::{OperatorError, Settings};
use crate::stores::{count, count_missing, open_first};
use crate::vaults;
use crate::{GateError, keys};

/// What a restored vault waits for.
async fn compared(db: &Db, enrolled: &vaults::Enrolled) -> Result<String, OperatorError> {
    let logs = vaults::compared_logs(db, enrolled.vault).await;
    let logs = logs.map_err(GateError::from)?;
    let records = logs.contains(&format!("{}/records", enrolled.origin));
    Ok(if records {
        format!(
            "  Restored    {} log(s) compared with a witness since\n",
            logs.len()
        )
    } else {
        "  RESTORED    and not compared yet: nothing is released\n".to_owned()
    })
}

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
        let missing = count_missing(&db, enrolled.vault)
            .await
            .map_err(GateError::from)?;
        if missing > 0 {
            let _ = writeln!(
                text,
                "  MISSING     {missing} share(s) that the records log names: their documents do not open"
            );
        }
        if enrolled.restored_us.is_some() {
            text.push_str(&compared(&db, &enrolled).await?);
        }
    }
    db.close().await;
    Ok(text)
}
