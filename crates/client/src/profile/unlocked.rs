use obhut_crypto::Identity;
use obhut_format::content::SealedKind;
use obhut_format::context::Context;
use obhut_format::person::device_kid;
use obhut_format::{DeviceKid, Kid};
use obhut_suite::{
    DeviceKey, PASSPHRASE_SALT_LEN, PassphraseParams, Secret, SecretBytes, SuiteError,
    hkdf_expand_secret,
};
use zeroize::Zeroizing;

use super::{Passphrase, Profile, ProfileHome, ProfileRecord, Stage};
use crate::ClientError;
use crate::clock::{random_bytes, system_rng};

const LOCK: &str = "lock";
const IDENTITY: &str = "identity";
const DEVICE: &str = "device";
const EARLIER: &str = "identity-earlier";
const NEXT: &str = "identity-next";
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
        passphrase.check_new()?;
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

    /// A key of its own for other local state, such as an import's journal.
    pub fn derive_key(&self, label: &str) -> Secret<32> {
        let context = Context::new(label);
        // EXPOSE: into the derivation of another key.
        hkdf_expand_secret(self.0.expose(), &[context.as_bytes()])
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

fn load_earlier(profile: &Profile, key: &ProfileKey) -> Result<Vec<Identity>, ClientError> {
    let Some(sealed) = profile.find(EARLIER)? else {
        return Ok(Vec::new());
    };
    let opened = key.open(SealedKind::Identity, EARLIER, &sealed)?;
    // EXPOSE: cut into the master seeds of earlier identities.
    let masters = opened.expose().chunks(32);
    masters
        .map(|master| Ok(Identity::from_master(Secret::from_slice(master)?)?))
        .collect()
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
    pub identity: Identity,
    /// Keys the person had before, newest first: what was sealed to them stays readable here.
    pub earlier: Vec<Identity>,
    /// This device's key.
    pub device: DeviceKey,
}

impl Unlocked {
    /// A profile that is being made by the same founding or joining that is run again.
    pub fn resume(
        home: &ProfileHome,
        name: &str,
        passphrase: &Passphrase,
        is_same: impl Fn(&ProfileRecord) -> bool,
    ) -> Result<(Profile, Self), ClientError> {
        let profile = home.open(name)?;
        let record = profile.record()?;
        if record.stage != Stage::Joining || !is_same(record) {
            return Err(ClientError::Usage(format!(
                "profile {name} is in use already; choose another with --profile"
            )));
        }
        let unlocked = Self::open(&profile, passphrase)?;
        Ok((profile, unlocked))
    }

    /// Opens everything with the passphrase.
    pub fn open(profile: &Profile, passphrase: &Passphrase) -> Result<Self, ClientError> {
        let key = ProfileKey::unlock(profile, passphrase)?;
        let opened = key.open(SealedKind::Identity, IDENTITY, &profile.load(IDENTITY)?)?;
        let identity = Identity::from_master(opened.into_secret()?)?;
        let earlier = load_earlier(profile, &key)?;
        let seed = key.open(SealedKind::Profile, DEVICE, &profile.load(DEVICE)?)?;
        Ok(Self {
            key,
            identity,
            earlier,
            device: DeviceKey::from_seed(&seed.into_secret()?),
        })
    }

    /// Makes identity and device of a new profile and stores them sealed.
    pub fn create(profile: &Profile, passphrase: &Passphrase) -> Result<Self, ClientError> {
        let identity = Identity::generate(&mut system_rng())?;
        Self::create_for(profile, passphrase, identity)
    }

    /// Makes a device for an identity that was brought along, from a sheet or another device.
    pub fn create_for(
        profile: &Profile,
        passphrase: &Passphrase,
        identity: Identity,
    ) -> Result<Self, ClientError> {
        let key = ProfileKey::create(profile, passphrase)?;
        // EXPOSE: sealed under the profile key.
        let sealed = key.seal(SealedKind::Identity, IDENTITY, identity.master().expose())?;
        profile.save(IDENTITY, &sealed)?;
        let device = DeviceKey::generate(&mut system_rng());
        // EXPOSE: sealed under the profile key.
        let sealed = key.seal(SealedKind::Profile, DEVICE, device.seed().expose())?;
        profile.save(DEVICE, &sealed)?;
        Ok(Self {
            key,
            identity,
            earlier: Vec::new(),
            device,
        })
    }

    /// Every identity of the person that this profile holds, the current one first.
    pub fn identities(&self) -> Vec<&Identity> {
        std::iter::once(&self.identity)
            .chain(&self.earlier)
            .collect()
    }

    /// Keeps an identity that is about to be stated as the next one, until the log has it.
    pub fn keep_next(&self, profile: &Profile, next: &Identity) -> Result<(), ClientError> {
        // EXPOSE: sealed under the profile key.
        let sealed = self
            .key
            .seal(SealedKind::Identity, NEXT, next.master().expose())?;
        profile.save(NEXT, &sealed)
    }

    /// The identity that was kept, if any.
    pub fn find_next(&self, profile: &Profile) -> Result<Option<Identity>, ClientError> {
        let Some(sealed) = profile.find(NEXT)? else {
            return Ok(None);
        };
        let opened = self.key.open(SealedKind::Identity, NEXT, &sealed)?;
        Ok(Some(Identity::from_master(opened.into_secret()?)?))
    }

    /// Puts a new identity in the place of the current one, which is kept among the earlier ones.
    pub fn replace_identity(
        &mut self,
        profile: &Profile,
        new: Identity,
    ) -> Result<(), ClientError> {
        let mut masters = Zeroizing::new(Vec::with_capacity(32 * (2 + self.earlier.len())));
        for identity in self.identities() {
            // EXPOSE: sealed under the profile key.
            masters.extend_from_slice(identity.master().expose());
        }
        let sealed = self.key.seal(SealedKind::Identity, EARLIER, &masters)?;
        profile.save(EARLIER, &sealed)?;
        // EXPOSE: sealed under the profile key.
        let sealed = self
            .key
            .seal(SealedKind::Identity, IDENTITY, new.master().expose())?;
        profile.save(IDENTITY, &sealed)?;
        let old = std::mem::replace(&mut self.identity, new);
        self.earlier.insert(0, old);
        profile.remove(NEXT)
    }

    /// Name of the person's public keys.
    pub fn kid(&self) -> Kid {
        self.identity.kid()
    }

    /// Name of this device's key.
    pub fn device_kid(&self) -> DeviceKid {
        device_kid(self.device.public().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::ProfileHome;
    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(format!("a long passphrase, {text}")).unwrap()
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
}
