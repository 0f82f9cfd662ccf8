//! Commitments: an entry binds its payload without showing it, group by group.
//!
//! ```text
//! C_g = SHA-256(0x10 g(1) salt_g(32) len(4) CBOR_g)
//! C_S = SHA-256(0x17 count(2) S_1 … S_n),  S_i = SHA-256(0x10 3 salt_i len(4) CBOR_i)
//! C   = SHA-256(0x11 C_A1 C_A2 C_S C_D C_W C_R)      access log
//! C   = SHA-256(0x11 C_P C_Q)                         records log
//! C   = SHA-256(0x18 len(4) payload)                  CLOSE leaf, payload in clear
//! ```
//!
//! Salts are 32 random bytes the caller draws, one a group and one a subject: without its salt a
//! commitment tells nothing about a payload somebody guesses.

use obhut_format::entry::Opening;
use obhut_format::tree::Hash;
use sha2::{Digest, Sha256};

use crate::error::LogError;

const GROUP: u8 = 0x10;
const ENTRY: u8 = 0x11;
const SUBJECTS: u8 = 0x17;
const CLOSE: u8 = 0x18;

/// A payload group; the number is hashed into its commitment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Group {
    /// Body, unit, role, on-behalf role.
    A1 = 1,
    /// Person, device, on-behalf person.
    A2 = 2,
    /// One data subject; there are as many as subjects.
    S = 3,
    /// Documents, revisions, class, case.
    D = 4,
    /// Purpose, legal basis, justification, break-glass, consent, flags.
    W = 5,
    /// The signed act, decision, policy version.
    R = 6,
    /// Records: the part in clear.
    P = 7,
    /// Records: the sealed part.
    Q = 8,
}

impl Group {
    /// The group with this number.
    pub fn from_code(code: u8) -> Result<Self, LogError> {
        Ok(match code {
            1 => Self::A1,
            2 => Self::A2,
            3 => Self::S,
            4 => Self::D,
            5 => Self::W,
            6 => Self::R,
            7 => Self::P,
            8 => Self::Q,
            _ => return Err(LogError::Malformed),
        })
    }
}

/// 32 random bytes that hide one group.
pub type Salt = [u8; 32];

/// C_g of a group's canonical bytes.
pub fn group_commitment(group: Group, salt: &Salt, bytes: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([GROUP, group as u8])
        .chain_update(salt)
        .chain_update((bytes.len() as u32).to_be_bytes())
        .chain_update(bytes)
        .finalize()
        .into()
}

/// C_g, or S_i for a subject, of an opening.
pub fn opening_commitment(group: Group, opening: &Opening) -> Hash {
    group_commitment(group, &opening.salt, &opening.body.0)
}

/// Commitment of a CLOSE leaf, whose payload is in clear: SHA-256(0x18 len(4) payload).
pub fn close_commitment(payload: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([CLOSE])
        .chain_update((payload.len() as u32).to_be_bytes())
        .chain_update(payload)
        .finalize()
        .into()
}

/// The commitments to an entry's subjects, in the order of the payload; may be none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubjectCommitments(Vec<Hash>);

impl SubjectCommitments {
    /// Takes S_1 … S_n; more than 65,535 are refused.
    pub fn new(subjects: Vec<Hash>) -> Result<Self, LogError> {
        if subjects.len() > usize::from(u16::MAX) {
            return Err(LogError::Malformed);
        }
        Ok(Self(subjects))
    }

    /// S_1 … S_n.
    pub fn as_slice(&self) -> &[Hash] {
        &self.0
    }

    /// C_S.
    pub fn commitment(&self) -> Hash {
        let count = self.0.len() as u16;
        let hash = Sha256::new()
            .chain_update([SUBJECTS])
            .chain_update(count.to_be_bytes());
        self.0
            .iter()
            .fold(hash, Sha256::chain_update)
            .finalize()
            .into()
    }

