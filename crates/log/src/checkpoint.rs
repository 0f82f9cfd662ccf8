//! C2SP tlog-checkpoint: a log's signed head, and the quorum of witnesses that must have seen it.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;
use obhut_format::tree::{self, EMPTY_ROOT, Hash};

use crate::error::LogError;
use crate::note::{NoteKeyType, NoteSigner, SignedNote, VerifierKey};

/// Size and root of one log. Extension lines do not exist here: no monitor could audit them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which log.
    pub origin: String,
    /// Number of leaves.
    pub size: u64,
    /// RFC 6962 root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The three lines that are signed.
    pub fn to_text(&self) -> String {
        let root = BASE64.encode(&self.root);
        format!("{}\n{}\n{root}\n", self.origin, self.size)
    }

    /// Reads exactly three lines.
    pub fn parse_text(text: &str) -> Result<Self, LogError> {
        let text = text.strip_suffix('\n').ok_or(LogError::Malformed)?;
        let lines: Vec<&str> = text.split('\n').collect();
        let &[origin, size, root] = lines.as_slice() else {
            return Err(LogError::Malformed);
        };
        let root = parse_hash(root)?;
        let size = parse_decimal(size)?;
        if origin.is_empty() || (size == 0 && root != EMPTY_ROOT) {
            return Err(LogError::Malformed);
        }
        Ok(Self {
            origin: origin.to_owned(),
            size,
            root,
        })
    }

    /// Checks that this log head continues `older` by only adding leaves.
    pub fn verify_extends(&self, older: &Self, path: &[Hash]) -> Result<(), LogError> {
        if self.origin != older.origin {
            return Err(LogError::OriginMismatch);
        }
        tree::verify_consistency(older.size, self.size, &older.root, &self.root, path)?;
        Ok(())
    }

    /// Checks that a leaf with this hash stands at `index`.
    pub fn verify_leaf(&self, leaf: &Hash, index: u64, path: &[Hash]) -> Result<(), LogError> {
        tree::verify_inclusion(leaf, index, self.size, path, &self.root)?;
        Ok(())
    }
}

/// A checkpoint with its signatures, none of them checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    checkpoint: Checkpoint,
    note: SignedNote,
}

impl SignedCheckpoint {
    /// Signs as the log. A log MUST sign only what continues everything it signed before.
    pub fn sign(checkpoint: Checkpoint, log: &NoteSigner) -> Result<Self, LogError> {
        if log.verifier().name() != checkpoint.origin {
            return Err(LogError::OriginMismatch);
        }
        let text = checkpoint.to_text();
        let signature = log.sign(&text)?;
        let note = SignedNote::new(text, signature)?;
        Ok(Self { checkpoint, note })
    }

    /// Adds a witness's cosignature as of `time_s` (seconds since 1970 UTC). A witness MUST have
    /// verified consistency with, and stored, the largest head it cosigned before.
    pub fn cosign(&mut self, witness: &NoteSigner, time_s: u64) -> Result<(), LogError> {
        self.note.add(witness.cosign(self.note.text(), time_s)?);
        Ok(())
    }

    /// What the signatures are over. Not to be trusted before [`Quorum::verify`].
    pub fn unverified(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// The note with its signature lines.
    pub fn note(&self) -> &SignedNote {
        &self.note
    }

    /// Takes over the signatures of another note over the same text.
    pub fn merge(&mut self, other: &Self) -> Result<(), LogError> {
        if self.note.text() != other.note.text() {
            return Err(LogError::OriginMismatch);
        }
        for signature in other.note.signatures() {
            self.note.add(signature.clone());
        }
        Ok(())
    }

    /// The checkpoint, if the log itself signed it; says nothing of witnesses.
    pub fn verify_log(&self, log: &VerifierKey) -> Result<&Checkpoint, LogError> {
        if log.name() != self.checkpoint.origin {
            return Err(LogError::OriginMismatch);
        }
        if self.note.signed_by(log)? {
            Ok(&self.checkpoint)
        } else {
            Err(LogError::NotSigned)
        }
    }
}

impl fmt::Display for SignedCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

impl FromStr for SignedCheckpoint {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        let note: SignedNote = text.parse()?;
        let checkpoint = Checkpoint::parse_text(note.text())?;
        Ok(Self { checkpoint, note })
    }
}

