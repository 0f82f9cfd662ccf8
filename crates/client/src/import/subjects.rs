//! The subjects map: which persons a folder's case file is about, and what it is called.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::str::FromStr;

use obhut_format::{FormatError, PersonId};

/// A person as named in the map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NamedPerson {
    /// By id.
    Id(PersonId),
    /// By name as enrolled for the unit.
    Name(String),
}

/// What the map says about one folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FolderEntry {
    /// The persons the case is about.
    pub subjects: Vec<NamedPerson>,
    /// File reference, where it is not the folder's name.
    pub reference: Option<String>,
    /// Title, where it is not the folder's name.
    pub title: Option<String>,
}

/// A CSV file with the columns `folder`, `person` and, if wanted, `reference` and `title`.
/// Several rows of one folder name several persons.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectsMap(BTreeMap<Vec<u8>, FolderEntry>);

/// Why a subjects map was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectsError {
    /// Two rows of one folder disagree.
    #[error("line {line}: the folder has another {column} further up")]
    Contradiction {
        /// Line in the file.
        line: u64,
        /// Column that differs.
        column: &'static str,
    },
    /// The file is not CSV.
    #[error("not a CSV file with a heading row")]
    Csv(#[source] csv::Error),
    /// A needed column is missing.
    #[error("the heading row has no column `{0}`")]
    MissingColumn(&'static str),
    /// A row without a folder.
    #[error("line {0}: the folder is empty")]
    NoFolder(u64),
    /// A person id that is not well-formed.
    #[error("line {0}: not a person id")]
    PersonId(u64),
    /// Rows about folders that are not there.
    #[error("there is no folder {0}")]
    UnknownFolders(String),
    /// A field that must be text is not UTF-8.
    #[error("line {0}: not UTF-8")]
    Utf8(u64),
}

/// So many folders are named in an error.
const NAMED: usize = 5;

struct Columns {
    folder: usize,
    person: usize,
    reference: Option<usize>,
    title: Option<usize>,
}

impl SubjectsMap {
    /// Reads the map. Separator `,` or `;` as in the heading row; a byte order mark is ignored;
    /// folder names need not be UTF-8.
    pub fn read(mut source: impl Read) -> Result<Self, SubjectsError> {
        let mut bytes = Vec::new();
        source
            .read_to_end(&mut bytes)
            .map_err(|error| SubjectsError::Csv(error.into()))?;
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let heading = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let separator = if heading.contains(&b';') { b';' } else { b',' };
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(separator)
            .trim(csv::Trim::All)
            .from_reader(text);
        let columns = Columns::find(reader.byte_headers().map_err(SubjectsError::Csv)?)?;
        let mut map = Self::default();
        for row in reader.byte_records() {
            let row = row.map_err(SubjectsError::Csv)?;
            map.add(&columns, &row)?;
        }
        Ok(map)
    }

    /// What is said about a folder.
    pub fn find(&self, folder: &OsStr) -> Option<&FolderEntry> {
        self.0.get(folder.as_bytes())
    }

    /// Every person named, once each.
    pub fn persons(&self) -> impl Iterator<Item = &NamedPerson> {
        self.0
            .values()
            .flat_map(|entry| &entry.subjects)
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
    }

    /// Fails when the map names a folder that is not among these: a row that changes nothing is a mistake.
    pub fn check_folders<'a>(
        &self,
        folders: impl Iterator<Item = &'a OsStr>,
    ) -> Result<(), SubjectsError> {
        let there: std::collections::HashSet<_> = folders.map(OsStr::as_bytes).collect();
        let unknown = self
            .0
            .keys()
            .filter(|name| !there.contains(name.as_slice()));
        let mut shown: Vec<_> = unknown.map(|name| String::from_utf8_lossy(name)).collect();
        if shown.is_empty() {
            return Ok(());
        }
        let more = shown.len().saturating_sub(NAMED);
        shown.truncate(NAMED);
        let mut text = shown.join(", ");
        if more > 0 {
            text = format!("{text} and {more} more");
        }
        Err(SubjectsError::UnknownFolders(text))
    }

    fn add(&mut self, columns: &Columns, row: &csv::ByteRecord) -> Result<(), SubjectsError> {
        let line = row.position().map_or(0, csv::Position::line);
        let folder = row.get(columns.folder).unwrap_or_default();
        if folder.is_empty() {
            return Err(SubjectsError::NoFolder(line));
        }
        let person = text(row, Some(columns.person), line)?;
        let reference = text(row, columns.reference, line)?;
        let title = text(row, columns.title, line)?;
        let entry = self.0.entry(folder.to_vec()).or_default();
        if let Some(person) = person {
            let person = person.parse().map_err(|_| SubjectsError::PersonId(line))?;
            if !entry.subjects.contains(&person) {
                entry.subjects.push(person);
            }
        }
        agree(&mut entry.reference, reference, "reference", line)?;
        agree(&mut entry.title, title, "title", line)
    }
}

