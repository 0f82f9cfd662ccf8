//! Sealed metadata: what the vault stores and cannot read.

use crate::cbor::Blob;
use crate::context::Context;
use crate::id::{CaseId, DocumentId, PersonId, UnitId, VaultId};
use crate::{FormatError, codes, record};

/// Sealed metadata is padded to multiples of this many bytes.
pub const SEALED_STEP_BYTES: usize = 512;

codes! {
    /// What a small sealed record is; its label is part of every seal, so records cannot change places.
    SealedKind {
        /// [`ContentInfo`], under a key from the document encryption key.
        1 => ContentInfo = "content-info",
        /// [`Card`], under the card key.
        2 => Card = "card",
        /// [`RegisterEntry`], under the register key of the case.
        3 => RegisterEntry = "register-entry",
        /// [`PersonEntry`], under the unit register key.
        4 => PersonEntry = "person-entry",
        /// [`UnitEntry`], under the unit register key.
        5 => UnitEntry = "unit-entry",
        /// A sealed identity (master seed) on a device.
        6 => Identity = "identity",
        /// A line of the import journal.
        7 => Journal = "journal",
        /// Other local state of a profile (device key, caches of keys).
        8 => Profile = "profile",
        /// The part of an access entry a data subject reads.
        9 => SubjectEntry = "subject-entry",
        /// The whole access entry, for the data protection officer.
        10 => DpoEntry = "dpo-entry",
        /// Key and opening that let one subject read one entry.
        11 => SubjectWrap = "subject-wrap",
        /// Key that lets the data protection officer read one entry.
        12 => DpoWrap = "dpo-wrap",
    }
}

impl SealedKind {
    /// The start of the seal's context.
    pub fn context(self) -> Context {
        Context::new("obhut/sealed/v1").number(self.code())
    }

    /// Context of a [`ContentInfo`].
    pub fn info_context(vault: VaultId, document: DocumentId, revision: u64) -> Context {
        Self::ContentInfo
            .context()
            .field(&vault.0)
            .field(&document.0)
            .number(revision)
    }

    /// Context of a [`Card`].
    pub fn card_context(
        vault: VaultId,
        document: DocumentId,
        revision: u64,
        card_no: u64,
    ) -> Context {
        Self::Card
            .context()
            .field(&vault.0)
            .field(&document.0)
            .number(revision)
            .number(card_no)
    }

    /// Context of a [`RegisterEntry`].
    pub fn register_context(vault: VaultId, case: CaseId, entry_no: u64) -> Context {
        Self::RegisterEntry
            .context()
            .field(&vault.0)
            .field(&case.0)
            .number(entry_no)
    }

    /// Context of a [`PersonEntry`].
    pub fn person_context(vault: VaultId, unit: UnitId, epoch: u32, person: PersonId) -> Context {
        Self::PersonEntry
            .context()
            .field(&vault.0)
            .field(&unit.0)
            .number(u64::from(epoch))
            .field(&person.0)
    }

    /// Context of a [`UnitEntry`].
    pub fn unit_context(vault: VaultId, unit: UnitId, epoch: u32) -> Context {
        Self::UnitEntry
            .context()
            .field(&vault.0)
            .field(&unit.0)
            .number(u64::from(epoch))
    }
}

record! {
    /// What only readers of the content see: true length, type and file name.
    ContentInfo {
        /// Length of the content before padding, in bytes.
        1 => true_bytes: u64,
        /// Media type such as `application/pdf`.
        2 => media_type: String,
        /// File name as bytes, since names need not be UTF-8.
        3 => file_name: Option<Blob>,
    }
}

record! {
    /// A document's index card, opened when a case's titles are listed.
    Card {
        /// Title.
        1 => title: String,
        /// Date of the document, ISO 8601.
        2 => date: Option<String>,
        /// Kind of document (letter, decision, …).
        3 => kind: Option<String>,
        /// Free notes.
        4 => notes: Option<String>,
        /// Length of the content in bytes.
        5 => size_bytes: u64,
        /// Path below the case's folder when imported, as bytes with `/` separators.
        6 => path: Option<Blob>,
    }
}

record! {
    /// What a case file is called.
    RegisterEntry {
        /// File reference (Aktenzeichen).
        1 => file_reference: String,
        /// Title.
        2 => title: String,
        /// Free notes.
        3 => notes: Option<String>,
    }
}

record! {
    /// What a person id stands for, sealed for the unit that enrolled it.
    PersonEntry {
        /// Name as printed on letters.
        1 => name: String,
        /// HMAC of the civil identifier under the agency register key, to find duplicates.
        2 => civil_index: Option<[u8; 32]>,
    }
}

record! {
    /// What a unit is called.
    UnitEntry {
        /// Name.
        1 => name: String,
    }
}

/// Pads canonical bytes for sealing: length, bytes, zeros up to the next 512-byte step.
pub fn pad(bytes: &[u8]) -> Vec<u8> {
    let mut out = (bytes.len() as u32).to_be_bytes().to_vec();
    out.extend(bytes);
    out.resize(out.len().next_multiple_of(SEALED_STEP_BYTES), 0);
    out
}

/// Undoes [`pad`]; refuses a wrong length and any non-zero padding.
pub fn unpad(padded: &[u8]) -> Result<&[u8], FormatError> {
    let (head, rest) = padded
        .split_first_chunk::<4>()
        .ok_or(FormatError::Truncated)?;
    let len = u32::from_be_bytes(*head) as usize;
    let (bytes, zeros) = rest.split_at_checked(len).ok_or(FormatError::Truncated)?;
    if padded.len() != (len + 4).next_multiple_of(SEALED_STEP_BYTES)
        || zeros.iter().any(|byte| *byte != 0)
    {
        return Err(FormatError::NotCanonical);
    }
    Ok(bytes)
}

/// The form in which file references are compared: Unicode upper case, single spaces, trimmed.
pub fn normalised_reference(reference: &str) -> String {
    reference
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_uppercase()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn padding_reads_back_and_refuses_hidden_bytes() {
        for len in [0, 1, 507, 508, 509, 2000] {
            let padded = pad(&vec![9; len]);
            assert_eq!(padded.len() % SEALED_STEP_BYTES, 0);
            assert_eq!(unpad(&padded).unwrap(), vec![9; len]);
        }
        let mut hidden = pad(b"x");
        hidden[100] = 1;
        assert_eq!(unpad(&hidden), Err(FormatError::NotCanonical));
        assert!(unpad(&pad(b"x")[..511]).is_err());
    }
}
