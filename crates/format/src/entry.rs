//! Access entries: the groups that the commitment covers, and the sealed payload.

use crate::act::{ActKind, ObjectRef, SignedAct};
use crate::cbor::Blob;
use crate::id::{CaseId, ClassCode, DeviceKid, Hash, Kid, PersonId, UnitId};
use crate::statement::Role;
use crate::{SecretField, codes, record};

codes! {
    /// Type byte of a leaf.
    LeafType {
        /// An access entry.
        1 => Access = "access",
        /// The outcome of an access entry.
        2 => Close = "close",
        /// A record.
        3 => Record = "record",
        /// A root of the index map.
        4 => Index = "index",
    }
}

codes! {
    /// What the vault decided.
    Decision {
        /// Allowed.
        1 => Allowed = "allowed",
        /// Refused.
        2 => Refused = "refused",
    }
}

codes! {
    /// How an allowed act ended.
    Outcome {
        /// Shares were released, or the mutation committed.
        1 => Done = "done",
        /// The gatekeeper refused.
        2 => RefusedByGate = "refused-by-gate",
        /// Something failed.
        3 => Failed = "failed",
        /// The caller went away or the server stopped.
        4 => Aborted = "aborted",
    }
}

record! {
    /// A1: what, in which unit and role.
    GroupA1 {
        /// What was asked for.
        1 => kind: ActKind,
        /// Unit.
        2 => unit: Option<UnitId>,
        /// Role.
        3 => role: Role,
        /// Acting for somebody else.
        4 => on_behalf: bool,
        /// Allowed or refused.
        5 => decision: Decision,
        /// Part number of a split act, from 1.
        6 => part: u64,
        /// Number of parts.
        7 => parts: u64,
    }
}

record! {
    /// A2: who.
    GroupA2 {
        /// The person.
        1 => person: PersonId,
        /// The device.
        2 => device: DeviceKid,
        /// For whom.
        3 => on_behalf_of: Option<PersonId>,
    }
}

record! {
    /// One subject's line of S; committed one by one so that a subject can open just their own.
    SubjectLine {
        /// The data subject.
        1 => person: PersonId,
    }
}

record! {
    /// D: what it was about.
    GroupD {
        /// The case, when there is just one.
        1 => case: Option<CaseId>,
        /// Retention class of that case.
        2 => class: Option<ClassCode>,
        /// Objects of this part.
        3 => objects: Vec<ObjectRef>,
        /// Root over all objects of the act.
        4 => objects_root: Hash,
        /// Number of all objects of the act.
        5 => object_count: u64,
    }
}

record! {
    /// R: the signed act and what the vault made of it.
    GroupR {
        /// The signed act.
        1 => signed: SignedAct,
        /// Allowed or refused.
        2 => decision: Decision,
        /// Stable name of the refusal.
        3 => refusal: Option<String>,
        /// Version of the policy that decided.
        4 => policy_version: u64,
    }
}

record! {
    /// The part of an entry that its subjects read: openings of A1, W and the class; sealed under `key_subject`.
    SubjectView {
        /// Salt and bytes of A1.
        1 => a1: Opening,
        /// Salt and bytes of W.
        2 => w: Opening,
        /// Class of the case.
        3 => class: Option<ClassCode>,
        /// Time in the core, milliseconds UTC.
        4 => time_ms: u64,
        /// Commitments of the groups that stay closed, in the order A1, A2, S, D, W, R (with A1 and W repeated).
        5 => commitments: Vec<Hash>,
        /// Commitments of the single subject lines, in order.
        6 => subject_commitments: Vec<Hash>,
    }
}

record! {
    /// Salt and canonical bytes of a group: opens its commitment.
    Opening {
        /// Salt.
        1 => salt: [u8; 32],
        /// Canonical bytes.
        2 => body: Blob,
    }
}

record! {
    /// The whole entry, sealed for the data protection officer.
    DpoView {
        /// A1.
        1 => a1: Opening,
        /// A2.
        2 => a2: Opening,
        /// Subject lines, in order.
        3 => subjects: Vec<Opening>,
        /// D.
        4 => d: Opening,
        /// W.
        5 => w: Opening,
        /// R.
        6 => r: Opening,
        /// Time in the core, milliseconds UTC.
        7 => time_ms: u64,
    }
}

record! {
    /// The bytes whose SHA-256 stands in the core.
    EntryCiphertext {
        /// [`SubjectView`] under `key_subject`.
        1 => subject: Blob,
        /// [`DpoView`] under `key_dpo`.
        2 => dpo: Blob,
    }
}

record! {
    /// What one subject's wrap holds.
    SubjectWrap {
        /// The key of the subject view.
        1 => key: SecretField,
        /// Position of the subject's line.
        2 => index: u64,
        /// Opening of that line only.
        3 => line: Opening,
    }
}

record! {
    /// A log key of a subject or DPO, HPKE-sealed to a bundle once, ratcheted once a day.
    LogKey {
        /// 16 random bytes.
        1 => id: [u8; 16],
        /// Shard origin.
        2 => origin: String,
        /// The reader.
        3 => person: Option<PersonId>,
        /// The bundle it is sealed to.
        4 => recipient: Kid,
        /// UTC day number (days since 1970-01-01) the sealed key is for.
        5 => first_day: u64,
        /// HPKE encapsulation and sealed key; info = `obhut/log-key/v1`, id, origin, recipient, day.
        6 => sealed: Blob,
    }
}

record! {
    /// An entry key wrapped for one reader under a [`LogKey`] of the entry's day.
    EntryWrap {
        /// Which log key.
        1 => log_key: [u8; 16],
        /// UTC day number of the ratcheted key.
        2 => day: u64,
        /// Sealed [`SubjectWrap`], or sealed 32-byte K for the DPO.
        3 => sealed: Blob,
    }
}

record! {
    /// Payload of a CLOSE leaf, at most 64 bytes.
    ClosePayload {
        /// Index of the entry in the same shard.
        1 => entry: u64,
        /// How it ended.
        2 => outcome: Outcome,
        /// Root of the gatekeeper's receipt batch.
        3 => receipt: Option<Hash>,
    }
}
