//! Lies to who reads what was logged about themselves.

use axum::http::Method;
use obhut_format::reading::{AccessEntryPage, AccessLogAnswer};

use super::Outcome::Refused;
use super::{Deed, Front, Lie, Outcome, flip_middle};
use crate::Teller;

const KEPT_BACK: &[(Front, Outcome)] = &[(Front::Vault, Refused("kept back"))];
const NO_KEY: &[(Front, Outcome)] = &[(Front::Vault, Refused("keeps its key back"))];
const NOT_IN_TREE: &[(Front, Outcome)] =
    &[(Front::Vault, Refused("the tree path leads to another root"))];
const SKIPPED: &[(Front, Outcome)] = &[(Front::Vault, Refused("sequence number skips or repeats"))];
const OTHER_TEXT: &[(Front, Outcome)] = &[(
    Front::Vault,
    Refused("the opening does not fit the commitment"),
)];
const OTHER_OUTCOME: &[(Front, Outcome)] = &[(
    Front::Vault,
    Refused("the outcome of an entry is not the logged one"),
)];

/// Passes the entry so far from the end off as erased.
macro_rules! erased {
    ($name:literal, $says:literal, $from_end:literal, $wraps:literal, $on:expr) => {
        Lie {
            name: $name,
            says: $says,
            deed: Deed::OwnLog,
            on: $on,
            teller: || {
                on_entries(|entries| {
                    let entry = entries.iter_mut().rev().nth($from_end)?;
                    entry.payload.0.clear();
                    if $wraps {
                        entry.wraps.clear();
                    }
                    Some(())
                })
            },
        }
    };
}

