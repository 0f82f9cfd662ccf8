//! What the directory knows, piece by piece. Every type has a canonical encoding, so that a replay
//! can be kept and resumed.

use obhut_format::batch::BatchHeader;
use obhut_format::manifest::Manifest;
use obhut_format::person::KeyBundle;
use obhut_format::statement::{Appointed, CaseKey, CaseKind, RevocationReason, Role, UnitEpoch};
use obhut_format::{
    Blob, CaseId, ClassCode, DeviceKid, DocumentId, FormatError, Hash, Kid, PersonId, ShareId,
    UnitId, record,
};

record! {
    /// One key bundle of a person.
    PersonKey {
        /// Its name.
        1 => kid: Kid,
        /// The public keys.
        2 => bundle: KeyBundle,
        /// 0 for an invitation's bundle, counted from 1 for the person's own.
        3 => epoch: u64,
        /// Index of the record that brought it.
        4 => record: u64,
        /// When that was, microseconds UTC.
        5 => since_us: u64,
    }
}

record! {
    /// A role somebody holds or held.
    Appointment {
        /// The role.
        1 => role: Role,
        /// The unit.
        2 => unit: Option<UnitId>,
        /// From when, microseconds UTC.
        3 => from_us: u64,
        /// Until when, microseconds UTC.
        4 => until_us: Option<u64>,
        /// When it was taken back, microseconds UTC.
        5 => ended_us: Option<u64>,
    }
}

impl Appointment {
    pub(super) fn new(event: &Appointed, from_us: u64) -> Self {
        Self {
            role: event.role,
            unit: event.unit,
            from_us,
            until_us: event.until_us,
            ended_us: None,
        }
    }

    /// Whether it holds at this time (microseconds UTC).
    pub fn holds(&self, at_us: u64) -> bool {
        self.from_us <= at_us
            && self.until_us.is_none_or(|until| at_us < until)
            && self.ended_us.is_none_or(|ended| at_us < ended)
    }
}

record! {
    /// A person: staff or citizen.
    Person {
        /// The id.
        1 => person: PersonId,
        /// SHA-256 of λ.
        2 => lambda_hash: Hash,
        /// λ's share.
        3 => share_id: ShareId,
        /// Reads as a citizen.
        4 => citizen: bool,
        /// Key bundles, the current one last; those before are void for anything new.
        5 => keys: Vec<PersonKey>,
        /// While the current bundle is an invitation's: until when it may be used.
        6 => invited_until_us: Option<u64>,
        /// Devices, revoked ones included.
        7 => devices: Vec<DeviceKid>,
        /// Appointments, ended ones included.
        8 => appointments: Vec<Appointment>,
        /// Index of the record that enrolled the person.
        9 => record: u64,
        /// Units of the caseworker who enrolled the person; none where a registrar or the root did.
        10 => enrolled_in: Vec<UnitId>,
    }
}

impl Person {
    /// The bundle in force.
    pub fn current(&self) -> Option<&PersonKey> {
        self.keys.last()
    }

    /// Epoch of the bundle in force; `None` before any, 0 before the person has activated.
    pub fn epoch(&self) -> Option<u64> {
        self.current().map(|key| key.epoch)
    }

    /// Whether the person holds keys nobody else ever knew.
    pub fn is_activated(&self) -> bool {
        self.epoch().is_some_and(|epoch| epoch > 0)
    }

    /// A bundle by its name, current or void.
    pub fn find_key(&self, kid: Kid) -> Option<&PersonKey> {
        self.keys.iter().find(|key| key.kid == kid)
    }

    /// Appointments that hold at this time (microseconds UTC).
    pub fn appointments_at(&self, at_us: u64) -> impl Iterator<Item = &Appointment> {
        self.appointments.iter().filter(move |a| a.holds(at_us))
    }

    /// Whether the person holds the role at this time, in this unit where one is given.
    pub fn holds(&self, role: Role, unit: Option<UnitId>, at_us: u64) -> bool {
        self.appointments_at(at_us)
            .any(|a| a.role == role && (unit.is_none() || a.unit == unit))
    }
}

record! {
    /// A device.
    Device {
        /// Its name.
        1 => device: DeviceKid,
        /// Whose it is.
        2 => person: PersonId,
        /// Ed25519 public key.
        3 => public: [u8; 32],
        /// When it was revoked, or void because its person's keys were replaced, microseconds UTC.
        4 => revoked_us: Option<u64>,
        /// Why it was revoked; nothing while it is void only.
        5 => reason: Option<RevocationReason>,
    }
}

