//! The state root of a case: one hash under the case's label that fixes which documents are living,
//! who has been granted what, which key epoch is in force and whom the case is about.
//!
//! ```text
//! key        = SHA-256(document)
//! value      = SHA-256(0x23 document(16) revision(8) manifest_hash(32) card_hash(32) class(16) status(1))
//! subjects   = SHA-256(0x25 count(4) person_1(16) … person_n(16))      ascending, no duplicates
//! state_root = SHA-256(0x24 documents_root grants_root epoch(8) subjects)
//! ```
//!
//! `documents_root` and `grants_root` are prefix trees. In the grants tree a batch of grants stands under
//! its hash with its root, a revoked grant under its own hash with 32 bytes 0xff. Erased documents have
//! left their tree.

use obhut_format::tree::Hash;
use obhut_format::{ClassCode, DocumentId, PersonId};
use sha2::{Digest, Sha256};

use crate::error::LogError;
use crate::prefix::{PrefixProof, PrefixTree};

const DOCUMENT: u8 = 0x23;
const STATE: u8 = 0x24;
const SUBJECTS: u8 = 0x25;

/// What may be done with a living document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum DocumentStatus {
    /// Registered and readable.
    Living = 1,
    /// Released to nobody while destruction is approved.
    Closing = 2,
}

/// The latest living revision of a document as the state root fixes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentState {
    /// The document.
    pub document: DocumentId,
    /// Its latest living revision, from 1.
    pub revision: u64,
    /// Hash of that revision's manifest.
    pub manifest_hash: Hash,
    /// SHA-256 of the sealed card in force.
    pub card_hash: Hash,
    /// Retention class.
    pub class: ClassCode,
    /// What may be done with it.
    pub status: DocumentStatus,
}

impl DocumentState {
    /// Key in the documents tree.
    pub fn key(document: DocumentId) -> Hash {
        Sha256::digest(document.0).into()
    }

    /// Value in the documents tree.
    pub fn value(&self) -> Hash {
        Sha256::new()
            .chain_update([DOCUMENT])
            .chain_update(self.document.0)
            .chain_update(self.revision.to_be_bytes())
            .chain_update(self.manifest_hash)
            .chain_update(self.card_hash)
            .chain_update(self.class.as_bytes())
            .chain_update([self.status as u8])
            .finalize()
            .into()
    }
}

/// Hash over the persons a case is about; the order given does not matter.
pub fn subjects_hash(subjects: impl IntoIterator<Item = PersonId>) -> Hash {
    let mut subjects: Vec<PersonId> = subjects.into_iter().collect();
    subjects.sort_unstable();
    subjects.dedup();
    let count = (subjects.len() as u32).to_be_bytes();
    let hash = Sha256::new().chain_update([SUBJECTS]).chain_update(count);
    let hash = subjects
        .iter()
        .fold(hash, |hash, person| hash.chain_update(person.0));
    hash.finalize().into()
}

/// The four parts of a state root. Whoever has them and one proof can check one document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateParts {
    /// Root of the documents tree.
    pub documents: Hash,
    /// Root of the grants tree.
    pub grants: Hash,
    /// Epoch of the case key in force; 0 before there is one.
    pub epoch: u64,
    /// [`subjects_hash`].
    pub subjects: Hash,
}

impl StateParts {
    /// The state root.
    pub fn root(&self) -> Hash {
        Sha256::new()
            .chain_update([STATE])
            .chain_update(self.documents)
            .chain_update(self.grants)
            .chain_update(self.epoch.to_be_bytes())
            .chain_update(self.subjects)
            .finalize()
            .into()
    }

    /// Checks that `document` is the living state of its document under `state_root`.
    pub fn verify_document(
        &self,
        state_root: &Hash,
        document: &DocumentState,
        proof: &PrefixProof,
    ) -> Result<(), LogError> {
        let key = DocumentState::key(document.document);
        self.verify_root(state_root)?;
        if proof.verify(&key, &self.documents)? == Some(document.value()) {
            Ok(())
        } else {
            Err(LogError::MapMismatch)
        }
    }

    /// Checks that the case has no living document of this id under `state_root`.
    pub fn verify_absence(
        &self,
        state_root: &Hash,
        document: DocumentId,
        proof: &PrefixProof,
    ) -> Result<(), LogError> {
        self.verify_root(state_root)?;
        match proof.verify(&DocumentState::key(document), &self.documents)? {
            None => Ok(()),
            Some(_) => Err(LogError::MapMismatch),
        }
    }

    fn verify_root(&self, state_root: &Hash) -> Result<(), LogError> {
        if self.root() == *state_root {
            Ok(())
        } else {
            Err(LogError::MapMismatch)
        }
    }
}

/// The state of one case, kept current in O(log n) a change.
#[derive(Debug, Clone)]
pub struct CaseState {
    documents: PrefixTree,
    grants: PrefixTree,
    epoch: u64,
    subjects: Hash,
}

impl Default for CaseState {
    fn default() -> Self {
        Self {
            documents: PrefixTree::new(),
            grants: PrefixTree::new(),
            epoch: 0,
            subjects: subjects_hash([]),
        }
    }
}

impl CaseState {
    /// A case without documents, grants, key or subjects.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a document's living revision.
    pub fn set_document(&mut self, document: &DocumentState) {
        self.documents
            .insert(DocumentState::key(document.document), document.value());
    }

    /// Takes an erased document out.
    pub fn remove_document(&mut self, document: DocumentId) {
        self.documents.remove(&DocumentState::key(document));
    }

