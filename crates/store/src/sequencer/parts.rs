//! How an act becomes one or more leaves: no label is left out, none stands twice in a leaf.

use std::collections::HashSet;

use obhut_format::act::{Act, ActKind, ObjectRef};
use obhut_format::{CaseId, DocumentId, PersonId};
use obhut_log::replay::{Directory, RecordLabel};
use obhut_log::{LabelKind, MAX_LABELS};

use crate::StoreError;

/// One leaf of an act.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Part {
    actor: Option<PersonId>,
    cases: Vec<CaseId>,
    /// Whom this part is about, in label order.
    pub(crate) subjects: Vec<PersonId>,
    documents: Vec<DocumentId>,
    /// The act's objects of this part.
    pub(crate) objects: Vec<ObjectRef>,
}

impl Part {
    fn new(actor: PersonId) -> Self {
        Self {
            actor: Some(actor),
            ..Self::default()
        }
    }

    /// The case, if it is about just one.
    pub(crate) fn only_case(&self) -> Option<CaseId> {
        match self.cases.as_slice() {
            [case] => Some(*case),
            _ => None,
        }
    }

    fn label_count(&self) -> usize {
        1 + self.cases.len() + self.subjects.len() + self.documents.len()
    }

    /// The labels in leaf order: actor, cases, subjects, documents.
    pub(crate) fn labels(&self) -> Vec<RecordLabel> {
        let label = |kind, id| RecordLabel { kind, id };
        let actor = self.actor.iter().map(|id| label(LabelKind::Actor, id.0));
        let cases = self.cases.iter().map(|id| label(LabelKind::Case, id.0));
        let subjects = self
            .subjects
            .iter()
            .map(|id| label(LabelKind::Subject, id.0));
        let documents = self
            .documents
            .iter()
            .map(|id| label(LabelKind::Document, id.0));
        actor
            .chain(cases)
            .chain(subjects)
            .chain(documents)
            .collect()
    }

    fn take(&mut self, item: &Item) {
        push_new(&mut self.cases, item.case);
        for subject in &item.subjects {
            push_new(&mut self.subjects, Some(*subject));
        }
        push_new(&mut self.documents, item.document);
        self.objects.extend(item.object.clone());
    }

    fn count_with(&self, item: &Item) -> usize {
        let case = item.case.filter(|case| !self.cases.contains(case));
        let document = item.document.filter(|id| !self.documents.contains(id));
        let subjects = item
            .subjects
            .iter()
            .filter(|id| !self.subjects.contains(id));
        self.label_count()
            + usize::from(case.is_some())
            + usize::from(document.is_some())
            + subjects.count()
    }
}

fn push_new<T: PartialEq>(list: &mut Vec<T>, item: Option<T>) {
    if let Some(item) = item
        && !list.contains(&item)
    {
        list.push(item);
    }
}

/// What must stand together in one leaf.
struct Item {
    case: Option<CaseId>,
    subjects: Vec<PersonId>,
    document: Option<DocumentId>,
    object: Option<ObjectRef>,
}

/// What the items so far stand for.
#[derive(Default)]
struct Named {
    cases: HashSet<CaseId>,
    persons: HashSet<PersonId>,
    documents: HashSet<DocumentId>,
}

impl Named {
    fn note(&mut self, item: &Item) {
        self.cases.extend(item.case);
        self.persons.extend(&item.subjects);
        self.documents.extend(item.document);
    }

    /// What a label adds, if it is not named yet and exists.
    fn missing(&self, label: &RecordLabel, directory: &Directory) -> Option<Item> {
        match label.kind {
            LabelKind::Case => {
                let case = CaseId(label.id);
                let item = (!self.cases.contains(&case)).then(|| item_of_case(directory, case));
                item.filter(|item| item.case.is_some())
            }
            LabelKind::Document => {
                let document = DocumentId(label.id);
                let known = directory.document(document);
                let known = known.filter(|_| !self.documents.contains(&document))?;
                Some(Item {
                    document: Some(document),
                    ..item_of_case(directory, known.case)
                })
            }
            LabelKind::Person => {
                let person = PersonId(label.id);
                let known = directory.person(person);
                known.filter(|_| !self.persons.contains(&person))?;
                Some(item_of_person(person))
            }
            _ => None,
        }
    }
}

