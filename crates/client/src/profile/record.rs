use obhut_format::statement::Role;
use obhut_format::{DeviceKid, Hash, PersonId, VaultId};
use serde::{Deserialize, Serialize};

/// How far a profile is.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Keys are made; whether the vault has them is not known yet.
    Joining,
    /// Person and device stand in the records log.
    Joined,
}

/// What a profile is about. Holds nothing secret; secrets lie sealed beside it.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct ProfileRecord {
    /// Where the vault is reached.
    pub url: String,
    /// The vault.
    #[serde(with = "printed")]
    pub vault: VaultId,
    /// Fingerprint of the pinned card.
    #[serde(with = "fingerprint")]
    pub card: Hash,
    /// The person.
    #[serde(with = "printed")]
    pub person: PersonId,
    /// This device.
    #[serde(with = "printed")]
    pub device: DeviceKid,
    /// The role the invitation led to.
    #[serde(with = "printed")]
    pub role: Role,
    /// How far it is.
    pub stage: Stage,
}

mod printed {
    use core::fmt::Display;
    use core::str::FromStr;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(id: &impl Display, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(id)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, T: FromStr>(
        input: D,
    ) -> Result<T, D::Error> {
        let text = String::deserialize(input)?;
        text.parse()
            .map_err(|_| D::Error::custom("not an id or name of this kind"))
    }
}

mod fingerprint {
    use obhut_format::Hash;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    use crate::transport::{array_from_b64, bytes_to_b64};

    pub(super) fn serialize<S: Serializer>(hash: &Hash, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_str(&bytes_to_b64(hash))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Hash, D::Error> {
        let text = String::deserialize(input)?;
        array_from_b64(&text).map_err(|_| D::Error::custom("not a fingerprint"))
    }
}