// The newest three are: the reading by somebody else, its outcome, this reading of the log.
pub(super) const LIES: &[Lie] = &[
    Lie {
        name: "E07",
        says: "shows nothing of the log",
        deed: Deed::OwnLog,
        on: KEPT_BACK,
        teller: || {
            on_entries(|entries| {
                entries.clear();
                Some(())
            })
        },
    },
    Lie {
        name: "E07-newest",
        says: "keeps the newest entries back",
        deed: Deed::OwnLog,
        on: KEPT_BACK,
        teller: || {
            on_entries(|entries| {
                entries.truncate(entries.len().checked_sub(2)?);
                Some(())
            })
        },
    },
    Lie {
        name: "E07-shard",
        says: "keeps a whole shard back",
        deed: Deed::OwnLog,
        on: KEPT_BACK,
        teller: || {
            on_answers(|answers| {
                answers.clear();
                Some(())
            })
        },
    },
    Lie {
        name: "E07-key",
        says: "keeps the key of an entry back",
        deed: Deed::OwnLog,
        on: NO_KEY,
        teller: || {
            on_entries(|entries| {
                // The reading by somebody else, before this one.
                let mut read = entries
                    .iter_mut()
                    .rev()
                    .filter(|entry| !entry.wraps.is_empty());
                read.nth(1)?.wraps.clear();
                Some(())
            })
        },
    },
    Lie {
        name: "E07-log-key",
        says: "keeps the reader's log keys back",
        deed: Deed::OwnLog,
        on: NO_KEY,
        teller: || {
            on_answers(|answers| {
                answers.first_mut()?.log_keys.clear();
                Some(())
            })
        },
    },
    erased!(
        "F17-reading",
        "passes a living reading off as erased",
        2,
        false,
        OTHER_TEXT
    ),
    erased!(
        "F17-reading-bare",
        "passes a living reading off as erased, with its wraps",
        2,
        true,
        NO_KEY
    ),
    erased!(
        "F17-outcome",
        "passes the outcome of a reading off as erased",
        1,
        false,
        OTHER_OUTCOME
    ),
    erased!(
        "F17-outcome-bare",
        "passes the outcome of a reading off as erased, with its wraps",
        1,
        true,
        OTHER_OUTCOME
    ),
    erased!(
        "F17-own",
        "passes this very reading off as erased",
        0,
        false,
        OTHER_TEXT
    ),
    erased!(
        "F17-own-bare",
        "passes this very reading off as erased, with its wraps",
        0,
        true,
        NO_KEY
    ),
    Lie {
        name: "L-drop",
        says: "drops an entry from the middle",
        deed: Deed::OwnLog,
        on: SKIPPED,
        teller: || {
            on_entries(|entries| {
                // The outcome of the reading by somebody else.
                let middle = entries.len().checked_sub(2)?;
                entries.remove(middle);
                Some(())
            })
        },
    },
    Lie {
        name: "L-head",
        says: "rewrites the head of a label",
        deed: Deed::OwnLog,
        on: NOT_IN_TREE,
        teller: || {
            on_entry(|entry| {
                entry.labels.first_mut()?.head[0] ^= 1;
                Some(())
            })
        },
    },
    Lie {
        name: "L-label",
        says: "files an entry under another label",
        deed: Deed::OwnLog,
        on: NOT_IN_TREE,
        teller: || {
            on_entry(|entry| {
                entry.labels.first_mut()?.label[0] ^= 1;
                Some(())
            })
        },
    },
    Lie {
        name: "L-path",
        says: "proves an entry at another place",
        deed: Deed::OwnLog,
        on: NOT_IN_TREE,
        teller: || {
            on_entry(|entry| {
                entry.index += 1;
                Some(())
            })
        },
    },
    Lie {
        name: "L-payload",
        says: "changes the text of an entry",
        deed: Deed::OwnLog,
        on: OTHER_TEXT,
        teller: || on_entry(|entry| flip_middle(&mut entry.payload.0)),
    },
    Lie {
        name: "L-sequence",
        says: "skips a number of a label",
        deed: Deed::OwnLog,
        on: SKIPPED,
        teller: || {
            on_entry(|entry| {
                for label in &mut entry.labels {
                    label.seq += 1;
                }
                Some(())
            })
        },
    },
    Lie {
        name: "L-time",
        says: "dates an entry back",
        deed: Deed::OwnLog,
        on: &[(Front::Vault, Refused("do not fold to the claimed head"))],
        teller: || {
            on_entry(|entry| {
                // Version, type and flags come first, then milliseconds.
                *entry.core.0.get_mut(9)? ^= 1;
                Some(())
            })
        },
    },
    Lie {
        name: "L-witness",
        says: "shows a head that no witness signed",
        deed: Deed::OwnLog,
        on: &[(Front::Vault, Refused("too few witnesses"))],
        teller: || {
            on_answers(|answers| {
                let head = &mut answers.first_mut()?.checkpoint;
                let cut = head.find("\n\n")? + 2;
                let first = head.get(cut..)?.find('\n')?;
                head.truncate(cut + first + 1);
                Some(())
            })
        },
    },
];

fn on_answers(change: fn(&mut Vec<AccessLogAnswer>) -> Option<()>) -> Teller {
    Box::new(move |seen| {
        seen.is(&Method::POST, "/log/entries").then_some(())?;
        seen.edit_list("answers", change)
    })
}

fn on_entries(change: fn(&mut Vec<AccessEntryPage>) -> Option<()>) -> Teller {
    Box::new(move |seen| {
        seen.is(&Method::POST, "/log/entries").then_some(())?;
        seen.edit_list("answers", |answers: &mut Vec<AccessLogAnswer>| {
            change(&mut answers.first_mut()?.entries)
        })
    })
}

/// Changes the reading by somebody else.
fn on_entry(change: fn(&mut AccessEntryPage) -> Option<()>) -> Teller {
    Box::new(move |seen| {
        seen.is(&Method::POST, "/log/entries").then_some(())?;
        seen.edit_list("answers", |answers: &mut Vec<AccessLogAnswer>| {
            change(answers.first_mut()?.entries.iter_mut().rev().nth(2)?)
        })
    })
}
