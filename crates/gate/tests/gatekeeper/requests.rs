//! Acts, their entries, and orders to release; each piece can be bent before the next is made.

use std::collections::BTreeSet;

use obhut_format::act::{ACT_LABEL, Act, ActKind, ObjectRef, Reason, SignedAct, objects_root};
use obhut_format::context::sha256;
use obhut_format::entry::{Decision, GroupA1, GroupA2, GroupD, GroupR};
use obhut_format::release::{
    ActLeaf, GateRequest, GateResponse, GrantProof, Release, ReleaseOrder, ReleaseReceipt,
    release_aad, release_info,
};
use obhut_format::statement::Role;
use obhut_format::{Blob, CaseId, Cbor, PersonId, UnitId};
use obhut_log::entry::{EntryDraft, EntryOpenings, reason_commitment};
use obhut_log::{Flags, Label, SignedCheckpoint};
use obhut_suite::{Encapsulation, HpkeReceiver, XwingSeed};
use rand_core::Rng as _;

use crate::filing::{TestDocument, class};
use crate::people::TestPerson;
use crate::world::{SECOND, World, bare_entry};

/// An act on its way: what the client holds, and what the vault logs about it.
pub(crate) struct Attempt {
    pub(crate) act: Act,
    pub(crate) signed: SignedAct,
    pub(crate) objects: Vec<ObjectRef>,
    pub(crate) reason: Reason,
    pub(crate) reason_salt: [u8; 32],
    pub(crate) epk: XwingSeed,
    pub(crate) grants: Vec<GrantProof>,
}

/// One entry before it is logged.
#[derive(Clone)]
pub(crate) struct DraftLeaf {
    pub(crate) draft: EntryDraft,
    pub(crate) labels: Vec<Label>,
}

pub(crate) fn object(document: &TestDocument) -> ObjectRef {
    ObjectRef {
        case: document.case,
        document: Some(document.document),
        revision: document.manifest.revision,
    }
}

pub(crate) fn latest(document: &TestDocument) -> ObjectRef {
    ObjectRef {
        revision: 0,
        ..object(document)
    }
}

pub(crate) fn whole_case(case: CaseId) -> ObjectRef {
    ObjectRef {
        case,
        document: None,
        revision: 0,
    }
}

impl Attempt {
    /// Signs what stands in `act` now.
    pub(crate) fn sign(&mut self, person: &TestPerson) {
        let bytes = self.act.to_bytes();
        let label = obhut_suite::Label::new(ACT_LABEL);
        let signature = *person.device().sign(label, &bytes).as_bytes();
        self.signed = SignedAct {
            act: Blob(bytes),
            signature,
        };
    }

    /// Opens what came for it.
    pub(crate) fn open(&self, release: &Release) -> Vec<Vec<u8>> {
        let hash = self.signed.hash();
        let info = release_info(self.act.vault, &hash, release.shares.len());
        let enc = Encapsulation::parse(&release.enc.0).unwrap();
        let mut receiver = HpkeReceiver::new(&self.epk, &enc, info.as_bytes()).unwrap();
        let mut open = |(number, share): (usize, &obhut_format::release::ReleasedShare)| {
            let aad = release_aad(number, share.share_id);
            let opened = receiver.open_next(aad.as_bytes(), &share.sealed.0);
            opened.unwrap().expose().to_vec()
        };
        release.shares.iter().enumerate().map(&mut open).collect()
    }
}

impl World {
    /// A caseworker's signed act.
    pub(crate) fn attempt(
        &mut self,
        person: &TestPerson,
        unit: UnitId,
        kind: ActKind,
        objects: Vec<ObjectRef>,
    ) -> Attempt {
        let mut attempt = self.attempt_as(person, kind, objects);
        attempt.act.unit = Some(unit);
        attempt.sign(person);
        attempt
    }

    /// A citizen's signed act.
    pub(crate) fn attempt_as_citizen(
        &mut self,
        person: &TestPerson,
        objects: Vec<ObjectRef>,
        grants: Vec<GrantProof>,
    ) -> Attempt {
        let mut attempt = self.attempt_as(person, ActKind::OpenDocument, objects);
        attempt.act.role = Role::Citizen;
        attempt.grants = grants;
        attempt.sign(person);
        attempt
    }

