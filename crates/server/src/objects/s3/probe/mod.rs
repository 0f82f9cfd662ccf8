//! What a store really does, tried with tiny objects below `<prefix>probe/`: no feature is assumed by its name.

mod banner;
mod locks;
mod report;
mod storing;
mod uploads;
mod versions;

use std::path::Path;

use aws_sdk_s3::Client;
use bytes::Bytes;

use super::settings::{Checksum, Credentials, S3Settings};
use super::{S3, Ways};
use crate::ServerError;
use crate::randomness::random_bytes;
use banner::Banner;
pub use report::{Check, Finding, Level, Report, S3_PROBE_FILE};

/// What the probe may try besides.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProbeOptions {
    /// Lock one object in compliance mode for a minute: nobody can remove it before.
    pub compliance: bool,
    /// Time now, seconds since 1970 UTC.
    pub now_s: i64,
}

/// Tries out a store. Fails only where nothing can be tried at all; what does not hold stands in the report.
pub async fn probe(
    settings: &S3Settings,
    credentials: &Credentials,
    data: &Path,
    options: ProbeOptions,
) -> Result<Report, ServerError> {
    let random = data_encoding::HEXLOWER.encode(&random_bytes::<8>()?);
    let scratch_settings = S3Settings {
        prefix: format!("{}probe/{random}/", settings.prefix),
        ..settings.clone()
    };
    let s3 = S3::new(&scratch_settings, credentials, Ways::default(), data)?;
    let scratch = Scratch {
        bucket: settings.bucket.clone(),
        prefix: scratch_settings.prefix.clone(),
        options,
        s3,
    };
    let mut report = Report::of(settings, options.now_s);
    storing::check(&scratch, &mut report).await;
    if !report.holds("store-and-read") {
        return Ok(report);
    }
    let flavours = storing::checksums(&scratch, &mut report).await;
    storing::once(&scratch, &mut report).await;
    uploads::check(&scratch, &mut report, &flavours).await;
    versions::check(&scratch, &mut report).await;
    locks::check(&scratch, &mut report).await;
    report.conclude();
    scratch.tidy(&mut report).await;
    Ok(report)
}

/// A place in the bucket for the probe's own objects.
struct Scratch {
    s3: S3,
    bucket: String,
    prefix: String,
    options: ProbeOptions,
}

impl Scratch {
    fn client(&self) -> &Client {
        &self.s3.0.client
    }

    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// All of a small object, or `None`.
    async fn read(&self, key: &str) -> Result<Option<Bytes>, String> {
        let get = self.client().get_object().bucket(&self.bucket).key(key);
        match get.send().await {
            Ok(answer) => {
                let body = answer.body.collect().await;
                let body = body.map_err(|error| error.to_string())?;
                Ok(Some(body.into_bytes()))
            }
            Err(error) if super::failed::is_missing(&error) => Ok(None),
            Err(error) => Err(report::told(&error)),
        }
    }

    /// Puts an object the plainest way; its version where there is one.
    async fn put(&self, key: &str, body: &'static [u8]) -> Result<Option<String>, String> {
        let put = self.client().put_object().bucket(&self.bucket).key(key);
        let put = put.body(Bytes::from_static(body).into());
        let answer = put.send().await.map_err(|error| report::told(&error))?;
        Ok(answer.version_id().map(str::to_owned))
    }

    /// Removes what the probe left; what is locked stays until its time is over.
    async fn tidy(&self, report: &mut Report) {
        let left = versions::remove_below(self, &self.prefix).await;
        let aborted = self.s3.abort_uploads_below(&self.prefix).await;
        let finding = match (left, aborted) {
            (Ok(0), Ok(_)) => Finding::Holds,
            (Ok(left), Ok(_)) if report.locked > 0 && left <= report.locked => {
                Finding::Skipped(format!(
                    "{left} object(s) stay until their lock ends; the next probe does not need them"
                ))
            }
            (Ok(left), Ok(_)) => {
                Finding::Fails(format!("{left} object(s) are left below {}", self.prefix))
            }
            (Err(error), _) => Finding::Fails(error),
            (_, Err(error)) => Finding::Fails(crate::logging::chain(&error)),
        };
        report.note("tidy", "what the probe made can be removed", finding);
    }
}
