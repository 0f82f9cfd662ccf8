//! Shares: what the gatekeeper keeps, as the author makes them and readers get them.

use obhut_format::context::sha256;
use obhut_format::share::{ShareKind, card_secret_id, content_secret_id, share_id};
use obhut_format::{CaseId, DocumentId, Hash, PersonId, ShareId, VaultId};
use obhut_suite::{Secret, SecretBytes};
use rand_core::CryptoRng;

use crate::CryptoError;

/// The card half of a single-secret share.
const NO_CARD: Hash = [0; 32];

/// One revision of a document, and where it belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevisionRef {
    /// The vault.
    pub vault: VaultId,
    /// The case file.
    pub case: CaseId,
    /// The document.
    pub document: DocumentId,
    /// The revision, from 1.
    pub revision: u64,
}

/// `s_doc` and `c_doc`: the gatekeeper's half of the keys of one revision.
pub struct DocumentShare {
    pub(crate) content: Secret<32>,
    pub(crate) card: Secret<32>,
}

/// What listing titles brings: `c_doc`, and the hash of `s_doc` to check it by.
pub struct CardShare {
    pub(crate) card: Secret<32>,
    content_id: Hash,
}

/// The gatekeeper's half of the key of a case's register entries.
pub struct CaseShare(pub(crate) Secret<32>);

/// λ: what a person's labels in the logs are made of.
pub struct Lambda(Secret<32>);

impl DocumentShare {
    /// Fresh secrets for a new revision.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self {
            content: Secret::generate(rng),
            card: Secret::generate(rng),
        }
    }

    /// What a release brings, `s_doc || c_doc`; [`CryptoError::Damaged`] unless it is the share
    /// that the signed manifest names.
    pub fn parse(bytes: &[u8], at: &RevisionRef, named: &ShareId) -> Result<Self, CryptoError> {
        let (content, card) = bytes.split_at_checked(32).ok_or(CryptoError::Damaged)?;
        let share = Self {
            content: Secret::from_slice(content)?,
            card: Secret::from_slice(card)?,
        };
        same(&share.share_id(at), named).map(|()| share)
    }

    /// The name of the share in the manifest.
    pub fn share_id(&self, at: &RevisionRef) -> ShareId {
        document_share_id(at, &self.content_id(at), &card_id(at, &self.card))
    }

    /// `s_doc || c_doc`, to deposit it.
    pub fn secret(&self) -> SecretBytes {
        // EXPOSE: joined into another secret.
        SecretBytes::new([*self.content.expose(), *self.card.expose()].concat())
    }

    /// The half that opens cards.
    pub fn card_share(&self, at: &RevisionRef) -> CardShare {
        CardShare {
            card: self.card.duplicate(),
            content_id: self.content_id(at),
        }
    }

    fn content_id(&self, at: &RevisionRef) -> Hash {
        // EXPOSE: hashed.
        content_secret_id(at.vault, &at.document.0, at.revision, self.content.expose())
    }
}

impl CardShare {
    /// What a release of titles brings, `c_doc || s_id`; [`CryptoError::Damaged`] unless it
    /// belongs to the share that the signed manifest names.
    pub fn parse(bytes: &[u8], at: &RevisionRef, named: &ShareId) -> Result<Self, CryptoError> {
        let (card, content_id) = bytes.split_at_checked(32).ok_or(CryptoError::Damaged)?;
        let share = Self {
            card: Secret::from_slice(card)?,
            content_id: content_id.try_into().map_err(|_| CryptoError::Damaged)?,
        };
        let found = document_share_id(at, &share.content_id, &card_id(at, &share.card));
        same(&found, named).map(|()| share)
    }
}

impl CaseShare {
    /// A fresh secret for a new case.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(Secret::generate(rng))
    }

    /// What a release brings; [`CryptoError::Damaged`] unless it is the share that stands in the
    /// statement that created the case.
    pub fn parse(
        bytes: &[u8],
        vault: VaultId,
        case: CaseId,
        named: &ShareId,
    ) -> Result<Self, CryptoError> {
        let share = Self(Secret::from_slice(bytes)?);
        same(&share.share_id(vault, case), named).map(|()| share)
    }

    /// The name of the share.
    pub fn share_id(&self, vault: VaultId, case: CaseId) -> ShareId {
        single_share_id(ShareKind::Case, vault, &case.0, &self.0)
    }

    /// The secret, to deposit it.
    pub fn secret(&self) -> &Secret<32> {
        &self.0
    }
}

impl Lambda {
    /// A fresh λ, made by the client of whoever enrols the person.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        Self(Secret::generate(rng))
    }

    /// A λ that came out of a wrap; [`CryptoError::Damaged`] unless its hash is the one in the
    /// person's first statement.
    pub fn from_secret(secret: Secret<32>, lambda_hash: &Hash) -> Result<Self, CryptoError> {
        let lambda = Self(secret);
        if lambda.hash() == *lambda_hash {
            Ok(lambda)
        } else {
            Err(CryptoError::Damaged)
        }
    }

    /// SHA-256 of λ, for the person's first statement.
    pub fn hash(&self) -> Hash {
        // EXPOSE: hashed.
        sha256(&[self.0.expose()])
    }

    /// The name of λ's share at the gatekeeper.
    pub fn share_id(&self, vault: VaultId, person: PersonId) -> ShareId {
        single_share_id(ShareKind::Person, vault, &person.0, &self.0)
    }

    /// λ itself: to deposit or wrap it, and for the log's labels.
    pub fn secret(&self) -> &Secret<32> {
        &self.0
    }
}

fn card_id(at: &RevisionRef, card: &Secret<32>) -> Hash {
    // EXPOSE: hashed.
    card_secret_id(at.vault, &at.document.0, at.revision, card.expose())
}

fn document_share_id(at: &RevisionRef, content_id: &Hash, card_id: &Hash) -> ShareId {
    let (vault, id, revision) = (at.vault, &at.document.0, at.revision);
    share_id(
        ShareKind::Document,
        vault,
        id,
        revision,
        content_id,
        card_id,
    )
}

fn single_share_id(kind: ShareKind, vault: VaultId, id: &[u8; 16], secret: &Secret<32>) -> ShareId {
    // EXPOSE: hashed.
    let content_id = content_secret_id(vault, id, 0, secret.expose());
    share_id(kind, vault, id, 0, &content_id, &NO_CARD)
}

fn same(found: &ShareId, named: &ShareId) -> Result<(), CryptoError> {
    if found == named {
        Ok(())
    } else {
        Err(CryptoError::Damaged)
    }
}
