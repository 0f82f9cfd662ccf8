//! Reading: lists of cases and titles, contents to files and writers.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::ops::Range;

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use obhut_crypto::{CryptoError, Quarantine};
use obhut_format::act::{ActKind, MAX_OBJECTS, ObjectRef, Reason, lookup_hash};
use obhut_format::capsule::PREFIX_BYTES;
use obhut_format::statement::{CaseKind, Role};
use obhut_format::{CaseId, DocumentId, UnitId};
use obhut_suite::XwingSeed;
use tokio_util::io::{StreamReader, SyncIoBridge};

use crate::ClientError;
use crate::act::{ActDraft, stated_reason};
use crate::clock::system_rng;
use crate::open::{OpenedCard, OpenedCase, OpenedRevision};
use crate::vault::Vault;
use crate::whole_file::{Existing, WholeFile};

impl Vault {
    /// File references and titles of a unit's cases; an entry in the access log of each.
    pub async fn list_cases(
        &mut self,
        unit: UnitId,
        reason: Reason,
    ) -> Result<Vec<OpenedCase>, ClientError> {
        let cases: Vec<_> = self
            .directory()
            .cases_of_unit(unit)
            .map(|case| case.case)
            .collect();
        self.read_register(ActKind::ListCases, unit, cases, reason)
            .await
    }

    /// Finds cases of a unit by their file reference.
    pub async fn find_cases(
        &mut self,
        unit: UnitId,
        reference: &str,
        reason: Reason,
    ) -> Result<Vec<OpenedCase>, ClientError> {
        let cases = self.search(unit, reference, reason.clone()).await?;
        self.read_register(ActKind::FindCase, unit, cases, reason)
            .await
    }

    /// Ids of a unit's cases of this file reference; nothing of them is opened. The search is logged with
    /// its own name as the purpose.
    pub async fn cases_named(
        &mut self,
        unit: UnitId,
        reference: &str,
    ) -> Result<Vec<CaseId>, ClientError> {
        let reason = stated_reason(ActKind::FindCase, None, None);
        self.search(unit, reference, reason).await
    }

    /// An act of its own, whether it finds something or not. Nothing is released, so its ephemeral key
    /// is thrown away.
    async fn search(
        &mut self,
        unit: UnitId,
        reference: &str,
        reason: Reason,
    ) -> Result<Vec<CaseId>, ClientError> {
        self.load_keyring().await?;
        let keys = self.keyring()?.epochs_of(unit);
        let tags: Vec<_> = keys.map(|key| key.blind_index(reference)).collect();
        let draft = ActDraft::new(ActKind::FindCase, Role::CaseWorker)
            .in_unit(unit)
            .because(reason);
        let ephemeral = XwingSeed::generate(&mut system_rng()).public();
        let signer = self.act_signer()?;
        let hash = lookup_hash(&tags);
        let request = signer.sign(draft, Some(hash), Some(ephemeral.as_bytes()))?;
        let mut cases = self.endpoint().look_up(&request, &tags).await?;
        cases.sort_unstable();
        cases.dedup();
        Ok(cases)
    }

    /// File reference and title of one case.
    pub async fn show_case(
        &mut self,
        case: CaseId,
        reason: Reason,
    ) -> Result<OpenedCase, ClientError> {
        let unit = self.case(case)?.unit;
        let mut found = self
            .read_register(ActKind::FindCase, unit, vec![case], reason)
            .await?;
        found
            .pop()
            .ok_or_else(|| ClientError::NotFound(format!("there is no case {case}")))
    }

    async fn read_register(
        &mut self,
        kind: ActKind,
        unit: UnitId,
        cases: Vec<CaseId>,
        reason: Reason,
    ) -> Result<Vec<OpenedCase>, ClientError> {
        let mut opened = Vec::with_capacity(cases.len());
        for cases in cases.chunks(MAX_OBJECTS) {
            let objects = cases.iter().map(|case| ObjectRef {
                case: *case,
                document: None,
                revision: 0,
            });
            let mut draft = ActDraft::new(kind, Role::CaseWorker)
                .in_unit(unit)
                .on(objects.collect())
                .because(reason.clone());
            if let [case] = cases {
                draft = draft.about_case(*case);
            }
            let released = self.release(draft).await?;
            opened.extend(self.open_cases(&released).await?);
        }
        Ok(opened)
    }

    /// Titles of a case's documents in the order they were filed first.
    pub async fn list_documents(
        &mut self,
        case: CaseId,
        reason: Reason,
    ) -> Result<Vec<OpenedCard>, ClientError> {
        let ids: Vec<_> = self
            .directory()
            .documents_of_case(case)
            .map(|document| document.document)
            .collect();
        let mut cards = Vec::with_capacity(ids.len());
        for some in ids.chunks(MAX_OBJECTS) {
            let draft = self.document_act(ActKind::ListDocuments, case, some, 0, &reason)?;
            let released = self.release(draft).await?;
            cards.extend(self.open_cards(&released).await?);
        }
        let places: HashMap<_, _> = ids.iter().zip(0..).collect();
        cards.sort_by_key(|card: &OpenedCard| {
            places.get(&card.manifest.document).copied().unwrap_or(0)
        });
        Ok(cards)
    }

