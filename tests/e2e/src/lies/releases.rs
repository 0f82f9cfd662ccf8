//! Lies about releases: receipts, proofs of entries, wraps, cards, batches.

use axum::http::Method;
use obhut_format::CaseId;
use obhut_format::Cbor as _;
use obhut_format::release::{ActLeaf, ReleaseAnswer, ReleasedDocument};

use super::Outcome::Refused;
use super::{DAMAGED, Deed, Front, Lie, Outcome, flip_middle};
use crate::{Seen, Teller};

const BYTES: &[(Front, Outcome)] = &[(Front::Vault, DAMAGED)];
const ENTRY_MISSING: &[(Front, Outcome)] = &[(Front::Vault, Refused("its entry is missing"))];
const OTHER_ACT: &[(Front, Outcome)] = &[(Front::Vault, Refused("does not commit to this act"))];
/// What a release says of registrations counts for nothing: the reader has them from the records log.
const UNHEARD: &[(Front, Outcome)] = &[(Front::Vault, Outcome::Harmless)];

pub(super) const LIES: &[Lie] = &[
    Lie {
        name: "A07-place",
        says: "names the place of a capsule opened before in a release of another one",
        deed: Deed::GetOther,
        on: BYTES,
        teller: || {
            let mut first = None;
            Box::new(move |seen| {
                release(seen, |answer| {
                    let object = &mut document(answer)?.object;
                    let earlier = *first.get_or_insert(*object);
                    let lies = earlier != *object;
                    *object = earlier;
                    lies.then_some(())
                })
            })
        },
    },
    Lie {
        name: "A08",
        says: "passes an earlier revision off as the latest",
        deed: Deed::GetRevisions,
        on: &[(Front::Vault, Refused("latest"))],
        teller: || {
            let mut first = None::<ReleaseAnswer>;
            Box::new(move |seen| {
                release(seen, |answer| {
                    let Some(earlier) = &first else {
                        first = Some(answer.clone());
                        return None;
                    };
                    answer.documents.clone_from(&earlier.documents);
                    let (old, new) = (
                        earlier.release.shares.first()?,
                        answer.release.shares.first_mut()?,
                    );
                    (new.revision, new.share_id) = (old.revision, old.share_id);
                    Some(())
                })
            })
        },
    },
    Lie {
        name: "A17",
        says: "changes a manifest",
        deed: Deed::Get,
        on: UNHEARD,
        teller: || on_document(|document| flip_middle(&mut document.item.item.0)),
    },
    Lie {
        name: "B01",
        says: "replaces the wrapped key of a document",
        deed: Deed::Get,
        on: BYTES,
        teller: || {
            on_document(|document| {
                document.wrap.as_mut()?.0.fill(7);
                Some(())
            })
        },
    },
    Lie {
        name: "B03-case",
        says: "replaces the wrapped key of a case",
        deed: Deed::Get,
        on: &[(Front::Vault, Refused("not the one its statement names"))],
        teller: || {
            on_release(|answer| {
                let key = answer.cases.first_mut()?.keys.first_mut()?;
                *key.sealed.0.last_mut()? ^= 1;
                Some(())
            })
        },
    },
    Lie {
        name: "B03-swapped",
        says: "swaps the wraps of two documents",
        deed: Deed::Show,
        on: BYTES,
        teller: || {
            on_pair(|one, other| {
                std::mem::swap(&mut one.wrap, &mut other.wrap);
                Some(())
            })
        },
    },
    Lie {
        name: "B07",
        says: "hides the grants of a case's key",
        deed: Deed::Get,
        on: &[(Front::Vault, Refused("keeps the key of a case back"))],
        teller: || {
            on_release(|answer| {
                answer.cases.first_mut()?.keys.clear();
                Some(())
            })
        },
    },
    Lie {
        name: "B14",
        says: "names another author of a batch",
        deed: Deed::Get,
        on: UNHEARD,
        teller: || {
            on_document(|document| {
                let mut header = document.batch.parse_header().ok()?;
                header.signer.0[0] ^= 1;
                document.batch.header.0 = header.to_bytes();
                Some(())
            })
        },
    },
    Lie {
        name: "B18",
        says: "breaks one half of a batch's signature",
        deed: Deed::Get,
        on: UNHEARD,
        teller: || on_document(|document| flip_middle(&mut document.batch.signature.0)),
    },
    Lie {
        name: "B20",
        says: "gives an item another place in its batch",
        deed: Deed::Get,
        on: UNHEARD,
        teller: || {
            on_document(|document| {
                document.item.index += 1;
                Some(())
            })
        },
    },
    Lie {
        name: "E01-titles",
        says: "exchanges the titles of two documents",
        deed: Deed::Show,
        on: BYTES,
        teller: || {
            on_pair(|one, other| {
                std::mem::swap(&mut one.card, &mut other.card);
                Some(())
            })
        },
    },
    Lie {
        name: "E01-case",
        says: "moves a document to another case",
        deed: Deed::Get,
        on: &[(Front::Vault, Refused("documents come in another order"))],
        teller: || {
            on_document(|document| {
                document.case = CaseId([7; 16]);
                Some(())
            })
        },
    },
    Lie {
        name: "E03-listed",
        says: "leaves a document out of a case's list",
        deed: Deed::Show,
        on: &[(Front::Vault, Refused("document"))],
        teller: || on_release(|answer| answer.documents.pop().map(drop)),
    },
    Lie {
        name: "E04-info",
        says: "changes the sealed media type and length",
        deed: Deed::Get,
        on: BYTES,
        teller: || on_document(|document| flip_middle(&mut document.info.0)),
    },
    Lie {
        name: "E04-card",
        says: "changes the sealed title and date",
        deed: Deed::Get,
        on: BYTES,
        teller: || on_document(|document| flip_middle(&mut document.card.0)),
    },
    Lie {
        name: "E04-number",
        says: "passes a card off as a later one",
        deed: Deed::Get,
        on: &[(Front::Vault, Refused("another index card"))],
        teller: || {
            on_document(|document| {
                document.card_no += 1;
                Some(())
            })
        },
    },
    Lie {
        name: "E06",
        says: "gives out a share without proof of its entry",
        deed: Deed::Get,
        on: ENTRY_MISSING,
        teller: || on_release(|answer| answer.proofs.pop().map(drop)),
    },
    Lie {
        name: "E06-entry",
        says: "gives out a share without an entry",
        deed: Deed::Get,
        on: ENTRY_MISSING,
        teller: || {
            on_release(|answer| {
                answer.leaves.clear();
                answer.proofs.pop().map(drop)
            })
        },
    },
    Lie {
        name: "E06-cosigner",
        says: "proves an entry under a head that no witness signed",
        deed: Deed::Get,
        on: &[(Front::Vault, Refused("too few witnesses"))],
        teller: || {
            on_release(|answer| {
                let proof = answer.proofs.first_mut()?;
                let cut = proof.trim_end().rfind('\n')? + 1;
                proof.truncate(cut);
                Some(())
            })
        },
    },
    Lie {
        name: "F01-label",
        says: "logs a reading without one of its labels",
        deed: Deed::Get,
        on: &[(Front::Vault, Refused("entry"))],
        teller: || on_leaf(|leaf| leaf.labels.pop().map(drop)),
    },
    Lie {
        name: "F01-subject",
        says: "logs a reading without its data subjects",
        deed: Deed::Get,
        on: OTHER_ACT,
        teller: || on_leaf(|leaf| leaf.subject_commitments.pop().map(drop)),
    },
    Lie {
        name: "F04",
        says: "opens role and unit of an entry with another salt",
        deed: Deed::Get,
        on: OTHER_ACT,
        teller: || {
            on_leaf(|leaf| {
                leaf.a1.salt[0] ^= 1;
                Some(())
            })
        },
    },
    Lie {
        name: "F24",
        says: "logs a reading with another reason",
        deed: Deed::Get,
        on: OTHER_ACT,
        teller: || {
            on_leaf(|leaf| {
                leaf.w_commitment[0] ^= 1;
                Some(())
            })
        },
    },
    Lie {
        name: "F16-answer",
        says: "repeats the answer to another act",
        deed: Deed::GetTwice,
        on: &[(Front::Vault, Refused("entry"))],
        teller: || {
            after_another(|answer, earlier| {
                answer.clone_from(earlier);
            })
        },
    },
    Lie {
        name: "F16-receipt",
        says: "repeats the gatekeeper's receipt for another act",
        deed: Deed::GetTwice,
        on: BYTES,
        teller: || {
            after_another(|answer, earlier| {
                answer.release.clone_from(&earlier.release);
            })
        },
    },
    Lie {
        name: "F16-signature",
        says: "shows a receipt that the gatekeeper did not sign",
        deed: Deed::Get,
        on: BYTES,
        teller: || {
            on_release(|answer| {
                answer.release.signature[5] ^= 1;
                Some(())
            })
        },
    },
    Lie {
        name: "F16-share",
        says: "changes a sealed share",
        deed: Deed::Get,
        on: BYTES,
        teller: || {
            on_release(|answer| flip_middle(&mut answer.release.shares.first_mut()?.sealed.0))
        },
    },
    Lie {
        name: "F25",
        says: "passes a share off as another one",
        deed: Deed::Get,
        on: &[(
            Front::Vault,
            Refused("a share is not that of the latest revision"),
        )],
        teller: || {
            on_release(|answer| {
                answer.release.shares.first_mut()?.share_id.0[0] ^= 1;
                Some(())
            })
        },
    },
];