    /// Checks that `opening` is the subject at `position`.
    pub fn verify(&self, position: usize, opening: &Opening) -> Result<(), LogError> {
        match self.0.get(position) {
            Some(commitment) if *commitment == opening_commitment(Group::S, opening) => Ok(()),
            _ => Err(LogError::CommitmentMismatch),
        }
    }
}

/// The group commitments of an access entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessCommitments {
    /// C_A1.
    pub a1: Hash,
    /// C_A2.
    pub a2: Hash,
    /// C_S, over all subjects.
    pub s: Hash,
    /// C_D.
    pub d: Hash,
    /// C_W.
    pub w: Hash,
    /// C_R.
    pub r: Hash,
}

impl AccessCommitments {
    /// From the hashes in the order A1, A2, S, D, W, R.
    pub fn from_hashes(hashes: &[Hash]) -> Result<Self, LogError> {
        let &[a1, a2, s, d, w, r] = hashes else {
            return Err(LogError::Malformed);
        };
        Ok(Self { a1, a2, s, d, w, r })
    }

    /// In the order A1, A2, S, D, W, R.
    pub fn to_hashes(&self) -> [Hash; 6] {
        [self.a1, self.a2, self.s, self.d, self.w, self.r]
    }

    /// C, as it stands in the core.
    pub fn commitment(&self) -> Hash {
        entry_commitment(&self.to_hashes())
    }

    /// Checks that these are the hashes behind `commitment` and that each opening is one of them.
    /// Subjects are opened by [`SubjectCommitments::verify`].
    pub fn verify(
        &self,
        commitment: &Hash,
        openings: &[(Group, &Opening)],
    ) -> Result<(), LogError> {
        verify_openings(
            self.commitment(),
            commitment,
            openings,
            |group| match group {
                Group::A1 => Some(self.a1),
                Group::A2 => Some(self.a2),
                Group::D => Some(self.d),
                Group::W => Some(self.w),
                Group::R => Some(self.r),
                Group::S | Group::P | Group::Q => None,
            },
        )
    }
}

/// Compares C, then each opening with what its group committed to; `None` = no group of this kind of entry.
fn verify_openings(
    computed: Hash,
    commitment: &Hash,
    openings: &[(Group, &Opening)],
    committed: impl Fn(Group) -> Option<Hash>,
) -> Result<(), LogError> {
    if computed != *commitment {
        return Err(LogError::CommitmentMismatch);
    }
    for (group, opening) in openings {
        let expected = committed(*group).ok_or(LogError::GroupMismatch)?;
        if expected != opening_commitment(*group, opening) {
            return Err(LogError::CommitmentMismatch);
        }
    }
    Ok(())
}

/// The group commitments of a records entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordCommitments {
    /// C_P, the clear part.
    pub p: Hash,
    /// C_Q, the sealed part.
    pub q: Hash,
}

impl RecordCommitments {
    /// C, as it stands in the core.
    pub fn commitment(&self) -> Hash {
        entry_commitment(&[self.p, self.q])
    }

    /// Checks that these are the hashes behind `commitment` and that each opening is one of them.
    pub fn verify(
        &self,
        commitment: &Hash,
        openings: &[(Group, &Opening)],
    ) -> Result<(), LogError> {
        verify_openings(
            self.commitment(),
            commitment,
            openings,
            |group| match group {
                Group::P => Some(self.p),
                Group::Q => Some(self.q),
                _ => None,
            },
        )
    }
}

