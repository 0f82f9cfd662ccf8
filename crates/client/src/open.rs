//! Opening what a release brought: register entries, titles, contents.

use std::collections::BTreeMap;

use obhut_crypto::{
    AccessKey, CardShare, CaseFileKey, CaseShare, CryptoError, DocumentShare, ReleasedSecret,
    RevisionReader, RevisionRef, open_card, open_document_grant, revision_of, unwrap_access_key,
};
use obhut_format::content::{Card, ContentInfo, RegisterEntry};
use obhut_format::manifest::Manifest;
use obhut_format::release::{ReleasedCase, ReleasedDocument};
use obhut_format::{CaseId, ObjectId, PersonId};
use obhut_log::replay::Revision;

use crate::ClientError;
use crate::clock::now_us;
use crate::release::Released;
use crate::vault::Vault;

/// A document ready to be fetched and opened: keys, manifest and place are checked.
pub struct OpenedRevision {
    pub(crate) manifest: Manifest,
    pub(crate) reader: RevisionReader,
    pub(crate) object: ObjectId,
    /// Length, media type, file name.
    pub info: ContentInfo,
    /// Title and the like.
    pub card: Card,
    /// Who filed it.
    pub author: Option<PersonId>,
}

impl OpenedRevision {
    /// The manifest its author signed.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }
}

/// A document's title as a release of titles brought it.
pub struct OpenedCard {
    /// The manifest its author signed.
    pub manifest: Manifest,
    /// The card in force.
    pub card: Card,
    /// Who filed it.
    pub author: Option<PersonId>,
}

/// A case file's name.
pub struct OpenedCase {
    /// The case.
    pub case: CaseId,
    /// File reference and title.
    pub entry: RegisterEntry,
}

/// Case keys opened once an answer.
type CaseKeys = BTreeMap<(CaseId, u32), CaseFileKey>;

impl Vault {
    /// Opens the register entries that a release of cases brought.
    pub async fn open_cases(
        &mut self,
        released: &Released,
    ) -> Result<Vec<OpenedCase>, ClientError> {
        self.load_keyring().await?;
        let mut opened = Vec::with_capacity(released.objects.len());
        for (object, share) in released.objects.iter().zip(&released.shares) {
            let case = self.case(object.case)?;
            let sent = find_case(released, object.case)?;
            let missing = || ClientError::integrity("the vault keeps a register entry back");
            let sealed = sent.register.as_ref().ok_or_else(missing)?;
            let hash = case.register_hash.ok_or_else(missing)?;
            // EXPOSE: parsed into the share it is.
            let secret = share.secret.expose();
            let share = CaseShare::parse(secret, self.id(), object.case, &share.share_id)?;
            let register = self
                .keyring()?
                .register_key(case.unit, sent.register_unit_epoch)?;
            let entry = register.open_case(object.case, sent.entry_no, &share, &hash, &sealed.0)?;
            opened.push(OpenedCase {
                case: object.case,
                entry,
            });
        }
        Ok(opened)
    }

    /// Opens the cards that a release of titles brought, in the order of its objects.
    pub async fn open_cards(
        &mut self,
        released: &Released,
    ) -> Result<Vec<OpenedCard>, ClientError> {
        self.load_keyring().await?;
        self.open_each(released, |one| {
            // EXPOSE: parsed into the share it is.
            let secret = one.share.secret.expose();
            let share = CardShare::parse(secret, &one.at, &one.manifest.share_id)?;
            Ok(OpenedCard {
                card: one.open_card(&share)?,
                author: self.author(&one.manifest),
                manifest: one.manifest,
            })
        })
    }

    /// Opens the keys of every document of a release of contents; the contents are fetched one by one.
    pub async fn open_revisions(
        &mut self,
        released: &Released,
    ) -> Result<Vec<OpenedRevision>, ClientError> {
        self.load_keyring().await?;
        self.open_each(released, |one| {
            // EXPOSE: parsed into the share it is.
            let secret = one.share.secret.expose();
            let share = DocumentShare::parse(secret, &one.at, &one.manifest.share_id)?;
            let reader = RevisionReader::new(&one.manifest, &one.access, &share)?;
            Ok(OpenedRevision {
                info: reader.open_info(&one.document.info.0)?,
                card: one.open_card(&share.card_share(&one.at))?,
                author: self.author(&one.manifest),
                object: one.document.object,
                manifest: one.manifest,
                reader,
            })
        })
    }

