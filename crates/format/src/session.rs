//! Logging in: a challenge signed by a device key, bound to vault and origin.

use crate::cbor::Blob;
use crate::context::Context;
use crate::id::{DeviceKid, Kid, PersonId, VaultId};
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

/// Label of an invitation's signature over an [`InvitationLogin`]'s message.
pub const INVITATION_LOGIN_LABEL: &str = "obhut/invitation-login/v1";
/// How far ahead an [`InvitationLogin`] may end, microseconds: ten minutes.
pub const INVITATION_LOGIN_US: u64 = 600_000_000;

record! {
    /// What the holder of an invitation shows instead of a session. The name of its bundle alone is public.
    InvitationLogin {
        /// The vault.
        1 => vault: VaultId,
        /// Log origin of the vault, as the invitation's card has it.
        2 => origin: String,
        /// The invitation's bundle.
        3 => kid: Kid,
        /// Until when it lets in, microseconds UTC.
        4 => expires_us: u64,
        /// Hybrid signature by that bundle over [`Self::message`] under [`INVITATION_LOGIN_LABEL`].
        5 => signature: Blob,
    }
}

impl InvitationLogin {
    /// The message that is signed.
    pub fn message(&self) -> Context {
        Context::new(INVITATION_LOGIN_LABEL)
            .field(&self.vault.0)
            .text(&self.origin)
            .field(&self.kid.0)
            .number(self.expires_us)
    }
}