fn entry_commitment(groups: &[Hash]) -> Hash {
    let hash = Sha256::new().chain_update([ENTRY]);
    groups
        .iter()
        .fold(hash, Sha256::chain_update)
        .finalize()
        .into()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use obhut_format::Blob;

    fn opening(group: Group) -> Opening {
        Opening {
            salt: [group as u8; 32],
            body: Blob(vec![0xa1, 0x01, group as u8]),
        }
    }

    fn of(group: Group) -> Hash {
        opening_commitment(group, &opening(group))
    }

    fn access() -> (AccessCommitments, Vec<(Group, Opening)>) {
        let commitments = AccessCommitments {
            a1: of(Group::A1),
            a2: of(Group::A2),
            s: SubjectCommitments::new(vec![of(Group::S)])
                .unwrap()
                .commitment(),
            d: of(Group::D),
            w: of(Group::W),
            r: of(Group::R),
        };
        let groups = [Group::A1, Group::A2, Group::D, Group::W, Group::R];
        (
            commitments,
            groups.map(|group| (group, opening(group))).to_vec(),
        )
    }

    #[test]
    fn commitments_are_the_documented_hashes() {
        let bytes = [
            b"\x10\x05".as_slice(),
            &[5; 32],
            &[0, 0, 0, 3],
            &[0xa1, 1, 5],
        ]
        .concat();
        let expected: Hash = Sha256::digest(bytes).into();
        assert_eq!(of(Group::W), expected);
        let record = RecordCommitments {
            p: [1; 32],
            q: [2; 32],
        };
        let bytes = [b"\x11".as_slice(), &[1; 32], &[2; 32]].concat();
        assert_eq!(record.commitment(), <Hash>::from(Sha256::digest(bytes)));
        let subjects = SubjectCommitments::new(vec![[1; 32], [2; 32]]).unwrap();
        let bytes = [b"\x17\x00\x02".as_slice(), &[1; 32], &[2; 32]].concat();
        assert_eq!(subjects.commitment(), <Hash>::from(Sha256::digest(bytes)));
    }

    #[test]
    fn f04_refuses_to_show_a_field_that_is_not_an_opening_of_c() {
        let (commitments, openings) = access();
        let commitment = commitments.commitment();
        let shown: Vec<_> = openings
            .iter()
            .map(|(group, opening)| (*group, opening))
            .collect();
        assert_eq!(commitments.verify(&commitment, &shown), Ok(()));
        let mut shown = opening(Group::A1);
        shown.body = Blob(vec![0xa1, 0x01, 0x63]);
        let forged = [(Group::A1, &shown)];
        let refused = Err(LogError::CommitmentMismatch);
        assert_eq!(commitments.verify(&commitment, &forged), refused);
        let fitted = AccessCommitments {
            a1: opening_commitment(Group::A1, &shown),
            ..commitments
        };
        assert_eq!(fitted.verify(&commitment, &forged), refused);
    }

    #[test]
    fn f24_refuses_a_w_or_r_of_another_act() {
        let (commitments, _) = access();
        for group in [Group::W, Group::R] {
            let mut other = opening(group);
            other.salt = [0; 32];
            let refused = commitments.verify(&commitments.commitment(), &[(group, &other)]);
            assert_eq!(refused, Err(LogError::CommitmentMismatch));
        }
    }

    #[test]
    fn refuses_groups_that_were_swapped_or_do_not_belong() {
        let (commitments, _) = access();
        let swapped = AccessCommitments {
            d: commitments.w,
            w: commitments.d,
            ..commitments
        };
        assert!(swapped.verify(&commitments.commitment(), &[]).is_err());
        let relabelled = opening(Group::W);
        assert!(
            commitments
                .verify(&commitments.commitment(), &[(Group::D, &relabelled)])
                .is_err()
        );
        let stray =
            commitments.verify(&commitments.commitment(), &[(Group::P, &opening(Group::P))]);
        assert_eq!(stray, Err(LogError::GroupMismatch));
    }

    #[test]
    fn opens_one_subject_without_the_others() {
        let mut second = opening(Group::S);
        second.salt = [9; 32];
        let list = vec![of(Group::S), opening_commitment(Group::S, &second)];
        let subjects = SubjectCommitments::new(list).unwrap();
        assert_eq!(subjects.verify(1, &second), Ok(()));
        assert_eq!(
            subjects.verify(0, &second),
            Err(LogError::CommitmentMismatch)
        );
        assert_eq!(
            subjects.verify(2, &second),
            Err(LogError::CommitmentMismatch)
        );
    }
}