fn release(seen: &mut Seen, change: impl FnOnce(&mut ReleaseAnswer) -> Option<()>) -> Option<()> {
    seen.is(&Method::POST, "/releases").then_some(())?;
    seen.edit("answer", change)
}

fn document(answer: &mut ReleaseAnswer) -> Option<&mut ReleasedDocument> {
    answer.documents.first_mut()
}

fn on_release(change: fn(&mut ReleaseAnswer) -> Option<()>) -> Teller {
    Box::new(move |seen| release(seen, change))
}

fn on_document(change: fn(&mut ReleasedDocument) -> Option<()>) -> Teller {
    Box::new(move |seen| release(seen, |answer| change(document(answer)?)))
}

fn on_leaf(change: fn(&mut ActLeaf) -> Option<()>) -> Teller {
    Box::new(move |seen| release(seen, |answer| change(answer.leaves.first_mut()?)))
}

/// Changes the first two documents of a release that has several.
fn on_pair(change: fn(&mut ReleasedDocument, &mut ReleasedDocument) -> Option<()>) -> Teller {
    Box::new(move |seen| {
        release(seen, |answer| match answer.documents.as_mut_slice() {
            [one, other, ..] => change(one, other),
            _ => None,
        })
    })
}

/// Remembers the first release, and changes all others with it.
fn after_another(change: fn(&mut ReleaseAnswer, &ReleaseAnswer)) -> Teller {
    let mut first = None::<ReleaseAnswer>;
    Box::new(move |seen| {
        release(seen, |answer| {
            let Some(earlier) = &first else {
                first = Some(answer.clone());
                return None;
            };
            change(answer, earlier);
            Some(())
        })
    })
}
