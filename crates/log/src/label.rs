//! Labels: under what an entry can be found.
//!
//! A thing's label can be recomputed by whoever knows its id; a person's label only with λ, the 32
//! random bytes that belong to the person id and are erased with it:
//!
//! ```text
//! message = "obhut/label/v1" 0x00 len(origin)(2) origin kind(1)
//! thing   = SHA-256(message ‖ id(16))
//! person  = HMAC-SHA-256(λ, message)
//! ```

use std::fmt;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use obhut_format::tree::Hash;
use sha2::{Digest, Sha256};

const CONTEXT: &[u8] = b"obhut/label/v1\0";

/// What a label stands for; the number is hashed into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum LabelKind {
    /// A person, in the records log.
    Person = 1,
    /// A unit, in the records log.
    Unit = 2,
    /// A case, in both logs.
    Case = 3,
    /// A document, in both logs.
    Document = 4,
    /// A retention class, in the records log.
    Class = 5,
    /// The vault itself, in the records log.
    Vault = 6,
    /// The list of access-log shards, in the records log.
    Shards = 7,
    /// The person an entry is about, in the access log.
    Subject = 8,
    /// The person who acted, in the access log.
    Actor = 9,
}

/// An index label of one log: 32 bytes that show no id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label(Hash);

impl Label {
    /// Wraps bytes read from a rec.
    pub const fn from_bytes(bytes: Hash) -> Self {
        Self(bytes)
    }

    /// The 32 bytes as they stand in a rec.
    pub const fn as_bytes(&self) -> &Hash {
        &self.0
    }

    /// Label of a unit.
    pub fn of_unit(origin: &str, id: &[u8; 16]) -> Self {
        Self::of_thing(origin, LabelKind::Unit, id)
    }

    /// Label of a case; `origin` decides in which log.
    pub fn of_case(origin: &str, id: &[u8; 16]) -> Self {
        Self::of_thing(origin, LabelKind::Case, id)
    }

    /// Label of a document; `origin` decides in which log.
    pub fn of_document(origin: &str, id: &[u8; 16]) -> Self {
        Self::of_thing(origin, LabelKind::Document, id)
    }

    /// Label of a retention class.
    pub fn of_class(origin: &str, id: &[u8; 16]) -> Self {
        Self::of_thing(origin, LabelKind::Class, id)
    }

    /// Label of the vault; every statement that fits no other label stands under it.
    pub fn of_vault(origin: &str, vault: &[u8; 16]) -> Self {
        Self::of_thing(origin, LabelKind::Vault, vault)
    }

    /// Label of the vault's list of access-log shards.
    pub fn of_shards(origin: &str, vault: &[u8; 16]) -> Self {
        Self::of_thing(origin, LabelKind::Shards, vault)
    }

    /// Label of a person in the records log.
    pub fn of_person(origin: &str, lambda: &[u8; 32]) -> Self {
        Self::with_lambda(origin, LabelKind::Person, lambda)
    }

    /// Label of a person an access entry is about.
    pub fn of_subject(origin: &str, lambda: &[u8; 32]) -> Self {
        Self::with_lambda(origin, LabelKind::Subject, lambda)
    }

    /// Label of a person who acted.
    pub fn of_actor(origin: &str, lambda: &[u8; 32]) -> Self {
        Self::with_lambda(origin, LabelKind::Actor, lambda)
    }

    fn of_thing(origin: &str, kind: LabelKind, id: &[u8; 16]) -> Self {
        let hash = Sha256::new().chain_update(message(origin, kind));
        Self(hash.chain_update(id).finalize().into())
    }

    fn with_lambda(origin: &str, kind: LabelKind, lambda: &[u8; 32]) -> Self {
        let mut block = [0; 64];
        for (to, from) in block.iter_mut().zip(lambda) {
            *to = *from;
        }
        let mac = Hmac::<Sha256>::new(&block.into());
        Self(
            mac.chain_update(message(origin, kind))
                .finalize()
                .into_bytes()
                .into(),
        )
    }
}

impl fmt::Debug for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Label({})", HEXLOWER.encode(&self.0))
    }
}

/// Origins longer than 65,535 bytes cannot occur: a checkpoint's origin is far below.
fn message(origin: &str, kind: LabelKind) -> Vec<u8> {
    let mut message = CONTEXT.to_vec();
    message.extend((origin.len() as u16).to_be_bytes());
    message.extend(origin.as_bytes());
    message.push(kind as u8);
    message
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const ORIGIN: &str = "vault.example/records";

    #[test]
    fn a_things_label_is_the_documented_hash() {
        let mut bytes = b"obhut/label/v1\0\x00\x15vault.example/records\x03".to_vec();
        bytes.extend([7; 16]);
        assert_eq!(
            Label::of_case(ORIGIN, &[7; 16]).as_bytes(),
            &<[u8; 32]>::from(Sha256::digest(&bytes))
        );
    }

    #[test]
    fn a_persons_label_is_the_documented_hmac() {
        let mut mac = Hmac::<Sha256>::new_from_slice(&[9; 32]).unwrap();
        mac.update(b"obhut/label/v1\0\x00\x15vault.example/records\x01");
        assert_eq!(
            Label::of_person(ORIGIN, &[9; 32]).as_bytes(),
            &<[u8; 32]>::from(mac.finalize().into_bytes())
        );
    }

    #[test]
    fn no_two_kinds_origins_or_ids_share_a_label() {
        let id = [7; 16];
        let lambda = [7; 32];
        let mut labels = vec![
            Label::of_unit(ORIGIN, &id),
            Label::of_case(ORIGIN, &id),
            Label::of_document(ORIGIN, &id),
            Label::of_class(ORIGIN, &id),
            Label::of_vault(ORIGIN, &id),
            Label::of_shards(ORIGIN, &id),
            Label::of_person(ORIGIN, &lambda),
            Label::of_subject(ORIGIN, &lambda),
            Label::of_actor(ORIGIN, &lambda),
            Label::of_case("vault.example/access", &id),
            Label::of_case(ORIGIN, &[8; 16]),
            Label::of_person("vault.example/access", &lambda),
            Label::of_person(ORIGIN, &[8; 32]),
        ];
        let count = labels.len();
        labels.sort();
        labels.dedup();
        assert_eq!(labels.len(), count);
    }
}
