//! Logging in: a challenge signed by a device key, bound to vault and origin.

use crate::context::Context;
use crate::id::{DeviceKid, PersonId, VaultId};
use crate::record;

/// Label of the device's signature over a [`Login`]'s message.
pub const LOGIN_LABEL: &str = "obhut/login/v1";

record! {
    /// What a device signs to log in.
    Login {
        /// The vault.
        1 => vault: VaultId,
        /// Log origin of the vault, as pinned by the client (a challenge relayed from elsewhere fails).
        2 => origin: String,
        /// The server's challenge.
        3 => challenge: [u8; 32],
        /// When the challenge ends, microseconds UTC.
        4 => expires_us: u64,
        /// Who.
        5 => person: PersonId,
        /// Which device.
        6 => device: DeviceKid,
    }
}

impl Login {
    /// The message signed under [`LOGIN_LABEL`].
    pub fn message(&self) -> Context {
        Context::new(LOGIN_LABEL)
            .field(&self.vault.0)
            .text(&self.origin)
            .field(&self.challenge)
            .number(self.expires_us)
            .field(&self.person.0)
            .field(&self.device.0)
    }
}
