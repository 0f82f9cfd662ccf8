//! Releases: a signed act goes out, an answer comes back, and nothing of it is used before its receipt, entry and
//! objects have been checked against the replayed log.

use obhut_crypto::{ReleasedSecret, open_release};
use obhut_format::act::{Act, ActKind, ActRequest, ObjectRef, Released as Share};
use obhut_format::entry::{Decision, GroupA1, GroupA2, GroupD, GroupR, LeafType, Opening};
use obhut_format::id::base32;
use obhut_format::release::{
    ActLeaf, ReleaseAnswer, ReleaseReceipt, ReleasedCase, ReleasedDocument,
};
use obhut_format::{Blob, Cbor, record};
use obhut_log::replay::Directory;
use obhut_log::{
    AccessCommitments, Core, Flags, Group, Label, Leaf, Quorum, Recs, SubjectCommitments,
    TlogProof, opening_commitment,
};
use obhut_suite::XwingSeed;

use crate::ClientError;
use crate::act::ActDraft;
use crate::clock::{now_us, system_rng};
use crate::session::CLOCK_TOLERANCE_S;
use crate::vault::Vault;

/// The entry's head must have been cosigned within this time.
const MAX_AGE_S: u64 = 300;
/// Entry and act may lie this far apart, in milliseconds: an act's life and the clocks' tolerance.
const MAX_ENTRY_SKEW_MS: u64 = 180_000;
const RECEIPTS: &str = "receipts";

record! {
    /// What is kept of a release: proofs, never keys.
    KeptReceipt {
        /// Canonical bytes of the signed act.
        1 => act: Blob,
        /// Canonical bytes of the gatekeeper's receipt.
        2 => receipt: Blob,
        /// The gatekeeper's signature.
        3 => signature: [u8; 64],
        /// tlog-proof texts of the entry's leaves.
        4 => proofs: Vec<String>,
    }
}

/// A release that was checked in full. Its secrets are wiped when it goes.
#[must_use]
pub struct Released {
    /// The gatekeeper's receipt.
    pub receipt: ReleaseReceipt,
    /// One secret an object, in the order of [`Self::objects`].
    pub(crate) shares: Vec<ReleasedSecret>,
    /// What was asked for, sorted.
    pub objects: Vec<ObjectRef>,
    /// Documents, in the order of the objects; empty for acts about cases.
    pub documents: Vec<ReleasedDocument>,
    /// Cases that occur.
    pub cases: Vec<ReleasedCase>,
}

impl Vault {
    /// Asks for a release and checks the answer: own act, entry in the cosigned access log, objects, latest
    /// revisions, share ids, gatekeeper's receipt.
    pub async fn release(&mut self, draft: ActDraft) -> Result<Released, ClientError> {
        self.refresh().await?;
        self.load_keyring().await?;
        let ephemeral = XwingSeed::generate(&mut system_rng());
        let epk = ephemeral.public().as_bytes().to_vec();
        let request = self.act_signer()?.sign(draft, None, Some(&epk))?;
        let sent = self.endpoint().release(&request).await;
        let answer = match sent {
            Err(ClientError::Problem(problem)) if problem.code() == "act-invalid" => {
                self.check_clock().await?;
                return Err(ClientError::Problem(problem));
            }
            other => other?,
        };
        let act = Act::from_bytes(&request.signed.act.0)?;
        let quorum = self.directory().access_quorum(&act.shard)?;
        check_entry(&request, &act, &answer, &quorum, self.directory())?;
        self.check_actor(&act, &answer.leaves)?;
        if is_newer(&answer, self.directory()) {
            // Somebody registered a revision between the last sync and the release.
            self.sync().await?;
        }
        check_objects(&request, act.kind, &answer, self.directory())?;
        let gate = self.gate_key()?;
        let hash = request.signed.hash();
        let (receipt, shares) = open_release(&answer.release, &gate, self.id(), &hash, &ephemeral)?;
        check_receipt(&receipt, &act)?;
        self.keep_receipt(&request, &answer)?;
        self.keep_proving_heads(&answer.proofs).await?;
        Ok(Released {
            receipt,
            shares,
            objects: request.objects,
            documents: answer.documents,
            cases: answer.cases,
        })
    }

    /// The entry must stand under the reader's own label too, as far as the vault keeps their λ for them.
    fn check_actor(&self, act: &Act, leaves: &[ActLeaf]) -> Result<(), ClientError> {
        let Some(lambda) = self.find_own_lambda(self.keyring()?.own())? else {
            return Ok(());
        };
        // EXPOSE: into one's own label.
        let label = Label::of_actor(&act.shard, lambda.secret().expose());
        for leaf in leaves {
            if Recs::from_records(&leaf.labels)?.find(&label).is_none() {
                return Err(refuse("its entry lacks your own label"));
            }
        }
        Ok(())
    }

