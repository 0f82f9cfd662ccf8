//! Access entries: built and sealed by the sequencer, opened by subjects and data protection officers.
//!
//! ```text
//! K            32 random bytes an entry
//! key_subject  HKDF-Expand-SHA-512(K, "obhut/entry-subject/v1" 0, 32)     seals the SubjectView
//! key_dpo      HKDF-Expand-SHA-512(K, "obhut/entry-dpo/v1" 0, 32)         seals the DpoView
//! subject wrap Seal(log key of the day; SubjectWrap)      DPO wrap Seal(log key of the day; K)
//! ```
//!
//! What a reader is shown is an opening of the commitment in the core; each `open_*` checks that.

use obhut_format::act::Reason;
use obhut_format::content::SealedKind;
use obhut_format::context::{Context, sha256};
use obhut_format::entry::{
    DpoView, EntryCiphertext, EntryWrap, GroupA1, GroupA2, GroupD, GroupR, LeafType, Opening,
    SubjectLine, SubjectView, SubjectWrap,
};
use obhut_format::{Blob, Cbor, ClassCode, Hash, PersonId, SecretField};
use obhut_suite::{Secret, SecretBytes, hkdf_expand_secret, open, seal};
use rand_core::CryptoRng;

use crate::commitment::{
    AccessCommitments, Group, RecordCommitments, Salt, SubjectCommitments, group_commitment,
};
use crate::error::LogError;
use crate::leaf::{Core, Flags};
use crate::logkey::DayKey;

/// An access entry in clear, before it is sealed.
#[derive(Debug, Clone)]
pub struct EntryDraft {
    /// What, in which unit and role.
    pub a1: GroupA1,
    /// Who.
    pub a2: GroupA2,
    /// Whom it is about, in the order of the labels.
    pub subjects: Vec<PersonId>,
    /// What it is about.
    pub d: GroupD,
    /// Why.
    pub w: Reason,
    /// The client's salt of W: the act names the commitment.
    pub w_salt: Salt,
    /// The signed act and the decision.
    pub r: GroupR,
}

/// What the gatekeeper gets of an entry: everything but W and the subject lines, which stay closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryOpenings {
    /// Opens A1.
    pub a1: Opening,
    /// Opens A2.
    pub a2: Opening,
    /// Opens D.
    pub d: Opening,
    /// Opens R.
    pub r: Opening,
    /// S_1 … S_n.
    pub subject_commitments: Vec<Hash>,
    /// C_W.
    pub w_commitment: Hash,
}

/// A sealed entry: the core for the leaf, the bytes to keep, and the key to wrap for readers.
pub struct SealedEntry {
    /// The core.
    pub core: Core,
    /// Canonical [`EntryCiphertext`].
    pub payload: Vec<u8>,
    /// What the gatekeeper gets.
    pub openings: EntryOpenings,
    key: Secret<32>,
    lines: Vec<Opening>,
}

impl EntryDraft {
    /// Commits to every group under fresh salts and seals both views for the log `origin`.
    pub fn seal(
        &self,
        origin: &str,
        time_ms: u64,
        flags: Flags,
        rng: &mut impl CryptoRng,
    ) -> Result<SealedEntry, LogError> {
        let view = self.open_view(time_ms, rng);
        let subject_commitments: Vec<Hash> = view.subjects.iter().map(line_commitment).collect();
        let commitments = view_commitments(&view, &subject_commitments)?;
        let key = Secret::generate(rng);
        let subject = SubjectView {
            a1: view.a1.clone(),
            w: view.w.clone(),
            class: self.d.class,
            time_ms,
            commitments: list(&commitments),
            subject_commitments: subject_commitments.clone(),
        };
        let payload = EntryCiphertext {
            subject: seal_view(
                &subject_key(&key),
                SealedKind::SubjectEntry,
                origin,
                &subject,
                rng,
            )?,
            dpo: seal_view(&dpo_key(&key), SealedKind::DpoEntry, origin, &view, rng)?,
        }
        .to_bytes();
        let core = Core {
            kind: LeafType::Access.code() as u8,
            flags,
            time_ms,
            commitment: commitments.commitment(),
            payload_hash: sha256(&[&payload]),
        };
        let openings = EntryOpenings {
            a1: view.a1,
            a2: view.a2,
            d: view.d,
            r: view.r,
            subject_commitments,
            w_commitment: commitments.w,
        };
        let lines = view.subjects;
        Ok(SealedEntry {
            core,
            payload,
            openings,
            key,
            lines,
        })
    }

