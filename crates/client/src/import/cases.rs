//! Turns folders into case files and names their subjects.

use std::collections::HashMap;

use obhut_crypto::CaseFileKey;
use obhut_format::act::ActKind;
use obhut_format::content::RegisterEntry;
use obhut_format::{Blob, CaseId, ClassCode, PersonId, UnitId};

use super::journal_record::{CaseRecord, JournalRecord};
use super::run::ImportTerms;
use super::scan::{CaseFolder, SkipReason};
use super::seal::CaseSeal;
use super::subjects::{FolderEntry, NamedPerson, SubjectsMap};
use super::work::SharedJournal;
use crate::ClientError;
use crate::act::stated_reason;
use crate::cases::{NewCase, new_case_id};
use crate::clock::system_rng;
use crate::vault::Vault;

/// Stands for the folder's name in a reference.
const FOLDER: &str = "{folder}";

/// The cases of an import.
pub(super) struct FolderCases {
    unit: UnitId,
    class: ClassCode,
    reference: String,
    subjects: SubjectsMap,
    persons: HashMap<NamedPerson, PersonId>,
    journal: SharedJournal,
    /// Keys of cases that were just made.
    keys: HashMap<CaseId, CaseFileKey>,
    /// Persons enrolled because the map names them and nobody knew them.
    pub(super) enrolled: u64,
    /// Subjects the map names for cases that were there already.
    pub(super) subjects_added: u64,
    /// Cases about nobody.
    pub(super) without_subjects: u64,
    /// Cases that were there already and keep another class than the one named.
    pub(super) of_other_class: u64,
}

impl FolderCases {
    /// Finds every person of the map before anything is written; who is not enrolled yet is.
    pub(super) async fn new(
        vault: &mut Vault,
        terms: &ImportTerms,
        unit: UnitId,
        journal: SharedJournal,
    ) -> Result<Self, ClientError> {
        let mut cases = Self {
            unit,
            class: terms.class,
            reference: terms.reference.clone(),
            subjects: terms.subjects.clone(),
            persons: HashMap::new(),
            journal,
            keys: HashMap::new(),
            enrolled: 0,
            subjects_added: 0,
            without_subjects: 0,
            of_other_class: 0,
        };
        let named: Vec<_> = terms.subjects.persons().cloned().collect();
        if named.is_empty() {
            return Ok(cases);
        }
        let known = vault.citizen_names().await?;
        for person in named {
            let id = cases.find_or_enrol(vault, &known, &person).await?;
            cases.persons.insert(person, id);
        }
        Ok(cases)
    }

    async fn find_or_enrol(
        &mut self,
        vault: &mut Vault,
        known: &HashMap<String, Vec<PersonId>>,
        person: &NamedPerson,
    ) -> Result<PersonId, ClientError> {
        let name = match person {
            NamedPerson::Id(id) if vault.directory().person(*id).is_some() => return Ok(*id),
            NamedPerson::Id(id) => {
                let text = format!("the subjects map names {id}, whom this vault does not know");
                return Err(ClientError::NotFound(text));
            }
            NamedPerson::Name(name) => name,
        };
        match known.get(name).map_or(&[][..], Vec::as_slice) {
            [one] => Ok(*one),
            [] => {
                self.enrolled += 1;
                vault.enrol_citizen(self.unit, name).await
            }
            _ => Err(ClientError::Usage(
                "the subjects map gives a name that several persons have; give the person id instead"
                    .into(),
            )),
        }
    }

    /// Makes the cases of these folders that do not exist yet, all at once; gives how many. What is refused
    /// shows when the folder is prepared.
    pub(super) async fn create_missing(
        &mut self,
        vault: &mut Vault,
        folders: &[CaseFolder],
    ) -> Result<u64, ClientError> {
        let cases = self.name_cases(folders)?;
        let missing: Vec<_> = cases
            .into_iter()
            .zip(folders)
            .filter(|(case, _)| vault.directory().case(*case).is_none())
            .map(|(case, folder)| self.new_case(case, folder))
            .collect();
        if missing.is_empty() {
            return Ok(0);
        }
        let keys = match vault.create_cases(self.unit, &missing).await {
            Ok(keys) => keys,
            // One of them is at fault: the others are made one by one.
            Err(failed) => return as_reason(failed).map(|_| 0),
        };
        let cases = missing.iter().map(|new| new.case);
        self.keys.extend(cases.zip(keys));
        Ok(missing.len() as u64)
    }

