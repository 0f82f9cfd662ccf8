use std::collections::BTreeMap;

use obhut_client::{ActKind, CaseId, OpenedCard, PersonId, UnitId, Vault};
use serde::Serialize;

use super::list::CaseLine;
use crate::context::Context;
use crate::output::{Report, shown};
use crate::reason::OptionalReasonArgs;
use crate::stop::Stop;

/// Show a case file, found by id or file reference, with the titles of its documents
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  obhut case show '5-0815/2026' --purpose 'processing the application' --legal-basis '§ 1 Test Act'\n  obhut case show case_… --json"
)]
pub(crate) struct Args {
    /// Case id or file reference
    #[arg(value_name = "CASE")]
    case: String,
    /// The unit, when you are a caseworker of several
    #[arg(long, value_name = "UNIT")]
    unit: Option<UnitId>,
    #[command(flatten)]
    reason: OptionalReasonArgs,
}

/// Names of authors, where this profile may know them.
type Names = BTreeMap<PersonId, Option<String>>;

/// One document's title on one line.
#[derive(Serialize)]
pub(crate) struct DocumentLine {
    pub(crate) document: String,
    pub(crate) case: String,
    pub(crate) revision: u64,
    pub(crate) title: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
    pub(crate) size_bytes: u64,
    pub(crate) filed_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) author: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) author_name: Option<String>,
}

impl DocumentLine {
    fn of(card: OpenedCard, names: &Names) -> Self {
        let author_name = card.author.and_then(|author| names.get(&author).cloned());
        Self {
            document: card.manifest.document.to_string(),
            case: card.manifest.case.to_string(),
            revision: card.manifest.revision,
            title: card.card.title,
            date: card.card.date,
            kind: card.card.kind,
            size_bytes: card.card.size_bytes,
            filed_us: card.manifest.created_us,
            author: card.author.map(|author| author.to_string()),
            author_name: author_name.flatten(),
        }
    }
}

impl Report for DocumentLine {
    fn text(&self) -> String {
        let date = self.date.as_deref().unwrap_or("");
        let revision = if self.revision > 1 {
            format!(", revision {}", self.revision)
        } else {
            String::new()
        };
        let author = self.author_name.as_ref().or(self.author.as_ref());
        format!(
            "  {}  {}  {} [{} bytes{revision}, by {}]",
            self.document,
            shown(&self.title),
            shown(date),
            self.size_bytes,
            author.map_or_else(|| "nobody known".to_owned(), shown)
        )
    }
}

pub(crate) async fn run(context: &Context<'_>, args: Args) -> Result<(), Stop> {
    let mut vault = context.connected_vault().await?;
    let lines = find(&mut vault, &args).await?;
    if lines.is_empty() {
        let text = format!("there is no case file {} for you", args.case);
        return Err(obhut_client::ClientError::NotFound(text).into());
    }
    let mut names = Names::new();
    for (case, line) in lines {
        context.output.report(&line)?;
        let reason = args.reason.reason(ActKind::ListDocuments);
        for card in vault.list_documents(case, reason).await? {
            if let Some(author) = card.author
                && !names.contains_key(&author)
            {
                names.insert(author, vault.find_person_name(author).await?);
            }
            context.output.report(&DocumentLine::of(card, &names))?;
        }
    }
    Ok(())
}

async fn find(vault: &mut Vault, args: &Args) -> Result<Vec<(CaseId, CaseLine)>, Stop> {
    let reason = args.reason.reason(ActKind::FindCase);
    let found = if let Ok(case) = args.case.parse::<CaseId>() {
        vec![vault.show_case(case, reason).await?]
    } else {
        let unit = vault.caseworker_unit(args.unit)?;
        vault.find_cases(unit, &args.case, reason).await?
    };
    found
        .into_iter()
        .map(|opened| Ok((opened.case, CaseLine::of(vault, opened)?)))
        .collect()
}
