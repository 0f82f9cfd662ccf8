use std::path::PathBuf;

use obhut_client::export::{ExportReport, ExportedDocument, NotExported};
use obhut_client::{CaseId, ClientError, Existing};
use serde::Serialize;
use serde_json::json;

use crate::context::Context;
use crate::ids::CaseName;
use crate::output::{Report, shown};
use crate::reason::ReasonArgs;
use crate::stop::Stop;

/// Write a whole case to a folder, each document to the path it was imported with
///
/// Each file appears once every byte was verified, or not at all. Paths that would leave the folder are made
/// harmless and reported; files that are there already are kept, and those with the same content count as written:
/// run again, a broken off export goes on.
#[derive(clap::Args)]
#[command(
    after_help = "Example:\n  obhut export case_… ./out --purpose 'handing over the file' --legal-basis '§ 1 Test Act'"
)]
pub(crate) struct Args {
    /// The case: id or file reference
    #[arg(value_name = "CASE")]
    case: CaseName,
    /// The folder; made if it is not there, with those above it
    #[arg(value_name = "DIR")]
    target: PathBuf,
    #[command(flatten)]
    reason: ReasonArgs,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
}

struct Exported {
    case: CaseId,
    target: PathBuf,
    report: ExportReport,
}

impl Serialize for Exported {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let written: Vec<_> = self.report.written.iter().map(written_json).collect();
        let failed: Vec<_> = self.report.failed.iter().map(failed_json).collect();
        json!({
            "case": self.case.to_string(),
            "target": self.target.to_string_lossy(),
            "written": written,
            "failed": failed,
        })
        .serialize(serializer)
    }
}

fn written_json(written: &ExportedDocument) -> serde_json::Value {
    json!({
        "document": written.document.to_string(),
        "revision": written.revision,
        "path": written.path.to_string_lossy(),
        "renamed": written.renamed,
        "was_there": written.was_there,
        "size_bytes": written.size_bytes,
    })
}

fn failed_json(failed: &NotExported) -> serde_json::Value {
    json!({
        "document": failed.document.to_string(),
        "path": failed.path.to_string_lossy(),
        "error": failed.error.failure().name(),
        "message": failed.error.to_string(),
    })
}

impl Report for Exported {
    fn text(&self) -> String {
        let written = &self.report.written;
        let new = || written.iter().filter(|written| !written.was_there);
        let bytes: u64 = new().map(|written| written.size_bytes).sum();
        let mut lines = vec![format!(
            "Wrote {} documents ({}) to {}",
            new().count(),
            indicatif::HumanBytes(bytes),
            self.target.display()
        )];
        if let count @ 1.. = written.len() - new().count() {
            lines.push(format!("{count} were there already, byte for byte"));
        }
        for renamed in written.iter().filter(|written| written.renamed) {
            lines.push(format!(
                "  {} has another name than it came with: {}",
                renamed.document,
                shown(renamed.path.to_string_lossy())
            ));
        }
        for failed in &self.report.failed {
            lines.push(format!(
                "  not written: {}: {}",
                shown(failed.path.to_string_lossy()),
                shown(failed.error.to_string())
            ));
        }
        lines.join("\n")
    }
}

pub(crate) async fn run(context: &Context<'_>, args: Args) -> Result<(), Stop> {
    let existing = if args.force {
        Existing::Replace
    } else {
        Existing::Keep
    };
    let mut vault = context.connected_vault().await?;
    let reason = args.reason.reason();
    let case = args.case.find(&mut vault).await?;
    let report = vault
        .export_case(case, &args.target, existing, reason)
        .await?;
    let failed = report.failed.len() as u64;
    let all = failed + report.written.len() as u64;
    context.output.report(&Exported {
        case,
        target: args.target,
        report,
    })?;
    if failed > 0 {
        return Err(ClientError::Partial { failed, all }.into());
    }
    Ok(())
}
