//! Statements and batches: what identities sign, and how others check it.

use obhut_format::batch::{BatchHeader, BatchItem, BatchKind, SignedBatch};
use obhut_format::share::MAX_BATCH;
use obhut_format::statement::{
    BundleRotated, ROTATION_PROOF_LABEL, STATEMENT_LABEL, SignedStatement, Signer, Statement,
};
use obhut_format::tree::{Tree, leaf_hash, root_of, verify_inclusion};
use obhut_format::{BatchId, CaseId, Cbor, Hash, PersonId, VaultId};
use obhut_suite::{HybridSignature, Label};

use crate::{CryptoError, Identity, PublicIdentity};

const STATEMENT: Label = Label::new(STATEMENT_LABEL);
const ROTATION_PROOF: Label = Label::new(ROTATION_PROOF_LABEL);
const DOCUMENTS: Label = Label::new("obhut/batch-documents/v1");
const GRANTS: Label = Label::new("obhut/batch-grants/v1");

/// Signs a statement. Whose it is stands inside and must be the signing identity.
pub fn sign_statement(
    statement: &Statement,
    identity: &Identity,
) -> Result<SignedStatement, CryptoError> {
    if signer_kid(&statement.signer) != Some(identity.kid()) {
        return Err(CryptoError::NotARecipient);
    }
    let bytes = statement.to_bytes();
    let signature = identity.signer().sign(STATEMENT, &bytes);
    Ok(SignedStatement {
        statement: bytes.into(),
        signature: signature.to_bytes().into(),
    })
}

/// Checks both halves of a person's or the root's signature, and that the statement names this
/// identity as its signer. Whether that identity may state this is for the records replay.
pub fn verify_statement(
    signed: &SignedStatement,
    signer: &PublicIdentity,
) -> Result<Statement, CryptoError> {
    let statement = Statement::from_bytes(&signed.statement.0)?;
    if signer_kid(&statement.signer) != Some(signer.kid()) {
        return Err(CryptoError::Damaged);
    }
    let signature = HybridSignature::parse(&signed.signature.0)?;
    let signing = signer.signing();
    signing.verify(STATEMENT, &signed.statement.0, &signature)?;
    Ok(statement)
}

/// The new identity's consent to replacing the old bundle in this vault, for `BundleRotated::proof`.
pub fn prove_rotation(rotation: &mut BundleRotated, vault: VaultId, new: &Identity) {
    let message = rotation.proof_message(vault);
    let proof = new.signer().sign(ROTATION_PROOF, message.as_bytes());
    rotation.proof = proof.to_bytes().into();
}

/// Checks that the new bundle's holder consented, in this vault.
pub fn verify_rotation_proof(
    rotation: &BundleRotated,
    vault: VaultId,
) -> Result<PublicIdentity, CryptoError> {
    let new = PublicIdentity::parse(&rotation.bundle)?;
    let proof = HybridSignature::parse(&rotation.proof.0)?;
    let message = rotation.proof_message(vault);
    new.signing()
        .verify(ROTATION_PROOF, message.as_bytes(), &proof)?;
    Ok(new)
}

/// What a batch is about, beside its items.
#[derive(Clone, Copy, Debug)]
pub struct BatchTerms {
    /// What the items are.
    pub kind: BatchKind,
    /// The vault.
    pub vault: VaultId,
    /// The case all items belong to.
    pub case: CaseId,
    /// Epoch of the case key in use; 0 = direct grants only.
    pub case_epoch: u32,
    /// The signer.
    pub signer: PersonId,
    /// When, microseconds UTC.
    pub time_us: u64,
    /// Made by the client: a repeat is recognised by it.
    pub batch: BatchId,
}

/// One signature for up to 1,024 items, and each item with its path.
pub fn sign_batch<T: Cbor>(
    terms: &BatchTerms,
    items: &[T],
    identity: &Identity,
) -> Result<(SignedBatch, Vec<BatchItem>), CryptoError> {
    if items.is_empty() || items.len() > MAX_BATCH {
        return Err(CryptoError::TooLarge);
    }
    let items: Vec<Vec<u8>> = items.iter().map(Cbor::to_bytes).collect();
    let tree = Tree::new(items.iter().map(|item| leaf_hash(item)).collect());
    let header = BatchHeader {
        kind: terms.kind,
        vault: terms.vault,
        case: terms.case,
        case_epoch: terms.case_epoch,
        count: tree.size(),
        root: tree.root(),
        signer: terms.signer,
        signer_kid: identity.kid(),
        time_us: terms.time_us,
        batch: terms.batch,
    }
    .to_bytes();
    let signature = identity.signer().sign(label(terms.kind), &header);
    let signed = SignedBatch {
        header: header.into(),
        signature: signature.to_bytes().into(),
    };
    let batch = signed.hash();
    let with_path = |(index, item): (u64, Vec<u8>)| {
        Ok(BatchItem {
            batch,
            index,
            path: tree
                .inclusion_path(index)
                .map_err(|_| CryptoError::Damaged)?,
            item: item.into(),
        })
    };
    let items = (0..)
        .zip(items)
        .map(with_path)
        .collect::<Result<_, CryptoError>>()?;
    Ok((signed, items))
}

/// A batch whose signature was checked.
#[must_use]
pub struct VerifiedBatch {
    header: BatchHeader,
    hash: Hash,
}

impl VerifiedBatch {
    /// Checks both halves of the signature under the label of the batch's kind.
    pub fn verify(signed: &SignedBatch, signer: &PublicIdentity) -> Result<Self, CryptoError> {
        let header = signed.parse_header()?;
        let count_fits = (1..=MAX_BATCH as u64).contains(&header.count);
        if header.signer_kid != signer.kid() || !count_fits {
            return Err(CryptoError::Damaged);
        }
        let signature = HybridSignature::parse(&signed.signature.0)?;
        let signing = signer.signing();
        signing.verify(label(header.kind), &signed.header.0, &signature)?;
        let hash = signed.hash();
        Ok(Self { header, hash })
    }

    /// What was signed.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// The item's content, if its path leads to the signed root.
    pub fn open_item<T: Cbor>(&self, item: &BatchItem) -> Result<T, CryptoError> {
        if item.batch != self.hash {
            return Err(CryptoError::Damaged);
        }
        self.open_at(item.index, &item.path, &item.item.0)
    }

    /// As [`Self::open_item`] for an item that travels apart from its path.
    pub fn open_at<T: Cbor>(
        &self,
        index: u64,
        path: &[Hash],
        item: &[u8],
    ) -> Result<T, CryptoError> {
        let (count, root) = (self.header.count, &self.header.root);
        verify_inclusion(&leaf_hash(item), index, count, path, root)
            .map_err(|_| CryptoError::Damaged)?;
        Ok(T::from_bytes(item)?)
    }

    /// Checks that these are all items of the batch, in order.
    pub fn check_complete<T: Cbor>(&self, items: &[T]) -> Result<(), CryptoError> {
        let complete = items.len() as u64 == self.header.count
            && root_of(items.iter().map(Cbor::to_bytes)) == self.header.root;
        if complete {
            Ok(())
        } else {
            Err(CryptoError::Damaged)
        }
    }
}

fn label(kind: BatchKind) -> Label {
    match kind {
        BatchKind::Documents => DOCUMENTS,
        BatchKind::Grants => GRANTS,
    }
}

fn signer_kid(signer: &Signer) -> Option<obhut_format::Kid> {
    match signer {
        Signer::Person(person) => Some(person.kid),
        Signer::Root(kid) => Some(*kid),
        Signer::Vault(_) => None,
    }
}
