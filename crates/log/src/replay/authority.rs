//! Who signed, and whether they may.

use obhut_format::person::KeyBundle;
use obhut_format::statement::{Event, Role, STATEMENT_LABEL, SignedStatement, Signer, Statement};
use obhut_format::{Blob, Cbor, Kid, PersonId, UnitId};
use obhut_suite::{DevicePublic, DeviceSignature, HybridPublic, HybridSignature, Label};

use super::directory::Directory;
use super::error::ReplayError;

/// Statement and entry may lie this far apart, microseconds.
pub(super) const MAX_SKEW_US: u64 = 24 * 3_600 * 1_000_000;

/// Who signed, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Author {
    Person(PersonId),
    Root,
    Vault,
}

impl Directory {
    /// Parses a statement and checks vault, time, nonce and signature.
    pub(super) fn open_statement(
        &self,
        signed: &SignedStatement,
        time_us: u64,
    ) -> Result<(Statement, Author), ReplayError> {
        let statement = Statement::from_bytes(&signed.statement.0)?;
        if statement.vault != self.vault {
            return Err(ReplayError::VaultMismatch);
        }
        check_skew(statement.time_us, time_us)?;
        if self.has_nonce(&statement.nonce) {
            return Err(ReplayError::Repeated);
        }
        let author = self.check_signer(&statement, signed)?;
        Ok((statement, author))
    }

    fn check_signer(
        &self,
        statement: &Statement,
        signed: &SignedStatement,
    ) -> Result<Author, ReplayError> {
        let label = Label::new(STATEMENT_LABEL);
        let message = signed.statement.0.as_slice();
        match &statement.signer {
            Signer::Person(signer) => {
                let person = self
                    .person(signer.person)
                    .ok_or(ReplayError::PersonUnknown)?;
                let key = person.current().filter(|key| key.kid == signer.kid);
                let key = key.ok_or(ReplayError::KidSuperseded)?;
                // An invitation's bundle can do one thing: be replaced by the person's own.
                if key.epoch == 0 && !matches!(statement.event, Event::BundleRotated(_)) {
                    return Err(ReplayError::PersonNotActivated);
                }
                verify_hybrid(&key.bundle, label, message, &signed.signature)?;
                Ok(Author::Person(signer.person))
            }
            Signer::Root(kid) => {
                let root = match (&statement.event, self.card()) {
                    (Event::Card(card), None) => &card.root,
                    (_, Some(card)) => &card.root,
                    (_, None) => return Err(ReplayError::NotFounded),
                };
                if root.kid() != *kid {
                    return Err(ReplayError::NotAuthorised);
                }
                verify_hybrid(root, label, message, &signed.signature)?;
                Ok(Author::Root)
            }
            Signer::Vault(vault) => {
                if *vault != self.vault || self.card().is_none() {
                    return Err(ReplayError::NotAuthorised);
                }
                verify_device(&self.records_key, label, message, &signed.signature.0)?;
                Ok(Author::Vault)
            }
        }
    }

    pub(super) fn require_registrar(&self, author: Author, at_us: u64) -> Result<(), ReplayError> {
        let allowed = match author {
            Author::Root => true,
            Author::Person(person) => self.holds_role(person, Role::Registrar, None, at_us),
            Author::Vault => false,
        };
        allowed.then_some(()).ok_or(ReplayError::NotAuthorised)
    }

    /// A caseworker of this unit, or of any where none is given.
    pub(super) fn require_caseworker(
        &self,
        author: Author,
        unit: Option<UnitId>,
        at_us: u64,
    ) -> Result<(), ReplayError> {
        match author {
            Author::Person(person)
                if self.holds_role(person, Role::CaseWorker, unit, at_us)
                    || self.is_deputy(person, unit, at_us) =>
            {
                Ok(())
            }
            _ => Err(ReplayError::NotAuthorised),
        }
    }

    /// The activated person whose current bundle this is.
    pub(super) fn activated_holder(&self, kid: Kid) -> Result<PersonId, ReplayError> {
        let person = self.current_holder(kid).ok_or(ReplayError::KidSuperseded)?;
        if person.is_activated() {
            Ok(person.person)
        } else {
            Err(ReplayError::PersonNotActivated)
        }
    }
}

pub(super) fn check_skew(signed_us: u64, entry_us: u64) -> Result<(), ReplayError> {
    if signed_us.abs_diff(entry_us) > MAX_SKEW_US {
        return Err(ReplayError::ClockSkew);
    }
    Ok(())
}

/// Checks a hybrid signature by a bundle's signing keys.
pub(super) fn verify_hybrid(
    bundle: &KeyBundle,
    label: Label,
    message: &[u8],
    signature: &Blob,
) -> Result<(), ReplayError> {
    let public = HybridPublic::parse(bundle.hybrid()).map_err(|_| ReplayError::KeyRefused)?;
    HybridSignature::parse(&signature.0)
        .and_then(|signature| public.verify(label, message, &signature))
        .map_err(|_| ReplayError::SignatureInvalid)
}

/// Checks a labelled Ed25519 signature.
pub(super) fn verify_device(
    public: &[u8; 32],
    label: Label,
    message: &[u8],
    signature: &[u8],
) -> Result<(), ReplayError> {
    let public = DevicePublic::parse(public).map_err(|_| ReplayError::KeyRefused)?;
    DeviceSignature::parse(signature)
        .and_then(|signature| public.verify(label, message, &signature))
        .map_err(|_| ReplayError::SignatureInvalid)
}
