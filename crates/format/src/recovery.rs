//! Agency recovery: a bundle whose seed is split among trustees, and how it is used once.

use crate::cbor::{Blob, Cbor};
use crate::context::{Context, sha256};
use crate::id::{Hash, Kid, PersonId, UnitId, VaultId, base32};
use crate::person::KeyBundle;
use crate::record;

/// Most trustees of a policy.
pub const MAX_TRUSTEES: usize = 15;
/// Longest life of a recovery request, microseconds: 7 days.
pub const RECOVERY_REQUEST_US: u64 = 7 * 86_400 * 1_000_000;
/// Bytes of the request hash that the code shows: 80 bits.
const CODE_BYTES: usize = 10;
const CODE_GROUP: usize = 4;

record! {
    /// Somebody who keeps one share of the recovery seed.
    RecoveryTrustee {
        /// The person.
        1 => person: PersonId,
        /// The bundle the share is sealed to.
        2 => kid: Kid,
        /// Number of the share, from 1 to 255: the point of the polynomial.
        3 => number: u64,
        /// Commitment to the share, see `docs/format.md`.
        4 => share_hash: Hash,
        /// The share, HPKE-sealed to the trustee; 1,168 bytes.
        5 => sealed: Blob,
    }
}

record! {
    /// The recovery bundle and who can open it together; signed by a registrar or the root. From here
    /// on every unit epoch has this bundle among its members.
    RecoveryPolicy {
        /// Names the set of shares; 16 random bytes.
        1 => set: [u8; 16],
        /// 1 for the first policy, one more for each later one.
        2 => number: u64,
        /// How many shares give the seed; at least 2.
        3 => threshold: u64,
        /// The recovery bundle; its kid commits to the seed.
        4 => bundle: KeyBundle,
        /// Who keeps the shares.
        5 => trustees: Vec<RecoveryTrustee>,
    }
}

impl RecoveryPolicy {
    /// What users confirm and clients pin.
    pub fn fingerprint(&self, vault: VaultId) -> Hash {
        Context::new("obhut/recovery-policy/v1")
            .field(&vault.0)
            .field(&sha256(&[&self.to_bytes()]))
            .hash()
    }

    /// The trustee with this bundle.
    pub fn find_trustee(&self, kid: Kid) -> Option<&RecoveryTrustee> {
        self.trustees.iter().find(|trustee| trustee.kid == kid)
    }

    /// The trustee who keeps the share of this number.
    pub fn find_number(&self, number: u64) -> Option<&RecoveryTrustee> {
        let mut trustees = self.trustees.iter();
        trustees.find(|trustee| trustee.number == number)
    }

    /// HPKE info of a trustee's sealed share; the aad is the share's commitment.
    pub fn share_info(&self, vault: VaultId, trustee: &RecoveryTrustee) -> Context {
        Context::new("obhut/recovery-share/v1")
            .number(u64::from(crate::capsule::SUITE))
            .field(&vault.0)
            .field(&self.set)
            .number(self.threshold)
            .number(trustee.number)
            .field(&trustee.person.0)
            .field(&trustee.kid.0)
    }
}

record! {
    /// Asks the trustees for their shares; signed by a registrar.
    RecoveryRequested {
        /// Names the request; 16 random bytes.
        1 => request: [u8; 16],
        /// The set asked for.
        2 => set: [u8; 16],
        /// X-Wing public key of this request alone, to which trustees seal their shares.
        3 => session: Blob,
        /// The units to be opened.
        4 => units: Vec<UnitId>,
        /// The reason, HPKE-sealed to each trustee in the policy's order.
        5 => notes: Vec<Blob>,
        /// Until when trustees may answer, microseconds UTC.
        6 => expires_us: u64,
    }
}

impl RecoveryRequested {
    /// What a trustee approves: everything in the request, and who asks.
    pub fn hash(&self, vault: VaultId, requester: PersonId, kid: Kid) -> Hash {
        Context::new("obhut/recovery-request/v1")
            .field(&vault.0)
            .field(&requester.0)
            .field(&kid.0)
            .field(&sha256(&[&self.to_bytes()]))
            .hash()
    }

    /// HPKE info of the reason for one trustee.
    pub fn note_info(vault: VaultId, request: &[u8; 16], trustee: Kid) -> Context {
        Context::new("obhut/recovery-note/v1")
            .number(u64::from(crate::capsule::SUITE))
            .field(&vault.0)
            .field(request)
            .field(&trustee.0)
    }
}

/// The code that requester and trustee compare by another way: the first 80 bits of the request's hash.
pub fn recovery_code(request: &Hash) -> String {
    let (head, _) = request.split_at(CODE_BYTES);
    let letters = base32(head).to_uppercase();
    let groups = letters.as_bytes().chunks(CODE_GROUP);
    groups
        .map(|group| String::from_utf8_lossy(group).into_owned())
        .collect::<Vec<_>>()
        .join("-")
}

/// Whether somebody typed the code of this request; case, spaces and hyphens do not matter.
pub fn is_recovery_code(typed: &str, request: &Hash) -> bool {
    let letters = |text: &str| -> String {
        let kept = text.chars().filter(char::is_ascii_alphanumeric);
        kept.collect::<String>().to_uppercase()
    };
    letters(typed) == letters(&recovery_code(request))
}

record! {
    /// A trustee hands their share to the request; signed by the trustee.
    RecoveryApproved {
        /// The request.
        1 => request: [u8; 16],
        /// [`RecoveryRequested::hash`] of the request whose code was compared.
        2 => request_hash: Hash,
        /// Number of the share.
        3 => number: u64,
        /// The share, HPKE-sealed to the request's session key; 1,168 bytes.
        4 => sealed: Blob,
    }
}

impl RecoveryApproved {
    /// HPKE info of a share handed to a request; the aad is the share's commitment.
    pub fn handover_info(
        vault: VaultId,
        set: &[u8; 16],
        request_hash: &Hash,
        number: u64,
    ) -> Context {
        Context::new("obhut/recovery-handover/v1")
            .number(u64::from(crate::capsule::SUITE))
            .field(&vault.0)
            .field(set)
            .field(request_hash)
            .number(number)
    }
}

record! {
    /// The recovery was used: no unit is open to the spent bundle any more. Signed by the requester.
    RecoveryFinished {
        /// The request.
        1 => request: [u8; 16],
    }
}

record! {
    /// The request is withdrawn; signed by the requester or another registrar.
    RecoveryWithdrawn {
        /// The request.
        1 => request: [u8; 16],
    }
}

record! {
    /// A trustee opened their share, found it to be the one committed to, and used it for nothing.
    RecoveryDrilled {
        /// The set.
        1 => set: [u8; 16],
        /// Number of the share.
        2 => number: u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_is_read_back_however_it_is_typed() {
        let hash = [0xab; 32];
        let code = recovery_code(&hash);
        assert_eq!(code.len(), 19);
        assert!(is_recovery_code(
            &code.to_lowercase().replace('-', " "),
            &hash
        ));
        assert!(!is_recovery_code(&code, &[0xac; 32]));
        assert!(!is_recovery_code("", &hash));
    }
}
