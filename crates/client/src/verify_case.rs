//! Checks that what the vault shows of a case is what the records log says, and that its objects are whole.

use futures_util::TryStreamExt;
use obhut_format::act::{ActKind, MAX_OBJECTS, Reason};
use obhut_format::capsule::leaf_range;
use obhut_format::id::base32;
use obhut_format::manifest::Manifest;
use obhut_format::tree::{TreeBuilder, leaf_hash};
use obhut_format::{CaseId, DocumentId, Hash};

use crate::ClientError;
use crate::error::Failure;
use crate::open::{OpenedCard, OpenedRevision};
use crate::vault::Vault;

/// What a check of a case found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseCheck {
    /// The case.
    pub case: CaseId,
    /// Root over its living documents, grants and keys, as the replay computed it and the log confirms.
    pub state_root: Hash,
    /// Size of the records log it was checked at.
    pub records_size: u64,
    /// Documents of the case in the log.
    pub documents: u64,
    /// Objects whose every byte was hashed.
    pub objects: u64,
    /// Their length in bytes.
    pub object_bytes: u64,
    /// What does not fit.
    pub problems: Vec<CaseProblem>,
}

impl CaseCheck {
    /// The state root as people compare it.
    pub fn state_root_text(&self) -> String {
        base32(&self.state_root)
    }
}

/// Something about a document that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CaseProblem {
    /// The document.
    pub document: DocumentId,
    /// What is wrong.
    pub text: String,
}

impl Vault {
    /// Compares the vault's list of a case with the replayed log; with `objects` also reads every stored capsule
    /// and recomputes the content root its author signed. Nothing is decrypted but the titles.
    pub async fn verify_case(
        &mut self,
        case: CaseId,
        objects: bool,
        reason: Reason,
    ) -> Result<CaseCheck, ClientError> {
        self.case(case)?;
        let state_root = self.directory().case_state_root(case);
        let mut check = CaseCheck {
            case,
            state_root: state_root
                .ok_or_else(|| ClientError::integrity("the log has no state of this case"))?,
            records_size: self.directory().size(),
            documents: self.directory().documents_of_case(case).count() as u64,
            objects: 0,
            object_bytes: 0,
            problems: Vec::new(),
        };
        if check.documents == 0 {
            return Ok(check);
        }
        let cards = self.list_documents(case, reason.clone()).await?;
        self.compare_list(case, &cards, &mut check);
        if objects {
            self.check_objects(case, &reason, &mut check).await?;
        }
        Ok(check)
    }

    /// Each document once, with the manifest of its latest registered revision.
    fn compare_list(&self, case: CaseId, cards: &[OpenedCard], check: &mut CaseCheck) {
        for known in self.directory().documents_of_case(case) {
            let mut shown = cards
                .iter()
                .filter(|card| card.manifest.document == known.document);
            let latest = known.latest().map(|latest| latest.manifest_hash);
            let text = match (shown.next(), shown.next()) {
                (None, _) => "the vault does not show it",
                (Some(_), Some(_)) => "the vault shows it twice",
                (Some(card), None) if Some(card.manifest.hash()) != latest => {
                    "the vault shows another revision than the log's latest"
                }
                (Some(_), None) => continue,
            };
            check.problems.push(CaseProblem {
                document: known.document,
                text: text.to_owned(),
            });
        }
        let extra = cards.iter().filter(|card| {
            let known = self.directory().document(card.manifest.document);
            known.is_none_or(|known| known.case != case)
        });
        check.problems.extend(extra.map(|card| CaseProblem {
            document: card.manifest.document,
            text: "the vault shows it, the log does not know it".to_owned(),
        }));
    }

    async fn check_objects(
        &mut self,
        case: CaseId,
        reason: &Reason,
        check: &mut CaseCheck,
    ) -> Result<(), ClientError> {
        let documents: Vec<_> = self
            .directory()
            .documents_of_case(case)
            .map(|document| document.document)
            .collect();
        for some in documents.chunks(MAX_OBJECTS) {
            let draft = self.document_act(ActKind::ExportCase, case, some, 0, reason)?;
            let released = self.release(draft).await?;
            for opened in self.open_revisions(&released).await? {
                let manifest = *opened.manifest();
                match self.hash_object(&opened).await {
                    Ok(root) if root == manifest.content_root => {
                        check.objects += 1;
                        check.object_bytes += manifest.object_bytes;
                    }
                    Ok(_) => check.problems.push(problem(
                        &manifest,
                        "its object is not the one its author signed",
                    )),
                    Err(failed) if failed.failure() == Failure::Unreachable => return Err(failed),
                    Err(failed) => {
                        let text = format!("its object cannot be read: {failed}");
                        check.problems.push(problem(&manifest, &text));
                    }
                }
            }
        }
        Ok(())
    }

    /// Root over the whole stored object, in constant memory.
    async fn hash_object(&self, opened: &OpenedRevision) -> Result<Hash, ClientError> {
        let length = opened.manifest().object_bytes;
        let stream = self
            .endpoint()
            .object_stream(opened.object, 0, length, length);
        let mut stream = std::pin::pin!(stream);
        let (mut tree, mut leaf, mut number) = (TreeBuilder::new(), Vec::new(), 0);
        while let Some(mut bytes) = stream.try_next().await? {
            while !bytes.is_empty() {
                let (start, end) = leaf_range(number, length);
                let room = usize::try_from(end - start).unwrap_or(usize::MAX) - leaf.len();
                let piece = bytes.split_to(room.min(bytes.len()));
                leaf.extend_from_slice(&piece);
                if piece.len() == room {
                    tree.append(leaf_hash(&leaf));
                    leaf.clear();
                    number += 1;
                }
            }
        }
        Ok(tree.root())
    }
}

fn problem(manifest: &Manifest, text: &str) -> CaseProblem {
    CaseProblem {
        document: manifest.document,
        text: text.to_owned(),
    }
}
