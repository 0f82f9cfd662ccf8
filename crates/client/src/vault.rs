use obhut_format::card::VaultCard;

use crate::ClientError;
use crate::profile::{Passphrase, Profile, ProfileRecord, Unlocked};
use crate::transport::Endpoint;

/// One profile at one vault: pinned card, unlocked keys, connection. What every command works with.
pub struct Vault {
    profile: Profile,
    record: ProfileRecord,
    card: VaultCard,
    unlocked: Unlocked,
    endpoint: Endpoint,
}

impl Vault {
    /// Opens a joined profile with its passphrase. Nothing is sent yet.
    pub fn open(profile: Profile, passphrase: &Passphrase) -> Result<Self, ClientError> {
        let record = profile.record()?.clone();
        let card = profile.load_card()?;
        let unlocked = Unlocked::open(&profile, passphrase)?;
        let endpoint = Endpoint::new(&record.url, record.vault)?;
        Ok(Self {
            profile,
            record,
            card,
            unlocked,
            endpoint,
        })
    }

    /// The profile.
    pub fn profile(&self) -> &Profile {
        &self.profile
    }

    /// What the profile is about.
    pub fn record(&self) -> &ProfileRecord {
        &self.record
    }

    /// The pinned card.
    pub fn card(&self) -> &VaultCard {
        &self.card
    }

    /// The secrets of the profile.
    pub fn unlocked(&self) -> &Unlocked {
        &self.unlocked
    }

    /// The vault's HTTP interface.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}
