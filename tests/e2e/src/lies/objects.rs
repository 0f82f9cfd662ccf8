//! Lies about the bytes of capsules, as a vault or a store can tell them.

use axum::http::header::CONTENT_RANGE;
use axum::http::{HeaderValue, Method, StatusCode};
use obhut_format::capsule::{PREFIX_BYTES, SEALED_CHUNK_BYTES};

use super::Outcome::{Ends, Harmless, Refused};
use super::{DAMAGED, Deed, Front, Lie, Outcome, flip_middle};
use crate::{Seen, Teller};

/// Bytes that are wrong, as many as were asked for: nobody but the client can tell.
const BYTES: &[(Front, Outcome)] = &[(Front::Vault, DAMAGED), (Front::Store, DAMAGED)];

/// The server does not hand on what is no answer to what it asked; to the client the vault is out of order.
const UNANSWERED: (Front, Outcome) = (
    Front::Store,
    Ends(7, "store of the documents does not answer"),
);

/// Another number of bytes than was asked for.
const LENGTH: &[(Front, Outcome)] = &[(Front::Vault, Refused("another byte range")), UNANSWERED];

const PREFIX: usize = PREFIX_BYTES as usize;
const CHUNK: usize = SEALED_CHUNK_BYTES as usize;

pub(super) const LIES: &[Lie] = &[
    Lie {
        name: "A01",
        says: "cuts a capsule at the border of its last chunk",
        deed: Deed::Get,
        on: LENGTH,
        teller: || Box::new(|seen| shorten(seen, CHUNK)),
    },
    Lie {
        name: "A02",
        says: "cuts a capsule within a chunk",
        deed: Deed::Get,
        on: LENGTH,
        teller: || Box::new(|seen| shorten(seen, 100)),
    },
    Lie {
        name: "A02-filled",
        says: "cuts a capsule within a chunk and fills it up with zeros",
        deed: Deed::Get,
        on: BYTES,
        teller: || {
            Box::new(|seen| {
                let body = object(seen)?;
                let kept = body.len().checked_sub(CHUNK / 2)?;
                body.get_mut(kept..)?.fill(0);
                Some(())
            })
        },
    },
    Lie {
        name: "A03",
        says: "appends bytes to a capsule",
        deed: Deed::Get,
        on: LENGTH,
        teller: || {
            Box::new(|seen| {
                object(seen)?.extend_from_slice(&[0; 4_096]);
                Some(())
            })
        },
    },
    Lie {
        name: "A04",
        says: "swaps the first two chunks",
        deed: Deed::Get,
        on: BYTES,
        teller: || {
            Box::new(|seen| {
                let (one, other) = first_chunks(object(seen)?)?;
                one.swap_with_slice(other);
                Some(())
            })
        },
    },
    Lie {
        name: "A05",
        says: "repeats the first chunk in place of the second",
        deed: Deed::Get,
        on: BYTES,
        teller: || {
            Box::new(|seen| {
                let (one, other) = first_chunks(object(seen)?)?;
                other.copy_from_slice(one);
                Some(())
            })
        },
    },
    Lie {
        name: "A06",
        says: "splices a chunk of a capsule served before into another one",
        deed: Deed::GetOther,
        on: BYTES,
        teller: || {
            after_another(|body, earlier| {
                let (_, own) = first_chunks(body)?;
                let (_, foreign) = first_chunks(earlier)?;
                own.copy_from_slice(foreign);
                Some(())
            })
        },
    },
    Lie {
        name: "A07",
        says: "serves a capsule served before in place of another one",
        deed: Deed::GetOther,
        on: BYTES,
        teller: || after_another(replace),
    },
    Lie {
        name: "A08-capsule",
        says: "serves the capsule of an earlier revision in place of the latest",
        deed: Deed::GetRevisions,
        on: BYTES,
        teller: || after_another(replace),
    },
    Lie {
        name: "A10-header",
        says: "flips a bit of a capsule's header",
        deed: Deed::Get,
        on: &[
            (
                Front::Vault,
                Refused("a version this program does not know"),
            ),
            (
                Front::Store,
                Refused("a version this program does not know"),
            ),
        ],
        teller: || Box::new(|seen| flip(seen, 0)),
    },
    Lie {
        name: "A10-salt",
        says: "flips a bit of a capsule's salt",
        deed: Deed::Get,
        on: BYTES,
        teller: || Box::new(|seen| flip(seen, 70)),
    },
    Lie {
        name: "A10-commitment",
        says: "flips a bit of a capsule's commitment",
        deed: Deed::Get,
        on: BYTES,
        teller: || Box::new(|seen| flip(seen, 100)),
    },
    Lie {
        name: "A10-chunk",
        says: "flips a bit of a chunk",
        deed: Deed::Get,
        on: BYTES,
        teller: || Box::new(|seen| flip(seen, PREFIX + CHUNK / 2)),
    },
    Lie {
        name: "A11-place",
        says: "answers a range with as many bytes from elsewhere",
        deed: Deed::GetRange,
        on: BYTES,
        teller: || {
            after_whole(|seen, whole| {
                let length = seen.body.len();
                seen.body = whole.get(..length)?.to_vec();
                Some(())
            })
        },
    },
    Lie {
        name: "A11-whole",
        says: "answers a range with the whole capsule",
        deed: Deed::GetRange,
        on: &[
            (Front::Vault, Refused("ignored the byte range")),
            UNANSWERED,
        ],
        teller: || {
            after_whole(|seen, whole| {
                seen.body = whole.to_vec();
                seen.status = StatusCode::OK;
                seen.headers.remove(CONTENT_RANGE);
                Some(())
            })
        },
    },
    Lie {
        name: "A11-stated",
        says: "states another range than the one it sends",
        deed: Deed::GetRange,
        on: LENGTH,
        teller: || {
            after_whole(|seen, _| {
                let wrong = HeaderValue::from_static("bytes 7-99/100");
                seen.headers.insert(CONTENT_RANGE, wrong);
                Some(())
            })
        },
    },
    Lie {
        name: "A11-leaves",
        says: "changes a leaf hash of a capsule",
        deed: Deed::GetRange,
        on: BYTES,
        teller: || Box::new(|seen| flip_middle(leaves(seen)?)),
    },
    Lie {
        name: "A12",
        says: "breaks only the last chunk",
        deed: Deed::Get,
        on: BYTES,
        teller: || {
            Box::new(|seen| {
                *object(seen)?.last_mut()? ^= 1;
                Some(())
            })
        },
    },
    Lie {
        name: "A13",
        says: "states a length of 2^50 bytes",
        deed: Deed::Get,
        on: &[
            (Front::Vault, Refused("another byte range")),
            (Front::Store, Harmless),
        ],
        teller: || {
            Box::new(|seen| {
                object(seen)?;
                let stated = seen.headers.get(CONTENT_RANGE)?.to_str().ok()?;
                let (range, _) = stated.rsplit_once('/')?;
                let lie = format!("{range}/{}", 1_u64 << 50);
                seen.headers.insert(CONTENT_RANGE, lie.parse().ok()?);
                Some(())
            })
        },
    },
    Lie {
        name: "A13-leaves",
        says: "leaves out a leaf hash of a capsule",
        deed: Deed::GetRange,
        on: &[
            (Front::Vault, Refused("another number of leaf hashes")),
            UNANSWERED,
        ],
        teller: || {
            Box::new(|seen| {
                let leaves = leaves(seen)?;
                leaves.truncate(leaves.len().checked_sub(32)?);
                Some(())
            })
        },
    },
    Lie {
        name: "A14",
        says: "sets a suite nobody knows in a capsule's header",
        deed: Deed::Get,
        on: &[
            (
                Front::Vault,
                Refused("a version this program does not know"),
            ),
            (
                Front::Store,
                Refused("a version this program does not know"),
            ),
        ],
        teller: || Box::new(|seen| flip(seen, 4)),
    },
    Lie {
        name: "A14-reserved",
        says: "sets a reserved bit in a capsule's header",
        deed: Deed::Get,
        on: BYTES,
        teller: || Box::new(|seen| flip(seen, 7)),
    },
    Lie {
        name: "E15-capsule",
        says: "says that it has no such capsule",
        deed: Deed::Get,
        on: &[
            (Front::Vault, Ends(4, "status 404")),
            (Front::Store, Ends(1, "The server failed")),
        ],
        teller: || {
            Box::new(|seen| {
                object(seen)?.clear();
                seen.status = StatusCode::NOT_FOUND;
                Some(())
            })
        },
    },
];

