//! What a failed request means for the one who asked.

use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

use super::super::ObjectError;

/// Codes that speak about room.
const FULL: &[&str] = &[
    "InsufficientStorage",
    "QuotaExceeded",
    "XMinioStorageFull",
    "StorageFull",
];

/// Codes of bytes that were damaged on their way: worth another attempt.
const DAMAGED: &[&str] = &[
    "BadDigest",
    "IncompleteBody",
    "InvalidDigest",
    "RequestTimeout",
    "XAmzContentSHA256Mismatch",
];

/// Sorts a failure: worth another attempt, no room, or something an operator must mend.
#[expect(clippy::needless_pass_by_value, reason = "what `map_err` hands over")]
pub(super) fn failed<E>(error: SdkError<E>) -> ObjectError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    let status = status(&error);
    let code = error.code().unwrap_or_default().to_owned();
    if status == Some(507) || FULL.contains(&code.as_str()) {
        return ObjectError::Full;
    }
    match status {
        Some(408 | 409 | 429 | 500..) | None => unavailable(&error),
        Some(_) if DAMAGED.contains(&code.as_str()) => unavailable(&error),
        Some(status) => ObjectError::Refused {
            code: if code.is_empty() {
                format!("status {status}")
            } else {
                code
            },
        },
    }
}

/// The status of the answer, where there was one.
pub(super) fn status<E>(error: &SdkError<E>) -> Option<u16> {
    error
        .raw_response()
        .map(|response| response.status().as_u16())
}

/// Whether the answer was that there is no such thing; a missing bucket is another matter.
pub(super) fn is_missing<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    status(error) == Some(404) && error.code() != Some("NoSuchBucket")
}

fn unavailable<E>(error: &SdkError<E>) -> ObjectError
where
    E: std::error::Error + Send + Sync + 'static,
{
    // In one line: the SDK's errors say nothing without their context.
    let text = DisplayErrorContext(error).to_string();
    ObjectError::Unavailable(text.lines().collect::<Vec<_>>().join(" ").into())
}