    fn keep_receipt(
        &self,
        request: &ActRequest,
        answer: &ReleaseAnswer,
    ) -> Result<(), ClientError> {
        self.profile().subfolder(RECEIPTS)?;
        let kept = KeptReceipt {
            act: request.signed.to_bytes().into(),
            receipt: answer.release.receipt.clone(),
            signature: answer.release.signature,
            proofs: answer.proofs.clone(),
        };
        let name = format!("{RECEIPTS}/{}", base32(&request.signed.hash()));
        self.profile().save(&name, &kept.to_bytes())
    }
}

fn refuse(text: &str) -> ClientError {
    ClientError::integrity(format!("the release was not used: {text}"))
}

/// The entry: every part holds this act, allowed, with its own part of the objects, and stands in the cosigned log.
fn check_entry(
    request: &ActRequest,
    act: &Act,
    answer: &ReleaseAnswer,
    quorum: &Quorum,
    directory: &Directory,
) -> Result<(), ClientError> {
    let parts = answer.leaves.len() as u64;
    if parts == 0 || answer.proofs.len() != answer.leaves.len() {
        return Err(refuse("its entry is missing"));
    }
    let mut objects = Vec::with_capacity(request.objects.len());
    for ((leaf, proof), part) in answer.leaves.iter().zip(&answer.proofs).zip(1..) {
        let core = Core::parse(&leaf.core.0)?;
        check_commitment(leaf, act, &core)?;
        check_a1(leaf, act, part, parts)?;
        check_who(leaf, request, act)?;
        let d: GroupD = open(&leaf.d)?;
        check_what(&d, act, directory)?;
        check_labels(leaf, act, &d, directory)?;
        check_proof(leaf, &core, proof, act, quorum)?;
        objects.extend(d.objects);
    }
    if objects != request.objects {
        return Err(refuse("its entry does not name every object"));
    }
    Ok(())
}

/// D: the act's case with the class it has in the log, and the act's objects.
fn check_what(d: &GroupD, act: &Act, directory: &Directory) -> Result<(), ClientError> {
    let case = act.case.and_then(|case| directory.case(case));
    if (d.case, &d.class) != (act.case, &case.map(|case| case.class)) {
        return Err(refuse("its entry names another case or class"));
    }
    if (d.objects_root, d.object_count) != (act.objects_root, act.object_count) {
        return Err(refuse("its entry names other objects"));
    }
    Ok(())
}

/// The gatekeeper released within the act's life, and had replayed at least what the act was signed on.
fn check_receipt(receipt: &ReleaseReceipt, act: &Act) -> Result<(), ClientError> {
    let from_us = act.time_us.saturating_sub(CLOCK_TOLERANCE_S * 1_000_000);
    let to_us = act.expires_us.saturating_add(CLOCK_TOLERANCE_S * 1_000_000);
    if !(from_us..=to_us).contains(&receipt.time_us) {
        return Err(refuse("its receipt is of another time"));
    }
    let pinned = act.pinned.as_ref().map_or(0, |pinned| pinned.size);
    if receipt.records_size < pinned {
        return Err(refuse(
            "the gatekeeper had not seen the records the act was signed on",
        ));
    }
    Ok(())
}

fn open<T: Cbor>(opening: &Opening) -> Result<T, ClientError> {
    Ok(T::from_bytes(&opening.body.0)?)
}

fn check_commitment(leaf: &ActLeaf, act: &Act, core: &Core) -> Result<(), ClientError> {
    let subjects = SubjectCommitments::new(leaf.subject_commitments.clone())?;
    let commitments = AccessCommitments {
        a1: opening_commitment(Group::A1, &leaf.a1),
        a2: opening_commitment(Group::A2, &leaf.a2),
        s: subjects.commitment(),
        d: opening_commitment(Group::D, &leaf.d),
        w: act.reason_commitment,
        r: opening_commitment(Group::R, &leaf.r),
    };
    let failed = Flags::REFUSED.with(Flags::FAILED).bits();
    let same = leaf.w_commitment == act.reason_commitment
        && core.flags.bits() & failed == 0
        && core.commitment == commitments.commitment()
        && u64::from(core.kind) == LeafType::Access.code();
    let apart_ms = core.time_ms.abs_diff(act.time_us / 1_000);
    if same && apart_ms <= MAX_ENTRY_SKEW_MS {
        Ok(())
    } else {
        Err(refuse(
            "its entry does not commit to this act, reason and time",
        ))
    }
}

