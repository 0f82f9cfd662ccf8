use obhut_format::content::SealedKind;
use obhut_format::context::Context;
use obhut_format::{DeviceKid, Kid, person};
use obhut_suite::{
    DeviceKey, IdentityKeys, IdentityMaster, PASSPHRASE_SALT_LEN, PassphraseParams, Secret,
    SecretBytes, SuiteError,
};

use super::{Passphrase, Profile};
use crate::ClientError;
use crate::clock::{random_bytes, system_rng};

const LOCK: &str = "lock";
const IDENTITY: &str = "identity";
const DEVICE: &str = "device";
/// File of the next identity while it is being put in place.
const NEXT_IDENTITY: &str = "identity.next";
const MAGIC: &[u8; 4] = b"OBP1";

/// The random key under which everything secret of a profile is sealed; itself sealed under the passphrase.
pub struct ProfileKey(Secret<32>);

impl ProfileKey {
    /// Makes the key of a new profile and seals it under a passphrase.
    pub fn create(profile: &Profile, passphrase: &Passphrase) -> Result<Self, ClientError> {
        let key = Self(Secret::generate(&mut system_rng()));
        key.lock(profile, passphrase)?;
        Ok(key)
    }

    /// Seals the key under a passphrase, replacing the one before.
    pub fn lock(&self, profile: &Profile, passphrase: &Passphrase) -> Result<(), ClientError> {
        let params = PassphraseParams::FLOOR;
        let salt = random_bytes::<PASSPHRASE_SALT_LEN>();
        let kek = params.derive_key(passphrase.as_bytes(), &salt)?;
        let head = [MAGIC.as_slice(), &params.to_bytes(), &salt].concat();
        // EXPOSE: sealed under the passphrase's key.
        let sealed = obhut_suite::seal(
            &kek,
            lock_context(&head).as_bytes(),
            self.0.expose(),
            &mut system_rng(),
        )?;
        profile.save(LOCK, &[head, sealed].concat())
    }

    /// Opens the key. Parameters below the floor or above the ceiling are refused before any work is done.
    pub fn unlock(profile: &Profile, passphrase: &Passphrase) -> Result<Self, ClientError> {
        let bytes = profile.load(LOCK)?;
        let damaged = || ClientError::Profile("the profile's lock file is damaged".into());
        let (head, sealed) = bytes
            .split_at_checked(MAGIC.len() + PassphraseParams::LEN + PASSPHRASE_SALT_LEN)
            .ok_or_else(damaged)?;
        let fields = head.strip_prefix(MAGIC).ok_or_else(damaged)?;
        let (params, salt) = fields.split_first_chunk().ok_or_else(damaged)?;
        let salt = salt.try_into().map_err(|_| damaged())?;
        let kek = PassphraseParams::parse(params)?.derive_key(passphrase.as_bytes(), salt)?;
        let opened =
            obhut_suite::open(&kek, lock_context(head).as_bytes(), sealed).map_err(|refused| {
                match refused {
                    SuiteError::OpenFailed => ClientError::Passphrase,
                    other => other.into(),
                }
            })?;
        Ok(Self(opened.into_secret()?))
    }

    /// Seals local state; opens only under the same kind and name.
    pub fn seal(
        &self,
        kind: SealedKind,
        name: &str,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, ClientError> {
        let context = kind.context().text(name);
        Ok(obhut_suite::seal(
            &self.0,
            context.as_bytes(),
            plaintext,
            &mut system_rng(),
        )?)
    }

    /// Opens what [`Self::seal`] made.
    pub fn open(
        &self,
        kind: SealedKind,
        name: &str,
        sealed: &[u8],
    ) -> Result<SecretBytes, ClientError> {
        let context = kind.context().text(name);
        obhut_suite::open(&self.0, context.as_bytes(), sealed)
            .map_err(|_| ClientError::Profile(format!("{name} of this profile is damaged")))
    }
}

/// The head is bound, so that nobody exchanges parameters or salt.
fn lock_context(head: &[u8]) -> Context {
    Context::new("obhut/profile-key/v1").field(head)
}

/// The secrets of a profile while a command runs. Wiped on drop.
pub struct Unlocked {
    /// Seals local state.
    pub key: ProfileKey,
    /// The person's keys.
    pub identity: IdentityKeys,
    /// This device's key.
    pub device: DeviceKey,
    kid: Kid,
}

impl Unlocked {
    /// Opens everything with the passphrase.
    pub fn open(profile: &Profile, passphrase: &Passphrase) -> Result<Self, ClientError> {
        let key = ProfileKey::unlock(profile, passphrase)?;
        let identity = load_identity(profile, &key, IDENTITY)?;
        let seed = key.open(SealedKind::Profile, DEVICE, &profile.load(DEVICE)?)?;
        Self::new(key, &identity, DeviceKey::from_seed(&seed.into_secret()?))
    }

    /// Makes identity and device of a new profile and stores them sealed.
    pub fn create(profile: &Profile, passphrase: &Passphrase) -> Result<Self, ClientError> {
        let key = ProfileKey::create(profile, passphrase)?;
        let identity = IdentityMaster::generate(&mut system_rng());
        save_identity(profile, &key, IDENTITY, &identity)?;
        let device = DeviceKey::generate(&mut system_rng());
        // EXPOSE: sealed under the profile key.
        let sealed = key.seal(SealedKind::Profile, DEVICE, device.seed().expose())?;
        profile.save(DEVICE, &sealed)?;
        Self::new(key, &identity, device)
    }

