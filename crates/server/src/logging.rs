//! The operational log: messages and fields of an allow-list, nothing else can get in.

use std::fmt::{Debug, Write as _};
use std::io::Write as _;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::clock::now_us;
use crate::config::LogFormat;

/// Fields an operational log may carry: ids without meaning, counts, sizes, times.
const ALLOWED: &[&str] = &[
    "attempt",
    "code",
    "constraint",
    "count",
    "duration_ms",
    "duration_us",
    "error",
    "index",
    "listen",
    "method",
    "origin",
    "request_id",
    "retries",
    "route",
    "size",
    "size_bytes",
    "statement",
    "status",
    "term",
    "vault",
    "version",
];

/// Starts logging to standard error.
pub(crate) fn start(format: LogFormat) {
    let layer = AllowListed { format }.with_filter(LevelFilter::INFO);
    // A second start (tests) keeps the first.
    let _ = tracing_subscriber::registry().with(layer).try_init();
}

struct AllowListed {
    format: LogFormat,
}

impl<S: Subscriber> Layer<S> for AllowListed {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let own = event.metadata().target().starts_with("obhut");
        if !own && *event.metadata().level() > tracing::Level::WARN {
            return;
        }
        let line = line(self.format, event);
        // Nowhere to report a broken standard error to.
        let _ = std::io::stderr().lock().write_all(line.as_bytes());
    }
}

fn line(format: LogFormat, event: &Event<'_>) -> String {
    let mut fields = Fields(Map::new());
    event.record(&mut fields);
    let time = jiff::Timestamp::from_microsecond(i64::try_from(now_us()).unwrap_or_default());
    let time = time.map_or_else(|_| String::new(), |time| time.to_string());
    let level = event.metadata().level().as_str();
    let message = fields.0.remove("message").unwrap_or(Value::Null);
    let message = message.as_str().unwrap_or_default().to_owned();
    match format {
        LogFormat::Json => {
            fields.0.insert("time".to_owned(), time.into());
            fields.0.insert("level".to_owned(), level.into());
            fields.0.insert("message".to_owned(), message.into());
            format!("{}\n", Value::Object(fields.0))
        }
        LogFormat::Text => {
            let mut line = format!("{time} {level} {message}");
            for (name, value) in fields.0 {
                let _ = write!(line, " {name}={value}");
            }
            line.push('\n');
            line
        }
    }
}

struct Fields(Map<String, Value>);

impl Fields {
    fn keep(&mut self, field: &Field, value: impl FnOnce() -> Value) {
        if field.name() == "message" || ALLOWED.contains(&field.name()) {
            self.0.insert(field.name().to_owned(), value());
        }
    }
}

impl Visit for Fields {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.keep(field, || value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.keep(field, || value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.keep(field, || value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.keep(field, || value.into());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.keep(field, || chain(value).into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.keep(field, || format!("{value:?}").into());
    }
}

/// The error and what caused it, in one line.
pub fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let _ = write!(text, ": {error}");
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn the_documentation_lists_every_allowed_field() {
        let page = include_str!("../../../docs/logging.md");
        for field in ALLOWED {
            assert!(page.contains(&format!("`{field}`")), "{field}");
        }
    }

    struct Kept(LogFormat, Arc<Mutex<String>>);

    impl<S: Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            if let Ok(mut text) = self.1.lock() {
                text.push_str(&line(self.0, event));
            }
        }
    }

    #[test]
    fn lets_only_allowed_fields_through() {
        for format in [LogFormat::Json, LogFormat::Text] {
            let kept = Arc::new(Mutex::new(String::new()));
            let layer = Kept(format, Arc::clone(&kept));
            let subscriber = tracing_subscriber::registry().with(layer);
            tracing::subscriber::with_default(subscriber, || {
                tracing::info!(status = 200, purpose = "secret-purpose", body = ?b"x", "handled");
            });
            let text = kept.lock().map(|text| text.clone()).unwrap_or_default();
            assert!(text.contains("handled") && text.contains("200"), "{text}");
            assert!(
                !text.contains("purpose") && !text.contains("body"),
                "{text}"
            );
        }
    }
}