/// Splits an act into parts of at most 64 labels: those of what it names, and of whatever else it is
/// `about` by its records, whether it names that or not (F01, F02). What does not exist gives no
/// labels, so that a refused act shows nothing of it.
pub(crate) fn split(
    act: &Act,
    objects: &[ObjectRef],
    about: &[RecordLabel],
    directory: &Directory,
) -> Result<Vec<Part>, StoreError> {
    let names_documents = matches!(
        act.kind,
        ActKind::OpenDocument | ActKind::ExportCase | ActKind::FileDocuments
    );
    let mut items = Vec::with_capacity(objects.len() + 1 + act.persons.len());
    items.extend(act.case.map(|case| item_of_case(directory, case)));
    for object in objects {
        let mut item = item_of_case(directory, object.case);
        let known = object.document.filter(|id| {
            let document = directory.document(*id);
            document.is_some_and(|document| document.case == object.case)
        });
        item.document = known.filter(|_| names_documents);
        item.object = Some(object.clone());
        items.push(item);
    }
    items.extend(act.persons.iter().filter_map(|person| {
        let known = directory.person(*person)?;
        Some(item_of_person(known.person))
    }));
    let mut named = Named::default();
    for item in &items {
        named.note(item);
    }
    for label in about {
        if let Some(item) = named.missing(label, directory) {
            named.note(&item);
            items.push(item);
        }
    }
    fill(act.person, &items)
}

fn item_of_person(person: PersonId) -> Item {
    Item {
        case: None,
        subjects: vec![person],
        document: None,
        object: None,
    }
}

fn item_of_case(directory: &Directory, case: CaseId) -> Item {
    let known = directory.case(case);
    Item {
        case: known.map(|case| case.case),
        subjects: known.map(|case| case.subjects.clone()).unwrap_or_default(),
        document: None,
        object: None,
    }
}

fn fill(actor: PersonId, items: &[Item]) -> Result<Vec<Part>, StoreError> {
    let mut parts = Vec::new();
    let mut part = Part::new(actor);
    for item in items {
        if part.count_with(item) > MAX_LABELS {
            parts.push(std::mem::replace(&mut part, Part::new(actor)));
        }
        if part.count_with(item) > MAX_LABELS {
            let reason = "a case with more than 61 data subjects cannot be logged in one entry";
            return Err(StoreError::rejected("too-many-subjects", reason));
        }
        part.take(item);
    }
    parts.push(part);
    Ok(parts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
    use super::*;

    fn item(case: u8, subjects: std::ops::Range<u8>, document: u8) -> Item {
        Item {
            case: Some(CaseId([case; 16])),
            subjects: subjects.map(|n| PersonId([n; 16])).collect(),
            document: Some(DocumentId([document; 16])),
            object: Some(ObjectRef {
                case: CaseId([case; 16]),
                document: Some(DocumentId([document; 16])),
                revision: 0,
            }),
        }
    }

    #[test]
    fn f02_splits_without_leaving_a_label_out() {
        let actor = PersonId([255; 16]);
        let items: Vec<Item> = (0..200)
            .map(|n| item(n / 50, n / 50 * 3..n / 50 * 3 + 3, n))
            .collect();
        let parts = fill(actor, &items).unwrap();
        assert!(parts.len() > 3);
        for part in &parts {
            assert!(part.labels().len() <= MAX_LABELS);
            for object in &part.objects {
                let case = object.case;
                assert!(part.cases.contains(&case));
                for n in 0..3 {
                    assert!(part.subjects.contains(&PersonId([case.0[0] * 3 + n; 16])));
                }
                assert!(part.documents.contains(&object.document.unwrap()));
            }
        }
        let objects: usize = parts.iter().map(|part| part.objects.len()).sum();
        assert_eq!(objects, 200);
    }

    #[test]
    fn an_act_without_objects_still_has_its_actor() {
        let parts = fill(PersonId([255; 16]), &[]).unwrap();
        assert_eq!(parts.len(), 1);
        assert_eq!(parts[0].labels().len(), 1);
    }

    #[test]
    fn refuses_what_does_not_fit_one_leaf() {
        assert!(fill(PersonId([255; 16]), &[item(1, 0..61, 1)]).is_ok());
        assert!(fill(PersonId([255; 16]), &[item(1, 0..62, 1)]).is_err());
    }
}
