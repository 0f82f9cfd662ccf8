//! One catalogue of lies: what a malicious vault tells clients, and a malicious store the server.
//!
//! Each stands under the id of its attack and says in which answer it changes what, who notices, and in which words.
//! `cargo xtask lie` tells one of them in front of a running vault or store; `tests/lies.rs` tells all of them.

mod founding;
mod objects;
mod own_log;
mod records;
mod releases;

use crate::Teller;

/// Which party lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Front {
    /// The vault, to clients.
    Vault,
    /// The S3 store, to the server.
    Store,
}

/// What a person does meanwhile: the first steps are answered honestly, the last one is lied to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Founds the vault.
    Found,
    /// Joins with an invitation.
    Join,
    /// Lists cases without having replayed anything before.
    List,
    /// Lists cases three times, while others file documents.
    ListAgain,
    /// Lists the units they are in.
    Units,
    /// Lists the documents of a case.
    Show,
    /// Opens a document.
    Get,
    /// Opens a document, then another one.
    GetOther,
    /// Opens a document twice.
    GetTwice,
    /// Opens the first revision of a document, then the latest.
    GetRevisions,
    /// Opens a large document, then a range of it.
    GetRange,
    /// Files a document in a case, then in another one.
    Put,
    /// Opens a document, and files one when a colleague was removed from the unit.
    PutAfterRemoval,
    /// Issues a document to a citizen without having replayed anything before.
    Issue,
    /// Reads what was logged about themselves.
    OwnLog,
}

impl Deed {
    /// The command that notices the lie.
    pub fn command(self) -> &'static str {
        match self {
            Self::Found => "obhut found",
            Self::Join => "obhut join",
            Self::List => "obhut case list (without the profile's `directory`)",
            Self::ListAgain => "obhut case list (again, after others filed something, twice)",
            Self::Units => "obhut unit list",
            Self::Show => "obhut case show CASE",
            Self::Get => "obhut get DOCUMENT",
            Self::GetOther => "obhut get DOCUMENT (after another document)",
            Self::GetTwice => "obhut get DOCUMENT (for the second time)",
            Self::GetRevisions => "obhut get DOCUMENT (after --revision 1)",
            Self::GetRange => "obhut get DOCUMENT --range (after the whole large document)",
            Self::Put => "obhut put CASE FILE (after a put into another case)",
            Self::PutAfterRemoval => {
                "obhut put CASE FILE (after `unit remove`, with a `get` before)"
            }
            Self::Issue => "obhut issue (without the profile's `directory`)",
            Self::OwnLog => "obhut log mine",
        }
    }
}

/// What becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Exit code 6, named with these words.
    Refused(&'static str),
    /// Another exit code, named with these words.
    Ends(i32, &'static str),
    /// Nobody believes what was changed: the deed succeeds as if nothing was said.
    Harmless,
}

/// A lie of the catalogue.
pub struct Lie {
    /// Id of the attack, and a word after `-` where it has several lies.
    pub name: &'static str,
    /// What the liar does, as the rest of a sentence.
    pub says: &'static str,
    /// Who notices.
    pub deed: Deed,
    /// Who can tell it, and what becomes of it then.
    pub on: &'static [(Front, Outcome)],
    teller: fn() -> Teller,
}

impl Lie {
    /// The id in the table of attacks; `L` for the lying log.
    pub fn attack(&self) -> &'static str {
        self.name.split('-').next().unwrap_or_default()
    }

    /// Tells it, remembering nothing of earlier tellings.
    pub fn teller(&self) -> Teller {
        (self.teller)()
    }

    /// What becomes of it when this party tells it.
    pub fn outcome(&self, front: Front) -> Option<Outcome> {
        let mut on = self.on.iter();
        on.find(|(who, _)| *who == front)
            .map(|(_, outcome)| *outcome)
    }
}

/// All lies, in the order of their attacks within each part.
pub fn all() -> impl Iterator<Item = &'static Lie> {
    [
        founding::LIES,
        objects::LIES,
        releases::LIES,
        records::LIES,
        own_log::LIES,
    ]
    .into_iter()
    .flatten()
}

/// The lies of this name, or all of an attack.
pub fn find(id: &str) -> Vec<&'static Lie> {
    let exact = all().find(|lie| lie.name.eq_ignore_ascii_case(id));
    exact.map_or_else(
        || {
            all()
                .filter(|lie| lie.attack().eq_ignore_ascii_case(id))
                .collect()
        },
        |lie| vec![lie],
    )
}

/// What authenticated decryption says of foreign or changed bytes; more it cannot know.
const DAMAGED: Outcome = Outcome::Refused("damaged or does not belong here");

fn flip_middle(bytes: &mut [u8]) -> Option<()> {
    let middle = bytes.len() / 2;
    *bytes.get_mut(middle)? ^= 1;
    Some(())
}
