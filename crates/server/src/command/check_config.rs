//! `obhut-server config check`.

use std::fmt::Write;
use std::path::Path;

use obhut_store::Store;

use crate::ServerError;
use crate::clock::now_us;
use crate::config::Config;
use crate::tls::Identity;

/// Reads the configuration of a data folder, tries its database, and shows it with all defaults filled in.
pub async fn check_config(data: &Path) -> Result<String, ServerError> {
    let config = Config::load(data)?;
    let tls = describe_tls(&config, data)?;
    let database = describe_database(&config, data).await?;
    Ok(format!(
        "The configuration is usable.\n\n{tls}{database}\nWith all defaults:\n\n{}",
        config.to_toml()?
    ))
}

/// Reads certificate and key as the server would.
fn describe_tls(config: &Config, data: &Path) -> Result<String, ServerError> {
    let Some(tls) = &config.tls else {
        return Ok("TLS: none, plain HTTP on this machine only\n".to_owned());
    };
    let identity = Identity::load(tls, data)?;
    let day = identity.last_day();
    let mut text = format!(
        "TLS: key and certificate fit, valid until {}\n",
        day.as_deref().unwrap_or("an unknown day")
    );
    for warning in identity.warnings(now_us(), config.cluster.advertise.as_deref()) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  warning: {warning}");
    }
    Ok(text)
}

async fn describe_database(config: &Config, data: &Path) -> Result<String, ServerError> {
    let (target, from) = config.database.find(data)?;
    let mut text = format!("Database: {target} (from {from})\n");
    if !target.is_server() && !Path::new(target.expose()).exists() {
        text.push_str("  is made at the first start\n");
        return Ok(text);
    }
    let db = config.database.open(data).await?;
    let unusable = |source| ServerError::Database {
        target: target.to_string(),
        source,
    };
    let found = db.inspect().await.map_err(unusable)?;
    let line = match found.encrypted {
        Some(true) => ", encrypted connection",
        Some(false) => ", connection in the clear",
        None => "",
    };
    // Writing to a String cannot fail.
    let _ = writeln!(text, "  answers: {}{line}", found.version);
    let pending = Store::pending_migrations(&db).await?;
    let _ = match pending {
        0 => writeln!(text, "  schema: up to date"),
        count => writeln!(
            text,
            "  schema: {count} steps will be applied at the next start"
        ),
    };
    for warning in found.warnings {
        let _ = writeln!(text, "  warning: {warning}");
    }
    db.close().await;
    Ok(text)
}
