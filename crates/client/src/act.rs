//! Signed acts: what is asked for, why, and under which reason's commitment.

use obhut_format::act::{
    ACT_LABEL, ACT_LIFETIME_US, Act, ActKind, ActRequest, ObjectRef, PinnedCheckpoint, Reason,
    SignedAct, objects_root,
};
use obhut_format::context::sha256;
use obhut_format::statement::Role;
use obhut_format::{CaseId, Cbor, Hash, PersonId, UnitId, VaultId};
use obhut_log::entry::reason_commitment;
use obhut_log::replay::Directory;
use obhut_suite::{DeviceKey, Label};

use crate::ClientError;
use crate::clock::{now_us, random_bytes};

/// What somebody wants to do, before it is signed.
#[derive(Clone, Debug)]
pub struct ActDraft {
    /// The kind.
    pub kind: ActKind,
    /// In which role.
    pub role: Role,
    /// For which unit; caseworkers name theirs.
    pub unit: Option<UnitId>,
    /// The case, when there is just one.
    pub case: Option<CaseId>,
    /// The objects, in any order.
    pub objects: Vec<ObjectRef>,
    /// Why.
    pub reason: Reason,
    /// Persons it is about beyond the subjects of its case.
    pub persons: Vec<PersonId>,
}

impl ActDraft {
    /// An act without objects whose purpose is the act itself; for administration.
    pub fn new(kind: ActKind, role: Role) -> Self {
        Self {
            kind,
            role,
            unit: None,
            case: None,
            objects: Vec::new(),
            reason: stated_reason(kind, None, None),
            persons: Vec::new(),
        }
    }

    /// Names the unit.
    #[must_use]
    pub fn in_unit(mut self, unit: UnitId) -> Self {
        self.unit = Some(unit);
        self
    }

    /// Names the one case it is about.
    #[must_use]
    pub fn about_case(mut self, case: CaseId) -> Self {
        self.case = Some(case);
        self
    }

    /// Names the objects.
    #[must_use]
    pub fn on(mut self, objects: Vec<ObjectRef>) -> Self {
        self.objects = objects;
        self
    }

    /// Names the persons it is about.
    #[must_use]
    pub fn about(mut self, persons: Vec<PersonId>) -> Self {
        self.persons = persons;
        self
    }

    /// Says why.
    #[must_use]
    pub fn because(mut self, reason: Reason) -> Self {
        self.reason = reason;
        self
    }
}

/// A reason from what the user said; where nothing was said the act itself stands as the purpose, in words for the
/// persons it is about, and nothing is invented as its legal basis.
pub fn stated_reason(kind: ActKind, purpose: Option<&str>, legal_basis: Option<&str>) -> Reason {
    Reason {
        purpose: purpose.unwrap_or(plain_purpose(kind)).to_owned(),
        legal_basis: legal_basis.unwrap_or("not stated").to_owned(),
        justification: None,
    }
}

fn plain_purpose(kind: ActKind) -> &'static str {
    match kind {
        ActKind::ListCases => "looking through the case files of the unit",
        ActKind::FindCase => "finding a case file",
        ActKind::ListDocuments => "looking through the documents of a case file",
        ActKind::OpenDocument => "reading documents",
        ActKind::ExportCase => "writing the documents of a case file to a folder",
        ActKind::FileDocuments => "filing documents",
        ActKind::CreateCase => "creating a case file",
        ActKind::ChangeCase => "keeping a case file in order",
        ActKind::EnrolPerson => "enrolling or inviting a person",
        ActKind::ManageIdentity => "managing one's own keys and devices",
        ActKind::Appoint => "managing the offices of the agency",
        ActKind::ManageUnit => "managing the members of a unit",
        ActKind::Grant => "giving somebody access to documents",
        ActKind::RevokeGrant => "taking back access to documents",
        ActKind::ReadLog => "reading the access log",
        ActKind::Recover => "managing the recovery of the agency's keys",
    }
}

/// Fails when purpose or legal basis say nothing: data subjects read them.
fn check_reason(reason: &Reason) -> Result<(), ClientError> {
    let blank = |text: &str| text.trim().is_empty();
    if blank(&reason.purpose) || blank(&reason.legal_basis) {
        return Err(ClientError::Usage(
            "purpose and legal basis must not be blank: the data subject reads them".into(),
        ));
    }
    Ok(())
}

/// Who signs, and what of the log they have seen.
pub(crate) struct ActSigner<'a> {
    pub(crate) vault: VaultId,
    pub(crate) card_version: u64,
    pub(crate) shard: String,
    pub(crate) person: PersonId,
    pub(crate) device: &'a DeviceKey,
    pub(crate) pinned: Option<PinnedCheckpoint>,
    /// Units in which the person stands in for somebody and has no appointment of their own.
    pub(crate) stands_in: Vec<(UnitId, PersonId)>,
}

impl ActSigner<'_> {
    /// Signs an act; `epk` is the ephemeral public key shares are to be sealed to.
    pub(crate) fn sign(
        &self,
        draft: ActDraft,
        payload_hash: Option<Hash>,
        epk: Option<&[u8]>,
    ) -> Result<ActRequest, ClientError> {
        check_reason(&draft.reason)?;
        let mut objects = draft.objects;
        objects.sort_by_key(ObjectRef::sort_key);
        objects.dedup();
        let mut persons = draft.persons;
        persons.sort_unstable();
        persons.dedup();
        let represented = self
            .stands_in
            .iter()
            .find(|(unit, _)| draft.role == Role::CaseWorker && draft.unit == Some(*unit));
        let reason_salt = random_bytes();
        let time_us = now_us();
        let act = Act {
            vault: self.vault,
            card_version: self.card_version,
            shard: self.shard.clone(),
            kind: draft.kind,
            person: self.person,
            device: obhut_format::person::device_kid(self.device.public().as_bytes()),
            unit: draft.unit,
            role: draft.role,
            on_behalf_of: represented.map(|(_, person)| *person),
            case: draft.case,
            objects_root: objects_root(&objects),
            object_count: objects.len() as u64,
            reason_commitment: reason_commitment(&draft.reason, &reason_salt),
            epk_hash: epk.map_or([0; 32], |epk| sha256(&[epk])),
            nonce: random_bytes(),
            time_us,
            expires_us: time_us + ACT_LIFETIME_US,
            pinned: self.pinned.clone(),
            payload_hash,
            persons,
        };
        let bytes = act.to_bytes();
        let signature = *self.device.sign(Label::new(ACT_LABEL), &bytes).as_bytes();
        Ok(ActRequest {
            signed: SignedAct {
                act: bytes.into(),
                signature,
            },
            objects,
            reason: draft.reason,
            reason_salt,
            epk: epk.map(|epk| epk.to_vec().into()),
        })
    }
}

/// The access shard entries go to now: the one whose time it is, else the last one opened.
pub(crate) fn current_shard(directory: &Directory, at_us: u64) -> Result<String, ClientError> {
    let standard = || directory.shards().filter(|shard| shard.class == "std");
    let current = standard().find(|shard| shard.from_us <= at_us && at_us < shard.to_us);
    let found = current.or_else(|| standard().last());
    found
        .map(|shard| shard.origin.clone())
        .ok_or_else(|| ClientError::integrity("the records log opens no shard of the access log"))
}
