//! What the objects of an act are in the gatekeeper's own replay.

use obhut_format::act::{Act, ActKind, ObjectRef, Released};
use obhut_format::share::ShareKind;
use obhut_format::{DocumentId, ShareId};
use obhut_log::replay::{Case, Directory, Revision};

use crate::Refusal;

/// An object with what the records log says of it now.
pub(super) struct Resolved<'d> {
    pub(super) object: ObjectRef,
    pub(super) case: &'d Case,
    pub(super) revision: Option<(DocumentId, &'d Revision)>,
    pub(super) share_id: ShareId,
}

impl Resolved<'_> {
    pub(super) fn kind(&self) -> ShareKind {
        match self.revision {
            Some(_) => ShareKind::Document,
            None => ShareKind::Case,
        }
    }

    /// Document or case id: what the share is bound to.
    pub(super) fn share_object(&self) -> [u8; 16] {
        self.revision
            .map_or(self.case.case.0, |(document, _)| document.0)
    }

    /// 0 for a case.
    pub(super) fn revision_number(&self) -> u64 {
        self.revision.map_or(0, |(_, revision)| revision.revision)
    }
}

/// Looks every object up; `latest` is what this replay says it is.
pub(super) fn resolve<'d>(
    directory: &'d Directory,
    act: &Act,
    objects: impl Iterator<Item = ObjectRef>,
) -> Result<Vec<Resolved<'d>>, Refusal> {
    objects
        .map(|object| resolve_one(directory, act.kind, object))
        .collect()
}

fn resolve_one(
    directory: &Directory,
    kind: ActKind,
    object: ObjectRef,
) -> Result<Resolved<'_>, Refusal> {
    let case = directory.case(object.case).ok_or(Refusal::ObjectUnknown)?;
    let Some(id) = object.document else {
        if kind.released() != Released::CaseShare || object.revision != 0 {
            return Err(Refusal::Objects);
        }
        let share_id = case.share_id.ok_or(Refusal::ShareUnregistered)?;
        return Ok(Resolved {
            object,
            case,
            revision: None,
            share_id,
        });
    };
    if kind.released() == Released::CaseShare {
        return Err(Refusal::Objects);
    }
    let document = directory
        .document(id)
        .filter(|document| document.case == object.case)
        .ok_or(Refusal::ObjectUnknown)?;
    let revision = document
        .find_revision(object.revision)
        .ok_or(Refusal::ObjectUnknown)?;
    Ok(Resolved {
        case,
        revision: Some((id, revision)),
        share_id: revision.share_id,
        object,
    })
}
