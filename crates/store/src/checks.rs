//! Whether a mutation's rows are the ones its records name: every row is bound by a hash, a root or
//! an id in a signed record, and no row is left over.

use std::slice::Iter;

use obhut_format::batch::{BatchHeader, BatchKind, RecordPayload, RegisterItem};
use obhut_format::context::sha256;
use obhut_format::key::{Grant, GrantKind, HPKE_KEY_BYTES, Membership, SEALED_KEY_BYTES};
use obhut_format::mutation::{
    BlindIndex, CaseLink, DocumentRow, LambdaWrap, LogKeyRewrap, Mutation, MutationRecord, UnitLink,
};
use obhut_format::statement::{CaseKey, CaseKind, Event, Role, Statement, UnitEpoch};
use obhut_format::tree::root_of;
use obhut_format::{CaseId, Cbor, Hash, Kid, PersonId};
use obhut_log::replay::Directory;

use crate::StoreError;

/// Longest sealed part of a record, bytes.
const MAX_SEALED_BYTES: usize = 64 * 1_024;

/// What is left of the mutation's rows while its records are gone through.
struct Rows<'a> {
    after: &'a Directory,
    memberships: Iter<'a, Membership>,
    unit_links: Iter<'a, UnitLink>,
    case_grants: Iter<'a, Grant>,
    case_links: Iter<'a, CaseLink>,
    documents: Iter<'a, DocumentRow>,
    grants: Iter<'a, Grant>,
    named_cases: Vec<CaseId>,
    named_persons: Vec<PersonId>,
    rotated_to: Option<Kid>,
    appoints_dpo: bool,
}

/// Checks all rows; `after` is the directory with the records applied.
pub(crate) fn check_rows(mutation: &Mutation, after: &Directory) -> Result<(), StoreError> {
    let mut rows = Rows {
        after,
        memberships: mutation.memberships.iter(),
        unit_links: mutation.unit_links.iter(),
        case_grants: mutation.case_grants.iter(),
        case_links: mutation.case_links.iter(),
        documents: mutation.documents.iter(),
        grants: mutation.grants.iter(),
        named_cases: Vec::new(),
        named_persons: Vec::new(),
        rotated_to: None,
        appoints_dpo: false,
    };
    for record in &mutation.records {
        rows.check_record(record)?;
    }
    rows.check_left_over()?;
    for tag in &mutation.blind_indexes {
        rows.check_blind_index(tag)?;
    }
    for wrap in &mutation.lambda_wraps {
        rows.check_lambda_wrap(wrap)?;
    }
    for rewrap in &mutation.log_key_rewraps {
        rows.check_rewrap(rewrap)?;
    }
    Ok(())
}

