//! Input that holds secrets: files and standard input, never arguments.

use std::io::{BufRead, IsTerminal, Read, Write};
use std::path::Path;

use obhut_client::ClientError;

use crate::stop::Stop;

/// Longest input in bytes; a whole file chosen by mistake is cut.
const MAX_BYTES: u64 = 1 << 20;

/// A file, or standard input for `-`. At a terminal somebody is asked for `what` and ends with an empty line.
pub(crate) fn read_input(file: &Path, what: &str) -> Result<Vec<u8>, Stop> {
    if file.as_os_str() == "-" {
        let mut stdin = std::io::stdin().lock();
        if stdin.is_terminal() {
            let mut out = std::io::stderr();
            writeln!(out, "Paste or type {what}; end with an empty line:")
                .map_err(Stop::Terminal)?;
            return read_paragraph(&mut stdin).map_err(Stop::Terminal);
        }
        let mut bytes = Vec::new();
        let mut stdin = stdin.take(MAX_BYTES);
        stdin.read_to_end(&mut bytes).map_err(Stop::Terminal)?;
        return Ok(bytes);
    }
    std::fs::read(file).map_err(|source| {
        Stop::Client(ClientError::Io {
            what: "cannot read",
            path: file.to_owned(),
            source,
        })
    })
}

/// Lines up to the first empty one behind the text; empty lines before it are skipped.
fn read_paragraph(source: &mut impl BufRead) -> std::io::Result<Vec<u8>> {
    let (mut text, mut line) = (Vec::new(), Vec::new());
    while source.take(MAX_BYTES).read_until(b'\n', &mut line)? > 0 {
        let blank = line.iter().all(u8::is_ascii_whitespace);
        if blank && !text.is_empty() || text.len() as u64 > MAX_BYTES {
            break;
        }
        if !blank {
            text.append(&mut line);
        }
        line.clear();
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_typed_ends_with_an_empty_line_or_the_end() {
        for (typed, taken) in [
            ("\n \nab\ncd\n\nrest\n", "ab\ncd\n"),
            ("ab", "ab"),
            ("", ""),
        ] {
            let read = read_paragraph(&mut typed.as_bytes()).unwrap();
            assert_eq!(read, taken.as_bytes());
        }
    }
}
