//! The manifest: what the author signs about one revision; public to the vault, 300 bytes.

use crate::FormatError;
use crate::capsule::SUITE;
use crate::context::Context;
use crate::fixed::FixedReader;
use crate::id::{CaseId, ClassCode, DocumentId, Hash, Kid, ShareId, VaultId};

/// Length of a manifest.
pub const MANIFEST_BYTES: usize = 300;

const MAGIC: &[u8; 4] = b"OBM1";

/// What the author signs about one revision of a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The vault.
    pub vault: VaultId,
    /// The case file.
    pub case: CaseId,
    /// The document.
    pub document: DocumentId,
    /// The revision, from 1.
    pub revision: u64,
    /// Hash of the previous revision's manifest, zero for revision 1.
    pub previous: Hash,
    /// Root of the RFC 6962 tree over the whole ciphertext object.
    pub content_root: Hash,
    /// Number of leaves of that tree.
    pub leaf_count: u64,
    /// Length of the object in bytes.
    pub object_bytes: u64,
    /// Commitment to the document access key.
    pub dak_id: Hash,
    /// The share at the gatekeeper.
    pub share_id: ShareId,
    /// SHA-256 of the sealed content info.
    pub info_hash: Hash,
    /// Epoch of the case key that wraps the document access key; 0 = direct grants only.
    pub case_epoch: u32,
    /// Retention class when filed.
    pub class: ClassCode,
    /// When it was sealed, microseconds UTC.
    pub created_us: u64,
    /// The author's key bundle.
    pub author: Kid,
}

impl Manifest {
    /// The 300 bytes.
    pub fn to_bytes(&self) -> [u8; MANIFEST_BYTES] {
        let mut out = Vec::with_capacity(MANIFEST_BYTES);
        out.extend(MAGIC);
        out.extend([SUITE, 0, 0, 0]);
        out.extend(self.vault.0);
        out.extend(self.case.0);
        out.extend(self.document.0);
        out.extend(self.revision.to_be_bytes());
        out.extend(self.previous);
        out.extend(self.content_root);
        out.extend(self.leaf_count.to_be_bytes());
        out.extend(self.object_bytes.to_be_bytes());
        out.extend(self.dak_id);
        out.extend(self.share_id.0);
        out.extend(self.info_hash);
        out.extend(self.case_epoch.to_be_bytes());
        out.extend(self.class.as_bytes());
        out.extend(self.created_us.to_be_bytes());
        out.extend(self.author.0);
        let mut bytes = [0; MANIFEST_BYTES];
        bytes.copy_from_slice(&out);
        bytes
    }

    /// Parses exactly one manifest; unknown suites, flags and gatekeeper sets are refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let mut fields = FixedReader::new(bytes);
        if &fields.take::<4>()? != MAGIC {
            return Err(FormatError::BadMagic);
        }
        let [suite, flags, gate_set, zero] = fields.take()?;
        if suite != SUITE || gate_set != 0 {
            return Err(FormatError::UnsupportedVersion);
        }
        if flags != 0 || zero != 0 {
            return Err(FormatError::Reserved(5));
        }
        let manifest = Self {
            vault: VaultId(fields.take()?),
            case: CaseId(fields.take()?),
            document: DocumentId(fields.take()?),
            revision: fields.number()?,
            previous: fields.take()?,
            content_root: fields.take()?,
            leaf_count: fields.number()?,
            object_bytes: fields.number()?,
            dak_id: fields.take()?,
            share_id: ShareId(fields.take()?),
            info_hash: fields.take()?,
            case_epoch: u32::from_be_bytes(fields.take()?),
            class: ClassCode::from_bytes16(fields.take()?)?,
            created_us: fields.number()?,
            author: Kid(fields.take()?),
        };
        fields.finish()?;
        if manifest.revision == 0 || (manifest.revision == 1) != (manifest.previous == [0; 32]) {
            return Err(FormatError::OutOfRange);
        }
        if manifest.object_bytes > crate::capsule::object_bytes(crate::capsule::MAX_PADDED_BYTES)
            || manifest.leaf_count != crate::capsule::leaf_count(manifest.object_bytes)
        {
            return Err(FormatError::OutOfRange);
        }
        Ok(manifest)
    }

    /// The hash that statements, shares and the next revision refer to.
    pub fn hash(&self) -> Hash {
        Context::new("obhut/manifest/v1")
            .field(&self.to_bytes())
            .hash()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn manifest() -> Manifest {
        Manifest {
            vault: VaultId([1; 16]),
            case: CaseId([2; 16]),
            document: DocumentId([3; 16]),
            revision: 1,
            previous: [0; 32],
            content_root: [4; 32],
            leaf_count: 1,
            object_bytes: crate::capsule::object_bytes(4096),
            dak_id: [5; 32],
            share_id: ShareId([6; 32]),
            info_hash: [7; 32],
            case_epoch: 1,
            class: "ALG-10".parse().unwrap(),
            created_us: 8,
            author: Kid([9; 32]),
        }
    }

    #[test]
    fn reads_back_what_it_wrote() {
        assert_eq!(Manifest::parse(&manifest().to_bytes()).unwrap(), manifest());
    }

    #[test]
    fn e13_refuses_2_to_the_40_leaves_flags_and_trailing_bytes() {
        let huge = Manifest {
            leaf_count: 1 << 40,
            ..manifest()
        };
        assert_eq!(
            Manifest::parse(&huge.to_bytes()),
            Err(FormatError::OutOfRange)
        );
        let mut flagged = manifest().to_bytes();
        flagged[5] = 1;
        assert_eq!(Manifest::parse(&flagged), Err(FormatError::Reserved(5)));
        let mut long = manifest().to_bytes().to_vec();
        long.push(0);
        assert_eq!(Manifest::parse(&long), Err(FormatError::TrailingBytes));
        assert_eq!(Manifest::parse(&long[..299]), Err(FormatError::Truncated));
    }
}
