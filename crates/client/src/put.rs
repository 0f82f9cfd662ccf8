//! Filing documents: seal while uploading, then deposit and register. Each step consumes the last.

use std::fs::File;
use std::path::Path;

use obhut_crypto::{
    CaseFileKey, CryptoError, ManifestTerms, RevisionRef, RevisionSealer, RevisionSecrets,
    ShareToDeposit, wrap_access_key,
};
use obhut_format::act::Reason;
use obhut_format::content::{Card, ContentInfo};
use obhut_format::context::sha256;
use obhut_format::manifest::Manifest;
use obhut_format::mutation::DocumentRow;
use obhut_format::share::MAX_BATCH;
use obhut_format::statement::CaseKind;
use obhut_format::{CaseId, DocumentId, Hash, ObjectId};

use crate::ClientError;
use crate::clock::{now_us, parse_date, random_bytes, system_rng};
use crate::import::{SkipReason, open_regular};
use crate::register::{FiledDocument, Unfiled, batch_act};
use crate::resume::{Resumable, is_large};
use crate::transport::MutationRoute;
use crate::upload::{Stamp, Uploaded, upload};
use crate::vault::Vault;

/// A lost connection is tried again with fresh keys this many times.
const ATTEMPTS: u32 = 3;

/// What is filed, beside the content.
#[derive(Clone, Debug)]
pub struct NewDocument {
    /// Its id; for a further revision that of the document.
    pub document: DocumentId,
    /// Index card: title, date, kind, notes, path. The size is set from the source.
    pub card: Card,
    /// Media type such as `application/pdf`.
    pub media_type: String,
    /// File name as bytes.
    pub file_name: Option<Vec<u8>>,
}

/// Opens a file that is to be filed: a regular file, never a link.
pub fn open_source(path: &Path) -> Result<File, ClientError> {
    match open_regular(path) {
        Ok((file, _)) => Ok(file),
        Err(SkipReason::Unreadable(kind)) => Err(ClientError::io_kind("cannot read", path, kind)),
        Err(_) => Err(ClientError::Usage(format!(
            "{} is no regular file; name the file itself, not a link or folder",
            path.display()
        ))),
    }
}

impl NewDocument {
    /// Fails on a title that says nothing, a date that is none, a media type that is none.
    fn check(&self) -> Result<(), ClientError> {
        if self.card.title.trim().is_empty() {
            return Err(ClientError::Usage("the title is blank".into()));
        }
        if let Some(date) = &self.card.date {
            parse_date(date)?;
        }
        let token = |text: &str| {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
            !text.is_empty() && text.bytes().all(fits)
        };
        let kind = self.media_type.split(';').next().unwrap_or_default();
        match kind.trim_end().split_once('/') {
            Some((main, sub)) if token(main) && token(sub) => Ok(()),
            _ => Err(ClientError::Usage(format!(
                "{} is no media type such as application/pdf",
                self.media_type
            ))),
        }
    }
}

/// A fresh id for a document.
pub fn new_document_id() -> DocumentId {
    DocumentId(random_bytes())
}

/// The key and terms under which documents of one case are filed now.
pub struct Filing {
    case: CaseId,
    epoch: u32,
    class: obhut_format::ClassCode,
    key: Option<CaseFileKey>,
}

/// A document whose capsule the vault holds, and nothing else yet: nobody can find or open it.
#[must_use]
pub struct Sealed {
    unfiled: Unfiled,
    share: ShareToDeposit,
    true_bytes: u64,
}

impl Sealed {
    /// The document.
    pub fn document(&self) -> DocumentId {
        self.unfiled.manifest.document
    }

    /// The manifest to be signed.
    pub fn manifest(&self) -> &Manifest {
        &self.unfiled.manifest
    }
}

/// A document that is stored: deposit receipt and registration in the log with quorum are there.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The document.
    pub document: DocumentId,
    /// The revision.
    pub revision: u64,
    /// Hash of the signed manifest.
    pub manifest_hash: Hash,
    /// Length of the content in bytes.
    pub true_bytes: u64,
    /// Length of the capsule in bytes.
    pub object_bytes: u64,
}

