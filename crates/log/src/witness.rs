//! C2SP tlog-witness: how a log asks for a cosignature, and what a witness must check before it gives one.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;
use obhut_format::tree::{EMPTY_ROOT, Hash};

use crate::checkpoint::{Checkpoint, SignedCheckpoint, parse_decimal, parse_hash};
use crate::error::LogError;
use crate::note::VerifierKey;

/// Most lines of a consistency proof (C2SP tlog-witness).
const MAX_PROOF: usize = 63;

/// Body of `POST <prefix>/add-checkpoint`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size of the tree the witness cosigned last, as the log believes; 0 at first.
    pub old_size: u64,
    /// RFC 6962 consistency proof from there.
    pub proof: Vec<Hash>,
    /// The head to cosign.
    pub checkpoint: SignedCheckpoint,
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old_size)?;
        for hash in &self.proof {
            writeln!(f, "{}", BASE64.encode(hash))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for AddCheckpoint {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        let (head, checkpoint) = text.split_once("\n\n").ok_or(LogError::Malformed)?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old "));
        let old_size = parse_decimal(old.ok_or(LogError::Malformed)?)?;
        let proof: Vec<Hash> = lines
            .take(MAX_PROOF + 1)
            .map(parse_hash)
            .collect::<Result<_, _>>()?;
        if proof.len() > MAX_PROOF {
            return Err(LogError::Malformed);
        }
        Ok(Self {
            old_size,
            proof,
            checkpoint: checkpoint.parse()?,
        })
    }
}

/// Why a witness does not cosign; each has its HTTP status in C2SP tlog-witness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WitnessRefusal {
    /// The request is not of this form, or asks to shrink a tree: 400.
    Malformed,
    /// The log's key did not sign: 403.
    NotSigned,
    /// The origin is none the witness knows: 404.
    UnknownLog,
    /// The witness stands at another size, or at this size with another root: 409 with that size.
    Conflict(u64),
    /// The proof does not lead from the old tree to the new one: 422.
    Proof,
}

impl WitnessRefusal {
    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::NotSigned => 403,
            Self::UnknownLog => 404,
            Self::Conflict(_) => 409,
            Self::Proof => 422,
        }
    }
}

impl AddCheckpoint {
    /// Whether the log with this key asks to go on from where the witness stands (`known`: size and root cosigned last);
    /// gives the head to store durably, and only then to cosign.
    pub fn verify(
        &self,
        log: &VerifierKey,
        known: Option<(u64, Hash)>,
    ) -> Result<&Checkpoint, WitnessRefusal> {
        let head = self
            .checkpoint
            .verify_log(log)
            .map_err(|_| WitnessRefusal::NotSigned)?;
        if self.old_size > head.size {
            return Err(WitnessRefusal::Malformed);
        }
        let (size, root) = known.unwrap_or((0, EMPTY_ROOT));
        if self.old_size != size || (size == head.size && root != head.root) {
            return Err(WitnessRefusal::Conflict(size));
        }
        let before = Checkpoint {
            origin: head.origin.clone(),
            size,
            root,
        };
        head.verify_extends(&before, &self.proof)
            .map_err(|_| WitnessRefusal::Proof)?;
        Ok(head)
    }
}

#[cfg(test)]
#[path = "witness_tests.rs"]
mod tests;
