use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

use crate::stop::Stop;

/// What a command ends with whose reader left before the end: 128 + SIGPIPE, as other programs do.
const READER_LEFT: u8 = 141;

/// What a command has to say: one object in JSON, plain text for people.
pub(crate) trait Report: Serialize {
    /// The text for people, without a final line break.
    fn text(&self) -> String;
}

/// Standard output and error. Results go to standard output; hints, questions, progress and errors do not.
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// True when a person looks on: progress bars make sense.
    pub(crate) fn is_watched(&self) -> bool {
        !self.json && std::io::stderr().is_terminal()
    }

    /// Prints a result.
    pub(crate) fn report(&self, report: &impl Report) -> Result<(), Stop> {
        let mut text = if self.json {
            serde_json::to_string(report).map_err(|error| Stop::Terminal(error.into()))?
        } else {
            harmless(&report.text())
        };
        if text.is_empty() {
            return Ok(());
        }
        text.push('\n');
        write_raw(text.as_bytes())
    }

    /// A remark for people; nothing in JSON.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            let _ = writeln!(std::io::stderr(), "{}", harmless(text));
        }
    }

    /// Prints why the command ended, with the next step, to standard error.
    pub(crate) fn stop(&self, stop: &Stop) -> ExitCode {
        if stop.is_broken_pipe() {
            return ExitCode::from(READER_LEFT);
        }
        let failure = stop.failure();
        let text = if self.json {
            json!({
                "error": failure.name(),
                "exit_code": failure.exit_code(),
                "message": stop.message(),
                "next_step": stop.next_step(),
                "problem": stop.problem(),
            })
            .to_string()
        } else {
            // One line each: a name or an answer of the vault must not look like lines of ours.
            let (message, next) = (shown(stop.message()), shown(stop.next_step()));
            format!("obhut: {message}\n  {next}")
        };
        let _ = writeln!(std::io::stderr(), "{text}");
        ExitCode::from(failure.exit_code())
    }
}

/// A text of somebody else on a line of ours: what would steer the terminal, break the line or turn the direction of
/// writing is shown as an escape.
pub(crate) fn shown(text: impl AsRef<str>) -> String {
    escaped(text.as_ref(), |letter| steers(letter) || letter == '\n')
}

/// Whole lines of ours, as the last guard: line breaks stay.
pub(crate) fn harmless(text: &str) -> String {
    escaped(text, steers)
}

fn escaped(text: &str, is_bad: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        if is_bad(letter) {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    out
}

/// Control characters, line separators, and signs that reorder what stands beside them.
fn steers(letter: char) -> bool {
    (letter.is_control() && letter != '\n')
        || matches!(letter, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Writes bytes to standard output as they are.
pub(crate) fn write_raw(bytes: &[u8]) -> Result<(), Stop> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)
        .and_then(|()| out.flush())
        .map_err(Stop::Output)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_text_steers_no_terminal_and_breaks_no_line() {
        let evil = "evil\u{1b}[31m\nTitle\r\u{9b}2J\u{202e}fdp.\u{2028}\u{7f}";
        assert_eq!(
            shown(evil),
            r"evil\u{1b}[31m\nTitle\r\u{9b}2J\u{202e}fdp.\u{2028}\u{7f}"
        );
        assert_eq!(harmless("a\nb\u{1b}"), "a\nb\\u{1b}");
        assert_eq!(shown("Größe – „Maß“ אבג"), "Größe – „Maß“ אבג");
    }
}
