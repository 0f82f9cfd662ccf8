//! Log keys: the keys under which entry keys are wrapped for a subject or a data protection officer.
//!
//! ```text
//! k_{d+1} = HKDF-Expand-SHA-512(k_d, "obhut/logkey/v1" 0 len(origin)(8) origin d+1(8), 32)
//! info    = "obhut/log-key/v1" 0 id(16) len(origin)(8) origin recipient(32) first_day(8)
//! ```
//!
//! A key is HPKE-sealed to its reader once and then ratcheted a day at a time: who takes the vault
//! over today learns nothing of the days before.

use obhut_format::context::Context;
use obhut_format::entry::LogKey;
use obhut_format::person::KeyBundle;
use obhut_format::{Blob, Kid, PersonId};
use obhut_suite::{Secret, XwingPublic, XwingSeed, hkdf_expand_secret, hpke_open, hpke_seal};
use rand_core::CryptoRng;

use crate::error::LogError;

/// Milliseconds of a UTC day.
pub const DAY_MS: u64 = 86_400_000;
/// A reader ratchets at most this many days: a shard's quarter and what it may be extended by.
const MAX_DAYS: u64 = 3_660;

/// A log key as it stands on one UTC day.
pub struct DayKey {
    id: [u8; 16],
    origin: String,
    day: u64,
    secret: Secret<32>,
}

impl DayKey {
    /// A fresh key of the shard `origin`, beginning on this day (days since 1970-01-01 UTC).
    pub fn generate(origin: &str, day: u64, rng: &mut impl CryptoRng) -> Self {
        let mut id = [0; 16];
        rng.fill_bytes(&mut id);
        Self {
            id,
            origin: origin.to_owned(),
            day,
            secret: Secret::generate(rng),
        }
    }

    /// Opens a sealed key with the identity seed of its recipient; it stands on its first day.
    pub fn open(sealed: &LogKey, recipient: &XwingSeed) -> Result<Self, LogError> {
        let info = info(
            &sealed.id,
            &sealed.origin,
            sealed.recipient,
            sealed.first_day,
        );
        let secret = hpke_open(recipient, info.as_bytes(), &[], &sealed.sealed.0)
            .and_then(obhut_suite::SecretBytes::into_secret)
            .map_err(|_| LogError::CannotOpen)?;
        Ok(Self {
            id: sealed.id,
            origin: sealed.origin.clone(),
            day: sealed.first_day,
            secret,
        })
    }

    /// Seals the key, as it stands today, to a bundle: once for each reader, and again by the
    /// reader when the bundle of an invitation is replaced (then before it is advanced).
    pub fn seal_to(
        &self,
        person: Option<PersonId>,
        bundle: &KeyBundle,
        rng: &mut impl CryptoRng,
    ) -> Result<LogKey, LogError> {
        let recipient = bundle.kid();
        let public = XwingPublic::parse(bundle.xwing()).map_err(|_| LogError::CannotSeal)?;
        let info = info(&self.id, &self.origin, recipient, self.day);
        // EXPOSE: sealed to the reader's bundle.
        let sealed = hpke_seal(&public, info.as_bytes(), &[], self.secret.expose(), rng)
            .map_err(|_| LogError::CannotSeal)?;
        Ok(LogKey {
            id: self.id,
            origin: self.origin.clone(),
            person,
            recipient,
            first_day: self.day,
            sealed: Blob(sealed),
        })
    }

    /// Ratchets to a later day; the key of the day before is wiped. An earlier day is an error.
    pub fn advance_to(&mut self, day: u64) -> Result<(), LogError> {
        let days = day.checked_sub(self.day).ok_or(LogError::CannotOpen)?;
        if days > MAX_DAYS {
            return Err(LogError::CannotOpen);
        }
        while self.day < day {
            self.day += 1;
            let context = Context::new("obhut/logkey/v1")
                .text(&self.origin)
                .number(self.day);
            // EXPOSE: into its own ratchet.
            self.secret = hkdf_expand_secret(self.secret.expose(), &[context.as_bytes()]);
        }
        Ok(())
    }

    /// Its id, by which wraps name it.
    pub fn id(&self) -> [u8; 16] {
        self.id
    }

    /// The shard.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The UTC day on which it stands.
    pub fn day(&self) -> u64 {
        self.day
    }

    /// A second copy, to be advanced apart from this one.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self {
            id: self.id,
            origin: self.origin.clone(),
            day: self.day,
            secret: self.secret.duplicate(),
        }
    }

    pub(crate) fn secret(&self) -> &Secret<32> {
        &self.secret
    }
}

fn info(id: &[u8; 16], origin: &str, recipient: Kid, first_day: u64) -> Context {
    Context::new("obhut/log-key/v1")
        .field(id)
        .text(origin)
        .field(&recipient.0)
        .number(first_day)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use obhut_suite::IdentityMaster;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    const ORIGIN: &str = "vault.example/access/std/2026q4";

    fn bundle(keys: &obhut_suite::IdentityKeys) -> KeyBundle {
        KeyBundle::new(&keys.bundle().to_bytes()).unwrap()
    }

    #[test]
    fn reader_and_vault_reach_the_same_key_on_a_later_day() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let keys = IdentityMaster::generate(&mut rng).derive_keys();
        let mut vaults = DayKey::generate(ORIGIN, 20_000, &mut rng);
        let sealed = vaults.seal_to(None, &bundle(&keys), &mut rng).unwrap();
        vaults.advance_to(20_007).unwrap();
        let mut readers = DayKey::open(&sealed, &keys.xwing).unwrap();
        assert!(!readers.secret().matches(vaults.secret()));
        readers.advance_to(20_007).unwrap();
        assert!(readers.secret().matches(vaults.secret()));
        assert_eq!(readers.advance_to(20_006), Err(LogError::CannotOpen));
    }

    #[test]
    fn a_sealed_key_is_bound_to_its_shard_day_and_recipient() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let keys = IdentityMaster::generate(&mut rng).derive_keys();
        let key = DayKey::generate(ORIGIN, 20_000, &mut rng);
        let sealed = key.seal_to(None, &bundle(&keys), &mut rng).unwrap();
        let elsewhere = LogKey {
            origin: "other.example/access/std/2026q4".into(),
            ..sealed.clone()
        };
        let earlier = LogKey {
            first_day: 19_999,
            ..sealed.clone()
        };
        for forged in [elsewhere, earlier] {
            assert!(DayKey::open(&forged, &keys.xwing).is_err());
        }
        let other = IdentityMaster::generate(&mut rng).derive_keys();
        assert!(DayKey::open(&sealed, &other.xwing).is_err());
    }

    #[test]
    fn a_key_resealed_to_a_new_bundle_opens_the_same_entries() {
        let mut rng = ChaCha20Rng::seed_from_u64(3);
        let old = IdentityMaster::generate(&mut rng).derive_keys();
        let new = IdentityMaster::generate(&mut rng).derive_keys();
        let key = DayKey::generate(ORIGIN, 20_000, &mut rng);
        let sealed = key.seal_to(None, &bundle(&old), &mut rng).unwrap();
        let opened = DayKey::open(&sealed, &old.xwing).unwrap();
        let resealed = opened.seal_to(None, &bundle(&new), &mut rng).unwrap();
        assert_eq!(resealed.id, sealed.id);
        let reopened = DayKey::open(&resealed, &new.xwing).unwrap();
        assert!(reopened.secret().matches(key.secret()));
    }
}
