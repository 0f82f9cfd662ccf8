//! The vault card: who the vault is, signed by the agency root and pinned by every client.

use crate::cbor::Cbor;
use crate::context::Context;
use crate::id::{Hash, VaultId};
use crate::person::KeyBundle;
use crate::{codes, record};

codes! {
    /// How much of what the vault says is confirmed by somebody else.
    Assurance {
        /// Gatekeeper in process, the vault is its own witness.
        1 => SelfAsserted = "self",
        /// At least one witness and index auditor elsewhere.
        2 => Witnessed = "witnessed",
        /// The gatekeeper is run by another operator as well.
        3 => Separated = "separated",
    }
}

record! {
    /// A party whose cosignature counts.
    Cosigner {
        /// Key name as in its cosignature lines.
        1 => name: String,
        /// Ed25519 public key.
        2 => public: [u8; 32],
        /// Run by another operator than the vault.
        3 => elsewhere: bool,
    }
}

record! {
    /// Who the vault is.
    VaultCard {
        /// The vault.
        1 => vault: VaultId,
        /// Version, from 1; a new card needs a signed succession.
        2 => version: u64,
        /// Name of the agency.
        3 => name: String,
        /// Log origin prefix, for example `vault.agency.example/abc`; log origins are built on it.
        4 => origin: String,
        /// The agency root's key bundle.
        5 => root: KeyBundle,
        /// Ed25519 key that signs checkpoints of the records log.
        6 => records_key: [u8; 32],
        /// Ed25519 key that signs checkpoints of access shards until a shard statement names another.
        7 => access_key: [u8; 32],
        /// The gatekeeper's Ed25519 signing key.
        8 => gate_key: [u8; 32],
        /// Who may cosign checkpoints.
        9 => cosigners: Vec<Cosigner>,
        /// How many of them must, for a quorum.
        10 => quorum: u64,
        /// Assurance level.
        11 => assurance: Assurance,
        /// When it was signed, microseconds UTC.
        12 => created_us: u64,
    }
}

impl VaultCard {
    /// The fingerprint on invitations and letters.
    pub fn fingerprint(&self) -> Hash {
        Context::new("obhut/vault-card/v1")
            .field(&self.to_bytes())
            .hash()
    }

    /// Origin of the records log.
    pub fn records_origin(&self) -> String {
        format!("{}/records", self.origin)
    }

    /// Origin of an access shard.
    pub fn access_origin(&self, class: &str, year: i16, quarter: u8) -> String {
        format!("{}/access/{class}/{year:04}q{quarter}", self.origin)
    }
}

/// What the bootstrap code commits to: origin, log keys and the gatekeeper's key. The code carries its first 16 bytes.
pub fn bootstrap_hash(
    vault: VaultId,
    origin: &str,
    records_key: &[u8; 32],
    access_key: &[u8; 32],
    gate_key: &[u8; 32],
) -> Hash {
    Context::new("obhut/bootstrap/v1")
        .field(&vault.0)
        .text(origin)
        .field(records_key)
        .field(access_key)
        .field(gate_key)
        .hash()
}
