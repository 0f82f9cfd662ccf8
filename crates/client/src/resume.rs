//! A single large file on its way into the vault, gone on with after a kill: its keys and the hashes of its parts lie
//! sealed in the profile until the vault has the capsule.

use std::fs::File;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::PathBuf;

use data_encoding::BASE32_NOPAD;
use obhut_crypto::{CryptoError, RevisionSealer, RevisionSecrets};
use obhut_format::capsule::{object_bytes, padme, part_count};
use obhut_format::context::Context;
use obhut_format::{CaseId, DocumentId, ObjectId};

use crate::ClientError;
use crate::clock::{now_us, random_bytes, system_rng};
use crate::import::{
    Journal, JournalError, JournalRecord, SharedJournal, SourceId, SourceRecord, Stage, StageRecord,
};
use crate::part_upload::{Destination, PartLog, upload_in_parts};
use crate::upload::{Stamp, Uploaded};
use crate::vault::Vault;

/// Folder of the journals in the profile.
const FOLDER: &str = "uploads";

/// True when a file of this length is uploaded by part.
pub(crate) fn is_large(true_bytes: u64) -> bool {
    part_count(object_bytes(padme(true_bytes))) > 1
}

/// One large upload, open for one process at a time.
pub(crate) struct Resumable {
    journal: SharedJournal,
    path: PathBuf,
    source: SourceId,
    case: CaseId,
}

/// An attempt at it: its keys never meet another content.
pub(crate) struct LargeAttempt {
    pub(crate) record: SourceRecord,
    pub(crate) secrets: RevisionSecrets,
    /// Begun by an earlier run or try.
    pub(crate) is_resumed: bool,
}

impl Resumable {
    /// Opens what is known of uploads of this very file into this case.
    pub(crate) fn open(
        vault: &Vault,
        case: CaseId,
        revises: Option<DocumentId>,
        file: &File,
    ) -> Result<Self, ClientError> {
        let folder = vault.profile().folder().join(FOLDER);
        let made = std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder);
        made.map_err(ClientError::io("cannot make", &folder))?;
        let about = file.metadata().map_err(CryptoError::Io)?;
        let source = Context::new("obhut/upload-source/v1")
            .number(about.dev())
            .number(about.ino())
            .field(&case.0)
            .field(&revises.map_or([0; 16], |document| document.0))
            .hash();
        let name = BASE32_NOPAD.encode(&source).to_ascii_lowercase();
        let path = folder.join(format!("{name}.journal"));
        let key = vault.unlocked().key.derive_key("obhut/upload-journal/v1");
        let journal = match Journal::open(&path, key, &mut system_rng()) {
            Ok(journal) => journal,
            Err(JournalError::InUse) => {
                return Err(ClientError::Refused(
                    "this file is being uploaded by another process; wait for it or end it".into(),
                ));
            }
            Err(other) => return Err(other.into()),
        };
        Ok(Self {
            journal: SharedJournal::new(journal),
            path,
            source,
            case,
        })
    }

    /// The attempt to go on with, where the file looks as it did and the revision is still the next one.
    pub(crate) fn find(
        &self,
        stamp: &Stamp,
        next: impl Fn(DocumentId) -> u64,
    ) -> Result<Option<LargeAttempt>, ClientError> {
        self.journal.with(|journal| {
            let Some(state) = journal.find_source(&self.source) else {
                return Ok(None);
            };
            let record = &state.record;
            let same = (record.size_bytes, record.mtime_ns) == (stamp.bytes, stamp.modified_ns());
            let usable = state.stage == Stage::Prepared && !state.parts.is_empty();
            if !same || !usable || record.revision != next(record.document) {
                return Ok(None);
            }
            let secrets = match journal.load_secrets(state) {
                Ok(secrets) => secrets,
                Err(JournalError::SecretsLost) => return Ok(None),
                Err(other) => return Err(other.into()),
            };
            Ok(Some(LargeAttempt {
                record: record.clone(),
                secrets,
                is_resumed: true,
            }))
        })
    }

    /// A new attempt; its keys are on disk before the first byte sealed under them leaves.
    pub(crate) fn begin(
        &self,
        stamp: &Stamp,
        document: DocumentId,
        revision: u64,
    ) -> Result<LargeAttempt, ClientError> {
        let secrets = RevisionSecrets::generate(&mut system_rng());
        self.journal.with(|journal| {
            let earlier = journal.find_source(&self.source);
            let record = SourceRecord {
                source: self.source,
                size_bytes: stamp.bytes,
                mtime_ns: stamp.modified_ns(),
                hash: None,
                case: self.case,
                document,
                revision,
                attempt: earlier.map_or(1, |state| state.record.attempt + 1),
                upload: ObjectId(random_bytes()),
                created_us: now_us(),
            };
            let noted = vec![JournalRecord::Source(record.clone())];
            journal.append(noted, &[&secrets], &mut system_rng())?;
            Ok(LargeAttempt {
                record,
                secrets,
                is_resumed: false,
            })
        })
    }

    /// Seals and uploads an attempt; what the vault has of it is not sent again.
    pub(crate) async fn upload(
        &self,
        vault: &Vault,
        attempt: LargeAttempt,
        sealer: impl FnOnce(RevisionSecrets) -> RevisionSealer,
        source: File,
    ) -> Result<Uploaded, ClientError> {
        let before = Stamp::of(&source)?;
        let LargeAttempt {
            record, secrets, ..
        } = attempt;
        if before.bytes != record.size_bytes {
            return Err(CryptoError::SourceChanged.into());
        }
        let log = PartLog::new(self.journal.clone(), self.source, record.upload);
        let to = Destination {
            object: record.upload,
            document: record.document,
            revision: record.revision,
            object_bytes: object_bytes(padme(before.bytes)),
        };
        let (sealer, workers) = (sealer(secrets), vault.workers());
        let (sealer, capsule) = upload_in_parts(vault.endpoint(), to, log, move |sink| {
            let capsule = sealer.seal_content_to(before.bytes, &workers, &source, sink)?;
            if Stamp::of(&source)? == before {
                Ok((sealer, capsule))
            } else {
                Err(CryptoError::SourceChanged)
            }
        })
        .await?;
        Ok(Uploaded {
            sealer,
            capsule,
            true_bytes: before.bytes,
        })
    }

    /// The latest attempt is not gone on with.
    pub(crate) fn forget(&self) {
        self.journal
            .with(|journal| journal.forget_parts(&self.source));
    }

    /// The upload is over, or given up: keys are overwritten and the journal goes.
    pub(crate) fn end(self) -> Result<(), ClientError> {
        let over = JournalRecord::Stage(StageRecord {
            stage: Stage::Stored,
            sources: vec![self.source],
        });
        let wiped = self.journal.with(|journal| {
            journal.append(vec![over], &[], &mut system_rng())?;
            journal.sync()
        });
        wiped?;
        std::fs::remove_file(&self.path).map_err(ClientError::io("cannot remove", &self.path))
    }
}