    /// The folder's case and the key documents are sealed under now. True: it was made only now.
    pub(super) async fn prepare(
        &mut self,
        vault: &mut Vault,
        folder: &CaseFolder,
    ) -> Result<(CaseSeal, bool), ClientError> {
        let case = self.case_of(folder)?;
        let created = vault.directory().case(case).is_none();
        if created {
            let new = self.new_case(case, folder);
            vault.create_case(new).await?;
        }
        if vault.case(case)?.is_closed() {
            return Err(ClientError::Refused("the case file is closed".into()));
        }
        let key = if let Some(key) = self.keys.remove(&case) {
            key
        } else {
            vault.renew_case_key(case).await?;
            vault.load_case_key(case).await?
        };
        self.add_named_subjects(vault, case, folder).await?;
        let found = vault.case(case)?;
        self.without_subjects += u64::from(found.subjects.is_empty());
        self.of_other_class += u64::from(found.class != self.class);
        let seal = CaseSeal {
            vault: vault.id(),
            case,
            author: vault.unlocked().kid(),
            epoch: found.epoch(),
            key,
            class: found.class,
        };
        Ok((seal, created))
    }

    /// A map that names more persons than the case knows is heard, whenever it comes.
    async fn add_named_subjects(
        &mut self,
        vault: &mut Vault,
        case: CaseId,
        folder: &CaseFolder,
    ) -> Result<(), ClientError> {
        let named = self.named_subjects(folder);
        let known = vault.case(case)?.subjects.clone();
        for person in named.iter().filter(|person| !known.contains(person)) {
            vault.add_subject(case, *person).await?;
            self.subjects_added += 1;
        }
        Ok(())
    }

    fn named_subjects(&self, folder: &CaseFolder) -> Vec<PersonId> {
        let entry = self.subjects.find(&folder.name);
        let named = entry.into_iter().flat_map(|entry| &entry.subjects);
        let mut persons: Vec<_> = named
            .filter_map(|person| self.persons.get(person).copied())
            .collect();
        // By id and by name it may be the same person.
        persons.sort_unstable();
        persons.dedup();
        persons
    }

    fn case_of(&self, folder: &CaseFolder) -> Result<CaseId, ClientError> {
        let cases = self.name_cases(std::slice::from_ref(folder))?;
        let named = cases.first().copied();
        named.ok_or_else(|| ClientError::NotFound("the folder has no case".into()))
    }

    /// The ids are on disk before the cases exist, so that a repeat means the same cases.
    fn name_cases(&self, folders: &[CaseFolder]) -> Result<Vec<CaseId>, ClientError> {
        self.journal.with(|journal| {
            let (mut cases, mut records) = (Vec::with_capacity(folders.len()), Vec::new());
            for folder in folders {
                let name = folder.name.as_encoded_bytes();
                let case = journal.find_case(name).unwrap_or_else(|| {
                    let case = new_case_id();
                    records.push(JournalRecord::Case(CaseRecord {
                        folder: Blob(name.to_vec()),
                        case,
                    }));
                    case
                });
                cases.push(case);
            }
            if !records.is_empty() {
                journal.append(records, &[], &mut system_rng())?;
            }
            Ok(cases)
        })
    }

    fn new_case(&self, case: CaseId, folder: &CaseFolder) -> NewCase {
        let name = folder.name.to_string_lossy();
        let unnamed = FolderEntry::default();
        let entry = self.subjects.find(&folder.name).unwrap_or(&unnamed);
        let reference = entry.reference.clone();
        NewCase {
            case,
            unit: self.unit,
            entry: RegisterEntry {
                file_reference: reference.unwrap_or_else(|| self.reference.replace(FOLDER, &name)),
                title: entry.title.clone().unwrap_or_else(|| name.into_owned()),
                notes: None,
            },
            class: self.class,
            subjects: self.named_subjects(folder),
            reason: stated_reason(ActKind::CreateCase, None, None),
        }
    }
}

/// A refusal of one folder's case stops that folder only.
pub(super) fn as_reason(failed: ClientError) -> Result<SkipReason, ClientError> {
    match failed {
        ClientError::Refused(why) => Ok(SkipReason::Refused(why)),
        ClientError::Problem(problem) if matches!(problem.status, 403 | 404 | 409 | 410 | 422) => {
            Ok(SkipReason::Refused(problem.to_string()))
        }
        other => Err(other),
    }
}