    fn attempt_as(
        &mut self,
        person: &TestPerson,
        kind: ActKind,
        mut objects: Vec<ObjectRef>,
    ) -> Attempt {
        objects.sort_by_key(ObjectRef::sort_key);
        let epk = XwingSeed::generate(&mut self.rng);
        let reason = Reason {
            purpose: "Test purpose".to_owned(),
            legal_basis: "Test basis".to_owned(),
            justification: None,
        };
        let mut reason_salt = [0; 32];
        self.rng.fill_bytes(&mut reason_salt);
        let cases: BTreeSet<CaseId> = objects.iter().map(|object| object.case).collect();
        let act = Act {
            vault: self.vault,
            card_version: 1,
            shard: self.access.tail.origin().to_owned(),
            kind,
            person: person.id,
            device: person.device_kid(),
            unit: None,
            role: Role::CaseWorker,
            on_behalf_of: None,
            case: cases.first().copied().filter(|_| cases.len() == 1),
            objects_root: objects_root(&objects),
            object_count: objects.len() as u64,
            reason_commitment: reason_commitment(&reason, &reason_salt),
            epk_hash: sha256(&[epk.public().as_bytes()]),
            nonce: self.id(),
            time_us: self.now(),
            expires_us: self.now() + 120 * SECOND,
            pinned: None,
            payload_hash: None,
            persons: Vec::new(),
        };
        let mut attempt = Attempt {
            act,
            signed: SignedAct {
                act: Blob(Vec::new()),
                signature: [0; 64],
            },
            objects,
            reason,
            reason_salt,
            epk,
            grants: Vec::new(),
        };
        attempt.sign(person);
        attempt
    }

    /// The entries an honest vault makes of an act, `per_part` objects in each.
    pub(crate) fn drafts(&self, attempt: &Attempt, per_part: usize) -> Vec<DraftLeaf> {
        let chunks: Vec<_> = attempt.objects.chunks(per_part).collect();
        let parts = chunks.len() as u64;
        (1..)
            .zip(chunks)
            .map(|(part, objects)| self.draft(attempt, objects, part, parts))
            .collect()
    }

    fn draft(&self, attempt: &Attempt, objects: &[ObjectRef], part: u64, parts: u64) -> DraftLeaf {
        let act = &attempt.act;
        let cases: BTreeSet<CaseId> = objects.iter().map(|object| object.case).collect();
        let subjects: BTreeSet<PersonId> = cases
            .iter()
            .filter_map(|case| self.directory.case(*case))
            .flat_map(|case| case.subjects.clone())
            .collect();
        let subjects: Vec<PersonId> = subjects.into_iter().collect();
        let draft = EntryDraft {
            a1: GroupA1 {
                kind: act.kind,
                unit: act.unit,
                role: act.role,
                on_behalf: act.on_behalf_of.is_some(),
                decision: Decision::Allowed,
                part,
                parts,
            },
            a2: GroupA2 {
                person: act.person,
                device: act.device,
                on_behalf_of: act.on_behalf_of,
            },
            subjects: subjects.clone(),
            d: GroupD {
                case: act.case,
                class: act.case.map(|_| class()),
                objects: objects.to_vec(),
                objects_root: act.objects_root,
                object_count: act.object_count,
            },
            w: attempt.reason.clone(),
            w_salt: attempt.reason_salt,
            r: GroupR {
                signed: attempt.signed.clone(),
                decision: Decision::Allowed,
                refusal: None,
                policy_version: 1,
            },
        };
        let labels = self.labels(act, objects, &cases, &subjects);
        DraftLeaf { draft, labels }
    }