    /// Releases one revision of a document (0 = the latest) and opens its keys.
    pub async fn open_document(
        &mut self,
        document: DocumentId,
        revision: u64,
        reason: Reason,
    ) -> Result<OpenedRevision, ClientError> {
        let known = self.directory().document(document);
        let known = known
            .ok_or_else(|| ClientError::NotFound(format!("there is no document {document}")))?;
        if known.find_revision(revision).is_none() {
            let latest = known.latest().map_or(0, |latest| latest.revision);
            return Err(ClientError::NotFound(format!(
                "{document} has no revision {revision}; the latest is {latest}"
            )));
        }
        let case = known.case;
        let documents = [document];
        let draft =
            self.document_act(ActKind::OpenDocument, case, &documents, revision, &reason)?;
        let released = self.release(draft).await?;
        let mut opened = self.open_revisions(&released).await?;
        opened
            .pop()
            .ok_or_else(|| ClientError::integrity("the release brought no document"))
    }

    /// An act on documents of one case, in the role in which this person may read them.
    pub fn document_act(
        &self,
        kind: ActKind,
        case: CaseId,
        documents: &[DocumentId],
        revision: u64,
        reason: &Reason,
    ) -> Result<ActDraft, ClientError> {
        let found = self.case(case)?;
        let objects = documents.iter().map(|document| ObjectRef {
            case,
            document: Some(*document),
            revision,
        });
        let known = self.directory().person(self.person());
        let as_citizen = found.kind == CaseKind::Own || known.is_some_and(|person| person.citizen);
        let draft = if as_citizen {
            ActDraft::new(kind, Role::Citizen)
        } else {
            ActDraft::new(kind, Role::CaseWorker).in_unit(found.unit)
        };
        Ok(draft
            .about_case(case)
            .on(objects.collect())
            .because(reason.clone()))
    }

    /// Fetches a document into a file. The file appears once every byte was verified, else not at all.
    pub async fn save_content(
        &self,
        opened: OpenedRevision,
        file: WholeFile,
        existing: Existing,
    ) -> Result<(), ClientError> {
        let target = file.target().to_owned();
        let file = QuarantinedFile { file, existing };
        let saved = self.fetch_content(opened, file).await;
        saved.map_err(|failed| failed.at("cannot write", &target))
    }

    /// Fetches a document into memory; for small ones.
    pub async fn load_content(&self, opened: OpenedRevision) -> Result<Vec<u8>, ClientError> {
        self.fetch_content(opened, Vec::new()).await
    }

    /// Fetches a document into a quarantine that lets it out only when all of it was verified.
    pub async fn fetch_content<Q>(
        &self,
        opened: OpenedRevision,
        quarantine: Q,
    ) -> Result<Q::Kept, ClientError>
    where
        Q: Quarantine + Send + 'static,
        Q::Kept: Send + 'static,
    {
        let whole = 0..opened.manifest.object_bytes;
        let source = self.object_reader(&opened, whole);
        let workers = self.workers();
        run_blocking(move || {
            let reader = &opened.reader;
            reader.open_content(&opened.info, &workers, source, quarantine)
        })
        .await
    }

    /// Writes a range of the content; every leaf is checked against the author's root before a byte of it is
    /// written. Ranges beyond the end are cut.
    pub async fn write_range<W: Write + Send + 'static>(
        &self,
        opened: OpenedRevision,
        range: Range<u64>,
        mut sink: W,
    ) -> Result<W, ClientError> {
        let endpoint = self.endpoint();
        let manifest = opened.manifest;
        let leaves = endpoint
            .object_leaves(opened.object, manifest.leaf_count)
            .await?;
        let prefix: Vec<Bytes> = endpoint
            .object_stream(opened.object, 0, PREFIX_BYTES, manifest.object_bytes)
            .try_collect()
            .await?;
        let reader = opened
            .reader
            .range_reader(&opened.info, &prefix.concat(), leaves)?;
        let located = reader.locate(range);
        let source = self.object_reader(&opened, located.object.clone());
        run_blocking(move || {
            reader.open(&located, source, &mut sink)?;
            Ok(sink)
        })
        .await
    }

    /// As [`Self::write_range`] into a file, which appears once every byte of the range was verified.
    pub async fn save_range(
        &self,
        opened: OpenedRevision,
        range: Range<u64>,
        file: WholeFile,
        existing: Existing,
    ) -> Result<(), ClientError> {
        let target = file.target().to_owned();
        let written = self.write_range(opened, range, file).await;
        let file = written.map_err(|failed| failed.at("cannot write", &target))?;
        file.finish(existing)
    }

    fn object_reader(
        &self,
        opened: &OpenedRevision,
        bytes: Range<u64>,
    ) -> impl Read + Send + use<> {
        let stream = self.endpoint().object_stream(
            opened.object,
            bytes.start,
            bytes.end,
            opened.manifest.object_bytes,
        );
        blocking_reader(stream)
    }
}

/// A stream as a blocking reader; must be made within the runtime and read outside of it.
fn blocking_reader(
    stream: impl Stream<Item = Result<Bytes, ClientError>> + Send + 'static,
) -> impl Read + Send {
    let stream = Box::pin(stream.map_err(std::io::Error::other));
    SyncIoBridge::new(StreamReader::new(stream))
}

async fn run_blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CryptoError> + Send + 'static,
) -> Result<T, ClientError> {
    let done = tokio::task::spawn_blocking(work).await;
    let done = done.map_err(|_| ClientError::integrity("opening stopped"))?;
    done.map_err(|failed| match failed {
        // The reason of a failed download is ours, carried through the reader.
        CryptoError::Io(source) => match source.downcast::<ClientError>() {
            Ok(failed) => failed,
            Err(source) => CryptoError::Io(source).into(),
        },
        other => other.into(),
    })
}

struct QuarantinedFile {
    file: WholeFile,
    existing: Existing,
}

impl Write for QuarantinedFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Quarantine for QuarantinedFile {
    type Kept = ();

    fn finish(self) -> std::io::Result<()> {
        self.file
            .finish(self.existing)
            .map_err(std::io::Error::other)
    }
}
