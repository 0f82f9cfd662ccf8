//! The 108-byte leaf, its index records and the chains they form.
//!
//! ```text
//! core   = ver(1) type(1) flags(2) time_ms(8) C(32) SHA-256(ct)(32)                  76 bytes
//! rec_j  = label_j(32) seq_j(8) head_j(32) [state_root_j(32)]
//! head_j = SHA-256(0x13 head_old seq_j SHA-256(0x14 core))   head_0 = SHA-256(0x15 origin label)
//! recs   = 0x12 count(1) rec_1 … rec_k                       if no rec carries a state root
//!        = 0x16 count(1) mask(8) rec_1 … rec_k               else; bit j−1 of mask: rec_j carries one
//! leaf   = core SHA-256(recs)                                                       108 bytes
//! ```
//!
//! Integers are big-endian; `seq` counts from 1. A state root stands only under a case's label in
//! the records log.

use obhut_format::tree::{self, Hash};
use sha2::{Digest, Sha256};

use crate::error::LogError;
use crate::label::Label;

/// Bytes of a core.
pub const CORE_LEN: usize = 76;
/// Bytes of a leaf.
pub const LEAF_LEN: usize = 108;
/// Most labels one leaf can carry.
pub const MAX_LABELS: usize = 64;

const VERSION: u8 = 1;
const RECS: u8 = 0x12;
const CHAIN: u8 = 0x13;
const CORE: u8 = 0x14;
const CHAIN_START: u8 = 0x15;
const RECS_WITH_STATE: u8 = 0x16;

/// Clear flags of an entry, readable without any key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flags(u16);

impl Flags {
    /// Nothing special.
    pub const NONE: Self = Self(0);
    /// The assignment check was skipped by break-glass.
    pub const BREAK_GLASS: Self = Self(1);
    /// The act was refused.
    pub const REFUSED: Self = Self(1 << 1);
    /// The act was allowed and failed.
    pub const FAILED: Self = Self(1 << 2);
    /// A covert inquiry whose disclosure is postponed by order.
    pub const SEALED: Self = Self(1 << 3);
    /// Released without quorum under the card's degraded mode.
    pub const DEGRADED: Self = Self(1 << 4);
    /// One of several leaves of the same act.
    pub const PART: Self = Self(1 << 5);

    const KNOWN: u16 = (1 << 6) - 1;

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every flag of `other` is set.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits as they stand in a core.
    pub const fn bits(self) -> u16 {
        self.0
    }

    /// Reads bits; an unknown one is an error.
    pub const fn from_bits(bits: u16) -> Result<Self, LogError> {
        if bits & !Self::KNOWN == 0 {
            Ok(Self(bits))
        } else {
            Err(LogError::UnknownFlag)
        }
    }
}

/// The part of a leaf that is kept until the shard is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Core {
    /// Entry type, from the closed list in `obhut_format`.
    pub kind: u8,
    /// Clear flags.
    pub flags: Flags,
    /// Sequencer's time, milliseconds since 1970 UTC; never runs backwards within a log.
    pub time_ms: u64,
    /// Commitment C to the payload.
    pub commitment: Hash,
    /// SHA-256 of the sealed payload.
    pub payload_hash: Hash,
}

impl Core {
    /// The 76 bytes.
    pub fn to_bytes(&self) -> [u8; CORE_LEN] {
        let mut bytes = [0; CORE_LEN];
        let fields = [VERSION, self.kind]
            .into_iter()
            .chain(self.flags.bits().to_be_bytes())
            .chain(self.time_ms.to_be_bytes())
            .chain(self.commitment)
            .chain(self.payload_hash);
        for (to, from) in bytes.iter_mut().zip(fields) {
            *to = from;
        }
        bytes
    }

    /// Reads exactly 76 bytes of version 1.
    pub fn parse(bytes: &[u8]) -> Result<Self, LogError> {
        let mut reader = Reader(bytes);
        let core = reader.core()?;
        reader.finish()?;
        Ok(core)
    }

    /// SHA-256(0x14 ‖ core): what chains and REDACT name.
    pub fn digest(&self) -> Hash {
        Sha256::new()
            .chain_update([CORE])
            .chain_update(self.to_bytes())
            .finalize()
            .into()
    }
}

/// Where a label's chain stands: how many entries and their folded hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainHead {
    /// Entries so far.
    pub seq: u64,
    /// Fold over their core digests.
    pub head: Hash,
}

impl ChainHead {
    /// The chain of a label without entries in the log `origin`.
    pub fn start(origin: &str, label: &Label) -> Self {
        let hash = Sha256::new()
            .chain_update([CHAIN_START])
            .chain_update(origin)
            .chain_update(label.as_bytes());
        Self {
            seq: 0,
            head: hash.finalize().into(),
        }
    }

    /// The chain after one more entry with this [`Core::digest`].
    #[must_use]
    pub fn advance(&self, core_digest: &Hash) -> Self {
        let seq = self.seq + 1;
        let hash = Sha256::new()
            .chain_update([CHAIN])
            .chain_update(self.head)
            .chain_update(seq.to_be_bytes())
            .chain_update(core_digest);
        Self {
            seq,
            head: hash.finalize().into(),
        }
    }
}

/// One index record: the label and its chain with this entry in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rec {
    /// Under what the entry is found.
    pub label: Label,
    /// The chain after this entry.
    pub chain: ChainHead,
    /// State root of the case after this entry's batch, under a case's label in the records log.
    pub state_root: Option<Hash>,
}

