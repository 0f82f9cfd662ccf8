//! Case files: creating, re-keying, closing, reopening, naming subjects.

use obhut_crypto::{
    CaseEpochRef, CaseFileKey, CaseShare, GrantTerms, RegisterKey, ShareToDeposit, grant_case_key,
    wrap_earlier_case_key,
};
use obhut_format::act::{ActKind, ObjectRef, Reason};
use obhut_format::content::RegisterEntry;
use obhut_format::context::sha256;
use obhut_format::key::Grant;
use obhut_format::mutation::{BlindIndex, CaseLink, Mutation, MutationRecord};
use obhut_format::statement::{
    CaseClosed, CaseCreated, CaseKey, CaseKind, CaseRekeyed, CaseReopened, Event, Role,
    SubjectAdded,
};
use obhut_format::{CaseId, Cbor, ClassCode, Kid, PersonId, UnitId};

use crate::ClientError;
use crate::act::ActDraft;
use crate::clock::{parse_date, random_bytes, system_rng, today};
use crate::transport::MutationRoute;
use crate::vault::Vault;

/// What a new case file is called and about.
#[derive(Clone, Debug)]
pub struct NewCase {
    /// Its id; chosen by the client so that a repeat is recognised.
    pub case: CaseId,
    /// The unit.
    pub unit: UnitId,
    /// File reference and title.
    pub entry: RegisterEntry,
    /// Retention class.
    pub class: ClassCode,
    /// Persons it is about.
    pub subjects: Vec<PersonId>,
    /// Why it is created.
    pub reason: Reason,
}

/// One case file, made and not yet sent.
struct MadeCase {
    record: MutationRecord,
    grant: Grant,
    tag: BlindIndex,
    share: ShareToDeposit,
    key: CaseFileKey,
}

/// A fresh id for a case.
pub fn new_case_id() -> CaseId {
    CaseId(random_bytes())
}

impl Vault {
    /// Creates a case file of a unit. Once this returns it stands in the log with quorum.
    pub async fn create_case(&mut self, new: NewCase) -> Result<(), ClientError> {
        self.create_cases(new.unit, std::slice::from_ref(&new))
            .await
            .map(drop)
    }

    /// Creates up to 1,024 case files of one unit, all or none; gives their keys in the same order. The first
    /// one's reason counts for all.
    pub(crate) async fn create_cases(
        &mut self,
        unit: UnitId,
        new: &[NewCase],
    ) -> Result<Vec<CaseFileKey>, ClientError> {
        self.refresh().await?;
        self.require_no_former_member(unit)?;
        let register = self.load_register_key(unit).await?;
        let (mut mutation, mut shares, mut keys) =
            (Mutation::of(Vec::new()), Vec::new(), Vec::new());
        for new in new {
            check_entry(&new.entry)?;
            let made = self.make_case(&register, unit, new)?;
            mutation.records.push(made.record);
            mutation.case_grants.push(made.grant);
            mutation.blind_indexes.push(made.tag);
            shares.push(made.share);
            keys.push(made.key);
        }
        let Some(first) = new.first() else {
            return Ok(keys);
        };
        self.deposit(&shares).await?;
        let mut subjects: Vec<_> = new.iter().flat_map(|new| &new.subjects).copied().collect();
        subjects.sort_unstable();
        subjects.dedup();
        let draft = ActDraft::new(ActKind::CreateCase, Role::CaseWorker)
            .in_unit(unit)
            .on(new.iter().map(|new| whole_case(new.case)).collect())
            .because(first.reason.clone())
            .about(subjects);
        let draft = match new {
            [one] => draft.about_case(one.case),
            _ => draft,
        };
        self.submit(MutationRoute::Cases, draft, &mutation).await?;
        Ok(keys)
    }

    fn make_case(
        &self,
        register: &RegisterKey,
        unit: UnitId,
        new: &NewCase,
    ) -> Result<MadeCase, ClientError> {
        let share = CaseShare::generate(&mut system_rng());
        let sealed = register.seal_case(new.case, 1, &share, &new.entry, &mut system_rng())?;
        let key = CaseFileKey::generate(&mut system_rng());
        let (stated, grant) = self.state_case_key(unit, new.case, 1, &key, None)?;
        let event = CaseCreated {
            case: new.case,
            kind: CaseKind::Agency,
            unit,
            owner: None,
            class: new.class,
            share_id: Some(share.share_id(self.id(), new.case)),
            register_hash: Some(sha256(&[&sealed])),
            key: Some(stated),
            subjects: new.subjects.clone(),
        };
        let kid = self.unlocked().kid();
        Ok(MadeCase {
            record: self.state(Event::CaseCreated(event), Some(sealed))?,
            grant,
            tag: self.blind_index(unit, new.case, &new.entry.file_reference)?,
            share: ShareToDeposit::of_case(self.id(), new.case, &share, kid),
            key,
        })
    }

