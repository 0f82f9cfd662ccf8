//! The matrix of what holds, for people, for programs, and for the server's next start.

use std::fmt::Write as _;
use std::path::Path;

use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use serde::{Deserialize, Serialize};

use super::super::failed::status;
use super::{Checksum, S3Settings, Ways};
use crate::ServerError;

/// File in the data folder that keeps the last result.
pub const S3_PROBE_FILE: &str = "s3-probe.json";

/// What was found about one thing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "result", content = "detail")]
pub enum Finding {
    /// It is so.
    Holds,
    /// The store says that it does not have it.
    Absent(String),
    /// It is otherwise; the text says how.
    Fails(String),
    /// Not tried; the text says why.
    Skipped(String),
}

/// One line of the matrix.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Stable name.
    pub name: String,
    /// What was to be shown.
    pub about: String,
    /// What was found.
    #[serde(flatten)]
    pub finding: Finding,
}

/// How far the store itself keeps objects from being removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Level {
    /// Not at all: retention rests on the vault, on keys and on separate credentials.
    #[default]
    L0,
    /// Locks that privileged accounts can lift, and legal holds.
    L1,
    /// Locks that nobody can lift.
    L2,
}

/// The result of a probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Which store.
    pub endpoint: String,
    /// Which bucket.
    pub bucket: String,
    /// Below what.
    pub prefix: String,
    /// When, seconds since 1970 UTC.
    pub probed_s: i64,
    /// What the store calls itself.
    pub server: Option<String>,
    /// By how many seconds the store's clock is ahead of this machine's.
    pub clock_ahead_s: Option<i64>,
    /// All checks in the order they were made.
    pub checks: Vec<Check>,
    /// How the server will work with it.
    pub ways: Ways,
    /// What locks it can hold.
    pub level: Level,
    /// Objects the probe had to lock.
    #[serde(skip)]
    pub(super) locked: usize,
}

impl Report {
    pub(in crate::objects) fn of(settings: &S3Settings, now_s: i64) -> Self {
        Self {
            endpoint: settings.endpoint.clone(),
            bucket: settings.bucket.clone(),
            prefix: settings.prefix.clone(),
            probed_s: now_s,
            server: None,
            clock_ahead_s: None,
            checks: Vec::new(),
            ways: Ways::default(),
            level: Level::default(),
            locked: 0,
        }
    }

    pub(in crate::objects) fn note(&mut self, name: &str, about: &str, finding: Finding) {
        self.checks.push(Check {
            name: name.to_owned(),
            about: about.to_owned(),
            finding,
        });
    }

    /// Whether a check was made and holds.
    pub fn holds(&self, name: &str) -> bool {
        let found = self.checks.iter().find(|check| check.name == name);
        found.is_some_and(|check| check.finding == Finding::Holds)
    }

    /// Whether everything holds that Obhut cannot do without.
    pub fn is_usable(&self) -> bool {
        [
            "store-and-read",
            "ranges",
            "listing",
            "multipart",
            "deletion",
        ]
        .iter()
        .all(|name| self.holds(name))
    }

    /// Draws from the checks how to work with the store.
    pub(in crate::objects) fn conclude(&mut self) {
        let flavours = [Checksum::Crc64nvme, Checksum::Crc32c, Checksum::Sha256];
        let best = flavours.into_iter().find(|flavour| {
            let name = flavour.name();
            self.holds(&format!("checksum-{name}")) && self.holds(&format!("multipart-{name}"))
        });
        self.ways = Ways {
            checksum: best.unwrap_or_default(),
            conditional_put: self.holds("create-once") && self.holds("create-once-race"),
            conditional_complete: self.holds("create-once-multipart"),
            versions: self.holds("version-ids"),
        };
        let governance = self.holds("lock-governance") && self.holds("legal-hold");
        self.level = match (self.holds("lock-compliance"), governance) {
            (true, true) => Level::L2,
            (false, true) => Level::L1,
            _ => Level::L0,
        };
    }

    /// Whether the report is about this store, bucket and prefix.
    pub fn is_about(&self, settings: &S3Settings) -> bool {
        (&self.endpoint, &self.bucket, &self.prefix)
            == (&settings.endpoint, &settings.bucket, &settings.prefix)
    }

    /// The last result, where there is one that can be read.
    pub fn find(data: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(data.join(S3_PROBE_FILE)).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Keeps the result for the server's next start.
    pub fn save(&self, data: &Path) -> Result<(), ServerError> {
        let path = data.join(S3_PROBE_FILE);
        let temporary = data.join(format!(".{S3_PROBE_FILE}"));
        let written = std::fs::write(&temporary, self.to_json())
            .and_then(|()| std::fs::rename(&temporary, &path));
        written.map_err(|error| ServerError::file(&path, error))
    }

    /// One JSON object.
    pub fn to_json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// For people.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{} at {}, bucket {}, below {:?}\n",
            self.server.as_deref().unwrap_or("A store without a name"),
            self.endpoint,
            self.bucket,
            self.prefix
        );
        for Check { about, finding, .. } in &self.checks {
            let (mark, detail) = match finding {
                Finding::Holds => ("yes", None),
                Finding::Absent(detail) => ("no", Some(detail)),
                Finding::Fails(detail) => ("FAILS", Some(detail)),
                Finding::Skipped(detail) => ("-", Some(detail)),
            };
            let _ = writeln!(text, "  {mark:<6} {about}");
            if let Some(detail) = detail {
                let _ = writeln!(text, "         {detail}");
            }
        }
        let _ = writeln!(text, "\n{}", self.conclusion());
        text
    }

    /// How the server works with the store, in a few sentences.
    pub fn conclusion(&self) -> String {
        if !self.is_usable() {
            return "Obhut cannot work with this store: see the lines that fail.".to_owned();
        }
        let once = match (self.ways.conditional_put, self.ways.conditional_complete) {
            (true, true) => "The store creates keys once (If-None-Match).",
            (true, false) => {
                "The store creates keys once, multipart uploads aside: of those the server looks first."
            }
            _ => {
                "The store does not create keys once: the server looks before it writes, and lets only \
                  one process at a time place an id."
            }
        };
        let level = match self.level {
            Level::L0 => {
                "The store itself keeps nothing from being removed (L0): give the right to delete to as few as possible."
            }
            Level::L1 => {
                "The store can lock objects against everybody but privileged accounts (L1)."
            }
            Level::L2 => "The store can lock objects against everybody (L2).",
        };
        format!(
            "Checksum on the way: {}. {once}\n{level}",
            self.ways.checksum.name()
        )
    }
}

/// What the store said, in one line.
pub(super) fn told<E>(error: &SdkError<E>) -> String
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match (status(error), error.code()) {
        (Some(status), Some(code)) => format!("{status} {code}"),
        (Some(status), None) => format!("status {status}"),
        (None, _) => {
            let text = DisplayErrorContext(error).to_string();
            let mut text: String = text.lines().collect::<Vec<_>>().join(" ");
            text.truncate(text.floor_char_boundary(200));
            text
        }
    }
}

/// Refused with the right kind of answer, or not.
pub(super) fn refused<T, E>(answer: Result<T, SdkError<E>>) -> Finding
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    match answer {
        Ok(_) => Finding::Fails("was accepted".to_owned()),
        Err(error) if matches!(status(&error), Some(400..=499)) => Finding::Holds,
        Err(error) => Finding::Fails(told(&error)),
    }
}