impl Columns {
    fn find(heading: &csv::ByteRecord) -> Result<Self, SubjectsError> {
        let find = |name: &str| {
            heading
                .iter()
                .position(|field| field.eq_ignore_ascii_case(name.as_bytes()))
        };
        Ok(Self {
            folder: find("folder").ok_or(SubjectsError::MissingColumn("folder"))?,
            person: find("person").ok_or(SubjectsError::MissingColumn("person"))?,
            reference: find("reference"),
            title: find("title"),
        })
    }
}

impl FromStr for NamedPerson {
    type Err = FormatError;

    /// A text that begins like an id must be one; everything else is a name.
    fn from_str(text: &str) -> Result<Self, FormatError> {
        if text.starts_with("person_") {
            text.parse().map(Self::Id)
        } else {
            Ok(Self::Name(text.to_owned()))
        }
    }
}

fn text(
    row: &csv::ByteRecord,
    column: Option<usize>,
    line: u64,
) -> Result<Option<String>, SubjectsError> {
    let field = column
        .and_then(|column| row.get(column))
        .unwrap_or_default();
    let text = str::from_utf8(field).map_err(|_| SubjectsError::Utf8(line))?;
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn agree(
    known: &mut Option<String>,
    new: Option<String>,
    column: &'static str,
    line: u64,
) -> Result<(), SubjectsError> {
    match (&known, new) {
        (Some(old), Some(new)) if *old != new => Err(SubjectsError::Contradiction { line, column }),
        (None, Some(new)) => {
            *known = Some(new);
            Ok(())
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn reads_persons_by_id_and_name_references_and_titles() {
        let id = PersonId([7; 16]);
        let csv = format!(
            "folder,person,reference,title\nA 1,{id},BA-1/26,\nA 1,Test Person 2,,Antrag\n\"B, 2\",Test Person 2,,\n"
        );
        let map = SubjectsMap::read(csv.as_bytes()).unwrap();
        let entry = map.find(OsStr::new("A 1")).unwrap();
        let named = NamedPerson::Name("Test Person 2".to_owned());
        assert_eq!(entry.subjects, [NamedPerson::Id(id), named]);
        assert_eq!(entry.reference.as_deref(), Some("BA-1/26"));
        assert_eq!(entry.title.as_deref(), Some("Antrag"));
        assert!(map.find(OsStr::new("B, 2")).is_some());
        assert_eq!(map.persons().count(), 2);
        assert_eq!(map.find(OsStr::new("C")), None);
    }

    #[test]
    fn reads_what_spreadsheets_write() {
        let csv = b"\xef\xbb\xbfFolder;Person\r\nA;Test Person 1\r\n";
        let map = SubjectsMap::read(csv.as_slice()).unwrap();
        assert!(map.find(OsStr::new("A")).is_some());
    }

    #[test]
    fn a_row_about_a_folder_that_is_not_there_is_refused() {
        let map = SubjectsMap::read(b"folder,person\nalpha,P\nBeta,P\n".as_slice()).unwrap();
        let check = |there: &[&str]| map.check_folders(there.iter().map(OsStr::new));
        assert!(check(&["Beta", "alpha", "gamma"]).is_ok());
        let refused = check(&["Alpha", "Beta"]).unwrap_err().to_string();
        assert_eq!(refused, "there is no folder alpha");
    }

    #[test]
    fn refuses_what_it_cannot_follow_and_names_the_line() {
        let refused = |csv: &str| SubjectsMap::read(csv.as_bytes()).unwrap_err().to_string();
        assert!(refused("folder\nA\n").contains("`person`"));
        assert!(refused("folder,person\nA,person_xyz\n").starts_with("line 2"));
        assert!(refused("folder,person\n,Test Person 1\n").starts_with("line 2"));
        assert!(refused("folder,person,title\nA,,x\nA,,y\n").contains("another title"));
    }
}
