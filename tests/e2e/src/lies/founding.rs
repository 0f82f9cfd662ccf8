//! Lies about the vault itself, to who does not know it yet.

use axum::http::Method;
use obhut_format::card::VaultCard;

use super::Outcome::Refused;
use super::{Deed, Front, Lie, Outcome};
use crate::Seen;

const CODE: &[(Front, Outcome)] = &[(
    Front::Vault,
    Refused("keys that the bootstrap code commits to"),
)];

pub(super) const LIES: &[Lie] = &[
    Lie {
        name: "F30-records",
        says: "shows the founder another key of the records log",
        deed: Deed::Found,
        on: CODE,
        teller: || Box::new(|seen| flip_key(seen, "records_key")),
    },
    Lie {
        name: "F30-access",
        says: "shows the founder another key of the access log",
        deed: Deed::Found,
        on: CODE,
        teller: || Box::new(|seen| flip_key(seen, "access_key")),
    },
    Lie {
        name: "F30-gate",
        says: "shows the founder another gatekeeper's key",
        deed: Deed::Found,
        on: CODE,
        teller: || Box::new(|seen| flip_key(seen, "gate_key")),
    },
    Lie {
        name: "C01-card",
        says: "shows who joins a vault card with another gatekeeper",
        deed: Deed::Join,
        on: &[(
            Front::Vault,
            Refused("card is not the one the invitation names"),
        )],
        teller: || {
            Box::new(|seen| {
                about(seen)?;
                seen.edit("card_b64", |card: &mut VaultCard| card.gate_key[0] ^= 1);
                Some(())
            })
        },
    },
];

fn about(seen: &Seen) -> Option<()> {
    let vault = seen.path.rsplit('/').next()?;
    let fits = vault.starts_with("vault_") && seen.is(&Method::GET, vault);
    fits.then_some(())
}

fn flip_key(seen: &mut Seen, field: &str) -> Option<()> {
    about(seen)?;
    seen.edit_field(field, |bytes| bytes[0] ^= 1);
    Some(())
}
