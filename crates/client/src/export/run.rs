use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use futures_util::StreamExt;
use obhut_format::act::{ActKind, MAX_OBJECTS, Reason};
use obhut_format::{CaseId, DocumentId};

use super::names::{ExportNames, Placed};
use crate::ClientError;
use crate::error::Failure;
use crate::open::OpenedRevision;
use crate::vault::Vault;
use crate::whole_file::Existing;

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
    /// byte of it was verified, or not at all; nothing is overwritten unless asked.
    pub async fn export_case(
        &mut self,
        case: CaseId,
        target: &Path,
        existing: Existing,
        reason: Reason,
    ) -> Result<ExportReport, ClientError> {
        self.case(case)?;
        make_folder(target)?;
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

    async fn write_one(
        &self,
        placed: &Placed,
        opened: OpenedRevision,
        target: &Path,
        existing: Existing,
    ) -> Result<ExportedDocument, ClientError> {
        let written = ExportedDocument {
            document: opened.manifest.document,
            revision: opened.manifest.revision,
            path: placed.relative.clone(),
            renamed: placed.renamed,
            size_bytes: opened.info.true_bytes,
        };
        let path = target.join(&placed.relative);
        make_folders(target, &placed.relative)?;
        if existing == Existing::Keep && path.symlink_metadata().is_ok() {
            return Err(ClientError::io("will not overwrite", &path)(
                ErrorKind::AlreadyExists.into(),
            ));
        }
        self.save_content(opened, &path, existing).await?;
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

/// A lost connection or a full disk is no matter of one document.
fn stops_all(failed: &ClientError) -> bool {
    let full = matches!(failed, ClientError::Io { source, .. }
        if matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::ReadOnlyFilesystem));
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

fn make_folder(folder: &Path) -> Result<(), ClientError> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made.map_err(ClientError::io("cannot make", folder)),
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