/// The index records of one leaf: at most 64, no label twice. Empty only for an INDEX leaf.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recs(Vec<Rec>);

impl Recs {
    /// Checks number and labels; the order is kept and hashed.
    pub fn new(recs: Vec<Rec>) -> Result<Self, LogError> {
        if recs.len() > MAX_LABELS {
            return Err(LogError::TooManyLabels);
        }
        let mut labels: Vec<&Label> = recs.iter().map(|rec| &rec.label).collect();
        labels.sort_unstable();
        if labels.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(LogError::LabelTwice);
        }
        Ok(Self(recs))
    }

    /// The records in their order.
    pub fn as_slice(&self) -> &[Rec] {
        &self.0
    }

    /// The record under `label`, if there is one.
    pub fn find(&self, label: &Label) -> Option<&Rec> {
        self.0.iter().find(|rec| rec.label == *label)
    }

    /// The bytes kept beside the leaf and hashed into it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let count = self.0.len() as u8;
        let mask = self.0.iter().rev().fold(0_u64, |mask, rec| {
            (mask << 1) | u64::from(rec.state_root.is_some())
        });
        let mut bytes = Vec::with_capacity(10 + self.0.len() * 104);
        if mask == 0 {
            bytes.extend([RECS, count]);
        } else {
            bytes.extend([RECS_WITH_STATE, count]);
            bytes.extend(mask.to_be_bytes());
        }
        for rec in &self.0 {
            bytes.extend(rec.label.as_bytes());
            bytes.extend(rec.chain.seq.to_be_bytes());
            bytes.extend(rec.chain.head);
            bytes.extend(rec.state_root.iter().flatten());
        }
        bytes
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote, nothing else.
    pub fn parse(bytes: &[u8]) -> Result<Self, LogError> {
        let mut reader = Reader(bytes);
        let [form, count] = reader.take()?;
        let mask = match form {
            RECS => 0,
            RECS_WITH_STATE => u64::from_be_bytes(reader.take()?),
            _ => return Err(LogError::Malformed),
        };
        let beyond = mask.checked_shr(u32::from(count)).unwrap_or(0);
        if beyond != 0 || (form == RECS_WITH_STATE && mask == 0) {
            return Err(LogError::Malformed);
        }
        if usize::from(count) > MAX_LABELS {
            return Err(LogError::TooManyLabels);
        }
        let mut recs = Vec::with_capacity(usize::from(count));
        for position in 0..count {
            recs.push(reader.rec(mask >> position & 1 == 1)?);
        }
        reader.finish()?;
        Self::new(recs)
    }

    /// SHA-256 over [`to_bytes`](Self::to_bytes).
    pub fn hash(&self) -> Hash {
        Sha256::digest(self.to_bytes()).into()
    }
}

/// What stands in the tree: the core and the hash of the index records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Leaf {
    /// The entry's core.
    pub core: Core,
    /// [`Recs::hash`] of the records kept beside it.
    pub recs_hash: Hash,
}

impl Leaf {
    /// The leaf of an entry with these records.
    pub fn new(core: Core, recs: &Recs) -> Self {
        Self {
            core,
            recs_hash: recs.hash(),
        }
    }

    /// The 108 bytes, as they stand in entry bundles.
    pub fn to_bytes(&self) -> [u8; LEAF_LEN] {
        let mut bytes = [0; LEAF_LEN];
        let fields = self.core.to_bytes().into_iter().chain(self.recs_hash);
        for (to, from) in bytes.iter_mut().zip(fields) {
            *to = from;
        }
        bytes
    }

    /// Reads exactly 108 bytes of version 1.
    pub fn parse(bytes: &[u8]) -> Result<Self, LogError> {
        let mut reader = Reader(bytes);
        let leaf = Self {
            core: reader.core()?,
            recs_hash: reader.take()?,
        };
        reader.finish()?;
        Ok(leaf)
    }

    /// Hash in the tree, RFC 6962.
    pub fn hash(&self) -> Hash {
        tree::leaf_hash(&self.to_bytes())
    }

    /// Refuses records that are not the ones this leaf commits to.
    pub fn verify_recs(&self, recs: &Recs) -> Result<(), LogError> {
        if recs.hash() == self.recs_hash {
            Ok(())
        } else {
            Err(LogError::RecsMismatch)
        }
    }
}

/// Takes fixed-length fields off the front.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], LogError> {
        let (field, rest) = self.0.split_first_chunk().ok_or(LogError::Malformed)?;
        self.0 = rest;
        Ok(*field)
    }

    fn core(&mut self) -> Result<Core, LogError> {
        let [version, kind] = self.take()?;
        if version != VERSION {
            return Err(LogError::UnknownVersion);
        }
        Ok(Core {
            kind,
            flags: Flags::from_bits(u16::from_be_bytes(self.take()?))?,
            time_ms: u64::from_be_bytes(self.take()?),
            commitment: self.take()?,
            payload_hash: self.take()?,
        })
    }

    fn rec(&mut self, with_state: bool) -> Result<Rec, LogError> {
        Ok(Rec {
            label: Label::from_bytes(self.take()?),
            chain: ChainHead {
                seq: u64::from_be_bytes(self.take()?),
                head: self.take()?,
            },
            state_root: if with_state { Some(self.take()?) } else { None },
        })
    }

    fn finish(self) -> Result<(), LogError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(LogError::Malformed)
        }
    }
}

#[cfg(test)]
#[path = "leaf_tests.rs"]
mod tests;
