//! Who may have the shares of which objects now, by the gatekeeper's own replay.

use obhut_format::act::Act;
use obhut_format::batch::BatchKind;
use obhut_format::context::sha256;
use obhut_format::key::{Grant, GrantKind};
use obhut_format::release::GrantProof;
use obhut_format::statement::{CaseKind, Role};
use obhut_format::tree::{leaf_hash, verify_inclusion};
use obhut_format::{Cbor, Kid};
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
    match act.role {
        Role::CaseWorker => authorise_caseworker(directory, act, objects, now_us),
        Role::Citizen => authorise_citizen(directory, act, objects, grants, now_us),
        _ => Err(Refusal::Authority),
    }
}

/// An appointment in the unit of each case; a citizen's own case is no unit's to read.
fn authorise_caseworker(
    directory: &Directory,
    act: &Act,
    objects: &[Resolved<'_>],
    now_us: u64,
) -> Result<(), Refusal> {
    let unit = act.unit.ok_or(Refusal::Authority)?;
    let appointed = directory.holds_role(act.person, Role::CaseWorker, Some(unit), now_us);
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
    let person = directory.person(act.person).filter(|person| person.citizen);
    let kid = person
        .and_then(|person| person.current())
        .map(|key| key.kid)
        .ok_or(Refusal::Authority)?;
    for proof in proofs {
        verify_grant(directory, act, proof, kid, now_us)?;
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

fn verify_grant(
    directory: &Directory,
    act: &Act,
    proof: &GrantProof,
    kid: Kid,
    now_us: u64,
) -> Result<(), Refusal> {
    let grant = &proof.grant;
    let batch = directory.batch(&proof.batch).ok_or(Refusal::GrantInvalid)?;
    let header = &batch.header;
    let bytes = grant.to_bytes();
    let leaf = leaf_hash(&bytes);
    verify_inclusion(&leaf, proof.index, header.count, &proof.path, &header.root)
        .map_err(|_| Refusal::GrantInvalid)?;
    let live = header.kind == BatchKind::Grants
        && (header.vault, header.case) == (act.vault, grant.case)
        && grant.vault == act.vault
        && grant.granter == header.signer_kid
        && grant.recipient == kid
        && grant.role == act.role
        && grant.not_after_us.is_none_or(|until_us| now_us < until_us)
        && !directory.is_grant_revoked(&sha256(&[&bytes]))
        && granter_may(directory, act, grant);
    if live {
        Ok(())
    } else {
        Err(Refusal::GrantInvalid)
    }
}

/// The replay checked that the signer was a caseworker of the unit, or owner or issuer of an own
/// case. Only the grant shows to whom: out of an own case the issuer may grant to nobody but its owner.
fn granter_may(directory: &Directory, act: &Act, grant: &Grant) -> bool {
    let Some(case) = directory.case(grant.case) else {
        return false;
    };
    let granter = directory
        .person_of(grant.granter)
        .map(|person| person.person);
    match case.kind {
        CaseKind::Agency => granter.is_some(),
        CaseKind::Own => {
            case.owner == Some(act.person) || (granter.is_some() && case.owner == granter)
        }
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
