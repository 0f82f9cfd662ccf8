//! Issuing: a document sealed anew for a citizen, in a case of their own, and the letter that brings the key.

use std::fs::File;
use std::os::fd::AsRawFd;

use obhut_crypto::{
    AccessKey, BatchTerms, GrantTerms, PublicIdentity, RevisionRef, RevisionSecrets,
    grant_access_key, sign_batch,
};
use obhut_format::act::{ActKind, Reason};
use obhut_format::batch::{BatchKind, RecordPayload};
use obhut_format::content::{Card, SealedKind};
use obhut_format::invite::Invitation;
use obhut_format::key::Grant;
use obhut_format::mutation::{Mutation, MutationRecord};
use obhut_format::statement::{CaseCreated, CaseKind, Event, Role};
use obhut_format::{BatchId, CaseId, Cbor, ClassCode, DocumentId, Kid, ObjectId, PersonId, UnitId};
use rustix::fs::MemfdFlags;

use crate::ClientError;
use crate::act::ActDraft;
use crate::cases::new_case_id;
use crate::clock::{now_us, random_bytes, system_rng};
use crate::put::{NewDocument, new_document_id};
use crate::register::batch_act;
use crate::transport::MutationRoute;
use crate::vault::Vault;

/// Contents up to this length never touch a disk on their way.
const MEMORY_BYTES: u64 = 256 << 20;
/// Folder of a profile for invitations that no letter has brought yet.
const INVITATIONS: &str = "invitations";
/// A letter needs this much time on its way; an invitation that ends sooner is replaced.
const LETTER_US: u64 = 5 * 86_400 * 1_000_000;
/// A lost connection is tried again with fresh keys this many times.
const ATTEMPTS: u32 = 3;

/// What is issued.
pub enum IssueSource {
    /// The latest revision of a document of the agency, released for this.
    Document(DocumentId),
    /// A file that lies outside the vault, and its index card.
    File(File, Box<NewDocument>),
}

/// To whom, as what, why.
pub struct IssueTerms {
    /// The citizen.
    pub person: PersonId,
    /// The issuing unit.
    pub unit: UnitId,
    /// Retention class of the citizen's copy; the source document's if none is named.
    pub class: Option<ClassCode>,
    /// Makes a new invitation although an earlier one is still open; what was issued under that one is lost.
    pub new_letter: bool,
    /// Why.
    pub reason: Reason,
}

/// What was issued.
pub struct Issued {
    /// The citizen's own case.
    pub case: CaseId,
    /// The document in it.
    pub document: DocumentId,
    /// Its title.
    pub title: String,
    /// How the citizen comes to its key.
    pub delivery: Delivery,
}

/// How a citizen comes to the key of what is issued.
pub enum Delivery {
    /// An earlier invitation, or the letter that brings it, is still open until then (µs UTC): it opens this, too.
    EarlierLetter {
        /// When it ends.
        until_us: u64,
    },
    /// They have keys of their own: it lies in their inbox.
    Inbox,
    /// A letter must be written, and bring this.
    Letter(Invitation),
}

impl Vault {
    /// Issues a document. Once this returns it is stored, granted to the citizen and confirmed; the caller
    /// writes the letter and then calls [`Self::forget_invitation`].
    pub async fn issue(
        &mut self,
        source: IssueSource,
        terms: &IssueTerms,
    ) -> Result<Issued, ClientError> {
        let person = self.directory().person(terms.person);
        if person.is_none_or(|person| !person.citizen) {
            let text = format!("{} is no citizen of this vault", terms.person);
            return Err(ClientError::NotFound(text));
        }
        let (content, new, class) = self.fetch_source(source, terms).await?;
        let delivery = self.open_delivery(terms).await?;
        let case = self.own_case(terms, class).await?;
        let document = new.document;
        self.file_for_owner(case, &new, &content, terms).await?;
        Ok(Issued {
            case,
            document,
            title: new.card.title,
            delivery,
        })
    }

    /// Documents that only the citizen's open invitation leads to, in the order they were filed: a new letter voids
    /// them, and they must be issued again.
    pub fn waiting_for_letter(&self, person: PersonId) -> Vec<DocumentId> {
        let directory = self.directory();
        let invited = directory.person(person);
        if invited.is_none_or(|person| person.is_activated() || person.current().is_none()) {
            return Vec::new();
        }
        let own = directory
            .cases()
            .filter(|case| case.kind == CaseKind::Own && case.owner == Some(person));
        let documents = own.flat_map(|case| directory.documents_of_case(case.case));
        documents.map(|document| document.document).collect()
    }

    /// The letter is written: its secret is no longer needed here.
    pub fn forget_invitation(&self, person: PersonId) -> Result<(), ClientError> {
        self.profile().remove(&kept_name(person))
    }

