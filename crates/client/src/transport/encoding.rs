use data_encoding::BASE64URL_NOPAD;
use obhut_format::Cbor;

use crate::ClientError;

/// Base64url without padding of a value's canonical bytes.
pub fn to_b64(value: &impl Cbor) -> String {
    BASE64URL_NOPAD.encode(&value.to_bytes())
}

/// A value from base64url without padding of its canonical bytes.
pub fn from_b64<T: Cbor>(text: &str) -> Result<T, ClientError> {
    Ok(T::from_bytes(&bytes_from_b64(text)?)?)
}

/// Base64url without padding.
pub(crate) fn bytes_to_b64(bytes: &[u8]) -> String {
    BASE64URL_NOPAD.encode(bytes)
}

/// Reads [`bytes_to_b64`].
pub(crate) fn bytes_from_b64(text: &str) -> Result<Vec<u8>, ClientError> {
    BASE64URL_NOPAD
        .decode(text.as_bytes())
        .map_err(|_| ClientError::Format(obhut_format::FormatError::NotCanonical))
}

/// Exactly `N` bytes from base64url.
pub(crate) fn array_from_b64<const N: usize>(text: &str) -> Result<[u8; N], ClientError> {
    bytes_from_b64(text)?
        .try_into()
        .map_err(|_| ClientError::Format(obhut_format::FormatError::WrongLength))
}