impl Vault {
    /// Prepares to file in a case: checks that it is open, renews its key where a member left, opens it.
    pub async fn begin_filing(&mut self, case: CaseId) -> Result<Filing, ClientError> {
        self.refresh().await?;
        if self.case(case)?.is_closed() {
            return Err(ClientError::Refused(
                "the case file is closed; open it again first (`obhut case reopen`)".into(),
            ));
        }
        self.renew_case_key(case).await?;
        let own = self.case(case)?.kind == CaseKind::Own;
        let key = if own {
            None
        } else {
            Some(self.load_case_key(case).await?)
        };
        let found = self.case(case)?;
        Ok(Filing {
            case,
            epoch: if own { 0 } else { found.epoch() },
            class: found.class,
            key,
        })
    }

    /// Seals a file with fresh keys while it is uploaded; memory does not grow with its length. A file that
    /// changes meanwhile is refused with [`obhut_crypto::CryptoError::SourceChanged`].
    pub async fn seal_file(
        &self,
        filing: &Filing,
        new: &NewDocument,
        open: impl Fn() -> Result<File, ClientError>,
    ) -> Result<Sealed, ClientError> {
        let source = open()?;
        let stamp = Stamp::of(&source)?;
        if is_large(stamp.bytes) {
            return self.seal_large(filing, new, source, open).await;
        }
        let mut attempt = 1;
        loop {
            let secrets = RevisionSecrets::generate(&mut system_rng());
            let object = ObjectId(random_bytes());
            let sealed = self.seal_with(filing, new, open()?, secrets, object).await;
            match sealed {
                Err(ClientError::Stalled { .. } | ClientError::Unreachable { .. })
                    if attempt < ATTEMPTS =>
                {
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    /// By part: what an earlier run or try has sent is not sent again, as long as it is byte for byte the same; otherwise
    /// everything is sealed anew under fresh keys.
    async fn seal_large(
        &self,
        filing: &Filing,
        new: &NewDocument,
        source: File,
        open: impl Fn() -> Result<File, ClientError>,
    ) -> Result<Sealed, ClientError> {
        let known = self.directory().document(new.document).is_some();
        let revises = known.then_some(new.document);
        let resumable = Resumable::open(self, filing.case, revises, &source)?;
        drop(source);
        let mut tries = 1;
        loop {
            let source = open()?;
            let stamp = Stamp::of(&source)?;
            let next = |document| self.next_revision(document);
            let attempt = match resumable.find(&stamp, next)? {
                Some(attempt) => attempt,
                None => resumable.begin(&stamp, new.document, next(new.document))?,
            };
            let (is_resumed, object) = (attempt.is_resumed, attempt.record.upload);
            let new = NewDocument {
                document: attempt.record.document,
                ..new.clone()
            };
            let (at, terms) = self.revision_of(filing, &new)?;
            let author = self.unlocked().kid();
            let sealer = |secrets| RevisionSealer::new(at, author, secrets);
            match resumable.upload(self, attempt, sealer, source).await {
                Ok(upload) => {
                    let sealed = finish_sealing(filing, &new, &terms, object, &upload)?;
                    resumable.end()?;
                    return Ok(sealed);
                }
                // Other bytes than were sent before: new keys.
                Err(ClientError::Crypto(CryptoError::SourceChanged)) if is_resumed => {
                    resumable.forget();
                }
                Err(ClientError::Stalled { .. } | ClientError::Unreachable { .. })
                    if tries < ATTEMPTS =>
                {
                    tries += 1;
                }
                Err(failed) => return Err(failed),
            }
        }
    }

    fn next_revision(&self, document: DocumentId) -> u64 {
        let known = self.directory().document(document);
        let latest = known.and_then(|known| known.latest());
        latest.map_or(1, |latest| latest.revision + 1)
    }

    /// As [`Self::seal_file`] with given secrets and object id: an import repeats an unchanged source with the
    /// same bytes. The secrets must never meet another content.
    pub async fn seal_with(
        &self,
        filing: &Filing,
        new: &NewDocument,
        source: File,
        secrets: RevisionSecrets,
        object: ObjectId,
    ) -> Result<Sealed, ClientError> {
        let (at, terms) = self.revision_of(filing, new)?;
        let sealer = RevisionSealer::new(at, self.unlocked().kid(), secrets);
        let upload = upload(self.endpoint(), self.workers(), object, sealer, source).await?;
        finish_sealing(filing, new, &terms, object, &upload)
    }

    /// The next revision of a document, and the terms of its manifest.
    fn revision_of(
        &self,
        filing: &Filing,
        new: &NewDocument,
    ) -> Result<(RevisionRef, ManifestTerms), ClientError> {
        new.check()?;
        let known = self.directory().document(new.document);
        if known.is_some_and(|known| known.case != filing.case) {
            return Err(ClientError::Usage(
                "the document belongs to another case file".into(),
            ));
        }
        let latest = known.and_then(|known| known.latest());
        let at = RevisionRef {
            vault: self.id(),
            case: filing.case,
            document: new.document,
            revision: latest.map_or(1, |latest| latest.revision + 1),
        };
        let terms = ManifestTerms {
            previous: latest.map_or([0; 32], |latest| latest.manifest_hash),
            case_epoch: filing.epoch,
            class: filing.class,
            created_us: now_us(),
        };
        Ok((at, terms))
    }

    /// Deposits the shares and registers up to 1,024 sealed documents of one case in one signed batch. Only what
    /// this returns counts as stored.
    pub async fn register(
        &mut self,
        filing: &Filing,
        sealed: Vec<Sealed>,
        reason: Reason,
    ) -> Result<Vec<Stored>, ClientError> {
        if sealed.is_empty() || sealed.len() > MAX_BATCH {
            return Err(ClientError::Usage(
                "a batch has 1 to 1,024 documents".into(),
            ));
        }
        let stored = sealed.iter().map(stored).collect();
        let filed = self.deposit_sealed(sealed).await?;
        let documents: Vec<_> = filed.iter().collect();
        let mutation = self.batch_registration(&documents)?;
        let unit = self.case(filing.case)?.unit;
        let draft = batch_act(unit, &documents).because(reason);
        self.submit(MutationRoute::Documents, draft, &mutation)
            .await?;
        Ok(stored)
    }

    /// Deposits the shares of sealed documents, at most 1,024.
    pub(crate) async fn deposit_sealed(
        &self,
        sealed: Vec<Sealed>,
    ) -> Result<Vec<FiledDocument>, ClientError> {
        let split = |sealed: Sealed| (sealed.share, sealed.unfiled);
        let (shares, unfiled): (Vec<_>, Vec<_>) = sealed.into_iter().map(split).unzip();
        let (batch, receipt) = self.deposit(&shares).await?;
        let file = |unfiled| FiledDocument::new(unfiled, batch, receipt.register_by_us);
        Ok(unfiled.into_iter().map(file).collect())
    }
}

fn stored(sealed: &Sealed) -> Stored {
    let manifest = sealed.manifest();
    Stored {
        document: manifest.document,
        revision: manifest.revision,
        manifest_hash: manifest.hash(),
        true_bytes: sealed.true_bytes,
        object_bytes: manifest.object_bytes,
    }
}

fn finish_sealing(
    filing: &Filing,
    new: &NewDocument,
    terms: &ManifestTerms,
    object: ObjectId,
    upload: &Uploaded,
) -> Result<Sealed, ClientError> {
    let sealer = &upload.sealer;
    let info = ContentInfo {
        true_bytes: upload.true_bytes,
        media_type: new.media_type.clone(),
        file_name: new.file_name.clone().map(Into::into),
    };
    let info = sealer.seal_info(&info)?;
    let card = Card {
        size_bytes: upload.true_bytes,
        ..new.card.clone()
    };
    let card = sealer.seal_first_card(&card)?;
    let manifest = sealer.manifest(&upload.capsule, &info, terms);
    let secrets = sealer.secrets();
    let wrap = match &filing.key {
        Some(key) => Some(wrap_access_key(
            key,
            filing.epoch,
            sealer.at(),
            &secrets.access,
            &mut system_rng(),
        )?),
        None => None,
    };
    let row = DocumentRow {
        document: manifest.document,
        revision: manifest.revision,
        object,
        wrap: wrap.map(Into::into),
        info: info.into(),
        card: card.into(),
    };
    Ok(Sealed {
        share: ShareToDeposit::of_document(&manifest, &secrets.share)?,
        unfiled: Unfiled {
            manifest,
            card_hash: sha256(&[&row.card.0]),
            row,
        },
        true_bytes: upload.true_bytes,
    })
}