impl Rows<'_> {
    fn check_record(&mut self, record: &MutationRecord) -> Result<(), StoreError> {
        let sealed = record.sealed.as_ref().map(|sealed| sealed.0.as_slice());
        if sealed.is_some_and(|sealed| sealed.len() > MAX_SEALED_BYTES) {
            return Err(misfit("a sealed part is too long"));
        }
        let sealed_hash = sealed.map(|sealed| sha256(&[sealed]));
        match &record.payload {
            RecordPayload::Statement(signed) => {
                let statement = parse::<Statement>(&signed.statement.0)?;
                self.check_event(&statement.event, sealed_hash)
            }
            RecordPayload::Batch(signed) => {
                require(sealed.is_none(), "a batch has no sealed part")?;
                self.check_batch(&parse::<BatchHeader>(&signed.header.0)?)
            }
            RecordPayload::Document(item) => {
                require(sealed.is_none(), "a registered document has no sealed part")?;
                self.check_document(&parse::<RegisterItem>(&item.item.0)?)
            }
        }
    }

    fn check_event(&mut self, event: &Event, sealed: Option<Hash>) -> Result<(), StoreError> {
        match event {
            Event::PersonEnrolled(event) => self.named_persons.push(event.person),
            Event::PersonInvited(event) => self.named_persons.push(event.person),
            Event::CaseCreated(event) => {
                require(
                    event.register_hash == sealed,
                    "the register entry is another one",
                )?;
                self.named_cases.push(event.case);
                return match &event.key {
                    Some(key) => self.check_case_key(event.case, key),
                    None => Ok(()),
                };
            }
            Event::UnitEpoch(event) => {
                require(
                    Some(event.entry_hash) == sealed,
                    "the unit entry is another one",
                )?;
                return self.check_unit_epoch(event);
            }
            Event::CardAmended(event) => {
                return require(Some(event.card_hash) == sealed, "the card is another one");
            }
            event => {
                require(sealed.is_none(), "the record has no sealed part")?;
                return self.check_plain_event(event);
            }
        }
        Ok(())
    }

    fn check_plain_event(&mut self, event: &Event) -> Result<(), StoreError> {
        match event {
            Event::BundleRotated(event) => {
                self.rotated_to = Some(event.bundle.kid());
                self.named_persons.push(event.person);
            }
            Event::Appointed(event) => self.appoints_dpo |= event.role == Role::Dpo,
            Event::CaseRekeyed(event) => {
                self.named_cases.push(event.case);
                self.check_case_key(event.case, &event.key)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn check_unit_epoch(&mut self, event: &UnitEpoch) -> Result<(), StoreError> {
        let mut leaves = Vec::with_capacity(event.members.len());
        for member in &event.members {
            let row = self.memberships.next();
            let row = row.ok_or_else(|| misfit("a membership is missing"))?;
            let fits = row.vault == self.after.vault()
                && row.unit == event.unit
                && row.epoch == event.epoch
                && row.member == *member
                && row.uk_id == event.uk_id
                && row.sealed.0.len() == HPKE_KEY_BYTES;
            require(fits, "a membership belongs to another unit epoch")?;
            leaves.push(row.to_bytes());
        }
        let root = root_of(leaves.into_iter());
        require(
            root == event.memberships_root,
            "the memberships are other ones",
        )?;
        let Some(link_hash) = event.link_hash else {
            return Ok(());
        };
        let link = self.unit_links.next();
        let link = link.ok_or_else(|| misfit("a unit link is missing"))?;
        let fits = link.unit == event.unit
            && link.epoch.checked_add(1) == Some(event.epoch)
            && sha256(&[&link.sealed.0]) == link_hash;
        require(fits, "a unit link is another one")
    }

    fn check_case_key(&mut self, case: CaseId, key: &CaseKey) -> Result<(), StoreError> {
        let grant = self.case_grants.next();
        let grant = grant.ok_or_else(|| misfit("the case key's grant is missing"))?;
        let unit = self
            .after
            .case(case)
            .and_then(|case| self.after.unit(case.unit));
        let epoch = unit.and_then(|unit| unit.find_epoch(key.unit_epoch));
        let fits = grant.kind == GrantKind::Case
            && grant.vault == self.after.vault()
            && grant.case == case
            && grant.document.is_none()
            && grant.number == u64::from(key.epoch)
            && grant.key_id == key.ck_id
            && epoch.is_some_and(|epoch| grant.recipient == Kid(epoch.uk_id))
            && grant.sealed.0.len() == HPKE_KEY_BYTES
            && sha256(&[&grant.to_bytes()]) == key.grant_hash;
        require(fits, "the case key's grant is another one")?;
        let Some(link_hash) = key.link_hash else {
            return Ok(());
        };
        let link = self.case_links.next();
        let link = link.ok_or_else(|| misfit("a case link is missing"))?;
        let fits = link.case == case
            && link.epoch.checked_add(1) == Some(key.epoch)
            && sha256(&[&link.sealed.0]) == link_hash;
        require(fits, "a case link is another one")
    }

    fn check_document(&mut self, item: &RegisterItem) -> Result<(), StoreError> {
        let manifest = item
            .parse_manifest()
            .map_err(|_| misfit("a manifest is malformed"))?;
        let row = self.documents.next();
        let row = row.ok_or_else(|| misfit("a document's rows are missing"))?;
        let wrap_bytes = row.wrap.as_ref().map(|wrap| wrap.0.len());
        let fits = row.document == manifest.document
            && row.revision == manifest.revision
            && sha256(&[&row.info.0]) == manifest.info_hash
            && sha256(&[&row.card.0]) == item.card_hash
            && wrap_bytes == (manifest.case_epoch > 0).then_some(SEALED_KEY_BYTES);
        let short = row.info.0.len().max(row.card.0.len()) <= MAX_SEALED_BYTES;
        require(fits && short, "a document's rows are other ones")
    }

    fn check_batch(&mut self, header: &BatchHeader) -> Result<(), StoreError> {
        if header.kind == BatchKind::Documents {
            return Ok(());
        }
        let count = usize::try_from(header.count).unwrap_or(usize::MAX);
        let grants: Vec<&Grant> = self.grants.by_ref().take(count).collect();
        require(grants.len() == count, "grants of the batch are missing")?;
        for grant in &grants {
            self.check_grant(header, grant)?;
        }
        let root = root_of(grants.iter().map(|grant| grant.to_bytes()));
        require(root == header.root, "the grants are other ones")
    }

    fn check_grant(&self, header: &BatchHeader, grant: &Grant) -> Result<(), StoreError> {
        let case = self.after.case(grant.case);
        let case = case.ok_or_else(|| misfit("a grant names an unknown case"))?;
        let key_id = match (grant.kind, grant.document) {
            (GrantKind::Document, Some(document)) => {
                let document = self.after.document(document);
                let document = document.filter(|document| document.case == grant.case);
                let revision = document.and_then(|document| {
                    let mut revisions = document.revisions.iter();
                    revisions.find(|revision| revision.revision == grant.number)
                });
                revision
                    .and_then(|revision| revision.parse_manifest().ok())
                    .map(|manifest| manifest.dak_id)
            }
            (GrantKind::Case, None) => case
                .keys
                .iter()
                .find(|key| u64::from(key.epoch) == grant.number)
                .map(|key| key.ck_id),
            _ => None,
        };
        let holder = self.after.current_holder(grant.recipient);
        let to_owner = case.kind == CaseKind::Agency || holder.map(|p| p.person) == case.owner;
        let fits = grant.vault == self.after.vault()
            && grant.case == header.case
            && grant.granter == header.signer_kid
            && key_id == Some(grant.key_id)
            && grant.sealed.0.len() == HPKE_KEY_BYTES
            && holder.is_some();
        require(fits, "a grant does not fit its object or recipient")?;
        require(
            to_owner,
            "a grant of an own case goes to somebody else than its owner",
        )
    }

    fn check_blind_index(&self, tag: &BlindIndex) -> Result<(), StoreError> {
        let case = self.after.case(tag.case);
        let unit = self.after.unit(tag.unit);
        let fits = case.is_some_and(|case| case.kind == CaseKind::Agency && case.unit == tag.unit)
            && unit.is_some_and(|unit| unit.epoch() == tag.unit_epoch)
            && self.named_cases.contains(&tag.case);
        require(fits, "a blind index belongs to another case or epoch")
    }

    fn check_lambda_wrap(&self, wrap: &LambdaWrap) -> Result<(), StoreError> {
        let person = self.after.person(wrap.person);
        let own = person.is_some_and(|person| person.find_key(wrap.recipient).is_some());
        let root = self.after.card().map(|card| card.root.kid());
        let dpo = self
            .after
            .current_holder(wrap.recipient)
            .is_some_and(|holder| {
                let person = holder.person;
                self.after
                    .holds_role(person, Role::Dpo, None, self.after.time_us())
            });
        let named = self.named_persons.contains(&wrap.person) || (self.appoints_dpo && dpo);
        let fits = person.is_some()
            && named
            && (own || dpo || root == Some(wrap.recipient))
            && wrap.sealed.0.len() == HPKE_KEY_BYTES;
        require(fits, "a label secret is sealed to somebody else")
    }

    fn check_rewrap(&self, rewrap: &LogKeyRewrap) -> Result<(), StoreError> {
        let fits =
            self.rotated_to == Some(rewrap.recipient) && rewrap.sealed.0.len() == HPKE_KEY_BYTES;
        require(fits, "a log key is re-sealed to another bundle")
    }

    fn check_left_over(&mut self) -> Result<(), StoreError> {
        let none = self.memberships.len() == 0
            && self.unit_links.len() == 0
            && self.case_grants.len() == 0
            && self.case_links.len() == 0
            && self.documents.len() == 0
            && self.grants.len() == 0;
        require(none, "rows are left over that no record names")
    }
}

fn parse<T: Cbor>(bytes: &[u8]) -> Result<T, StoreError> {
    T::from_bytes(bytes).map_err(|_| misfit("a record is malformed"))
}

fn require(holds: bool, reason: &'static str) -> Result<(), StoreError> {
    if holds { Ok(()) } else { Err(misfit(reason)) }
}

fn misfit(reason: &'static str) -> StoreError {
    StoreError::rejected("rows-do-not-fit", reason)
}