/// The bytes of a capsule, from its beginning or from a place in it.
fn object(seen: &mut Seen) -> Option<&mut Vec<u8>> {
    seen.is_object().then_some(&mut seen.body)
}

/// The leaf hashes of a capsule.
fn leaves(seen: &mut Seen) -> Option<&mut Vec<u8>> {
    let fits = seen.is(&Method::GET, "/leaves")
        || (seen.method == Method::GET && seen.path.contains("/leaves/"));
    (fits && !seen.body.is_empty()).then_some(&mut seen.body)
}

/// The first two chunks of a capsule that came from its beginning.
fn first_chunks(capsule: &mut [u8]) -> Option<(&mut [u8], &mut [u8])> {
    let chunks = capsule.get_mut(PREFIX..)?;
    let (one, rest) = chunks.split_at_mut_checked(CHUNK)?;
    Some((one, rest.get_mut(..CHUNK)?))
}

fn shorten(seen: &mut Seen, by: usize) -> Option<()> {
    let body = object(seen)?;
    body.truncate(body.len().checked_sub(by)?);
    Some(())
}

fn flip(seen: &mut Seen, place: usize) -> Option<()> {
    *object(seen)?.get_mut(place)? ^= 0x10;
    Some(())
}

/// The earlier capsule, as far as this one is long.
fn replace(body: &mut [u8], earlier: &mut [u8]) -> Option<()> {
    body.copy_from_slice(earlier.get(..body.len())?);
    Some(())
}

/// Remembers the first capsule, and changes every other one with it.
fn after_another(
    mut change: impl FnMut(&mut [u8], &mut [u8]) -> Option<()> + Send + 'static,
) -> Teller {
    let mut first = None::<(String, Vec<u8>)>;
    Box::new(move |seen| {
        let path = seen.path.clone();
        let body = object(seen)?;
        let (name, earlier) = first.get_or_insert_with(|| (path.clone(), body.clone()));
        (*name != path).then_some(())?;
        change(body, earlier)
    })
}

/// Remembers the longest piece of a capsule, and changes parts that are shorter and not its beginning.
fn after_whole(mut change: impl FnMut(&mut Seen, &[u8]) -> Option<()> + Send + 'static) -> Teller {
    let mut whole = Vec::new();
    Box::new(move |seen| {
        if object(seen)?.len() > whole.len() {
            whole.clone_from(&seen.body);
        }
        let stated = seen.headers.get(CONTENT_RANGE)?.to_str().ok()?;
        let inside = !stated.starts_with("bytes 0-") && seen.body.len() < whole.len() / 2;
        inside.then_some(())?;
        change(seen, &whole)
    })
}
