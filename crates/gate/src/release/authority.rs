//! Who may have the shares of which objects now, by the gatekeeper's own replay.

use obhut_format::act::Act;
use obhut_format::key::{Grant, GrantKind};
use obhut_format::release::GrantProof;
use obhut_format::statement::{CaseKind, Role};
use obhut_log::replay::Directory;

use super::objects::Resolved;
use crate::Refusal;

/// Refuses unless the act's person may have every object now.
pub(super) fn authorise(
    directory: &Directory,
    act: &Act,
    objects: &[Resolved<'_>],
    grants: &[GrantProof],
    now_us: u64,
) -> Result<(), Refusal> {
    if act.on_behalf_of.is_some() && act.role != Role::CaseWorker {
        return Err(Refusal::DeputyUnknown);
    }
    match act.role {
        Role::CaseWorker => authorise_caseworker(directory, act, objects, now_us),
        Role::Citizen => authorise_citizen(directory, act, objects, grants, now_us),
        _ => Err(Refusal::Authority),
    }
}

/// An appointment in the unit of each case, one's own or that of whom one stands in for now; a citizen's own case is no unit's to read.
fn authorise_caseworker(
    directory: &Directory,
    act: &Act,
    objects: &[Resolved<'_>],
    now_us: u64,
) -> Result<(), Refusal> {
    let unit = act.unit.ok_or(Refusal::Authority)?;
    let appointed = match act.on_behalf_of {
        None => directory.holds_role(act.person, Role::CaseWorker, Some(unit), now_us),
        Some(represented) if directory.stands_in(act.person, represented, unit, now_us) => true,
        Some(_) => return Err(Refusal::DeputyUnknown),
    };
    let of_unit =
        |object: &Resolved<'_>| object.case.kind == CaseKind::Agency && object.case.unit == unit;
    if appointed && objects.iter().all(of_unit) {
        Ok(())
    } else {
        Err(Refusal::Authority)
    }
}

/// A live direct grant to the person's current bundle for each document.
fn authorise_citizen(
    directory: &Directory,
    act: &Act,
    objects: &[Resolved<'_>],
    proofs: &[GrantProof],
    now_us: u64,
) -> Result<(), Refusal> {
    if !directory
        .person(act.person)
        .is_some_and(|person| person.citizen)
    {
        return Err(Refusal::Authority);
    }
    for proof in proofs {
        let holder = directory.verify_grant(proof, now_us);
        if holder.ok() != Some(act.person) || proof.grant.role != act.role {
            return Err(Refusal::GrantInvalid);
        }
    }
    let covers = |object: &Resolved<'_>| {
        proofs
            .iter()
            .any(|proof| grant_covers(&proof.grant, object))
    };
    if objects.iter().all(covers) {
        Ok(())
    } else {
        Err(Refusal::Authority)
    }
}

/// A document grant gives one revision, a case grant every document up to its key epoch; the
/// register entry of a case is the unit's and never granted.
fn grant_covers(grant: &Grant, object: &Resolved<'_>) -> bool {
    let Some((document, revision)) = object.revision else {
        return false;
    };
    if grant.case != object.case.case {
        return false;
    }
    match grant.kind {
        GrantKind::Document => {
            grant.document == Some(document) && grant.number == revision.revision
        }
        GrantKind::Case => revision.parse_manifest().is_ok_and(|manifest| {
            manifest.case_epoch > 0 && u64::from(manifest.case_epoch) <= grant.number
        }),
    }
}
