//! Lies about records, heads and the reader's own keys.

use axum::http::Method;
use obhut_format::batch::RecordPayload;
use obhut_format::key::Membership;
use obhut_format::reading::{OwnKeys, RecordsPage};
use obhut_format::release::ReleasedCase;
use obhut_format::statement::{Event, SignedStatement, Statement};
use obhut_format::{Blob, Cbor as _};

use super::Outcome::Refused;
use super::{DAMAGED, Deed, Front, Lie, Outcome, flip_middle};
use crate::{Seen, Teller};

const COMMITMENT: &[(Front, Outcome)] = &[(Front::Vault, Refused("does not fit the commitment"))];
const BYTES: &[(Front, Outcome)] = &[(Front::Vault, DAMAGED)];
const LEFT_OUT: &[(Front, Outcome)] = &[(Front::Vault, Refused("skips or repeats"))];

pub(super) const LIES: &[Lie] = &[
    Lie {
        name: "B02",
        says: "offers the key of another case to seal under",
        deed: Deed::Put,
        on: &[(Front::Vault, Refused("not the one its statement names"))],
        teller: || {
            let mut first = None::<(String, Vec<_>)>;
            Box::new(move |seen| {
                let path = seen.path.clone();
                let asked = path.contains("/keys/cases/") && seen.status.is_success();
                asked.then_some(())?;
                seen.edit("case", |case: &mut ReleasedCase| {
                    let (name, keys) =
                        first.get_or_insert_with(|| (path.clone(), case.keys.clone()));
                    (*name != path).then_some(())?;
                    case.keys.clone_from(keys);
                    Some(())
                })
            })
        },
    },
    Lie {
        name: "B05",
        says: "gives out a unit's key as the one of another epoch",
        deed: Deed::Get,
        on: &[(Front::Vault, Refused("unit epoch that is not logged"))],
        teller: || {
            on_membership(|membership| {
                membership.epoch += 1;
                Some(())
            })
        },
    },
    Lie {
        name: "B05-old",
        says: "keeps giving out the unit's key that a removed member has",
        deed: Deed::PutAfterRemoval,
        on: &[(Front::Vault, Refused("keeps the key of a unit back"))],
        teller: || {
            let mut first = None::<Vec<u8>>;
            Box::new(move |seen| {
                seen.is(&Method::GET, "/keys").then_some(())?;
                let lies = first.as_ref().is_some_and(|first| *first != seen.body);
                seen.body.clone_from(first.get_or_insert(seen.body.clone()));
                lies.then_some(())
            })
        },
    },
    Lie {
        name: "B06",
        says: "changes the statement of a unit's members",
        deed: Deed::List,
        on: COMMITMENT,
        teller: || on_statement(|event| matches!(event, Event::UnitEpoch(_))),
    },
    Lie {
        name: "B06-ghost",
        says: "inserts a record that was logged elsewhere",
        deed: Deed::List,
        on: &[(Front::Vault, Refused("in the log already"))],
        teller: || {
            on_records(|page| {
                let ghost = page.entries.get(1)?.clone();
                page.entries.insert(1, ghost);
                page.sealed.insert(1, Blob(Vec::new()));
                Some(())
            })
        },
    },
    Lie {
        name: "B09",
        says: "shortens a sealed unit key",
        deed: Deed::Units,
        on: BYTES,
        teller: || {
            on_membership(|membership| {
                membership.sealed.0.truncate(64);
                Some(())
            })
        },
    },
    Lie {
        name: "B09-flipped",
        says: "flips a bit of a sealed unit key",
        deed: Deed::Units,
        on: BYTES,
        teller: || on_membership(|membership| flip_middle(&mut membership.sealed.0)),
    },
    Lie {
        name: "B18-record",
        says: "exchanges the signatures of two statements",
        deed: Deed::List,
        on: COMMITMENT,
        teller: || {
            on_records(|page| {
                let mut found = statements(page).skip(1);
                let (one, other) = (found.next()?, found.next()?);
                let (mut first, mut second) = (statement(one)?, statement(other)?);
                std::mem::swap(&mut first.signature, &mut second.signature);
                one.0 = RecordPayload::Statement(first).to_bytes();
                other.0 = RecordPayload::Statement(second).to_bytes();
                Some(())
            })
        },
    },
    Lie {
        name: "B19",
        says: "changes an appointment",
        deed: Deed::List,
        on: COMMITMENT,
        teller: || on_statement(|event| matches!(event, Event::Appointed(_))),
    },
    Lie {
        name: "C01",
        says: "changes the keys of a person",
        deed: Deed::List,
        on: COMMITMENT,
        teller: || on_statement(|event| matches!(event, Event::PersonEnrolled(_))),
    },
    Lie {
        name: "C03",
        says: "shows a head of the records log that no witness signed",
        deed: Deed::List,
        on: &[(Front::Vault, Refused("too few witnesses"))],
        teller: || {
            on_records(|page| {
                // The log's own signature stays.
                let cut = page.checkpoint.find("\n\n")? + 2;
                let first = page.checkpoint.get(cut..)?.find('\n')?;
                page.checkpoint.truncate(cut + first + 1);
                Some(())
            })
        },
    },
    Lie {
        name: "C04",
        says: "shows the records log as it was",
        deed: Deed::ListAgain,
        on: &[(Front::Vault, Refused("rolled back"))],
        teller: || go_back("/records"),
    },
    Lie {
        name: "C05",
        says: "shows a head of the records log without any signature",
        deed: Deed::List,
        on: &[(Front::Vault, Refused("malformed"))],
        teller: || {
            on_records(|page| {
                let cut = page.checkpoint.find("\n\n")? + 2;
                page.checkpoint.truncate(cut);
                Some(())
            })
        },
    },
    Lie {
        name: "C08",
        says: "changes the statement of a device",
        deed: Deed::List,
        on: COMMITMENT,
        teller: || on_statement(|event| matches!(event, Event::DeviceAdded(_))),
    },
    Lie {
        name: "C10",
        says: "leaves out who a document is issued to, with all that follows",
        deed: Deed::Issue,
        on: &[(Front::Vault, Refused("keeps records back"))],
        teller: || {
            on_records(|page| {
                page.sealed.clear();
                (!page.entries.is_empty()).then(|| page.entries.clear())
            })
        },
    },
    Lie {
        name: "C10-last",
        says: "leaves out the newest records",
        deed: Deed::Issue,
        on: &[(Front::Vault, Refused("keeps records back"))],
        teller: || {
            on_records(|page| {
                let kept = page.entries.len().checked_sub(3)?;
                page.entries.truncate(kept);
                page.sealed.truncate(kept);
                Some(())
            })
        },
    },
    Lie {
        name: "C10-citizen",
        says: "leaves out the enrolment of the citizens",
        deed: Deed::Issue,
        on: &[(Front::Vault, Refused("the person does not exist"))],
        teller: || {
            on_records(|page| {
                let before = page.entries.len();
                page.entries
                    .retain(|entry| !entry.payload.as_ref().is_some_and(enrols_citizen));
                page.sealed.truncate(page.entries.len());
                (page.entries.len() < before).then_some(())
            })
        },
    },
    Lie {
        name: "E03",
        says: "leaves a record out",
        deed: Deed::List,
        on: LEFT_OUT,
        teller: || {
            on_records(|page| {
                page.entries.get(2)?;
                page.entries.remove(2);
                page.sealed.remove(2);
                Some(())
            })
        },
    },
    Lie {
        name: "F15",
        says: "shows the head of an access log that is not in use",
        deed: Deed::List,
        on: &[(Front::Vault, Refused("head of another access log"))],
        teller: || {
            Box::new(|seen| {
                seen.is(&Method::GET, "/checkpoints/access").then_some(())?;
                let end = seen.body.iter().position(|byte| *byte == b'\n')?;
                seen.body.insert(end, b'x');
                Some(())
            })
        },
    },
    Lie {
        name: "L-rollback",
        says: "shows the access log as it was",
        deed: Deed::ListAgain,
        on: &[(Front::Vault, Refused("access log"))],
        teller: || go_back("/checkpoints/access"),
    },
];