    /// Adds a live grant, or the root of a batch of them: `key` names it, `value` is what it binds.
    pub fn set_grant(&mut self, key: Hash, value: Hash) {
        self.grants.insert(key, value);
    }

    /// Takes a revoked grant out.
    pub fn remove_grant(&mut self, key: &Hash) {
        self.grants.remove(key);
    }

    /// Sets the key epoch in force.
    pub fn set_epoch(&mut self, epoch: u64) {
        self.epoch = epoch;
    }

    /// Sets the persons the case is about.
    pub fn set_subjects(&mut self, subjects: impl IntoIterator<Item = PersonId>) {
        self.subjects = subjects_hash(subjects);
    }

    /// The parts.
    pub fn parts(&self) -> StateParts {
        StateParts {
            documents: self.documents.root(),
            grants: self.grants.root(),
            epoch: self.epoch,
            subjects: self.subjects,
        }
    }

    /// The state root.
    pub fn root(&self) -> Hash {
        self.parts().root()
    }

    /// Proof that a document is living or absent.
    pub fn prove_document(&self, document: DocumentId) -> PrefixProof {
        self.documents.prove(&DocumentState::key(document))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn document(id: u8, revision: u64) -> DocumentState {
        DocumentState {
            document: DocumentId([id; 16]),
            revision,
            manifest_hash: [id; 32],
            card_hash: [7; 32],
            class: "ALG-10".parse().unwrap(),
            status: DocumentStatus::Living,
        }
    }

    fn case() -> CaseState {
        let mut case = CaseState::new();
        for id in 1..=9 {
            case.set_document(&document(id, 1));
        }
        case.set_epoch(2);
        case.set_subjects([PersonId([5; 16]), PersonId([4; 16])]);
        case
    }

    #[test]
    fn hashes_are_the_documented_ones() {
        let state = document(3, 2);
        let mut bytes = b"\x23".to_vec();
        bytes.extend([3; 16]);
        bytes.extend(2_u64.to_be_bytes());
        bytes.extend([3; 32]);
        bytes.extend([7; 32]);
        bytes.extend(b"ALG-10\0\0\0\0\0\0\0\0\0\0");
        bytes.push(1);
        assert_eq!(state.value(), <Hash>::from(Sha256::digest(&bytes)));
        assert_eq!(
            DocumentState::key(state.document),
            <Hash>::from(Sha256::digest([3; 16]))
        );
        let bytes = [b"\x25\0\0\0\x02".as_slice(), &[4; 16], &[5; 16]].concat();
        let subjects = subjects_hash([PersonId([5; 16]), PersonId([4; 16]), PersonId([5; 16])]);
        assert_eq!(subjects, <Hash>::from(Sha256::digest(bytes)));
        let parts = case().parts();
        let epoch = 2_u64.to_be_bytes();
        let bytes = [
            b"\x24".as_slice(),
            &parts.documents,
            &parts.grants,
            &epoch,
            &subjects,
        ]
        .concat();
        assert_eq!(case().root(), <Hash>::from(Sha256::digest(bytes)));
    }

    #[test]
    fn a08_an_older_revision_is_not_the_living_one() {
        let mut case = case();
        case.set_document(&document(3, 2));
        let (parts, root) = (case.parts(), case.root());
        let proof = case.prove_document(DocumentId([3; 16]));
        assert_eq!(
            parts.verify_document(&root, &document(3, 2), &proof),
            Ok(())
        );
        let refused = parts.verify_document(&root, &document(3, 1), &proof);
        assert_eq!(refused, Err(LogError::MapMismatch));
    }

    #[test]
    fn e03_a_hidden_document_and_a_served_erased_one_are_noticed() {
        let mut case = case();
        let (parts, root) = (case.parts(), case.root());
        let proof = case.prove_document(DocumentId([3; 16]));
        assert!(
            parts
                .verify_absence(&root, DocumentId([3; 16]), &proof)
                .is_err()
        );
        case.remove_document(DocumentId([3; 16]));
        let (erased, erased_root) = (case.parts(), case.root());
        assert!(
            erased
                .verify_document(&erased_root, &document(3, 1), &proof)
                .is_err()
        );
        assert!(
            parts
                .verify_document(&erased_root, &document(3, 1), &proof)
                .is_err()
        );
        let absent = case.prove_document(DocumentId([3; 16]));
        assert_eq!(
            erased.verify_absence(&erased_root, DocumentId([3; 16]), &absent),
            Ok(())
        );
    }

    #[test]
    fn e04_every_part_is_under_the_root() {
        let root = case().root();
        let changes: [fn(&mut CaseState); 6] = [
            |case| {
                case.set_document(&DocumentState {
                    card_hash: [8; 32],
                    ..document(3, 1)
                });
            },
            |case| {
                case.set_document(&DocumentState {
                    class: "ALG-30".parse().unwrap(),
                    ..document(3, 1)
                });
            },
            |case| {
                case.set_document(&DocumentState {
                    status: DocumentStatus::Closing,
                    ..document(3, 1)
                });
            },
            |case| case.set_grant([1; 32], [2; 32]),
            |case| case.set_epoch(3),
            |case| case.set_subjects([PersonId([5; 16])]),
        ];
        for change in changes {
            let mut changed = case();
            change(&mut changed);
            assert_ne!(changed.root(), root);
        }
        let mut granted = case();
        granted.set_grant([1; 32], [2; 32]);
        granted.remove_grant(&[1; 32]);
        assert_eq!(granted.root(), root);
    }
}
