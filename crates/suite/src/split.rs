use rand_core::CryptoRng;
use vsss_rs::Gf256;
use zeroize::{Zeroize, Zeroizing};

use crate::{Secret, SuiteError};

/// Bytes of a secret that is split, and of each part's value.
const LEN: usize = 32;

/// One part of a split secret: a point of polynomials over GF(256) whose value at 0 is the secret.
/// Fewer parts than the threshold say nothing about it.
pub struct SecretPart {
    number: u8,
    value: Secret<LEN>,
}

impl SecretPart {
    /// A part somebody kept; number 0 would be the secret itself and is refused.
    pub fn new(number: u8, value: Secret<LEN>) -> Result<Self, SuiteError> {
        if number == 0 {
            return Err(SuiteError::RefusedParts);
        }
        Ok(Self { number, value })
    }

    /// Which part it is, from 1.
    pub fn number(&self) -> u8 {
        self.number
    }

    /// The value, for sealing it to whoever keeps it.
    pub fn value(&self) -> &Secret<LEN> {
        &self.value
    }
}

/// Splits a secret into `count` parts (Shamir, GF(256)), any `threshold` of which give it back.
/// Refuses a threshold below 2, where every part would be the secret, or above `count`.
pub fn split_secret(
    secret: &Secret<LEN>,
    threshold: u8,
    count: u8,
    rng: &mut impl CryptoRng,
) -> Result<Vec<SecretPart>, SuiteError> {
    if threshold < 2 || threshold > count {
        return Err(SuiteError::RefusedParts);
    }
    // EXPOSE: into the splitting.
    let split = Gf256::split_bytes(threshold.into(), count.into(), secret.expose(), rng);
    let split = Zeroizing::new(split.map_err(|_| SuiteError::RefusedParts)?);
    let part = |bytes: &Vec<u8>| {
        let (number, value) = bytes.split_first().ok_or(SuiteError::RefusedParts)?;
        SecretPart::new(*number, Secret::from_slice(value)?)
    };
    split.iter().map(part).collect()
}

/// What the parts give. Too few, wrong or mixed parts give some other secret: compare the result
/// with a commitment. Refuses fewer than two parts and two parts of one number.
pub fn combine_parts(parts: &[&SecretPart]) -> Result<Secret<LEN>, SuiteError> {
    let mut numbers: Vec<u8> = parts.iter().map(|part| part.number).collect();
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.len() != parts.len() || parts.len() < 2 {
        return Err(SuiteError::RefusedParts);
    }
    let points = parts.iter().map(|part| {
        let mut bytes = Vec::with_capacity(1 + LEN);
        bytes.push(part.number);
        // EXPOSE: into the combination; wiped below.
        bytes.extend_from_slice(part.value.expose());
        bytes
    });
    let points: Zeroizing<Vec<Vec<u8>>> = Zeroizing::new(points.collect());
    let mut bytes =
        Gf256::combine_bytes(points.as_slice()).map_err(|_| SuiteError::RefusedParts)?;
    let secret = Secret::from_slice(&bytes);
    bytes.zeroize();
    secret
}
