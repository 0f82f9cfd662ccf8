//! A unit's next key: who holds it, how it leads to the one before, what the unit is called under it.

use obhut_crypto::{PublicIdentity, UnitKey, UnitRef};
use obhut_format::content::UnitEntry;
use obhut_format::context::sha256;
use obhut_format::key::Membership;
use obhut_format::mutation::UnitLink;
use obhut_format::person::KeyBundle;
use obhut_format::statement::UnitEpoch;
use obhut_format::tree::root_of;
use obhut_format::{Cbor, UnitId, VaultId};

use crate::ClientError;
use crate::clock::system_rng;

/// A unit epoch ready to be stated, with its rows.
pub(crate) struct NewUnitEpoch {
    pub(crate) key: UnitKey,
    pub(crate) event: UnitEpoch,
    pub(crate) sealed_entry: Vec<u8>,
    pub(crate) memberships: Vec<Membership>,
    pub(crate) link: Option<UnitLink>,
}

/// Makes epoch `earlier + 1` of a unit for exactly these members; epoch 1 where there is no earlier key.
pub(crate) fn make_unit_epoch(
    vault: VaultId,
    unit: UnitId,
    name: &str,
    members: &[&KeyBundle],
    earlier: Option<&UnitKey>,
) -> Result<NewUnitEpoch, ClientError> {
    let rng = &mut system_rng();
    let epoch = earlier.map_or(1, |earlier| earlier.at().epoch + 1);
    let key = UnitKey::generate(UnitRef { vault, unit, epoch }, rng);
    let entry = UnitEntry {
        name: name.to_owned(),
    };
    let sealed_entry = key.register_key().seal_unit(&entry, rng)?;
    let mut memberships = Vec::with_capacity(members.len());
    for member in members {
        let member = PublicIdentity::parse(member)?;
        memberships.push(key.seal_membership(&member, rng)?);
    }
    let link = match earlier {
        Some(earlier) => Some(UnitLink {
            unit,
            epoch: earlier.at().epoch,
            sealed: key.wrap_earlier(earlier, rng)?.into(),
        }),
        None => None,
    };
    let event = UnitEpoch {
        unit,
        epoch,
        uk_id: key.id(),
        public: key.public().as_bytes().to_vec().into(),
        members: members.iter().map(|member| member.kid()).collect(),
        memberships_root: root_of(memberships.iter().map(Cbor::to_bytes)),
        link_hash: link.as_ref().map(|link| sha256(&[&link.sealed.0])),
        entry_hash: sha256(&[&sealed_entry]),
    };
    Ok(NewUnitEpoch {
        key,
        event,
        sealed_entry,
        memberships,
        link,
    })
}