    fn labels(
        &self,
        act: &Act,
        objects: &[ObjectRef],
        cases: &BTreeSet<CaseId>,
        subjects: &[PersonId],
    ) -> Vec<Label> {
        let shard = self.access.tail.origin();
        let mut labels = vec![Label::of_actor(shard, &self.lambdas[&act.person])];
        labels.extend(cases.iter().map(|case| Label::of_case(shard, &case.0)));
        let subject = |person: &PersonId| Label::of_subject(shard, &self.lambdas[person]);
        labels.extend(subjects.iter().map(subject));
        if matches!(act.kind, ActKind::OpenDocument | ActKind::ExportCase) {
            let documents = objects.iter().filter_map(|object| object.document);
            labels.extend(documents.map(|document| Label::of_document(shard, &document.0)));
        }
        labels
    }

    /// Logs entries in the access shard; not fed yet.
    pub(crate) fn log(&mut self, drafts: &[DraftLeaf]) -> Vec<(u64, EntryOpenings)> {
        let time_ms = self.now() / 1_000;
        self.log_at(drafts, time_ms)
    }

    pub(crate) fn log_at(
        &mut self,
        drafts: &[DraftLeaf],
        time_ms: u64,
    ) -> Vec<(u64, EntryOpenings)> {
        let mut logged = Vec::new();
        let flags = if drafts.len() > 1 {
            Flags::PART
        } else {
            Flags::NONE
        };
        for leaf in drafts {
            let origin = self.access.tail.origin().to_owned();
            let sealed = leaf
                .draft
                .seal(&origin, time_ms, flags, &mut self.rng)
                .unwrap();
            let labels: Vec<_> = leaf.labels.iter().map(|label| (*label, None)).collect();
            let index = self.access.tail.size();
            self.access.append(&sealed.core, &labels, bare_entry());
            logged.push((index, sealed.openings));
        }
        logged
    }

    /// The order for entries that are fed and cosigned.
    pub(crate) fn order(&self, attempt: &Attempt, logged: &[(u64, EntryOpenings)]) -> ReleaseOrder {
        let leaf = |(index, openings): &(u64, EntryOpenings)| {
            let at = usize::try_from(*index).unwrap();
            let entry = &self.access.entries[at];
            ActLeaf {
                index: *index,
                core: entry.core.clone(),
                labels: entry.labels.clone(),
                a1: openings.a1.clone(),
                a2: openings.a2.clone(),
                d: openings.d.clone(),
                r: openings.r.clone(),
                subject_commitments: openings.subject_commitments.clone(),
                w_commitment: openings.w_commitment,
                path: self.access.path(*index),
            }
        };
        ReleaseOrder {
            vault: self.vault,
            signed: attempt.signed.clone(),
            epk: Blob(attempt.epk.public().as_bytes().to_vec()),
            leaves: logged.iter().map(leaf).collect(),
            checkpoint: self.access.head.clone(),
            grants: attempt.grants.clone(),
        }
    }

    /// Logs, feeds, cosigns and asks, with these entries.
    pub(crate) async fn release_with(
        &mut self,
        attempt: &Attempt,
        drafts: &[DraftLeaf],
    ) -> GateResponse {
        let logged = self.log(drafts);
        self.publish().await;
        let order = self.order(attempt, &logged);
        self.ask(GateRequest::Release(order)).await
    }

    /// As an honest vault does it.
    pub(crate) async fn release(&mut self, attempt: &Attempt) -> GateResponse {
        let drafts = self.drafts(attempt, 40);
        self.release_with(attempt, &drafts).await
    }
}

pub(crate) fn released(answer: GateResponse) -> Release {
    match answer {
        GateResponse::Released(release) => release,
        other => panic!("not released: {other:?}"),
    }
}

pub(crate) fn receipt_of(release: &Release) -> ReleaseReceipt {
    ReleaseReceipt::from_bytes(&release.receipt.0).unwrap()
}

/// The head of a log without the gatekeeper's line.
pub(crate) fn without_cosignature(head: &str) -> String {
    let signed: SignedCheckpoint = head.parse().unwrap();
    let lines: Vec<&str> = head.lines().collect();
    let count = signed.note().signatures().len();
    let kept = lines.len() - (count - 1);
    lines[..kept].join("\n") + "\n"
}

pub(crate) fn fresh_key(rng: &mut rand_chacha::ChaCha20Rng) -> XwingSeed {
    XwingSeed::generate(rng)
}
