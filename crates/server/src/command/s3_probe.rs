//! `obhut-server s3-probe`.

use crate::ServerError;
use crate::args::S3ProbeArgs;
use crate::clock::now_us;
use crate::config::Config;
use crate::objects::{ProbeOptions, probe};

/// Tries out the configured store, keeps what was found for the next start, and shows it.
pub async fn s3_probe(args: S3ProbeArgs) -> Result<String, ServerError> {
    let config = Config::load(&args.data)?;
    let Some(settings) = &config.objects.s3 else {
        return Err(ServerError::Config(
            "there is no section [objects.s3]: capsules lie in a folder, and nothing is to be tried"
                .to_owned(),
        ));
    };
    let credentials = settings.load_credentials(&args.data)?;
    let options = ProbeOptions {
        compliance: args.compliance,
        now_s: i64::try_from(now_us() / 1_000_000).unwrap_or(i64::MAX),
    };
    let report = probe(settings, &credentials, &args.data, options).await?;
    report.save(&args.data)?;
    let shown = if args.json {
        report.to_json()
    } else {
        report.to_text()
    };
    if report.is_usable() {
        return Ok(shown);
    }
    Err(ServerError::Probe(shown))
}
