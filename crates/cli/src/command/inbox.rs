use obhut_client::clock::utc_text;
use obhut_client::{ActKind, OpenedCard, stated_reason};
use serde::Serialize;
use serde_json::json;

use crate::context::Context;
use crate::output::{Report, shown};
use crate::stop::Stop;

/// List your own documents: what was issued to you
#[derive(clap::Args)]
#[command(
    after_help = "Open one with `obhut get doc_… --output FILE …`.\n\nExample:\n  obhut inbox --profile citizen"
)]
pub(crate) struct Args {}

struct Inbox(Vec<OpenedCard>);

impl Serialize for Inbox {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let documents: Vec<_> = self.0.iter().map(document_json).collect();
        json!({ "documents": documents }).serialize(serializer)
    }
}

fn document_json(card: &OpenedCard) -> serde_json::Value {
    json!({
        "document": card.manifest.document.to_string(),
        "revision": card.manifest.revision,
        "title": card.card.title,
        "date": card.card.date,
        "size_bytes": card.card.size_bytes,
        "issued_us": card.manifest.created_us,
        "issuer": card.author.map(|author| author.to_string()),
    })
}

impl Report for Inbox {
    fn text(&self) -> String {
        if self.0.is_empty() {
            return "No documents yet.".to_owned();
        }
        let lines: Vec<_> = self.0.iter().map(document_text).collect();
        lines.join("\n")
    }
}

fn document_text(card: &OpenedCard) -> String {
    let author = card.author.map(|author| format!(" by {author}"));
    format!(
        "{}  {}\n  {} bytes, issued {}{}",
        card.manifest.document,
        shown(&card.card.title),
        card.card.size_bytes,
        utc_text(card.manifest.created_us),
        author.unwrap_or_default()
    )
}

pub(crate) async fn run(context: &Context<'_>, _args: Args) -> Result<(), Stop> {
    let mut vault = context.connected_vault().await?;
    let reason = stated_reason(ActKind::ListDocuments, Some("own documents"), None);
    let cards = vault.list_own_documents(reason).await?;
    context.output.report(&Inbox(cards))
}
