//! A citizen's own documents: what was issued or granted to them directly.

use std::collections::BTreeMap;

use obhut_format::act::{ActKind, MAX_OBJECTS, Reason};
use obhut_format::{CaseId, DocumentId};

use crate::ClientError;
use crate::clock::now_us;
use crate::open::OpenedCard;
use crate::vault::Vault;

impl Vault {
    /// Titles of the documents granted directly to this person, in the order they were registered.
    pub async fn list_own_documents(
        &mut self,
        reason: Reason,
    ) -> Result<Vec<OpenedCard>, ClientError> {
        let mut cards = Vec::new();
        for (case, documents) in self.granted_documents().await? {
            for some in documents.chunks(MAX_OBJECTS) {
                let draft = self.document_act(ActKind::ListDocuments, case, some, 0, &reason)?;
                let released = self.release(draft).await?;
                cards.extend(self.open_cards(&released).await?);
            }
        }
        cards.sort_by_key(|card| {
            let known = self.directory().document(card.manifest.document);
            known
                .and_then(|known| known.latest())
                .map(|latest| latest.record)
        });
        Ok(cards)
    }

    /// Documents with a living grant to the keys in force; grants of the vault's own making do not count.
    async fn granted_documents(
        &mut self,
    ) -> Result<BTreeMap<CaseId, Vec<DocumentId>>, ClientError> {
        self.forget_keys();
        self.load_keyring().await?;
        let kid = self.unlocked().kid();
        let mut documents: BTreeMap<CaseId, Vec<DocumentId>> = BTreeMap::new();
        for proof in &self.keyring()?.own().grants {
            let Some(document) = proof.grant.document else {
                continue;
            };
            if proof.grant.recipient != kid
                || self.directory().verify_grant(proof, now_us())? != self.person()
            {
                continue;
            }
            let list = documents.entry(proof.grant.case).or_default();
            if !list.contains(&document) {
                list.push(document);
            }
        }
        Ok(documents)
    }
}
