//! What the probe found out about a store, as far as the way of storing depends on it.

use serde::{Deserialize, Serialize};

use super::settings::{Checksum, S3Settings};

/// How to work with a store. The default is what every store can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ways {
    /// What protects bytes on their way.
    pub checksum: Checksum,
    /// `If-None-Match: *` holds for single puts.
    pub conditional_put: bool,
    /// `If-None-Match: *` holds for the completion of multipart uploads.
    pub conditional_complete: bool,
    /// Object versions can be listed and deleted one by one.
    pub versions: bool,
}

impl Ways {
    /// Settings of the operator go before what was found.
    #[must_use]
    pub fn overruled_by(mut self, settings: &S3Settings) -> Self {
        if let Some(checksum) = settings.checksum {
            self.checksum = checksum;
        }
        if let Some(conditional) = settings.conditional_put {
            self.conditional_put = conditional;
            self.conditional_complete = conditional;
        }
        self
    }
}