    /// The content, what it is called, and the class it gets.
    async fn fetch_source(
        &mut self,
        source: IssueSource,
        terms: &IssueTerms,
    ) -> Result<(File, NewDocument, ClassCode), ClientError> {
        let document = match source {
            IssueSource::Document(document) => document,
            IssueSource::File(file, new) => {
                let class = terms.class.ok_or_else(|| {
                    ClientError::Usage("name the retention class of a file with --class".into())
                })?;
                return Ok((file, *new, class));
            }
        };
        let opened = self
            .open_document(document, 0, terms.reason.clone())
            .await?;
        let card = Card {
            path: None,
            ..opened.card.clone()
        };
        let new = NewDocument {
            document: new_document_id(),
            card,
            media_type: opened.info.media_type.clone(),
            file_name: opened.info.file_name.clone().map(|name| name.0),
        };
        let class = terms.class.unwrap_or(opened.manifest.class);
        let content = self.quarantine(opened.info.true_bytes)?;
        let copy = content
            .try_clone()
            .map_err(ClientError::io("cannot copy", self.profile().folder()))?;
        let fetched = self.fetch_content(opened, UnnamedFile(copy)).await;
        fetched.map_err(|failed| failed.at("cannot write", self.profile().folder()))?;
        Ok((content, new, class))
    }

    /// A file without a name: in memory where that is possible.
    fn quarantine(&self, bytes: u64) -> Result<File, ClientError> {
        let folder = self.profile().folder();
        if bytes <= MEMORY_BYTES {
            let made = rustix::fs::memfd_create("obhut", MemfdFlags::CLOEXEC);
            return made
                .map(File::from)
                .map_err(|error| ClientError::io("cannot make", folder)(error.into()));
        }
        tempfile::tempfile_in(folder).map_err(ClientError::io("cannot make", folder))
    }

    /// How the citizen comes to the key; an invitation that is needed is published first.
    async fn open_delivery(&mut self, terms: &IssueTerms) -> Result<Delivery, ClientError> {
        let known = self.directory().person(terms.person);
        let (activated, current, until_us) = known.map_or((false, None, 0), |person| {
            let current = person.current().map(|key| key.kid);
            let until_us = person.invited_until_us.unwrap_or(0);
            (person.is_activated(), current, until_us)
        });
        if activated {
            return Ok(Delivery::Inbox);
        }
        let left = until_us.saturating_sub(now_us());
        let open = current.is_some() && left > 0;
        if open && !terms.new_letter {
            match self.kept_invitation(terms.person)? {
                // From the enrolment, or from an interrupted run: published, and no letter is written yet.
                Some(kept) if current == Some(self.invited_bundle(&kept)?.kid()) => {
                    if left > LETTER_US {
                        return Ok(Delivery::Letter(kept));
                    }
                }
                // A colleague's letter has replaced ours since.
                Some(_) => {
                    self.forget_invitation(terms.person)?;
                    return Ok(Delivery::EarlierLetter { until_us });
                }
                None => return Ok(Delivery::EarlierLetter { until_us }),
            }
        }
        let invitation = self.new_invitation(terms.person, Role::Citizen);
        self.keep_invitation(&invitation)?;
        self.publish_invitation(terms.unit, &invitation).await?;
        Ok(Delivery::Letter(invitation))
    }

    /// Keeps an invitation sealed in this profile until a letter brings it.
    pub(crate) fn keep_invitation(&self, invitation: &Invitation) -> Result<(), ClientError> {
        self.profile().subfolder(INVITATIONS)?;
        let name = kept_name(invitation.person);
        let bytes = zeroize::Zeroizing::new(invitation.to_bytes());
        let key = &self.unlocked().key;
        let sealed = key.seal(SealedKind::Profile, &name, &bytes)?;
        self.profile().save(&name, &sealed)
    }

    fn kept_invitation(&self, person: PersonId) -> Result<Option<Invitation>, ClientError> {
        let name = kept_name(person);
        let Some(sealed) = self.profile().find(&name)? else {
            return Ok(None);
        };
        let key = &self.unlocked().key;
        let opened = key.open(SealedKind::Profile, &name, &sealed)?;
        // EXPOSE: parsed into the invitation, for the letter.
        Ok(Some(Invitation::from_bytes(opened.expose())?))
    }

