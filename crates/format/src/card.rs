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

    /// The highest assurance this policy can bear: what is certain about every quorum it admits.
    ///
    /// `witnessed` takes a cosigner elsewhere in every quorum, `separated` the gatekeeper elsewhere and in every quorum a
    /// witness elsewhere beside it. Whether somebody is elsewhere is the word of the agency root.
    pub fn supported_assurance(&self) -> Assurance {
        let is_gate = |cosigner: &&Cosigner| cosigner.public == self.gate_key;
        let gate_elsewhere = self
            .cosigners
            .iter()
            .any(|cosigner| is_gate(&cosigner) && cosigner.elsewhere);
        let own = self.cosigners.iter().filter(|cosigner| !cosigner.elsewhere);
        let no_witness = self
            .cosigners
            .iter()
            .filter(|cosigner| !cosigner.elsewhere || is_gate(cosigner));
        if gate_elsewhere && self.quorum > no_witness.count() as u64 {
            Assurance::Separated
        } else if self.quorum > own.count() as u64 {
            Assurance::Witnessed
        } else {
            Assurance::SelfAsserted
        }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const GATE: u8 = 1;

    /// Cosigners by number and whether they are elsewhere; number 1 is the gatekeeper.
    fn assurance(cosigners: &[(u8, bool)], quorum: u64) -> Assurance {
        let cosigners = cosigners.iter().map(|(number, elsewhere)| Cosigner {
            name: format!("cosigner.example/{number}"),
            public: [*number; 32],
            elsewhere: *elsewhere,
        });
        let card = VaultCard {
            vault: VaultId([0; 16]),
            version: 1,
            name: String::new(),
            origin: String::new(),
            root: KeyBundle::new(&[0; 3_200]).unwrap(),
            records_key: [8; 32],
            access_key: [9; 32],
            gate_key: [GATE; 32],
            cosigners: cosigners.collect(),
            quorum,
            assurance: Assurance::SelfAsserted,
            created_us: 0,
        };
        card.supported_assurance()
    }

    #[test]
    fn a_vault_that_confirms_itself_is_self() {
        assert_eq!(assurance(&[(1, false)], 1), Assurance::SelfAsserted);
        assert_eq!(
            assurance(&[(1, false), (2, true)], 1),
            Assurance::SelfAsserted
        );
        assert_eq!(
            assurance(&[(1, false), (2, false)], 2),
            Assurance::SelfAsserted
        );
    }

    #[test]
    fn one_party_elsewhere_in_every_quorum_is_witnessed() {
        assert_eq!(assurance(&[(1, false), (2, true)], 2), Assurance::Witnessed);
        assert_eq!(assurance(&[(1, true)], 1), Assurance::Witnessed);
        assert_eq!(assurance(&[(1, true), (2, true)], 1), Assurance::Witnessed);
        assert_eq!(
            assurance(&[(1, true), (2, false)], 2),
            Assurance::Witnessed,
            "the witness is the vault's own"
        );
    }

    #[test]
    fn gatekeeper_and_a_witness_elsewhere_in_every_quorum_are_separated() {
        assert_eq!(assurance(&[(1, true), (2, true)], 2), Assurance::Separated);
        let three = [(1, true), (2, true), (3, true)];
        assert_eq!(assurance(&three, 2), Assurance::Separated);
        assert_eq!(assurance(&three, 1), Assurance::Witnessed);
        let own = [(1, true), (2, true), (3, false)];
        assert_eq!(assurance(&own, 2), Assurance::Witnessed);
        assert_eq!(assurance(&own, 3), Assurance::Separated);
    }
}