    fn open_view(&self, time_ms: u64, rng: &mut impl CryptoRng) -> DpoView {
        let mut opening = |bytes: Vec<u8>| {
            let mut salt = [0; 32];
            rng.fill_bytes(&mut salt);
            Opening {
                salt,
                body: Blob(bytes),
            }
        };
        DpoView {
            a1: opening(self.a1.to_bytes()),
            a2: opening(self.a2.to_bytes()),
            subjects: self
                .subjects
                .iter()
                .map(|person| opening(SubjectLine { person: *person }.to_bytes()))
                .collect(),
            d: opening(self.d.to_bytes()),
            w: Opening {
                salt: self.w_salt,
                body: Blob(self.w.to_bytes()),
            },
            r: opening(self.r.to_bytes()),
            time_ms,
        }
    }
}

impl SealedEntry {
    /// Wraps for the subject at `position`: the key of the subject view and the opening of their
    /// own line, nothing of the others.
    pub fn wrap_for_subject(
        &self,
        position: usize,
        key: &DayKey,
        rng: &mut impl CryptoRng,
    ) -> Result<EntryWrap, LogError> {
        let line = self.lines.get(position).ok_or(LogError::Malformed)?;
        let wrap = SubjectWrap {
            // EXPOSE: sealed under the subject's log key.
            key: SecretField::new(*subject_key(&self.key).expose()),
            index: position as u64,
            line: line.clone(),
        };
        let plain = SecretBytes::new(wrap.to_bytes());
        // EXPOSE: as above.
        seal_wrap(key, SealedKind::SubjectWrap, plain.expose(), rng)
    }

    /// Wraps the whole entry for a data protection officer.
    pub fn wrap_for_dpo(
        &self,
        key: &DayKey,
        rng: &mut impl CryptoRng,
    ) -> Result<EntryWrap, LogError> {
        // EXPOSE: sealed under the officer's log key.
        seal_wrap(key, SealedKind::DpoWrap, self.key.expose(), rng)
    }
}

/// What a subject reads of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectEntry {
    /// What, in which unit and role, allowed or refused.
    pub a1: GroupA1,
    /// Why.
    pub reason: Reason,
    /// The random salt the acting client committed to its reason under: it knows its own acts by it.
    pub reason_salt: Salt,
    /// Retention class of the case.
    pub class: Option<ClassCode>,
    /// When, milliseconds since 1970 UTC.
    pub time_ms: u64,
    /// The reader, as the entry names them.
    pub subject: PersonId,
}

/// Opens an entry with one's own log key, at any day up to the wrap's. Everything given back is an
/// opening of the core's commitment, the reader's own line included.
pub fn open_as_subject(
    core: &Core,
    payload: &[u8],
    wrap: &EntryWrap,
    key: &DayKey,
) -> Result<SubjectEntry, LogError> {
    let ciphertext = check_payload(core, payload)?;
    let plain = open_wrap(key, SealedKind::SubjectWrap, wrap)?;
    // EXPOSE: parsed; the key goes into the seal of the subject view.
    let wrap = SubjectWrap::from_bytes(plain.expose()).map_err(|_| LogError::Malformed)?;
    let view: SubjectView = open_view(
        &Secret::new(*wrap.key.expose()),
        SealedKind::SubjectEntry,
        key.origin(),
        &ciphertext.subject.0,
    )?;
    let commitments = check_subject_view(core, &view)?;
    let subjects = SubjectCommitments::new(view.subject_commitments.clone())?;
    let position = usize::try_from(wrap.index).map_err(|_| LogError::Malformed)?;
    let mine = subjects.as_slice().get(position);
    if commitments.s != subjects.commitment() || mine != Some(&line_commitment(&wrap.line)) {
        return Err(LogError::CommitmentMismatch);
    }
    Ok(SubjectEntry {
        a1: parse(&view.a1)?,
        reason: parse(&view.w)?,
        reason_salt: view.w.salt,
        class: view.class,
        time_ms: view.time_ms,
        subject: parse::<SubjectLine>(&wrap.line)?.person,
    })
}

