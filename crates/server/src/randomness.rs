//! Randomness, drawn from the operating system at the edge.

use crate::ServerError;

/// Fresh random bytes.
#[expect(
    clippy::disallowed_methods,
    reason = "the edge: here randomness is drawn"
)]
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], ServerError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| ServerError::Randomness)?;
    Ok(bytes)
}
