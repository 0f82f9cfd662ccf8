//! The S3 client: explicit credentials, one TLS stack, retries with backoff and a budget.

use std::path::Path;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Credentials as AwsCredentials, Region, RequestChecksumCalculation,
    ResponseChecksumValidation, SharedHttpClient, StalledStreamProtectionConfig,
};
use aws_smithy_http_client::Builder as HttpBuilder;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore};

use super::settings::{Credentials, S3Settings};
use crate::ServerError;

/// Attempts of one request. Beside it, all requests share the SDK's budget of retries, which runs dry when a store is
/// down and fills again with successes.
const ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
const CONNECT: Duration = Duration::from_secs(5);
/// Until the first byte of an answer, beside the time that sending takes.
const ANSWER: Duration = Duration::from_secs(30);
/// What a line must at least carry, bytes a second.
const SLOWEST: u64 = 1 << 20;
const STALL: Duration = Duration::from_secs(20);

/// Makes the client; nothing is sent yet.
pub(super) fn client(
    settings: &S3Settings,
    credentials: &Credentials,
    data: &Path,
) -> Result<Client, ServerError> {
    let keys = AwsCredentials::new(
        credentials.access.as_str(),
        credentials.secret.as_str(),
        None,
        None,
        "obhut.toml",
    );
    let retries = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(FIRST_PAUSE)
        .with_max_backoff(LONGEST_PAUSE);
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(&settings.endpoint)
        .region(Region::new(settings.region.clone()))
        .credentials_provider(keys)
        .force_path_style(settings.path_style)
        .http_client(http_client(settings, data)?)
        .retry_config(retries)
        .timeout_config(timeouts(0))
        .stalled_stream_protection(
            StalledStreamProtectionConfig::enabled()
                .grace_period(STALL)
                .build(),
        )
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    Ok(Client::from_conf(config.build()))
}

/// The client's settings for a request that carries so many bytes.
pub(super) fn carrying(bytes: u64) -> Builder {
    aws_sdk_s3::Config::builder().timeout_config(timeouts(bytes))
}

fn timeouts(bytes: u64) -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .read_timeout(ANSWER + Duration::from_secs(bytes / SLOWEST))
        .build()
}

fn http_client(settings: &S3Settings, data: &Path) -> Result<SharedHttpClient, ServerError> {
    if settings.endpoint.starts_with("http://") {
        return Ok(HttpBuilder::new().build_http());
    }
    let trust = match &settings.ca_file {
        Some(file) => {
            let path = data.join(file);
            let pem = std::fs::read(&path).map_err(|error| ServerError::file(&path, error))?;
            TrustStore::empty().with_pem_certificate(pem)
        }
        None => TrustStore::default(),
    };
    let context = TlsContext::builder().with_trust_store(trust).build();
    let context = context.map_err(|error| {
        ServerError::Config(format!("[objects.s3] ca_file is not usable: {error}"))
    })?;
    Ok(HttpBuilder::new()
        .tls_provider(Provider::Rustls(CryptoMode::Ring))
        .tls_context(context)
        .build_https())
}