    fn new(
        key: ProfileKey,
        master: &IdentityMaster,
        device: DeviceKey,
    ) -> Result<Self, ClientError> {
        let identity = master.derive_keys();
        let bundle = person::KeyBundle::new(&identity.bundle().to_bytes())?;
        Ok(Self {
            key,
            identity,
            device,
            kid: bundle.kid(),
        })
    }

    /// The person's public keys.
    pub fn bundle(&self) -> Result<person::KeyBundle, ClientError> {
        Ok(person::KeyBundle::new(&self.identity.bundle().to_bytes())?)
    }

    /// Name of the person's public keys.
    pub fn kid(&self) -> Kid {
        self.kid
    }

    /// Name of this device's key.
    pub fn device_kid(&self) -> DeviceKid {
        person::device_kid(self.device.public().as_bytes())
    }

    /// Makes the identity that is to replace this one and stores it sealed beside it.
    pub fn prepare_rotation(&self, profile: &Profile) -> Result<IdentityKeys, ClientError> {
        let next = if profile.find(NEXT_IDENTITY)?.is_some() {
            load_identity(profile, &self.key, NEXT_IDENTITY)?
        } else {
            let fresh = IdentityMaster::generate(&mut system_rng());
            save_identity(profile, &self.key, NEXT_IDENTITY, &fresh)?;
            fresh
        };
        Ok(next.derive_keys())
    }

    /// Puts the prepared identity in place once the records log has its rotation.
    pub fn finish_rotation(self, profile: &Profile) -> Result<Self, ClientError> {
        let next = load_identity(profile, &self.key, NEXT_IDENTITY)?;
        save_identity(profile, &self.key, IDENTITY, &next)?;
        profile.remove(NEXT_IDENTITY)?;
        Self::new(self.key, &next, self.device)
    }
}

fn load_identity(
    profile: &Profile,
    key: &ProfileKey,
    name: &str,
) -> Result<IdentityMaster, ClientError> {
    // The name of the file is no part of the context: a prepared identity moves.
    let opened = key.open(SealedKind::Identity, IDENTITY, &profile.load(name)?)?;
    Ok(IdentityMaster::from_secret(opened.into_secret()?))
}

fn save_identity(
    profile: &Profile,
    key: &ProfileKey,
    name: &str,
    identity: &IdentityMaster,
) -> Result<(), ClientError> {
    // EXPOSE: sealed under the profile key.
    let sealed = key.seal(SealedKind::Identity, IDENTITY, identity.secret().expose())?;
    profile.save(name, &sealed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::ProfileHome;
    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.into()).unwrap()
    }

    fn profile() -> (tempfile::TempDir, Profile) {
        let folder = tempfile::tempdir().unwrap();
        let home = ProfileHome::new(folder.path().join("home"));
        let profile = home.create("test").unwrap();
        (folder, profile)
    }

    #[test]
    fn opens_with_its_passphrase_only() {
        let (_folder, profile) = profile();
        let made = Unlocked::create(&profile, &passphrase("one")).unwrap();
        let opened = Unlocked::open(&profile, &passphrase("one")).unwrap();
        assert_eq!(made.kid(), opened.kid());
        assert_eq!(made.device_kid(), opened.device_kid());
        let refused = Unlocked::open(&profile, &passphrase("two"));
        assert!(matches!(refused, Err(ClientError::Passphrase)));
    }

    #[test]
    fn d01_refuses_parameters_below_the_floor() {
        let (_folder, profile) = profile();
        Unlocked::create(&profile, &passphrase("one")).unwrap();
        let mut lock = profile.load(LOCK).unwrap();
        lock[4..8].copy_from_slice(&8_192_u32.to_be_bytes());
        profile.save(LOCK, &lock).unwrap();
        let refused = Unlocked::open(&profile, &passphrase("one"));
        assert!(matches!(
            refused,
            Err(ClientError::Suite(SuiteError::RefusedParams))
        ));
    }

    #[test]
    fn d02_refuses_parameters_above_the_ceiling() {
        let (_folder, profile) = profile();
        Unlocked::create(&profile, &passphrase("one")).unwrap();
        let mut lock = profile.load(LOCK).unwrap();
        lock[4..8].copy_from_slice(&(64_u32 << 20).to_be_bytes());
        profile.save(LOCK, &lock).unwrap();
        let refused = Unlocked::open(&profile, &passphrase("one"));
        assert!(matches!(
            refused,
            Err(ClientError::Suite(SuiteError::RefusedParams))
        ));
    }

    #[test]
    fn refuses_an_identity_put_in_the_devices_place() {
        let (_folder, profile) = profile();
        Unlocked::create(&profile, &passphrase("one")).unwrap();
        let identity = profile.load(IDENTITY).unwrap();
        profile.save(DEVICE, &identity).unwrap();
        assert!(Unlocked::open(&profile, &passphrase("one")).is_err());
    }

    #[test]
    fn a_prepared_identity_is_the_same_until_it_is_in_place() {
        let (_folder, profile) = profile();
        let made = Unlocked::create(&profile, &passphrase("one")).unwrap();
        let next = made.prepare_rotation(&profile).unwrap().bundle().to_bytes();
        let again = made.prepare_rotation(&profile).unwrap().bundle().to_bytes();
        assert!(next == again);
        let rotated = made.finish_rotation(&profile).unwrap();
        assert!(rotated.bundle().unwrap().as_bytes() == next);
        let opened = Unlocked::open(&profile, &passphrase("one")).unwrap();
        assert_eq!(opened.kid(), rotated.kid());
    }
}