    /// Makes sure that the case's key is granted to the unit's epoch in force; writers refuse any other. After a
    /// member left this gives the case a new key; while somebody who left still holds the unit's it fails.
    pub async fn renew_case_key(&mut self, case: CaseId) -> Result<(), ClientError> {
        let found = self.case(case)?;
        let (unit, epoch) = (found.unit, found.epoch());
        let unit_epoch = found.current_key().map(|key| key.unit_epoch);
        if found.kind == CaseKind::Agency {
            self.require_no_former_member(unit)?;
        }
        if found.kind == CaseKind::Own || unit_epoch == Some(self.unit_epoch(unit)?) {
            return Ok(());
        }
        let earlier = self.load_case_key(case).await?;
        let key = CaseFileKey::generate(&mut system_rng());
        let link =
            wrap_earlier_case_key(&key, self.id(), case, epoch, &earlier, &mut system_rng())?;
        let (stated, grant) = self.state_case_key(unit, case, epoch + 1, &key, Some(&link))?;
        let event = Event::CaseRekeyed(CaseRekeyed { case, key: stated });
        let mutation = Mutation {
            case_grants: vec![grant],
            case_links: vec![CaseLink {
                case,
                epoch,
                sealed: link.into(),
            }],
            ..Mutation::of(vec![self.state(event, None)?])
        };
        let draft = case_act(ActKind::ChangeCase, unit, case);
        self.submit(MutationRoute::CaseChanges(case), draft, &mutation)
            .await?;
        Ok(())
    }

    /// Names a further person the case is about.
    pub async fn add_subject(&mut self, case: CaseId, person: PersonId) -> Result<(), ClientError> {
        if self.directory().person(person).is_none() {
            return Err(ClientError::NotFound(format!(
                "there is no person {person}"
            )));
        }
        if self.case(case)?.subjects.contains(&person) {
            return Err(ClientError::Refused(format!(
                "the case file is about {person} already"
            )));
        }
        let event = Event::SubjectAdded(SubjectAdded { case, person });
        self.change_case(case, event, vec![person]).await
    }

    /// Closes the case on a civil date (ISO 8601): its retention period may begin.
    pub async fn close_case(&mut self, case: CaseId, on: &str) -> Result<(), ClientError> {
        if parse_date(on)? > parse_date(&today())? {
            return Err(ClientError::Usage(format!("{on} lies in the future")));
        }
        if let Some(earlier) = &self.case(case)?.closed_on {
            let text = format!("the case file was closed already, on {earlier}");
            return Err(ClientError::Refused(text));
        }
        let on = on.to_owned();
        self.change_case(case, Event::CaseClosed(CaseClosed { case, on }), Vec::new())
            .await
    }

    /// Opens a closed case again.
    pub async fn reopen_case(&mut self, case: CaseId) -> Result<(), ClientError> {
        if !self.case(case)?.is_closed() {
            return Err(ClientError::Refused("the case file is open".into()));
        }
        let event = Event::CaseReopened(CaseReopened { case });
        self.change_case(case, event, Vec::new()).await
    }

    async fn change_case(
        &mut self,
        case: CaseId,
        event: Event,
        persons: Vec<PersonId>,
    ) -> Result<(), ClientError> {
        let unit = self.case(case)?.unit;
        let mutation = Mutation::of(vec![self.state(event, None)?]);
        let draft = case_act(ActKind::ChangeCase, unit, case).about(persons);
        self.submit(MutationRoute::CaseChanges(case), draft, &mutation)
            .await?;
        Ok(())
    }

    /// Grants a case key to the unit's epoch in force, whose public key the log states.
    fn state_case_key(
        &self,
        unit: UnitId,
        case: CaseId,
        epoch: u32,
        key: &CaseFileKey,
        link: Option<&[u8]>,
    ) -> Result<(CaseKey, Grant), ClientError> {
        let unit_epoch = self.unit_epoch(unit)?;
        let unit_key = self.keyring()?.unit(unit, unit_epoch)?;
        let at = CaseEpochRef {
            vault: self.id(),
            case,
            epoch,
        };
        let terms = GrantTerms {
            recipient: Kid(unit_key.id()),
            public: &unit_key.public(),
            granter: self.unlocked().kid(),
            role: Role::CaseWorker,
            not_after_us: None,
        };
        let grant = grant_case_key(&at, key, &terms, &mut system_rng())?;
        let stated = CaseKey {
            epoch,
            unit_epoch,
            ck_id: key.id(),
            grant_hash: sha256(&[&grant.to_bytes()]),
            link_hash: link.map(|link| sha256(&[link])),
        };
        Ok((stated, grant))
    }

    fn blind_index(
        &self,
        unit: UnitId,
        case: CaseId,
        reference: &str,
    ) -> Result<BlindIndex, ClientError> {
        let unit_epoch = self.unit_epoch(unit)?;
        let key = self.keyring()?.unit(unit, unit_epoch)?;
        Ok(BlindIndex {
            unit,
            unit_epoch,
            case,
            tag: key.blind_index(reference),
        })
    }
}

/// A case that nobody could find again is not made.
fn check_entry(entry: &RegisterEntry) -> Result<(), ClientError> {
    if entry.file_reference.trim().is_empty() {
        return Err(ClientError::Refused("the file reference is blank".into()));
    }
    Ok(())
}

fn case_act(kind: ActKind, unit: UnitId, case: CaseId) -> ActDraft {
    ActDraft::new(kind, Role::CaseWorker)
        .in_unit(unit)
        .about_case(case)
        .on(vec![whole_case(case)])
}

fn whole_case(case: CaseId) -> ObjectRef {
    ObjectRef {
        case,
        document: None,
        revision: 0,
    }
}