impl Device {
    /// Whether it ended with the keys that stated it, and may be stated again by the new ones.
    pub fn is_void(&self) -> bool {
        self.revoked_us.is_some() && self.reason.is_none()
    }
}

record! {
    /// A unit with every epoch of its key.
    Unit {
        /// The unit.
        1 => unit: UnitId,
        /// Its epochs from 1 on; the current one last.
        2 => epochs: Vec<UnitEpoch>,
    }
}

impl Unit {
    /// The epoch in force; a unit has at least one.
    pub fn current(&self) -> Option<&UnitEpoch> {
        self.epochs.last()
    }

    /// Number of the epoch in force.
    pub fn epoch(&self) -> u32 {
        self.current().map_or(0, |epoch| epoch.epoch)
    }

    /// One epoch by its number.
    pub fn find_epoch(&self, epoch: u32) -> Option<&UnitEpoch> {
        self.epochs.iter().find(|e| e.epoch == epoch)
    }
}

record! {
    /// A case file.
    Case {
        /// The case.
        1 => case: CaseId,
        /// Agency's or citizen's.
        2 => kind: CaseKind,
        /// The unit.
        3 => unit: UnitId,
        /// Owner of an `own` case.
        4 => owner: Option<PersonId>,
        /// Retention class.
        5 => class: ClassCode,
        /// Share of the register entry.
        6 => share_id: Option<ShareId>,
        /// SHA-256 of the sealed register entry in force.
        7 => register_hash: Option<Hash>,
        /// Key epochs from 1 on; the current one last.
        8 => keys: Vec<CaseKey>,
        /// Whom the case is about.
        9 => subjects: Vec<PersonId>,
        /// Civil date of closing, while closed.
        10 => closed_on: Option<String>,
        /// Index of the record that created it.
        11 => record: u64,
    }
}

impl Case {
    /// The key epoch in force.
    pub fn current_key(&self) -> Option<&CaseKey> {
        self.keys.last()
    }

    /// Number of the key epoch in force; 0 before there is one.
    pub fn epoch(&self) -> u32 {
        self.current_key().map_or(0, |key| key.epoch)
    }

    /// Whether the case is closed.
    pub fn is_closed(&self) -> bool {
        self.closed_on.is_some()
    }
}

record! {
    /// One registered revision of a document.
    Revision {
        /// Number, from 1.
        1 => revision: u64,
        /// The manifest, 300 bytes.
        2 => manifest: Blob,
        /// Its hash.
        3 => manifest_hash: Hash,
        /// The share.
        4 => share_id: ShareId,
        /// The batch that signed it.
        5 => batch: Hash,
        /// Number of the card in force, from 1.
        6 => card_no: u64,
        /// SHA-256 of that sealed card.
        7 => card_hash: Hash,
        /// Index of its record.
        8 => record: u64,
    }
}

impl Revision {
    /// Parses the manifest.
    pub fn parse_manifest(&self) -> Result<Manifest, FormatError> {
        Manifest::parse(&self.manifest.0)
    }
}

record! {
    /// A document with its registered revisions.
    Document {
        /// The document.
        1 => document: DocumentId,
        /// The case.
        2 => case: CaseId,
        /// Revisions from 1 on; the latest one last.
        3 => revisions: Vec<Revision>,
    }
}

impl Document {
    /// The latest revision; a document has at least one.
    pub fn latest(&self) -> Option<&Revision> {
        self.revisions.last()
    }

    /// One revision by its number; 0 stands for the latest.
    pub fn find_revision(&self, revision: u64) -> Option<&Revision> {
        if revision == 0 {
            return self.latest();
        }
        self.revisions.iter().find(|r| r.revision == revision)
    }
}

record! {
    /// A signed batch.
    Batch {
        /// Its name.
        1 => hash: Hash,
        /// What was signed.
        2 => header: BatchHeader,
        /// Index of its record.
        3 => record: u64,
    }
}

record! {
    /// A revoked grant.
    RevokedGrant {
        /// SHA-256 of the canonical grant.
        1 => grant_hash: Hash,
        /// The case.
        2 => case: CaseId,
    }
}

record! {
    /// A batch whose documents have not all been applied yet.
    OpenBatch {
        /// Its name.
        1 => hash: Hash,
        /// Position of the next document.
        2 => next: u64,
    }
}
