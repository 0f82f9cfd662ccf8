use rand_core::CryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::SuiteError;

/// `N` secret bytes, wiped on drop. No Debug, Clone, Serialize or `==`.
///
/// Lives on the heap, so that moving it leaves no copies behind.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct Secret<const N: usize>(Box<[u8; N]>);

impl<const N: usize> Secret<N> {
    /// Takes bytes over; the caller's array is wiped.
    pub fn new(mut bytes: [u8; N]) -> Self {
        let mut secret = Self::zeroed();
        secret.0.copy_from_slice(&bytes);
        bytes.zeroize();
        secret
    }

    /// Fresh random bytes.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut secret = Self::zeroed();
        rng.fill_bytes(secret.0.as_mut_slice());
        secret
    }

    /// Copies from a slice of exactly `N` bytes, else [`SuiteError::WrongLength`].
    pub fn from_slice(bytes: &[u8]) -> Result<Self, SuiteError> {
        if bytes.len() != N {
            return Err(SuiteError::WrongLength);
        }
        let mut secret = Self::zeroed();
        secret.0.copy_from_slice(bytes);
        Ok(secret)
    }

    /// The bytes. Every call carries an `// EXPOSE:` comment that says where they go.
    pub fn expose(&self) -> &[u8; N] {
        &self.0
    }

    /// A second copy, made on purpose.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        let mut secret = Self::zeroed();
        secret.0.copy_from_slice(self.0.as_slice());
        secret
    }

    /// Equality in constant time.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.as_slice().ct_eq(other.0.as_slice()).into()
    }

    pub(crate) fn zeroed() -> Self {
        Self(Box::new([0; N]))
    }

    pub(crate) fn expose_mut(&mut self) -> &mut [u8; N] {
        &mut self.0
    }
}

/// Secret bytes of a length known only at run time, wiped on drop.
pub struct SecretBytes(Zeroizing<Vec<u8>>);

impl SecretBytes {
    /// Takes bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes. Every call carries an `// EXPOSE:` comment that says where they go.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Number of bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes as a secret of exactly `N`, else [`SuiteError::WrongLength`].
    pub fn into_secret<const N: usize>(self) -> Result<Secret<N>, SuiteError> {
        Secret::from_slice(&self.0)
    }
}
