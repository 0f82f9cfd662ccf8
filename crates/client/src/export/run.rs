use std::fs::{DirBuilder, File};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use obhut_crypto::{CryptoError, Quarantine};
use obhut_format::act::{ActKind, MAX_OBJECTS, Reason};
use obhut_format::{CaseId, DocumentId};
use zeroize::Zeroizing;

use super::names::{ExportNames, Placed};
use crate::ClientError;
use crate::error::Failure;
use crate::import::open_regular;
use crate::open::OpenedRevision;
use crate::vault::Vault;
use crate::whole_file::{Existing, WholeFile};

/// Documents fetched at once.
const FETCHES_AT_ONCE: usize = 4;

/// A document that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedDocument {
    /// The document.
    pub document: DocumentId,
    /// The revision.
    pub revision: u64,
    /// Path below the target folder.
    pub path: PathBuf,
    /// It is not the path the document came with: that was unsafe, or taken.
    pub renamed: bool,
    /// Length of the content in bytes.
    pub size_bytes: u64,
    /// The file was there before with just this content, and was left alone.
    pub was_there: bool,
}

/// A document that was not written.
#[derive(Debug)]
pub struct NotExported {
    /// The document.
    pub document: DocumentId,
    /// Path below the target folder.
    pub path: PathBuf,
    /// Why not.
    pub error: ClientError,
}

/// What an export did.
#[derive(Debug, Default)]
pub struct ExportReport {
    /// What was written.
    pub written: Vec<ExportedDocument>,
    /// What was not.
    pub failed: Vec<NotExported>,
}

impl Vault {
    /// Writes the latest revision of every document of a case below `target`. Each file appears once every
    /// byte of it was verified, or not at all; nothing is overwritten unless asked. A file that is there with the
    /// same content counts as written, so a broken off export goes on.
    pub async fn export_case(
        &mut self,
        case: CaseId,
        target: &Path,
        existing: Existing,
        reason: Reason,
    ) -> Result<ExportReport, ClientError> {
        self.case(case)?;
        // Before the release is asked for: one that comes to nothing stands in the log all the same.
        let made = make_target(target)?;
        check_writable(target)?;
        let exported = self.export_below(case, target, existing, reason).await;
        if made && exported.is_err() {
            // Goes only while it is empty.
            let _ = std::fs::remove_dir(target);
        }
        exported
    }

    async fn export_below(
        &mut self,
        case: CaseId,
        target: &Path,
        existing: Existing,
        reason: Reason,
    ) -> Result<ExportReport, ClientError> {
        let documents: Vec<_> = self
            .directory()
            .documents_of_case(case)
            .map(|document| document.document)
            .collect();
        let mut names = ExportNames::new();
        let mut report = ExportReport::default();
        for some in documents.chunks(MAX_OBJECTS) {
            let draft = self.document_act(ActKind::ExportCase, case, some, 0, &reason)?;
            let released = self.release(draft).await?;
            let mut opened = self.open_revisions(&released).await?;
            // The order of first filing decides who keeps a name that two documents want.
            opened.sort_by_key(|opened| some.iter().position(|id| *id == opened.manifest.document));
            let placed: Vec<_> = opened
                .into_iter()
                .map(|opened| (place(&mut names, &opened), opened))
                .collect();
            self.write_all(placed, target, existing, &mut report)
                .await?;
        }
        Ok(report)
    }

    async fn write_all(
        &self,
        placed: Vec<(Placed, OpenedRevision)>,
        target: &Path,
        existing: Existing,
        report: &mut ExportReport,
    ) -> Result<(), ClientError> {
        let writes = placed.into_iter().map(|(placed, opened)| async move {
            let document = opened.manifest.document;
            let written = self.write_one(&placed, opened, target, existing).await;
            (document, placed.relative, written)
        });
        let mut writes = futures_util::stream::iter(writes).buffered(FETCHES_AT_ONCE);
        while let Some((document, path, written)) = writes.next().await {
            match written {
                Ok(written) => report.written.push(written),
                Err(failed) if stops_all(&failed) => return Err(failed),
                Err(error) => report.failed.push(NotExported {
                    document,
                    path,
                    error,
                }),
            }
        }
        Ok(())
    }

    /// Fails unless the file has just this content.
    async fn compare(&self, opened: OpenedRevision, path: &Path) -> Result<(), ClientError> {
        let differs = || ClientError::io_kind("will not overwrite", path, ErrorKind::AlreadyExists);
        let (file, stamp) = open_regular(path).map_err(|_| differs())?;
        if stamp.size_bytes != opened.info.true_bytes {
            return Err(differs());
        }
        match self.fetch_content(opened, SameAs(file)).await {
            Err(ClientError::Crypto(CryptoError::Io(source)))
                if source.kind() == ErrorKind::AlreadyExists =>
            {
                Err(differs())
            }
            compared => compared.map_err(|failed| failed.at("cannot read", path)),
        }
    }

