//! The decision: caller, act and facts in, grant or refusal out.

use std::marker::PhantomData;

use obhut_format::act::{Act, ActKind};
use obhut_format::statement::{CaseKind, Role};
use obhut_format::{CaseId, DeviceKid, Hash, PersonId, UnitId};

use crate::action::{Action, Lookup, Mutate, ReadLog, Release};
use crate::{Caller, CaseState, CaseStep, Change, Refusal};

/// Version of these rules, kept in every access entry.
pub const VERSION: u64 = 1;

/// What the replayed records say about a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CaseFacts {
    /// The case.
    pub case: CaseId,
    /// Agency's or citizen's.
    pub kind: CaseKind,
    /// The unit; for `own` cases the issuing one.
    pub unit: UnitId,
    /// Owner of an `own` case.
    pub owner: Option<PersonId>,
    /// Open or closed.
    pub state: CaseState,
}

/// What the replayed records say about the objects of an act.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Every case the act or its mutation names; created ones as they will be.
    pub cases: Vec<CaseFacts>,
    /// Some object does not exist.
    pub unknown_objects: bool,
    /// Every object is one document or case covered by a living direct grant to the caller.
    pub all_granted: bool,
    /// Every object is a document (not a whole case).
    pub documents_only: bool,
    /// Number of objects.
    pub object_count: u64,
    /// What the mutation changes.
    pub changes: Vec<Change>,
}

/// An act that wants to be decided as `A`.
#[derive(Debug)]
pub struct Request<'a, A> {
    act: &'a Act,
    hash: Hash,
    facts: &'a Facts,
    action: PhantomData<fn() -> A>,
}

impl<'a, A: Action> Request<'a, A> {
    /// Takes the act with the hash of its signed form and the facts about it.
    pub fn new(act: &'a Act, hash: Hash, facts: &'a Facts) -> Self {
        Self {
            act,
            hash,
            facts,
            action: PhantomData,
        }
    }
}

/// An act was allowed. To be logged before anything is done: it is consumed by the store.
#[derive(Debug)]
#[must_use = "an allowed act must be logged"]
pub struct Grant<A> {
    act: Hash,
    kind: ActKind,
    person: PersonId,
    device: DeviceKid,
    action: PhantomData<fn() -> A>,
}

impl<A> Grant<A> {
    /// Hash of the signed act it was given for.
    pub fn act(&self) -> Hash {
        self.act
    }

    /// Kind of the act.
    pub fn kind(&self) -> ActKind {
        self.kind
    }

    /// The person.
    pub fn person(&self) -> PersonId {
        self.person
    }

    /// The device.
    pub fn device(&self) -> DeviceKid {
        self.device
    }
}

/// Decides. The only place where a [`Grant`] is made, beside [`decide_founding`].
pub fn decide<A: Action>(caller: &Caller, request: &Request<'_, A>) -> Result<Grant<A>, Refusal> {
    let act = request.act;
    check_identity::<A>(caller, act)?;
    match act.kind {
        kind if Release::covers(kind) => decide_release(caller, act, request.facts)?,
        kind if ReadLog::covers(kind) => decide_reading(caller, act)?,
        _ => decide_mutation(caller, act, request.facts)?,
    }
    Ok(grant(caller, act, request.hash))
}

/// Decides the founding: the vault has no records yet, and the caller (a registrar by the very
/// records in the mutation) has shown the bootstrap code. The caller of this function checked both.
pub fn decide_founding(
    caller: &Caller,
    request: &Request<'_, Mutate>,
) -> Result<Grant<Mutate>, Refusal> {
    let act = request.act;
    check_identity::<Mutate>(caller, act)?;
    let begins_with_a_card = request.facts.changes.first() == Some(&Change::Card);
    if act.kind != ActKind::ManageIdentity || !begins_with_a_card {
        return Err(Refusal::ChangeNotOfThisAct);
    }
    caller.require(Role::Registrar, None)?;
    Ok(grant(caller, act, request.hash))
}

