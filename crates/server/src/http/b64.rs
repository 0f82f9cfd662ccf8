//! Bytes in JSON: base64url without padding.

use data_encoding::BASE64URL_NOPAD;
use obhut_format::Cbor;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::openapi::schema::{ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use super::problem::{Kind, Problem};

/// Bytes, base64url without padding in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct B64(pub Vec<u8>);

impl B64 {
    /// The canonical bytes of a record.
    pub(crate) fn of(record: &impl Cbor) -> Self {
        Self(record.to_bytes())
    }

    /// Reads exactly one record.
    pub(crate) fn record<T: Cbor>(&self) -> Result<T, Problem> {
        T::from_bytes(&self.0)
            .map_err(|error| Problem::detail(Kind::BadRequest, format!("a record is {error}")))
    }

    /// Exactly `N` bytes.
    pub(crate) fn array<const N: usize>(&self) -> Result<[u8; N], Problem> {
        self.0
            .as_slice()
            .try_into()
            .map_err(|_| Problem::detail(Kind::BadRequest, format!("a field must hold {N} bytes")))
    }
}

impl Serialize for B64 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64URL_NOPAD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for B64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes());
        bytes
            .map(Self)
            .map_err(|_| de::Error::custom("not base64url without padding"))
    }
}

impl PartialSchema for B64 {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(SchemaType::Type(Type::String))
            .pattern(Some("^[A-Za-z0-9_-]*$"))
            .description(Some("Bytes, base64url without padding"))
            .into()
    }
}

impl ToSchema for B64 {}
