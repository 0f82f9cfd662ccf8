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
    /// Says in the operational log how the store is worked with.
    pub fn announce(&self, probed: bool) {
        if !probed {
            tracing::warn!(
                "the object store was not tried yet with these settings: the server does only what every store can; \
                 run `obhut-server s3-probe`"
            );
        }
        let once = match (self.conditional_put, self.conditional_complete) {
            (true, true) => "created once by the store",
            (true, false) => "created once by the store, uploads in parts looked for first",
            _ => "looked for first",
        };
        let checksum = self.checksum.name();
        let versions = if self.versions {
            "removed one by one"
        } else {
            "not known"
        };
        tracing::info!("object store: checksum {checksum}, keys {once}, versions {versions}");
    }

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
