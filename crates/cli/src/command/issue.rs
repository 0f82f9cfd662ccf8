use std::path::{Path, PathBuf};

use obhut_client::clock::{now_us, utc_text};
use obhut_client::import::{NamedPerson, media_type};
use obhut_client::letter::{Letter, render_letter};
use obhut_client::{
    Card, ClassCode, ClientError, Delivery, DocumentId, Existing, Invitation, IssueSource,
    IssueTerms, Issued, NewDocument, PersonId, UnitId, Vault, WholeFile, new_document_id,
    open_source,
};
use serde::Serialize;

use crate::context::Context;
use crate::output::Report;
use crate::reason::ReasonArgs;
use crate::stop::Stop;
use crate::words::words;

/// Issue a document to a citizen: sealed for them alone, with a letter that brings the key
///
/// The citizen gets a copy of their own; the agency's original stays where it is. The letter holds a secret: print
/// it, hand it over or post it, then delete the file. Citizens who have activated need no letter.
#[derive(clap::Args)]
#[command(
    after_help = "Examples:\n  obhut issue doc_… --to person_… --letter letter.html --purpose 'notice of the decision' --legal-basis '§ 1 Test Act'\n  \
                  obhut issue --file notice.pdf --class permit-10y --to 'Test Person 1' --purpose … --legal-basis …"
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
    #[arg(long, value_name = "TEXT", requires = "file", value_parser = words)]
    title: Option<String>,
    /// Retention class of the citizen's copy; that of the document without it
    #[arg(long, value_name = "CLASS")]
    class: Option<ClassCode>,
    /// The unit, when you are a caseworker of several
    #[arg(long, value_name = "UNIT")]
    unit: Option<UnitId>,
    /// Invite anew although an earlier letter is still open; what was issued before must be issued again
    #[arg(long)]
    new_letter: bool,
    #[command(flatten)]
    reason: ReasonArgs,
}

#[derive(Serialize)]
struct Done {
    document: String,
    case: String,
    person: String,
    title: String,
    delivery: &'static str,
    letter: Option<String>,
    expires_us: Option<u64>,
}

impl Report for Done {
    fn text(&self) -> String {
        let mut text = format!(
            "Issued {} to {} in {}",
            self.document, self.person, self.case
        );
        let more = match (&self.letter, self.expires_us.map(utc_text)) {
            (Some(letter), Some(until)) => format!(
                "Letter  {letter}\nValid until {until}\n\
                 The letter holds a secret: print it, hand it over, then delete the file."
            ),
            (None, Some(until)) => format!(
                "No letter was written: the one that was written before, or that the colleague who enrolled this\n\
                 person can still write, is valid until {until} and opens this document, too.\n\
                 If it is lost, issue everything again, the first time with --new-letter."
            ),
            _ => "No letter is needed: the document lies in the citizen's inbox.".to_owned(),
        };
        text.push('\n');
        text.push_str(&more);
        text
    }
}

pub(crate) async fn run(context: &Context<'_>, args: Args) -> Result<(), Stop> {
    let source = match (args.document, &args.file) {
        (Some(document), _) => IssueSource::Document(document),
        (None, Some(file)) => describe(file, args.title.clone())?,
        (None, None) => return Err(ClientError::Usage("name a document or --file".into()).into()),
    };
    let mut vault = context.connected_vault().await?;
    let unit = vault.caseworker_unit(args.unit)?;
    let person = vault.find_citizen(&args.to).await?;
    let path = args
        .letter
        .unwrap_or_else(|| PathBuf::from(format!("letter-{person}.html")));
    // Before anything is issued: a repeat would issue it twice.
    let file = letter_file(&path)?;
    if args.new_letter {
        confirm_new_letter(context, &vault, person)?;
    }
    let terms = IssueTerms {
        person,
        unit,
        class: args.class,
        new_letter: args.new_letter,
        reason: args.reason.reason(),
    };
    let issued = vault.issue(source, &terms).await?;
    let (delivery, expires_us) = match &issued.delivery {
        Delivery::Letter(invitation) => {
            write_letter(&mut vault, &issued, invitation, &args.address, file).await?;
            ("letter", Some(invitation.expires_us))
        }
        Delivery::EarlierLetter { until_us } => ("earlier-letter", Some(*until_us)),
        Delivery::Inbox => ("inbox", None),
    };
    context.output.report(&Done {
        document: issued.document.to_string(),
        case: issued.case.to_string(),
        person: person.to_string(),
        title: issued.title,
        delivery,
        letter: (delivery == "letter").then(|| path.display().to_string()),
        expires_us,
    })
}

fn letter_file(path: &Path) -> Result<WholeFile, ClientError> {
    if path.symlink_metadata().is_ok() {
        let text = format!("{} exists already; name another file", path.display());
        return Err(ClientError::Usage(text));
    }
    WholeFile::create(path, 0o600)
}

fn confirm_new_letter(context: &Context<'_>, vault: &Vault, person: PersonId) -> Result<(), Stop> {
    let voided = vault.waiting_for_letter(person);
    if voided.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = voided.iter().map(ToString::to_string).collect();
    context.confirm(&format!(
        "A new letter voids the earlier one. What was issued under it must be issued again:\n  {}\nGo on?",
        ids.join("\n  ")
    ))
}

async fn write_letter(
    vault: &mut Vault,
    issued: &Issued,
    invitation: &Invitation,
    address: &[String],
    file: WholeFile,
) -> Result<(), Stop> {
    let name = vault.find_person_name(invitation.person).await?;
    let recipient = name.as_deref().unwrap_or("Sie");
    let agency = vault.card().name.clone();
    // The name stands above the address anyway.
    let further = address.iter().filter(|line| line.trim() != recipient);
    let html = render_letter(&Letter {
        agency: &agency,
        recipient,
        address: &further.cloned().collect::<Vec<_>>(),
        document: &issued.title,
        invitation,
        written_us: now_us(),
    })
    .map_err(ClientError::from)?;
    file.finish_with(Existing::Keep, html.as_bytes())?;
    vault.forget_invitation(invitation.person)?;
    Ok(())
}

fn describe(path: &Path, title: Option<String>) -> Result<IssueSource, ClientError> {
    let file = open_source(path)?;
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