    /// Finds each released document in the log and its access key, in the order of the objects.
    fn open_each<T>(
        &self,
        released: &Released,
        open: impl Fn(OpenableRevision<'_>) -> Result<T, ClientError>,
    ) -> Result<Vec<T>, ClientError> {
        let mut keys = CaseKeys::new();
        let mut opened = Vec::with_capacity(released.documents.len());
        for (document, share) in released.documents.iter().zip(&released.shares) {
            let revision = self.revision(document, share.revision)?;
            let manifest = revision.parse_manifest()?;
            opened.push(open(OpenableRevision {
                at: revision_of(&manifest),
                access: self.access_key(released, document, &manifest, &mut keys)?,
                revision,
                document,
                share,
                manifest,
            })?);
        }
        Ok(opened)
    }

    fn revision(
        &self,
        document: &ReleasedDocument,
        revision: u64,
    ) -> Result<&Revision, ClientError> {
        let known = self.directory().document(document.document);
        known
            .and_then(|known| known.find_revision(revision))
            .ok_or_else(|| ClientError::integrity("a released document is not in the log"))
    }

    fn author(&self, manifest: &Manifest) -> Option<PersonId> {
        let author = self.directory().person_of(manifest.author);
        author.map(|author| author.person)
    }

    /// The access key, by the case's key or a direct grant; either way it must be the one the author signed.
    fn access_key(
        &self,
        released: &Released,
        document: &ReleasedDocument,
        manifest: &Manifest,
        keys: &mut CaseKeys,
    ) -> Result<AccessKey, ClientError> {
        let at = revision_of(manifest);
        if let Some(proof) = &document.grant {
            let reader = self.directory().verify_grant(proof, now_us())?;
            if reader != self.person() {
                return Err(CryptoError::NotARecipient.into());
            }
            let identity = &self.unlocked().identity;
            return Ok(open_document_grant(
                &proof.grant,
                &at,
                &manifest.dak_id,
                identity,
            )?);
        }
        let wrap = document.wrap.as_ref();
        let wrap = wrap.ok_or(ClientError::Crypto(CryptoError::NotARecipient))?;
        let epoch = manifest.case_epoch;
        let key = match keys.entry((manifest.case, epoch)) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                let sent = find_case(released, manifest.case)?;
                let case = self.case(manifest.case)?;
                place.insert(self.keyring()?.case_key(self.id(), case, sent, epoch)?)
            }
        };
        Ok(unwrap_access_key(
            key,
            epoch,
            &at,
            &manifest.dak_id,
            &wrap.0,
        )?)
    }
}

/// One released document with its access key; the share is still to be read as what it is.
struct OpenableRevision<'a> {
    revision: &'a Revision,
    document: &'a ReleasedDocument,
    share: &'a ReleasedSecret,
    manifest: Manifest,
    at: RevisionRef,
    access: AccessKey,
}

impl OpenableRevision<'_> {
    /// The index card in force.
    fn open_card(&self, share: &CardShare) -> Result<Card, ClientError> {
        if self.document.card_no != self.revision.card_no {
            return Err(ClientError::integrity(
                "the vault sent another index card than the one in force",
            ));
        }
        Ok(open_card(
            &self.at,
            &self.access,
            share,
            self.revision.card_no,
            &self.revision.card_hash,
            &self.document.card.0,
        )?)
    }
}

fn find_case(released: &Released, case: CaseId) -> Result<&ReleasedCase, ClientError> {
    let mut cases = released.cases.iter();
    cases
        .find(|sent| sent.case == case)
        .ok_or_else(|| ClientError::integrity("the vault keeps a case's keys back"))
}