fn check_a1(leaf: &ActLeaf, act: &Act, part: u64, parts: u64) -> Result<(), ClientError> {
    let expected = GroupA1 {
        kind: act.kind,
        unit: act.unit,
        role: act.role,
        on_behalf: act.on_behalf_of.is_some(),
        decision: Decision::Allowed,
        part,
        parts,
    };
    if open::<GroupA1>(&leaf.a1)? == expected {
        Ok(())
    } else {
        Err(refuse("its entry tells another kind, unit or role"))
    }
}

fn check_who(leaf: &ActLeaf, request: &ActRequest, act: &Act) -> Result<(), ClientError> {
    let a2: GroupA2 = open(&leaf.a2)?;
    let r: GroupR = open(&leaf.r)?;
    let same = (a2.person, a2.device, a2.on_behalf_of)
        == (act.person, act.device, act.on_behalf_of)
        && r.signed == request.signed
        && r.decision == Decision::Allowed;
    if same {
        Ok(())
    } else {
        Err(refuse("its entry holds another act"))
    }
}

/// Cases and opened documents must find the entry under their labels; each subject has a line of their own.
fn check_labels(
    leaf: &ActLeaf,
    act: &Act,
    d: &GroupD,
    directory: &Directory,
) -> Result<(), ClientError> {
    let recs = Recs::from_records(&leaf.labels)?;
    let opens = act.kind.released() == Share::ContentShare;
    let mut subjects: Vec<_> = act.persons.clone();
    for object in &d.objects {
        let mut labels = vec![Label::of_case(&act.shard, &object.case.0)];
        if let (true, Some(document)) = (opens, object.document) {
            labels.push(Label::of_document(&act.shard, &document.0));
        }
        if labels.iter().any(|label| recs.find(label).is_none()) {
            return Err(refuse("its entry lacks the label of a case or document"));
        }
        let case = directory.case(object.case);
        subjects.extend(
            case.into_iter()
                .flat_map(|case| case.subjects.iter().copied()),
        );
    }
    subjects.sort_unstable();
    subjects.dedup();
    if leaf.subject_commitments.len() < subjects.len() {
        return Err(refuse("its entry lacks a data subject"));
    }
    Ok(())
}

fn check_proof(
    leaf: &ActLeaf,
    core: &Core,
    proof: &str,
    act: &Act,
    quorum: &Quorum,
) -> Result<(), ClientError> {
    let proof: TlogProof = proof.parse()?;
    if proof.index != leaf.index {
        return Err(refuse("a proof is for another entry"));
    }
    let recs = Recs::from_records(&leaf.labels)?;
    let hash = Leaf::new(*core, &recs).hash();
    let witnessed = proof.verify(&hash, quorum)?;
    let fresh = witnessed.require_fresh(now_us() / 1_000_000, MAX_AGE_S);
    fresh.map_err(|_| refuse("the access log's head is stale"))?;
    if witnessed.checkpoint().origin != act.shard {
        return Err(refuse("the proof is for another log"));
    }
    Ok(())
}

fn is_newer(answer: &ReleaseAnswer, directory: &Directory) -> bool {
    answer.release.shares.iter().any(|share| {
        let Some(document) = share.object.document else {
            return false;
        };
        let latest = directory
            .document(document)
            .and_then(|known| known.latest());
        latest.is_none_or(|latest| share.revision > latest.revision)
    })
}

/// The shares are those of the objects asked for: latest is the log's latest, the share id the registered one.
fn check_objects(
    request: &ActRequest,
    kind: ActKind,
    answer: &ReleaseAnswer,
    directory: &Directory,
) -> Result<(), ClientError> {
    let shares = &answer.release.shares;
    if !shares
        .iter()
        .map(|share| &share.object)
        .eq(&request.objects)
    {
        return Err(refuse("it is for other objects"));
    }
    let titles_or_contents = matches!(kind.released(), Share::CardShare | Share::ContentShare);
    if titles_or_contents && answer.documents.len() != shares.len() {
        return Err(refuse("documents are missing"));
    }
    for (at, share) in shares.iter().enumerate() {
        let Some(document) = share.object.document else {
            let case = directory.case(share.object.case);
            if case.and_then(|case| case.share_id) != Some(share.share_id) || share.revision != 0 {
                return Err(refuse("a share is not the registered one of its case"));
            }
            continue;
        };
        let known = directory.document(document);
        let known = known.filter(|known| known.case == share.object.case);
        let revision = known.and_then(|known| known.find_revision(share.object.revision));
        let revision = revision.ok_or_else(|| refuse("a document is not in the log"))?;
        if (share.revision, share.share_id) != (revision.revision, revision.share_id) {
            return Err(refuse(
                "a share is not that of the latest revision in the log",
            ));
        }
        let sent = answer.documents.get(at);
        if sent.is_none_or(|sent| (sent.case, sent.document) != (share.object.case, document)) {
            return Err(refuse("documents come in another order"));
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
#[path = "release_tests.rs"]
mod tests;