/// What a data protection officer reads of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DpoEntry {
    /// What, in which unit and role, allowed or refused.
    pub a1: GroupA1,
    /// Who.
    pub a2: GroupA2,
    /// Whom it is about.
    pub subjects: Vec<PersonId>,
    /// What it is about.
    pub d: GroupD,
    /// Why.
    pub reason: Reason,
    /// The signed act and the decision.
    pub r: GroupR,
    /// When, milliseconds since 1970 UTC.
    pub time_ms: u64,
}

/// Opens a whole entry; everything given back is an opening of the core's commitment.
pub fn open_as_dpo(
    core: &Core,
    payload: &[u8],
    wrap: &EntryWrap,
    key: &DayKey,
) -> Result<DpoEntry, LogError> {
    let ciphertext = check_payload(core, payload)?;
    let entry_key = open_wrap(key, SealedKind::DpoWrap, wrap)?
        .into_secret()
        .map_err(|_| LogError::CannotOpen)?;
    let view: DpoView = open_view(
        &dpo_key(&entry_key),
        SealedKind::DpoEntry,
        key.origin(),
        &ciphertext.dpo.0,
    )?;
    let lines: Vec<Hash> = view.subjects.iter().map(line_commitment).collect();
    let commitments = view_commitments(&view, &lines)?;
    if commitments.commitment() != core.commitment || view.time_ms != core.time_ms {
        return Err(LogError::CommitmentMismatch);
    }
    let subjects: Result<Vec<SubjectLine>, LogError> = view.subjects.iter().map(parse).collect();
    Ok(DpoEntry {
        a1: parse(&view.a1)?,
        a2: parse(&view.a2)?,
        subjects: subjects?.into_iter().map(|line| line.person).collect(),
        d: parse(&view.d)?,
        reason: parse(&view.w)?,
        r: parse(&view.r)?,
        time_ms: view.time_ms,
    })
}

/// The core of a record and the commitment to its sealed part, from P and Q (empty where there is
/// none) with their salts.
pub fn record_core(
    payload: &[u8],
    salt: &Salt,
    sealed: &[u8],
    sealed_salt: &Salt,
    time_ms: u64,
) -> (Core, Hash) {
    let commitments = RecordCommitments {
        p: group_commitment(Group::P, salt, payload),
        q: group_commitment(Group::Q, sealed_salt, sealed),
    };
    let core = Core {
        kind: LeafType::Record.code() as u8,
        flags: Flags::NONE,
        time_ms,
        commitment: commitments.commitment(),
        payload_hash: sha256(&[sealed]),
    };
    (core, commitments.q)
}

/// The commitment to a reason, as an act names it.
pub fn reason_commitment(reason: &Reason, salt: &Salt) -> Hash {
    group_commitment(Group::W, salt, &reason.to_bytes())
}

fn check_payload(core: &Core, payload: &[u8]) -> Result<EntryCiphertext, LogError> {
    if core.payload_hash != sha256(&[payload]) {
        return Err(LogError::CommitmentMismatch);
    }
    EntryCiphertext::from_bytes(payload).map_err(|_| LogError::Malformed)
}

