//! `obhut-server log-keys`.

use std::fmt::Write;
use std::path::Path;

use obhut_log::{LogError, NoteKeyType, VerifierKey};
use obhut_store::{Store, StoreError, VaultRow};
use obhut_suite::NotePublic;

use crate::ServerError;
use crate::config::Config;

/// The keys of every vault's logs, as a witness's operator needs them. The server may be running.
pub async fn log_keys(data: &Path) -> Result<String, ServerError> {
    let db = Config::load(data)?.database.open(data).await?;
    let rows = Store::open(db.clone()).await?.vaults().await;
    db.close().await;
    let mut text = String::new();
    for row in rows? {
        let records = verifier_key(row.records_origin(), &row.records_key);
        let access = verifier_key(format!("{}/access", row.origin), &row.access_key);
        let (records, access) = (
            records.map_err(StoreError::from)?,
            access.map_err(StoreError::from)?,
        );
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}", trust_line(&row, &records, &access));
    }
    Ok(text)
}

fn trust_line(row: &VaultRow, records: &VerifierKey, access: &VerifierKey) -> String {
    format!(
        "# {}\nobhut-gate witness trust --data DIR '{records}' --below '{access}'",
        row.vault
    )
}

fn verifier_key(name: String, key: &[u8; 32]) -> Result<VerifierKey, LogError> {
    let public = NotePublic::parse(key).map_err(|_| LogError::Malformed)?;
    VerifierKey::new(name, NoteKeyType::Log, public)
}
