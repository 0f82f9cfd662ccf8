//! Seals what was read: capsule, content info, card, wrap and manifest of one revision.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use obhut_crypto::{
    CapsuleSink, CaseFileKey, CryptoError, ManifestTerms, RevisionRef, RevisionSealer,
    SealedCapsule, ShareToDeposit, Workers, wrap_access_key,
};
use obhut_format::content::{Card, ContentInfo};
use obhut_format::context::sha256;
use obhut_format::manifest::Manifest;
use obhut_format::mutation::DocumentRow;
use obhut_format::{Blob, CaseId, ClassCode, Hash, Kid, VaultId};
use rand_core::CryptoRng;

use super::journal_record::{SourceId, SourceRecord};
use super::plan::Attempt;
use super::scan::{SourceFile, media_type};

/// The case documents are sealed for, with the key of its current epoch.
pub(super) struct CaseSeal {
    pub(super) vault: VaultId,
    pub(super) case: CaseId,
    pub(super) author: Kid,
    pub(super) epoch: u32,
    pub(super) key: CaseFileKey,
    pub(super) class: ClassCode,
}

/// A revision whose capsule is (about to be) uploaded: all that is deposited and registered.
pub(super) struct SealedRevision {
    pub(super) source: SourceId,
    pub(super) manifest: Manifest,
    pub(super) row: DocumentRow,
    pub(super) card_hash: Hash,
    /// None once it went into a deposit.
    pub(super) share: Option<ShareToDeposit>,
    pub(super) path: PathBuf,
    pub(super) true_bytes: u64,
}

/// A capsule sealed, the metadata not yet.
pub(super) struct CapsuleSealer<'a> {
    case: &'a CaseSeal,
    record: SourceRecord,
    previous: [u8; 32],
    sealer: RevisionSealer,
}

impl<'a> CapsuleSealer<'a> {
    /// For this attempt, whose keys are in the journal by now.
    pub(super) fn new(case: &'a CaseSeal, attempt: Attempt) -> Self {
        let record = attempt.record;
        let at = RevisionRef {
            vault: case.vault,
            case: record.case,
            document: record.document,
            revision: record.revision,
        };
        Self {
            case,
            previous: attempt.previous,
            sealer: RevisionSealer::new(at, case.author, attempt.secrets),
            record,
        }
    }

    /// Seals the content; its length must be the attempt's.
    pub(super) fn seal_content(
        &self,
        workers: &Workers,
        source: impl Read + Send,
        sink: impl Write,
    ) -> Result<SealedCapsule, CryptoError> {
        let true_bytes = self.record.size_bytes;
        self.sealer.seal_content(true_bytes, workers, source, sink)
    }

    /// As [`Self::seal_content`], with the leaf hashes beside the bytes.
    pub(super) fn seal_content_to(
        &self,
        workers: &Workers,
        source: impl Read + Send,
        sink: impl CapsuleSink,
    ) -> Result<SealedCapsule, CryptoError> {
        let true_bytes = self.record.size_bytes;
        self.sealer
            .seal_content_to(true_bytes, workers, source, sink)
    }

    /// Seals the metadata and makes the manifest.
    pub(super) fn finish(
        self,
        capsule: &SealedCapsule,
        file: &SourceFile,
        rng: &mut impl CryptoRng,
    ) -> Result<SealedRevision, CryptoError> {
        let relative = file.relative.as_slice();
        let name = relative
            .rsplit(|byte| *byte == b'/')
            .next()
            .unwrap_or(relative);
        let info = self.sealer.seal_info(&ContentInfo {
            true_bytes: self.record.size_bytes,
            media_type: media_type(OsStr::from_bytes(name)).to_owned(),
            file_name: Some(Blob(name.to_vec())),
        })?;
        let card = self.sealer.seal_first_card(&Card {
            title: String::from_utf8_lossy(name).into_owned(),
            date: None,
            kind: None,
            notes: None,
            size_bytes: self.record.size_bytes,
            path: Some(Blob(relative.to_vec())),
        })?;
        let terms = ManifestTerms {
            previous: self.previous,
            case_epoch: self.case.epoch,
            class: self.case.class,
            created_us: self.record.created_us,
        };
        let manifest = self.sealer.manifest(capsule, &info, &terms);
        let secrets = self.sealer.secrets();
        let (key, epoch) = (&self.case.key, self.case.epoch);
        let wrap = wrap_access_key(key, epoch, self.sealer.at(), &secrets.access, rng)?;
        Ok(SealedRevision {
            source: self.record.source,
            share: Some(ShareToDeposit::of_document(&manifest, &secrets.share)?),
            path: file.path.clone(),
            card_hash: sha256(&[&card]),
            row: DocumentRow {
                document: manifest.document,
                revision: manifest.revision,
                object: self.record.upload,
                wrap: Some(wrap.into()),
                info: info.into(),
                card: card.into(),
            },
            manifest,
            true_bytes: self.record.size_bytes,
        })
    }
}