fn check_subject_view(core: &Core, view: &SubjectView) -> Result<AccessCommitments, LogError> {
    let &[a1, a2, s, d, w, r] = view.commitments.as_slice() else {
        return Err(LogError::Malformed);
    };
    let commitments = AccessCommitments { a1, a2, s, d, w, r };
    let opened = a1 == committed(Group::A1, &view.a1) && w == committed(Group::W, &view.w);
    if !opened || commitments.commitment() != core.commitment || view.time_ms != core.time_ms {
        return Err(LogError::CommitmentMismatch);
    }
    Ok(commitments)
}

fn view_commitments(view: &DpoView, lines: &[Hash]) -> Result<AccessCommitments, LogError> {
    Ok(AccessCommitments {
        a1: committed(Group::A1, &view.a1),
        a2: committed(Group::A2, &view.a2),
        s: SubjectCommitments::new(lines.to_vec())?.commitment(),
        d: committed(Group::D, &view.d),
        w: committed(Group::W, &view.w),
        r: committed(Group::R, &view.r),
    })
}

fn list(c: &AccessCommitments) -> Vec<Hash> {
    vec![c.a1, c.a2, c.s, c.d, c.w, c.r]
}

fn committed(group: Group, opening: &Opening) -> Hash {
    group_commitment(group, &opening.salt, &opening.body.0)
}

fn line_commitment(line: &Opening) -> Hash {
    committed(Group::S, line)
}

fn parse<T: Cbor>(opening: &Opening) -> Result<T, LogError> {
    T::from_bytes(&opening.body.0).map_err(|_| LogError::Malformed)
}

fn subject_key(entry: &Secret<32>) -> Secret<32> {
    // EXPOSE: into its own derivation.
    hkdf_expand_secret(
        entry.expose(),
        &[Context::new("obhut/entry-subject/v1").as_bytes()],
    )
}

fn dpo_key(entry: &Secret<32>) -> Secret<32> {
    // EXPOSE: into its own derivation.
    hkdf_expand_secret(
        entry.expose(),
        &[Context::new("obhut/entry-dpo/v1").as_bytes()],
    )
}

fn seal_view<T: Cbor>(
    key: &Secret<32>,
    kind: SealedKind,
    origin: &str,
    view: &T,
    rng: &mut impl CryptoRng,
) -> Result<Blob, LogError> {
    let context = kind.context().text(origin);
    let sealed = seal(key, context.as_bytes(), &view.to_bytes(), rng);
    sealed.map(Blob).map_err(|_| LogError::CannotSeal)
}

fn open_view<T: Cbor>(
    key: &Secret<32>,
    kind: SealedKind,
    origin: &str,
    sealed: &[u8],
) -> Result<T, LogError> {
    let context = kind.context().text(origin);
    let plain = open(key, context.as_bytes(), sealed).map_err(|_| LogError::CannotOpen)?;
    // EXPOSE: the view, for its reader.
    T::from_bytes(plain.expose()).map_err(|_| LogError::Malformed)
}

fn wrap_context(kind: SealedKind, key: &DayKey) -> Context {
    kind.context()
        .text(key.origin())
        .field(&key.id())
        .number(key.day())
}

fn seal_wrap(
    key: &DayKey,
    kind: SealedKind,
    plain: &[u8],
    rng: &mut impl CryptoRng,
) -> Result<EntryWrap, LogError> {
    let sealed = seal(key.secret(), wrap_context(kind, key).as_bytes(), plain, rng)
        .map_err(|_| LogError::CannotSeal)?;
    Ok(EntryWrap {
        log_key: key.id(),
        day: key.day(),
        sealed: Blob(sealed),
    })
}

fn open_wrap(key: &DayKey, kind: SealedKind, wrap: &EntryWrap) -> Result<SecretBytes, LogError> {
    if wrap.log_key != key.id() {
        return Err(LogError::CannotOpen);
    }
    let mut key = key.duplicate();
    key.advance_to(wrap.day)?;
    let context = wrap_context(kind, &key);
    open(key.secret(), context.as_bytes(), &wrap.sealed.0).map_err(|_| LogError::CannotOpen)
}

#[cfg(test)]
#[path = "entry_tests.rs"]
mod tests;