fn on_records(change: fn(&mut RecordsPage) -> Option<()>) -> Teller {
    Box::new(move |seen| {
        seen.is(&Method::GET, "/records").then_some(())?;
        seen.edit("page", change)
    })
}

fn on_membership(change: fn(&mut Membership) -> Option<()>) -> Teller {
    Box::new(move |seen| {
        seen.is(&Method::GET, "/keys").then_some(())?;
        seen.edit("keys", |keys: &mut OwnKeys| {
            change(keys.memberships.first_mut()?)
        })
    })
}

/// Changes a bit within the first statement of this kind.
fn on_statement(fits: fn(&Event) -> bool) -> Teller {
    Box::new(move |seen| {
        seen.is(&Method::GET, "/records").then_some(())?;
        seen.edit("page", |page: &mut RecordsPage| {
            let payload = statements(page)
                .find(|payload| event(payload).is_some_and(|event| fits(&event)))?;
            let mut signed = statement(payload)?;
            flip_middle(&mut signed.statement.0)?;
            payload.0 = RecordPayload::Statement(signed).to_bytes();
            Some(())
        })
    })
}

/// Shows the first answer of this route again when there have been two others.
fn go_back(route: &'static str) -> Teller {
    let mut shown: Vec<Vec<u8>> = Vec::new();
    Box::new(move |seen: &mut Seen| {
        seen.is(&Method::GET, route).then_some(())?;
        if !shown.contains(&seen.body) {
            shown.push(seen.body.clone());
        }
        let first = shown.first()?;
        (shown.len() > 2).then(|| seen.body.clone_from(first))
    })
}

fn statements(page: &mut RecordsPage) -> impl Iterator<Item = &mut Blob> {
    let payloads = page
        .entries
        .iter_mut()
        .filter_map(|entry| entry.payload.as_mut());
    payloads.filter(|payload| statement(payload).is_some())
}

fn statement(payload: &Blob) -> Option<SignedStatement> {
    match RecordPayload::from_bytes(&payload.0).ok()? {
        RecordPayload::Statement(signed) => Some(signed),
        _ => None,
    }
}

fn event(payload: &Blob) -> Option<Event> {
    let statement = Statement::from_bytes(&statement(payload)?.statement.0);
    Some(statement.ok()?.event)
}

fn enrols_citizen(payload: &Blob) -> bool {
    matches!(event(payload), Some(Event::PersonEnrolled(enrolled)) if enrolled.citizen)
}