/// Decides a search by blind tags: a caseworker's, in the unit whose cases are searched, and about
/// nothing else.
pub fn decide_lookup(
    caller: &Caller,
    request: &Request<'_, Lookup>,
) -> Result<Grant<Lookup>, Refusal> {
    let act = request.act;
    check_identity::<Lookup>(caller, act)?;
    check_caseworker(act)?;
    check_role(caller, act)?;
    if act.object_count > 0 || act.case.is_some() || !act.persons.is_empty() {
        return Err(Refusal::ObjectsUnfit);
    }
    Ok(grant(caller, act, request.hash))
}

fn grant<A>(caller: &Caller, act: &Act, hash: Hash) -> Grant<A> {
    Grant {
        act: hash,
        kind: act.kind,
        person: caller.person(),
        device: caller.device(),
        action: PhantomData,
    }
}

fn check_identity<A: Action>(caller: &Caller, act: &Act) -> Result<(), Refusal> {
    if !A::covers(act.kind) {
        return Err(Refusal::KindNotOfThisAction);
    }
    if act.person != caller.person() || act.device != caller.device() {
        return Err(Refusal::NotYourself);
    }
    if act.on_behalf_of.is_some() && act.role != Role::CaseWorker {
        return Err(Refusal::DeputyUnknown);
    }
    Ok(())
}

/// The role in which the act is done must be held now. Everybody may act as a citizen, that is,
/// for themselves.
fn check_role(caller: &Caller, act: &Act) -> Result<(), Refusal> {
    match act.role {
        Role::Citizen => Ok(()),
        Role::CaseWorker => match (act.unit, act.on_behalf_of) {
            (Some(unit), Some(represented)) => caller.require_deputy(represented, unit),
            (Some(unit), None) => caller.require(Role::CaseWorker, Some(unit)),
            (None, _) => Err(Refusal::NoAppointment),
        },
        Role::Registrar | Role::Dpo | Role::RecordsManager | Role::Approver => {
            caller.require(act.role, None)
        }
        Role::Root => Err(Refusal::NotForThisRole),
    }
}

fn decide_release(caller: &Caller, act: &Act, facts: &Facts) -> Result<(), Refusal> {
    check_role(caller, act)?;
    let documents = matches!(
        act.kind,
        ActKind::ListDocuments | ActKind::OpenDocument | ActKind::ExportCase
    );
    match act.role {
        Role::CaseWorker => {}
        Role::Citizen if documents => {}
        _ => return Err(Refusal::NotForThisRole),
    }
    if facts.unknown_objects {
        return Err(Refusal::ObjectUnknown);
    }
    let fits = facts.documents_only == documents && act.persons.is_empty();
    if facts.object_count == 0 || !fits {
        return Err(Refusal::ObjectsUnfit);
    }
    if act.role == Role::Citizen {
        return if facts.all_granted {
            Ok(())
        } else {
            Err(Refusal::NoLiveGrant)
        };
    }
    for case in &facts.cases {
        check_unit_of(case, act)?;
    }
    Ok(())
}

/// A caseworker acts in the unit named in the act, on cases of that unit, and reads no `own` case.
fn check_unit_of(case: &CaseFacts, act: &Act) -> Result<(), Refusal> {
    if case.kind == CaseKind::Own {
        return Err(Refusal::OwnersOnly);
    }
    if act.unit == Some(case.unit) {
        Ok(())
    } else {
        Err(Refusal::NotYourUnit)
    }
}

fn decide_reading(caller: &Caller, act: &Act) -> Result<(), Refusal> {
    check_role(caller, act)?;
    if act.persons.is_empty() {
        return Err(Refusal::ObjectsUnfit);
    }
    let own = act.persons.iter().all(|person| *person == caller.person());
    match (own, act.role) {
        (true, _) | (false, Role::Dpo) => Ok(()),
        (false, _) => Err(Refusal::NotYourself),
    }
}

fn decide_mutation(caller: &Caller, act: &Act, facts: &Facts) -> Result<(), Refusal> {
    check_role(caller, act)?;
    if facts.changes.is_empty() {
        return Err(Refusal::ObjectsUnfit);
    }
    if facts.unknown_objects {
        return Err(Refusal::ObjectUnknown);
    }
    for change in &facts.changes {
        if !change.belongs_to(act.kind) {
            return Err(Refusal::ChangeNotOfThisAct);
        }
        decide_change(caller, act, facts, *change)?;
    }
    // An act does not stand for another case than the one it changes.
    match act.case {
        Some(case) if facts.cases.iter().all(|known| known.case != case) => {
            Err(Refusal::ChangeNotOfThisAct)
        }
        _ => Ok(()),
    }
}

