use std::io::Write;
use std::ops::Range;
use std::path::PathBuf;

use obhut_client::{ClientError, DocumentId, Existing, OpenedRevision, Vault, WholeFile};
use serde::Serialize;

use crate::context::Context;
use crate::output::{Report, shown, write_raw};
use crate::reason::ReasonArgs;
use crate::stop::Stop;

/// Up to here a document goes to standard output as a whole or not at all.
const WHOLE_BYTES: u64 = 32 << 20;

/// Open one document; the access log gets an entry before a key is used
#[derive(clap::Args)]
#[command(
    after_help = "A file appears once every byte was verified, or not at all. On standard output large documents come\n\
                  piece by piece, each verified; they are complete only if the command ends with 0;\n\
                  with 141 whoever read them stopped reading.\n\n\
                  Examples:\n  obhut get doc_… --purpose 'processing the application' --legal-basis '§ 1 Test Act' --output letter.pdf\n  \
                  obhut get doc_… --range 0-99 --purpose … --legal-basis … > head"
)]
pub(crate) struct Args {
    /// The document
    #[arg(value_name = "DOCUMENT")]
    document: DocumentId,
    #[command(flatten)]
    reason: ReasonArgs,
    /// Which revision; the latest without it
    #[arg(
        long,
        value_name = "NUMBER",
        default_value_t = 0,
        hide_default_value = true
    )]
    revision: u64,
    /// Bytes FIRST-LAST of the content, counted from 0, both included
    #[arg(long, value_name = "FIRST-LAST", value_parser = parse_range)]
    range: Option<Range<u64>>,
    /// Write to this file; to standard output without it
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long, requires = "output")]
    force: bool,
}

#[derive(Serialize)]
struct Got {
    document: String,
    revision: u64,
    title: String,
    media_type: String,
    size_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<String>,
    file: String,
}

impl Report for Got {
    fn text(&self) -> String {
        format!(
            "{}: {} ({}, {} bytes, by {})",
            shown(&self.file),
            shown(&self.title),
            shown(&self.media_type),
            self.size_bytes,
            self.author.as_deref().unwrap_or("nobody known")
        )
    }
}

pub(crate) async fn run(context: &Context<'_>, args: Args) -> Result<(), Stop> {
    let existing = if args.force {
        Existing::Replace
    } else {
        Existing::Keep
    };
    if let Some(path) = args.output.as_deref()
        && existing == Existing::Keep
        && path.symlink_metadata().is_ok()
    {
        let text = format!(
            "{} exists already; add --force to replace it",
            path.display()
        );
        return Err(ClientError::Usage(text).into());
    }
    // Before the release is asked for: one that comes to nothing stands in the log all the same.
    let file = match args.output.as_deref() {
        Some(path) => Some(WholeFile::create(path, 0o600)?),
        None => None,
    };
    let mut vault = context.connected_vault().await?;
    let reason = args.reason.reason();
    let opened = vault
        .open_document(args.document, args.revision, reason)
        .await?;
    if let Some(range) = &args.range {
        check_range(range, opened.info.true_bytes)?;
    }
    let Some(file) = file else {
        note_author(context, &opened);
        return to_stdout(&vault, opened, args.range).await;
    };
    let mut report = Got {
        document: args.document.to_string(),
        revision: opened.manifest().revision,
        title: opened.card.title.clone(),
        media_type: opened.info.media_type.clone(),
        size_bytes: opened.info.true_bytes,
        author: opened.author.map(|author| author.to_string()),
        file: file.target().display().to_string(),
    };
    match args.range {
        None => vault.save_content(opened, file, existing).await?,
        Some(range) => {
            let end = range.end.min(report.size_bytes);
            report.size_bytes = end.saturating_sub(range.start);
            vault.save_range(opened, range, file, existing).await?;
        }
    }
    context.output.report(&report)
}

/// A range that begins behind the end is a mistake, not an empty result.
fn check_range(range: &Range<u64>, true_bytes: u64) -> Result<(), ClientError> {
    if range.start < true_bytes {
        return Ok(());
    }
    let text = format!(
        "the document has {true_bytes} bytes, counted from 0: the range lies behind its end"
    );
    Err(ClientError::Usage(text))
}

/// Whoever reads a document is told whose it is, on standard output, too.
fn note_author(context: &Context<'_>, opened: &OpenedRevision) {
    let author = opened.author.map(|author| author.to_string());
    context.output.note(&format!(
        "{}, by {}",
        shown(&opened.card.title),
        author.as_deref().unwrap_or("nobody known")
    ));
}

async fn to_stdout(
    vault: &Vault,
    opened: OpenedRevision,
    range: Option<Range<u64>>,
) -> Result<(), Stop> {
    let true_bytes = opened.info.true_bytes;
    if range.is_none() && true_bytes <= WHOLE_BYTES {
        let content = vault.load_content(opened).await?;
        return write_raw(&content);
    }
    let range = range.unwrap_or(0..true_bytes);
    let mut out = vault
        .write_range(opened, range, std::io::stdout())
        .await
        .map_err(Stop::of_output)?;
    out.flush().map_err(Stop::Output)
}

fn parse_range(text: &str) -> Result<Range<u64>, String> {
    let wrong = || "use FIRST-LAST such as 0-99".to_owned();
    let (first, last) = text.split_once('-').ok_or_else(wrong)?;
    let first: u64 = first.parse().map_err(|_| wrong())?;
    let last: u64 = last.parse().map_err(|_| wrong())?;
    let end = last.checked_add(1).filter(|end| first < *end);
    end.map(|end| first..end).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_counts_both_ends() {
        assert_eq!(parse_range("0-99"), Ok(0..100));
        assert_eq!(parse_range("7-7"), Ok(7..8));
        for wrong in ["", "5", "9-3", "-4", "1-18446744073709551615", "a-b"] {
            assert!(parse_range(wrong).is_err(), "{wrong}");
        }
    }
}
