//! The entries of an act: they stand in the cosigned log, say what the act says, and carry every label.

use std::collections::{BTreeSet, HashSet};
use std::str::FromStr as _;

use obhut_format::act::{Act, ObjectRef, objects_are_sorted, objects_root};
use obhut_format::entry::{Decision, GroupA1, GroupA2, GroupD, GroupR, LeafType, Opening};
use obhut_format::release::{ActLeaf, ReleaseOrder};
use obhut_format::{Cbor, Hash};
use obhut_log::replay::Directory;
use obhut_log::{
    AccessCommitments, Core, Flags, Group, Label, Leaf, Recs, SignedCheckpoint, SubjectCommitments,
    VerifierKey, Witnessed, group_commitment,
};

use super::act::CLOCK_SKEW_US;
use crate::Refusal;

/// How old a quorum may be, in seconds.
pub(crate) const QUORUM_AGE_S: u64 = 300;

/// One entry of the act, checked in itself; its labels still have to be compared.
pub(super) struct Part {
    pub(super) objects: Vec<ObjectRef>,
    pub(super) labels: HashSet<Label>,
    pub(super) subjects: usize,
}

/// Checks all entries of the order against the act and the shard; gives them in their order.
pub(super) fn verify_leaves(
    order: &ReleaseOrder,
    act: &Act,
    directory: &Directory,
    cosigner: &VerifierKey,
    now_us: u64,
) -> Result<Vec<Part>, Refusal> {
    let witnessed = verify_checkpoint(&order.checkpoint, act, directory, cosigner, now_us)?;
    let mut parts = Vec::with_capacity(order.leaves.len());
    let mut indices = BTreeSet::new();
    for (number, leaf) in (1..).zip(&order.leaves) {
        let core = verify_leaf(leaf, &witnessed, act)?;
        if !indices.insert(leaf.index) {
            return Err(Refusal::LeafProof);
        }
        let total = order.leaves.len() as u64;
        parts.push(verify_groups(
            leaf,
            &core,
            order,
            act,
            directory,
            (number, total),
        )?);
    }
    verify_objects(&parts, act)?;
    Ok(parts)
}

/// F15: the shard is one of the records log and of the act's time, its head has a fresh quorum, and this gatekeeper itself
/// cosigned it: then every label chain in it was followed here.
fn verify_checkpoint(
    text: &str,
    act: &Act,
    directory: &Directory,
    cosigner: &VerifierKey,
    now_us: u64,
) -> Result<Witnessed, Refusal> {
    let refused = |_| Refusal::Checkpoint;
    let signed = SignedCheckpoint::from_str(text).map_err(refused)?;
    let takes = directory.takes_entries(&act.shard, act.time_us);
    if !takes || signed.unverified().origin != act.shard {
        return Err(Refusal::ShardUnknown);
    }
    let quorum = directory
        .access_quorum(&act.shard)
        .map_err(|_| Refusal::ShardUnknown)?;
    let witnessed = quorum
        .verify_fresh(&signed, now_us / 1_000_000, QUORUM_AGE_S)
        .map_err(refused)?;
    match signed.note().cosigned_at(cosigner) {
        Ok(Some(_)) => Ok(witnessed),
        _ => Err(Refusal::Checkpoint),
    }
}

fn verify_leaf(leaf: &ActLeaf, witnessed: &Witnessed, act: &Act) -> Result<Core, Refusal> {
    let core = Core::parse(&leaf.core.0).map_err(|_| Refusal::LeafProof)?;
    let recs = Recs::from_records(&leaf.labels).map_err(|_| Refusal::LeafProof)?;
    let hash = Leaf::new(core, &recs).hash();
    witnessed
        .checkpoint()
        .verify_leaf(&hash, leaf.index, &leaf.path)
        .map_err(|_| Refusal::LeafProof)?;
    let refused = Flags::REFUSED.with(Flags::FAILED).bits();
    if u64::from(core.kind) != LeafType::Access.code() || core.flags.bits() & refused != 0 {
        return Err(Refusal::LeafCommitment);
    }
    verify_leaf_time(&core, witnessed, act)?;
    Ok(core)
}