    /// The citizen's own case at this unit, made if there is none of this class yet.
    async fn own_case(
        &mut self,
        terms: &IssueTerms,
        class: ClassCode,
    ) -> Result<CaseId, ClientError> {
        let owner = Some(terms.person);
        let found = self.directory().cases().find(|case| {
            case.kind == CaseKind::Own
                && (case.unit, case.owner, case.class) == (terms.unit, owner, class)
                && !case.is_closed()
        });
        if let Some(found) = found {
            return Ok(found.case);
        }
        let case = new_case_id();
        let event = CaseCreated {
            case,
            kind: CaseKind::Own,
            unit: terms.unit,
            owner,
            class,
            share_id: None,
            register_hash: None,
            key: None,
            subjects: vec![terms.person],
        };
        let mutation = Mutation::of(vec![self.state(Event::CaseCreated(event), None)?]);
        let draft = ActDraft::new(ActKind::CreateCase, Role::CaseWorker)
            .in_unit(terms.unit)
            .about_case(case)
            .about(vec![terms.person])
            .because(terms.reason.clone());
        self.submit(MutationRoute::Cases, draft, &mutation).await?;
        Ok(case)
    }

    /// Seals the content for the owner and registers it together with the grant: there is never one without the other.
    async fn file_for_owner(
        &mut self,
        case: CaseId,
        new: &NewDocument,
        content: &File,
        terms: &IssueTerms,
    ) -> Result<(), ClientError> {
        let filing = self.begin_filing(case).await?;
        let (sealed, access) = self.seal_for_owner(&filing, new, content).await?;
        let at = RevisionRef {
            vault: self.id(),
            case,
            document: new.document,
            revision: sealed.manifest().revision,
        };
        let filed = self.deposit_sealed(vec![sealed]).await?;
        let documents: Vec<_> = filed.iter().collect();
        let (batch, grant) = self.grant_to_owner(&at, &access, terms.person)?;
        let mut mutation = self.batch_registration(&documents)?;
        mutation.records.push(batch);
        mutation.grants.push(grant);
        let draft = batch_act(terms.unit, &documents)
            .about(vec![terms.person])
            .because(terms.reason.clone());
        self.submit(MutationRoute::Documents, draft, &mutation)
            .await?;
        Ok(())
    }

    async fn seal_for_owner(
        &self,
        filing: &crate::put::Filing,
        new: &NewDocument,
        content: &File,
    ) -> Result<(crate::put::Sealed, AccessKey), ClientError> {
        let mut attempt = 1;
        loop {
            let secrets = RevisionSecrets::generate(&mut system_rng());
            let kept = secrets.to_journal();
            let object = ObjectId(random_bytes());
            let source = reopen(content)?;
            match self.seal_with(filing, new, source, secrets, object).await {
                Err(ClientError::Unreachable { .. }) if attempt < ATTEMPTS => attempt += 1,
                Err(failed) => return Err(failed),
                Ok(sealed) => {
                    // EXPOSE: the access key, to be granted to the owner.
                    let secrets = RevisionSecrets::from_journal(kept.expose())?;
                    return Ok((sealed, secrets.access));
                }
            }
        }
    }

    /// One direct grant to the owner's bundle in force, an invitation's included.
    fn grant_to_owner(
        &self,
        at: &RevisionRef,
        access: &AccessKey,
        owner: PersonId,
    ) -> Result<(MutationRecord, Grant), ClientError> {
        let known = self.directory().person(owner);
        let key = known.and_then(|person| person.current()).ok_or_else(|| {
            ClientError::integrity("the citizen's keys are not in the confirmed log")
        })?;
        let recipient = PublicIdentity::parse(&key.bundle)?;
        let terms = GrantTerms {
            recipient: Kid(recipient.kid().0),
            public: recipient.xwing(),
            granter: self.unlocked().kid(),
            role: Role::Citizen,
            not_after_us: None,
        };
        let grant = grant_access_key(at, access, &terms, &mut system_rng())?;
        let terms = BatchTerms {
            kind: BatchKind::Grants,
            vault: self.id(),
            case: at.case,
            case_epoch: 0,
            signer: self.person(),
            time_us: now_us(),
            batch: BatchId(random_bytes()),
        };
        let identity = &self.unlocked().identity;
        let (signed, _) = sign_batch(&terms, std::slice::from_ref(&grant), identity)?;
        let record = MutationRecord {
            payload: RecordPayload::Batch(signed),
            sealed: None,
        };
        Ok((record, grant))
    }
}

/// The same content with a position of its own, at its start.
fn reopen(content: &File) -> Result<File, ClientError> {
    let path = format!("/proc/self/fd/{}", content.as_raw_fd());
    File::open(&path).map_err(ClientError::io("cannot read", path.as_ref()))
}

fn kept_name(person: PersonId) -> String {
    format!("{INVITATIONS}/{person}")
}

/// Lets content out into a file nobody else can reach.
struct UnnamedFile(File);

impl std::io::Write for UnnamedFile {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}

impl obhut_crypto::Quarantine for UnnamedFile {
    type Kept = ();

    fn finish(self) -> std::io::Result<()> {
        Ok(())
    }
}