/// A cosignature may be dated ahead of the reader's clock by this much, in seconds.
const MAX_AHEAD_S: u64 = 120;

/// Whose signatures make a log head count: the log's and `threshold` of the witnesses'.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    log: VerifierKey,
    witnesses: Vec<VerifierKey>,
    threshold: usize,
}

impl Quorum {
    /// The threshold is at least one and at most the number of witnesses; no key counts twice.
    pub fn new(
        log: VerifierKey,
        witnesses: Vec<VerifierKey>,
        threshold: usize,
    ) -> Result<Self, LogError> {
        let mut keys: Vec<&[u8; 32]> = witnesses.iter().map(|w| w.public().as_bytes()).collect();
        keys.push(log.public().as_bytes());
        keys.sort_unstable();
        let twice = keys.windows(2).any(|pair| pair.first() == pair.last());
        let roles = log.kind() == NoteKeyType::Log
            && witnesses.iter().all(|w| w.kind() == NoteKeyType::Cosigner);
        if twice || !roles || threshold == 0 || threshold > witnesses.len() {
            return Err(LogError::Policy);
        }
        Ok(Self {
            log,
            witnesses,
            threshold,
        })
    }

    /// The log this is about.
    pub fn origin(&self) -> &str {
        self.log.name()
    }

    /// Checks the log's signature and the witnesses' cosignatures.
    pub fn verify(&self, signed: &SignedCheckpoint) -> Result<Witnessed, LogError> {
        let checkpoint = signed.verify_log(&self.log)?;
        let mut times = Vec::with_capacity(self.witnesses.len());
        for witness in &self.witnesses {
            times.extend(signed.note.cosigned_at(witness)?);
        }
        times.sort_unstable();
        let time_s = times
            .len()
            .checked_sub(self.threshold)
            .and_then(|at| times.get(at))
            .ok_or(LogError::NoQuorum)?;
        Ok(Witnessed {
            checkpoint: checkpoint.clone(),
            time_s: *time_s,
        })
    }

    /// As [`verify`](Self::verify), and as [`Witnessed::require_fresh`].
    pub fn verify_fresh(
        &self,
        signed: &SignedCheckpoint,
        now_s: u64,
        max_age_s: u64,
    ) -> Result<Witnessed, LogError> {
        let witnessed = self.verify(signed)?;
        witnessed.require_fresh(now_s, max_age_s)?;
        Ok(witnessed)
    }
}

/// A log head that a quorum of witnesses saw; only [`Quorum`] makes one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Witnessed {
    checkpoint: Checkpoint,
    time_s: u64,
}

impl Witnessed {
    /// The head.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Seconds since 1970 UTC at which a full quorum stood behind it: the oldest of the newest
    /// `threshold` cosignatures.
    pub fn time_s(&self) -> u64 {
        self.time_s
    }

    /// The quorum is at most `max_age_s` old, and no further ahead of `now_s` than clocks may be apart: what
    /// was dated ahead would stay good for longer.
    pub fn require_fresh(&self, now_s: u64, max_age_s: u64) -> Result<(), LogError> {
        let oldest = now_s.saturating_sub(max_age_s);
        if self.time_s < oldest || self.time_s > now_s.saturating_add(MAX_AHEAD_S.min(max_age_s)) {
            return Err(LogError::Stale);
        }
        Ok(())
    }
}

/// A decimal without leading zeroes.
pub(crate) fn parse_decimal(text: &str) -> Result<u64, LogError> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits || (text.len() > 1 && text.starts_with('0')) {
        return Err(LogError::Malformed);
    }
    text.parse().map_err(|_| LogError::Malformed)
}

/// A hash in base64.
pub(crate) fn parse_hash(text: &str) -> Result<Hash, LogError> {
    let bytes = BASE64
        .decode(text.as_bytes())
        .map_err(|_| LogError::Malformed)?;
    bytes.try_into().map_err(|_| LogError::Malformed)
}

#[cfg(test)]
#[path = "checkpoint_tests.rs"]
mod tests;