    async fn write_one(
        &self,
        placed: &Placed,
        opened: OpenedRevision,
        target: &Path,
        existing: Existing,
    ) -> Result<ExportedDocument, ClientError> {
        let mut written = ExportedDocument {
            document: opened.manifest.document,
            revision: opened.manifest.revision,
            path: placed.relative.clone(),
            renamed: placed.renamed,
            size_bytes: opened.info.true_bytes,
            was_there: false,
        };
        let path = target.join(&placed.relative);
        make_folders(target, &placed.relative)?;
        if existing == Existing::Keep && path.symlink_metadata().is_ok() {
            self.compare(opened, &path).await?;
            written.was_there = true;
            return Ok(written);
        }
        let file = WholeFile::create(&path, 0o600)?;
        self.save_content(opened, file, existing).await?;
        Ok(written)
    }
}

fn place(names: &mut ExportNames, opened: &OpenedRevision) -> Placed {
    let path = opened.card.path.as_ref().map(|path| path.0.as_slice());
    let name = opened.info.file_name.as_ref().map(|name| name.0.as_slice());
    let document = opened.manifest.document;
    match (path, name) {
        (Some(path), _) => names.place(Some(path), &opened.card.title, document),
        (None, Some(name)) if !name.contains(&b'/') => {
            names.place(Some(name), &opened.card.title, document)
        }
        (None, _) => names.place(None, &opened.card.title, document),
    }
}

/// Compares the content with a file that is there, piece by piece; any difference ends it.
struct SameAs(File);

impl Write for SameAs {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let mut there = Zeroizing::new(vec![0; bytes.len()]);
        match self.0.read_exact(&mut there) {
            Ok(()) if *there == bytes => Ok(bytes.len()),
            _ => Err(ErrorKind::AlreadyExists.into()),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Quarantine for SameAs {
    type Kept = ();

    fn finish(mut self) -> std::io::Result<()> {
        match self.0.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(ErrorKind::AlreadyExists.into()),
        }
    }
}

/// A lost connection or a full disk is no matter of one document.
fn stops_all(failed: &ClientError) -> bool {
    let full = matches!(failed, ClientError::Io { source, .. }
    if matches!(
        source.kind(),
        ErrorKind::QuotaExceeded | ErrorKind::ReadOnlyFilesystem | ErrorKind::StorageFull
    ));
    full || failed.failure() == Failure::Unreachable
}

/// Makes the folders of a file below the target; never goes through a link that lies there.
fn make_folders(target: &Path, relative: &Path) -> Result<(), ClientError> {
    let mut folder = target.to_owned();
    for part in relative.parent().into_iter().flat_map(Path::components) {
        folder.push(part);
        make_folder(&folder)?;
        let about = folder
            .symlink_metadata()
            .map_err(ClientError::io("cannot read", &folder))?;
        if !about.is_dir() {
            let error = ErrorKind::NotADirectory.into();
            return Err(ClientError::io("will not write through", &folder)(error));
        }
    }
    Ok(())
}

/// Fails unless files can be made in the folder.
fn check_writable(folder: &Path) -> Result<(), ClientError> {
    match WholeFile::create(&folder.join("file"), 0o600) {
        Ok(_unfinished) => Ok(()),
        Err(ClientError::Io { source, .. }) => {
            Err(ClientError::io("cannot write to", folder)(source))
        }
        Err(other) => Err(other),
    }
}

/// Makes the target with the folders above it that are missing. True: it was not there before.
fn make_target(target: &Path) -> Result<bool, ClientError> {
    if let Some(above) = target
        .parent()
        .filter(|above| !above.as_os_str().is_empty())
    {
        let mut builder = DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(above);
        made.map_err(ClientError::io("cannot make", above))?;
    }
    make_folder(target)
}

/// True: it was not there before.
fn make_folder(folder: &Path) -> Result<bool, ClientError> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        made => made
            .map(|()| true)
            .map_err(ClientError::io("cannot make", folder)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a22_folders_are_never_made_through_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let (target, elsewhere) = (folder.path().join("target"), folder.path().join("other"));
        std::fs::create_dir(&target).unwrap();
        std::fs::create_dir(&elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, target.join("link")).unwrap();
        assert!(make_folders(&target, Path::new("link/below/file")).is_err());
        assert!(!elsewhere.join("below").exists());
        make_folders(&target, Path::new("a/b/file")).unwrap();
        make_folders(&target, Path::new("a/b/file")).unwrap();
        assert!(target.join("a/b").is_dir());
        std::fs::write(target.join("file"), b"x").unwrap();
        assert!(make_folders(&target, Path::new("file/below")).is_err());
    }
}
