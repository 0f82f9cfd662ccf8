use std::path::PathBuf;

use obhut_client::import::media_type;
use obhut_client::{
    ActKind, Card, ClientError, DocumentId, NewDocument, new_document_id, open_source,
};
use serde::Serialize;

use crate::context::Context;
use crate::ids::CaseName;
use crate::output::Report;
use crate::reason::OptionalReasonArgs;
use crate::stop::Stop;
use crate::words::words;

/// File one document: sealed on this machine while it is uploaded
#[derive(clap::Args)]
#[command(
    after_help = "Said to be stored only once the log has it with quorum. Keep the source until then.\n\n\
                  Examples:\n  obhut put case_… letter.pdf --title 'Application'\n  obhut put case_… letter.pdf --revises doc_…"
)]
pub(crate) struct Args {
    /// The case: id or file reference
    #[arg(value_name = "CASE")]
    case: CaseName,
    /// The file; a regular file, no symlink
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Title; the file's name without it
    #[arg(long, value_name = "TEXT", value_parser = words)]
    title: Option<String>,
    /// Date of the document, such as 2026-01-31
    #[arg(long, value_name = "DATE")]
    date: Option<String>,
    /// Kind of document, such as letter
    #[arg(long, value_name = "TEXT")]
    kind: Option<String>,
    /// Notes
    #[arg(long, value_name = "TEXT")]
    notes: Option<String>,
    /// Media type; guessed from the file's name without it
    #[arg(long, value_name = "TYPE")]
    media_type: Option<String>,
    /// File a new revision of this document
    #[arg(long, value_name = "DOCUMENT")]
    revises: Option<DocumentId>,
    #[command(flatten)]
    reason: OptionalReasonArgs,
}

#[derive(Serialize)]
struct StoredReport {
    document: String,
    revision: u64,
    case: String,
    size_bytes: u64,
    stored_bytes: u64,
}

impl Report for StoredReport {
    fn text(&self) -> String {
        format!(
            "Stored {} revision {} ({} bytes, {} sealed).",
            self.document, self.revision, self.size_bytes, self.stored_bytes
        )
    }
}

pub(crate) async fn run(context: &Context<'_>, args: Args) -> Result<(), Stop> {
    let _ = open_source(&args.file)?;
    let mut vault = context.connected_vault().await?;
    let new = describe(&args);
    if let Some(document) = args.revises
        && vault.directory().document(document).is_none()
    {
        return Err(ClientError::NotFound(format!("there is no document {document}")).into());
    }
    let case = args.case.find(&mut vault).await?;
    let filing = vault.begin_filing(case).await?;
    let sealed = vault
        .seal_file(&filing, &new, || open_source(&args.file))
        .await?;
    let reason = args.reason.reason(ActKind::FileDocuments);
    for stored in vault.register(&filing, vec![sealed], reason).await? {
        context.output.report(&StoredReport {
            document: stored.document.to_string(),
            revision: stored.revision,
            case: case.to_string(),
            size_bytes: stored.true_bytes,
            stored_bytes: stored.object_bytes,
        })?;
    }
    Ok(())
}

fn describe(args: &Args) -> NewDocument {
    use std::os::unix::ffi::OsStrExt;
    let name = args.file.file_name().unwrap_or_default();
    let shown = name.to_string_lossy().into_owned();
    let guessed = || media_type(name).to_owned();
    NewDocument {
        document: args.revises.unwrap_or_else(new_document_id),
        card: Card {
            title: args.title.clone().unwrap_or(shown),
            date: args.date.clone(),
            kind: args.kind.clone(),
            notes: args.notes.clone(),
            size_bytes: 0,
            path: None,
        },
        media_type: args.media_type.clone().unwrap_or_else(guessed),
        file_name: Some(name.as_bytes().to_vec()),
    }
}