/// F16: the entry was made while the act lived, and before it was cosigned.
fn verify_leaf_time(core: &Core, witnessed: &Witnessed, act: &Act) -> Result<(), Refusal> {
    let leaf_us = core.time_ms.saturating_mul(1_000);
    let cosigned_us = witnessed.time_s().saturating_mul(1_000_000);
    let within_act =
        leaf_us.saturating_add(CLOCK_SKEW_US) >= act.time_us && leaf_us <= act.expires_us;
    if within_act && leaf_us <= cosigned_us.saturating_add(CLOCK_SKEW_US) {
        Ok(())
    } else {
        Err(Refusal::LeafTime)
    }
}

/// F04, F24: what the entry commits to is this act, opened group by group.
fn verify_groups(
    leaf: &ActLeaf,
    core: &Core,
    order: &ReleaseOrder,
    act: &Act,
    directory: &Directory,
    (part, parts): (u64, u64),
) -> Result<Part, Refusal> {
    let subjects = SubjectCommitments::new(leaf.subject_commitments.clone())
        .map_err(|_| Refusal::LeafCommitment)?;
    let commitments = AccessCommitments {
        a1: commitment(Group::A1, &leaf.a1),
        a2: commitment(Group::A2, &leaf.a2),
        s: subjects.commitment(),
        d: commitment(Group::D, &leaf.d),
        w: leaf.w_commitment,
        r: commitment(Group::R, &leaf.r),
    };
    let (a1, a2): (GroupA1, GroupA2) = (read(&leaf.a1)?, read(&leaf.a2)?);
    let (d, r): (GroupD, GroupR) = (read(&leaf.d)?, read(&leaf.r)?);
    let matches = commitments.commitment() == core.commitment
        && leaf.w_commitment == act.reason_commitment
        && a1 == expected_a1(act, part, parts)
        && (a2.person, a2.device, a2.on_behalf_of) == (act.person, act.device, act.on_behalf_of)
        && (r.signed == order.signed && r.decision == Decision::Allowed && r.refusal.is_none())
        && (d.objects_root, d.object_count) == (act.objects_root, act.object_count)
        && d.case == act.case
        && d.class == class_of(act, directory);
    if !matches {
        return Err(Refusal::LeafCommitment);
    }
    Ok(Part {
        objects: d.objects,
        labels: leaf
            .labels
            .iter()
            .map(|record| Label::from_bytes(record.label))
            .collect(),
        subjects: leaf.subject_commitments.len(),
    })
}

fn expected_a1(act: &Act, part: u64, parts: u64) -> GroupA1 {
    GroupA1 {
        kind: act.kind,
        unit: act.unit,
        role: act.role,
        on_behalf: act.on_behalf_of.is_some(),
        decision: Decision::Allowed,
        part,
        parts,
    }
}

fn class_of(act: &Act, directory: &Directory) -> Option<obhut_format::ClassCode> {
    Some(directory.case(act.case?)?.class)
}

fn commitment(group: Group, opening: &Opening) -> Hash {
    group_commitment(group, &opening.salt, &opening.body.0)
}

fn read<T: Cbor>(opening: &Opening) -> Result<T, Refusal> {
    T::from_bytes(&opening.body.0).map_err(|_| Refusal::LeafCommitment)
}

/// F02: the parts together hold exactly the objects the act was signed over.
fn verify_objects(parts: &[Part], act: &Act) -> Result<(), Refusal> {
    let objects: Vec<ObjectRef> = parts.iter().flat_map(|part| part.objects.clone()).collect();
    let complete = objects.len() as u64 == act.object_count
        && objects_are_sorted(&objects)
        && objects_root(&objects) == act.objects_root
        && act
            .case
            .is_none_or(|case| objects.iter().all(|object| object.case == case));
    if complete {
        Ok(())
    } else {
        Err(Refusal::Objects)
    }
}