fn decide_change(caller: &Caller, act: &Act, facts: &Facts, change: Change) -> Result<(), Refusal> {
    match change {
        Change::Card | Change::Vault => Err(Refusal::ChangeNotOfThisAct),
        Change::Enrol { citizen, .. } => match act.role {
            Role::Registrar => Ok(()),
            Role::CaseWorker if citizen => Ok(()),
            _ => Err(Refusal::NotForThisRole),
        },
        Change::OwnKeys(person) if person == caller.person() => Ok(()),
        Change::OwnKeys(_) => Err(Refusal::NotYourself),
        Change::RevokeDevice(person) if person == caller.person() => Ok(()),
        Change::OwnShare => Ok(()),
        Change::Deputy {
            on_behalf_of,
            deputy,
        } if on_behalf_of == caller.person() || deputy == Some(caller.person()) => Ok(()),
        Change::RevokeDevice(_)
        | Change::Appoint
        | Change::Unit
        | Change::Recovery
        | Change::Deputy { .. } => match act.role {
            Role::Registrar => Ok(()),
            _ => Err(Refusal::NotForThisRole),
        },
        Change::CreateCase(case) => check_creation(act, find(facts, case)?),
        Change::Case(case, step) => {
            let case = find(facts, case)?;
            check_caseworker_of(act, case)?;
            case.state.after(step).map(drop)
        }
        Change::File(case) => {
            let case = find(facts, case)?;
            case.state.after(CaseStep::Write)?;
            check_filing(act, case)
        }
        Change::Grant { case, to_self } => check_granting(caller, act, find(facts, case)?, to_self),
        Change::RevokeGrant(case) => {
            let case = find(facts, case)?;
            if is_owner(caller, act, case) {
                return Ok(());
            }
            check_caseworker_of(act, case)
        }
    }
}

fn find(facts: &Facts, id: CaseId) -> Result<&CaseFacts, Refusal> {
    let mut cases = facts.cases.iter();
    cases
        .find(|case| case.case == id)
        .ok_or(Refusal::ObjectUnknown)
}

fn is_owner(caller: &Caller, act: &Act, case: &CaseFacts) -> bool {
    act.role == Role::Citizen && case.kind == CaseKind::Own && case.owner == Some(caller.person())
}

fn check_caseworker(act: &Act) -> Result<(), Refusal> {
    if act.role == Role::CaseWorker {
        Ok(())
    } else {
        Err(Refusal::NotForThisRole)
    }
}

fn check_caseworker_of(act: &Act, case: &CaseFacts) -> Result<(), Refusal> {
    check_caseworker(act)?;
    check_unit_of(case, act)
}

/// Cases, `own` ones too, are created for the unit in which one acts.
fn check_creation(act: &Act, case: &CaseFacts) -> Result<(), Refusal> {
    check_caseworker(act)?;
    if act.unit == Some(case.unit) {
        Ok(())
    } else {
        Err(Refusal::NotYourUnit)
    }
}

/// Agency cases are filed in by their unit, `own` cases by any appointed issuer.
fn check_filing(act: &Act, case: &CaseFacts) -> Result<(), Refusal> {
    match case.kind {
        CaseKind::Own => check_caseworker(act),
        CaseKind::Agency => check_caseworker_of(act, case),
    }
}

/// An issuer grants to the owner; the owner re-grants to themselves; else the unit grants.
fn check_granting(
    caller: &Caller,
    act: &Act,
    case: &CaseFacts,
    to_self: bool,
) -> Result<(), Refusal> {
    match case.kind {
        CaseKind::Own if is_owner(caller, act, case) && to_self => Ok(()),
        CaseKind::Own => check_caseworker(act),
        CaseKind::Agency => check_caseworker_of(act, case),
    }
}

#[cfg(test)]
#[path = "policy_tests.rs"]
mod tests;
