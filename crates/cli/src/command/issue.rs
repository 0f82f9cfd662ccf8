use std::path::{Path, PathBuf};

use obhut_client::clock::{now_us, utc_text};
use obhut_client::import::{NamedPerson, SkipReason, media_type, open_regular};
use obhut_client::letter::{Letter, render_letter};
use obhut_client::{
    Card, ClassCode, ClientError, DocumentId, Existing, IssueSource, IssueTerms, Issued,
    NewDocument, UnitId, Vault, WholeFile, new_document_id,
};
use serde::Serialize;

use crate::context::Context;
use crate::output::Report;
use crate::reason::OptionalReasonArgs;
use crate::stop::Stop;

/// Issue a document to a citizen: sealed for them alone, with a letter that brings the key
///
/// The citizen gets a copy of their own; the agency's original stays where it is. The letter holds a secret: print
/// it, hand it over or post it, then delete the file. Citizens who have activated need no letter.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  obhut issue doc_… --to person_… --letter letter.html\n  \
                  obhut issue --file notice.pdf --class permit-10y --to 'Test Person 1' --letter letter.html"
)]
pub(crate) struct Args {
    /// A document of the agency
    #[arg(
        value_name = "DOCUMENT",
        required_unless_present = "file",
        conflicts_with = "file"
    )]
    document: Option<DocumentId>,
    /// A file that is in no case
    #[arg(long, value_name = "FILE", requires = "class")]
    file: Option<PathBuf>,
    /// The citizen: person id, or name as enrolled
    #[arg(long, value_name = "PERSON")]
    to: NamedPerson,
    /// Where to write the letter; letter-PERSON.html without it
    #[arg(long, value_name = "FILE")]
    letter: Option<PathBuf>,
    /// A line of the citizen's address; may be given several times
    #[arg(long = "address", value_name = "LINE")]
    address: Vec<String>,
    /// Title of the file; its name without it
    #[arg(long, value_name = "TEXT", requires = "file")]
    title: Option<String>,
    /// Retention class of the citizen's copy; that of the document without it
    #[arg(long, value_name = "CLASS")]
    class: Option<ClassCode>,
    /// The unit, when you are a caseworker of several
    #[arg(long, value_name = "UNIT")]
    unit: Option<UnitId>,
    /// Invite anew although an earlier letter is still open; what was issued under it must be issued again
    #[arg(long)]
    new_letter: bool,
    #[command(flatten)]
    reason: OptionalReasonArgs,
}

#[derive(Serialize)]
struct Done {
    document: String,
    case: String,
    person: String,
    title: String,
    letter: Option<String>,
    expires_us: Option<u64>,
}

impl Report for Done {
    fn text(&self) -> String {
        let mut text = format!(
            "Issued {} to {} in {}",
            self.document, self.person, self.case
        );
        match (&self.letter, self.expires_us) {
            (Some(letter), Some(expires)) => {
                text.push_str("\nLetter  ");
                text.push_str(letter);
                text.push_str("\nValid until ");
                text.push_str(&utc_text(expires));
                text.push_str("\nThe letter holds a secret: print it, hand it over, then delete the file.");
            }
            _ => text.push_str(
                "\nNo letter is needed: the citizen has activated, or was sent a letter that is still open.\n\
                 If none was sent, issue again with --new-letter.",
            ),
        }
        text
    }
}

pub(crate) async fn run(context: &Context<'_>, args: Args) -> Result<(), Stop> {
    let mut vault = context.connected_vault().await?;
    let unit = vault.caseworker_unit(args.unit)?;
    let person = vault.find_citizen(&args.to).await?;
    let path = args
        .letter
        .clone()
        .unwrap_or_else(|| PathBuf::from(format!("letter-{person}.html")));
    refuse_existing(&path)?;
    let source = match (args.document, &args.file) {
        (Some(document), _) => IssueSource::Document(document),
        (None, Some(file)) => describe(file, args.title.clone())?,
        (None, None) => return Err(ClientError::Usage("name a document or --file".into()).into()),
    };
    let terms = IssueTerms {
        person,
        unit,
        class: args.class,
        new_letter: args.new_letter,
        reason: args.reason.reason_for("issue a document to its subject"),
    };
    let issued = vault.issue(source, &terms).await?;
    let written = write_letter(&mut vault, &issued, &terms, &args.address, &path).await?;
    context.output.report(&Done {
        document: issued.document.to_string(),
        case: issued.case.to_string(),
        person: person.to_string(),
        title: issued.title,
        letter: written.then(|| path.display().to_string()),
        expires_us: issued.invitation.map(|invitation| invitation.expires_us),
    })
}

fn refuse_existing(path: &Path) -> Result<(), ClientError> {
    if path.symlink_metadata().is_ok() {
        let text = format!("{} exists already; name another file", path.display());
        return Err(ClientError::Usage(text));
    }
    Ok(())
}

async fn write_letter(
    vault: &mut Vault,
    issued: &Issued,
    terms: &IssueTerms,
    address: &[String],
    path: &Path,
) -> Result<bool, Stop> {
    let Some(invitation) = &issued.invitation else {
        return Ok(false);
    };
    let name = vault.find_person_name(terms.person).await?;
    let agency = vault.card().name.clone();
    let html = render_letter(&Letter {
        agency: &agency,
        recipient: name.as_deref().unwrap_or("Sie"),
        address,
        document: &issued.title,
        invitation,
        written_us: now_us(),
    })
    .map_err(ClientError::from)?;
    WholeFile::write(path, 0o600, Existing::Keep, html.as_bytes())?;
    vault.forget_invitation(terms.person)?;
    Ok(true)
}

fn describe(path: &Path, title: Option<String>) -> Result<IssueSource, ClientError> {
    let (file, _) = open_regular(path).map_err(|reason| match reason {
        SkipReason::Unreadable(kind) => ClientError::Io {
            what: "cannot read",
            path: path.to_owned(),
            source: kind.into(),
        },
        _ => ClientError::Usage(format!("{} is no regular file", path.display())),
    })?;
    let name = path.file_name().unwrap_or_default();
    let new = NewDocument {
        document: new_document_id(),
        card: Card {
            title: title.unwrap_or_else(|| name.to_string_lossy().into_owned()),
            date: None,
            kind: None,
            notes: None,
            size_bytes: 0,
            path: None,
        },
        media_type: media_type(name).to_owned(),
        file_name: Some(name.as_encoded_bytes().to_vec()),
    };
    Ok(IssueSource::File(file, Box::new(new)))
}
