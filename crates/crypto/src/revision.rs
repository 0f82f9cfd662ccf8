//! One revision of a document: what its author makes, and what its readers open.

use std::io::{Read, Write};

use obhut_format::capsule::{self, CapsuleHeader};
use obhut_format::content::{Card, ContentInfo, SealedKind};
use obhut_format::context::{Context, sha256};
use obhut_format::manifest::Manifest;
use obhut_format::{ClassCode, Hash, Kid};
use obhut_suite::{SALT, Secret, SecretBytes, hkdf_expand_secret, hkdf_extract_sha512};
use rand_core::CryptoRng;

use crate::capsule::{
    CapsuleKey, CapsuleSink, Plain, Quarantine, RangeReader, SealedCapsule, Workers, open, seal,
};
use crate::key::subkey;
use crate::sealed::{open_record, seal_record_repeatably};
use crate::{AccessKey, CardShare, CryptoError, DocumentShare, RevisionRef};

/// The secrets of one revision, made by its author and never used for another.
pub struct RevisionSecrets {
    /// For readers.
    pub access: AccessKey,
    /// For the gatekeeper.
    pub share: DocumentShare,
    salt: [u8; SALT],
}

impl RevisionSecrets {
    /// Bytes of [`Self::to_journal`].
    pub const JOURNAL_LEN: usize = 32 + 32 + 32 + SALT;

    /// Fresh secrets.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut salt = [0; SALT];
        rng.fill_bytes(&mut salt);
        Self {
            access: AccessKey::generate(rng),
            share: DocumentShare::generate(rng),
            salt,
        }
    }

    /// DAK, `s_doc`, `c_doc` and salt, for the sealed import journal.
    pub fn to_journal(&self) -> SecretBytes {
        let mut bytes = Vec::with_capacity(Self::JOURNAL_LEN);
        // EXPOSE: into the record that the import journal seals.
        bytes.extend_from_slice(self.access.secret().expose());
        bytes.extend_from_slice(self.share.secret().expose());
        bytes.extend_from_slice(&self.salt);
        SecretBytes::new(bytes)
    }

    /// Reads [`Self::to_journal`], so that an unchanged source is sealed to the same bytes again.
    pub fn from_journal(bytes: &[u8]) -> Result<Self, CryptoError> {
        let (access, rest) = bytes.split_at_checked(32).ok_or(CryptoError::Damaged)?;
        let (content, rest) = rest.split_at_checked(32).ok_or(CryptoError::Damaged)?;
        let (card, salt) = rest.split_at_checked(32).ok_or(CryptoError::Damaged)?;
        Ok(Self {
            access: AccessKey::from_own(Secret::from_slice(access)?),
            share: DocumentShare {
                content: Secret::from_slice(content)?,
                card: Secret::from_slice(card)?,
            },
            salt: salt.try_into().map_err(|_| CryptoError::Damaged)?,
        })
    }
}

/// What the author decides about a revision, beside its content.
#[derive(Clone, Debug)]
pub struct ManifestTerms {
    /// Hash of the previous revision's manifest; zero for revision 1.
    pub previous: Hash,
    /// Epoch of the case key that wraps the access key; 0 = direct grants only.
    pub case_epoch: u32,
    /// Retention class at filing.
    pub class: ClassCode,
    /// When, microseconds UTC.
    pub created_us: u64,
}

/// Seals one revision: content, content info, first card. The same secrets and input give the same bytes.
pub struct RevisionSealer {
    at: RevisionRef,
    author: Kid,
    secrets: RevisionSecrets,
}

impl RevisionSealer {
    /// A sealer for this revision.
    pub fn new(at: RevisionRef, author: Kid, secrets: RevisionSecrets) -> Self {
        Self {
            at,
            author,
            secrets,
        }
    }

    /// The revision.
    pub fn at(&self) -> &RevisionRef {
        &self.at
    }

    /// The secrets: to wrap, grant, deposit and journal them.
    pub fn secrets(&self) -> &RevisionSecrets {
        &self.secrets
    }

    /// Reads exactly `true_bytes` from the source and writes the capsule to the sink, while the
    /// workers seal and hash. Memory does not grow with the content but for 32 bytes per 256 KiB. A source of another length is
    /// [`CryptoError::SourceChanged`]: what the sink got is worthless then.
    pub fn seal_content(
        &self,
        true_bytes: u64,
        workers: &Workers,
        source: impl Read + Send,
        sink: impl Write,
    ) -> Result<SealedCapsule, CryptoError> {
        self.seal_content_to(true_bytes, workers, source, Plain(sink))
    }

    /// As [`Self::seal_content`], with the leaf hashes beside the bytes.
    pub fn seal_content_to(
        &self,
        true_bytes: u64,
        workers: &Workers,
        source: impl Read + Send,
        sink: impl CapsuleSink,
    ) -> Result<SealedCapsule, CryptoError> {
        let key = self.content_key();
        let header = header_for(&self.at, true_bytes)?;
        let context = header.seal_context(self.at.case, self.author);
        let (key, prefix) = CapsuleKey::derive(&key, &self.secrets.salt, header, &context);
        seal(key, prefix, true_bytes, workers, source, sink)
    }

    /// Seals the content info.
    pub fn seal_info(&self, info: &ContentInfo) -> Result<Vec<u8>, CryptoError> {
        let key = info_key(&self.content_key());
        seal_record_repeatably(&key, &info_context(&self.at), info)
    }

    /// Seals card no. 1.
    pub fn seal_first_card(&self, card: &Card) -> Result<Vec<u8>, CryptoError> {
        let share = self.secrets.share.card_share(&self.at);
        seal_card(&self.at, &self.secrets.access, &share, 1, card)
    }

    /// The manifest to sign, once capsule and info are sealed.
    pub fn manifest(
        &self,
        capsule: &SealedCapsule,
        sealed_info: &[u8],
        terms: &ManifestTerms,
    ) -> Manifest {
        Manifest {
            vault: self.at.vault,
            case: self.at.case,
            document: self.at.document,
            revision: self.at.revision,
            previous: terms.previous,
            content_root: capsule.content_root,
            leaf_count: capsule.leaves.len() as u64,
            object_bytes: capsule.header.object_bytes(),
            dak_id: self.secrets.access.id(),
            share_id: self.secrets.share.share_id(&self.at),
            info_hash: sha256(&[sealed_info]),
            case_epoch: terms.case_epoch,
            class: terms.class,
            created_us: terms.created_us,
            author: self.author,
        }
    }

    fn content_key(&self) -> Secret<32> {
        content_key(&self.at, &self.secrets.access, &self.secrets.share)
    }
}

/// Opens one revision. Exists only once access key and share proved to be those the manifest names.
pub struct RevisionReader {
    manifest: Manifest,
    key: Secret<32>,
}

impl RevisionReader {
    /// A reader for the revision of this manifest, whose signature the caller has checked.
    /// [`CryptoError::Damaged`] if the access key or the share is another one.
    pub fn new(
        manifest: &Manifest,
        access: &AccessKey,
        share: &DocumentShare,
    ) -> Result<Self, CryptoError> {
        let at = revision_of(manifest);
        if access.id() != manifest.dak_id || share.share_id(&at) != manifest.share_id {
            return Err(CryptoError::Damaged);
        }
        Ok(Self {
            manifest: *manifest,
            key: content_key(&at, access, share),
        })
    }

    /// Opens the content info that the manifest fixes by its hash.
    pub fn open_info(&self, sealed: &[u8]) -> Result<ContentInfo, CryptoError> {
        if sha256(&[sealed]) != self.manifest.info_hash {
            return Err(CryptoError::Damaged);
        }
        let at = revision_of(&self.manifest);
        let info: ContentInfo = open_record(&info_key(&self.key), &info_context(&at), sealed)?;
        let header = header_for(&at, info.true_bytes)?;
        if header.object_bytes() != self.manifest.object_bytes {
            return Err(CryptoError::Damaged);
        }
        Ok(info)
    }

    /// Reads the capsule to its end and writes the content to the quarantine, while the workers hash
    /// and open. The content counts only once this returns: every chunk, the padding and
    /// the author's content root have been checked by then, and the quarantine finished.
    pub fn open_content<Q: Quarantine>(
        &self,
        info: &ContentInfo,
        workers: &Workers,
        mut source: impl Read + Send,
        quarantine: Q,
    ) -> Result<Q::Kept, CryptoError> {
        let mut prefix = [0; capsule::PREFIX_BYTES as usize];
        source.read_exact(&mut prefix)?;
        let key = self.capsule_key(info, &prefix)?;
        let promise = open::Promise {
            true_bytes: info.true_bytes,
            content_root: self.manifest.content_root,
        };
        open::open(key, prefix, &promise, workers, source, quarantine)
    }

    /// Opens parts of the content. `prefix` is the first 120 bytes of the capsule; the leaf list is
    /// checked against the author's content root.
    pub fn range_reader(
        &self,
        info: &ContentInfo,
        prefix: &[u8],
        leaves: Vec<Hash>,
    ) -> Result<RangeReader, CryptoError> {
        let prefix = prefix.try_into().map_err(|_| CryptoError::Truncated)?;
        let key = self.capsule_key(info, prefix)?;
        RangeReader::new(key, leaves, &self.manifest.content_root, info.true_bytes)
    }

    fn capsule_key(
        &self,
        info: &ContentInfo,
        prefix: &[u8; capsule::PREFIX_BYTES as usize],
    ) -> Result<CapsuleKey, CryptoError> {
        let header = CapsuleHeader::parse(prefix)?;
        let expected = header_for(&revision_of(&self.manifest), info.true_bytes)?;
        if header != expected || header.object_bytes() != self.manifest.object_bytes {
            return Err(CryptoError::Damaged);
        }
        let context = header.seal_context(self.manifest.case, self.manifest.author);
        CapsuleKey::derive_committed(&self.key, prefix, header, &context)
    }
}

/// Seals a card. Titles change by new numbers; the hash of what is returned goes into a signed event.
pub fn seal_card(
    at: &RevisionRef,
    access: &AccessKey,
    share: &CardShare,
    card_no: u64,
    card: &Card,
) -> Result<Vec<u8>, CryptoError> {
    let key = card_key(at, access, share, card_no);
    seal_record_repeatably(&key, &card_context(at, card_no), card)
}

/// Opens a card; `card_hash` is the one in the signed event that put it in force.
pub fn open_card(
    at: &RevisionRef,
    access: &AccessKey,
    share: &CardShare,
    card_no: u64,
    card_hash: &Hash,
    sealed: &[u8],
) -> Result<Card, CryptoError> {
    if sha256(&[sealed]) != *card_hash {
        return Err(CryptoError::Damaged);
    }
    let key = card_key(at, access, share, card_no);
    open_record(&key, &card_context(at, card_no), sealed)
}

/// The revision a manifest is about.
pub fn revision_of(manifest: &Manifest) -> RevisionRef {
    RevisionRef {
        vault: manifest.vault,
        case: manifest.case,
        document: manifest.document,
        revision: manifest.revision,
    }
}

/// DEK: from what readers know and what the gatekeeper knows; secret while either is.
fn content_key(at: &RevisionRef, access: &AccessKey, share: &DocumentShare) -> Secret<32> {
    two_key(
        access,
        &share.content,
        &revision_context("obhut/dek/v1", at),
    )
}

fn card_key(at: &RevisionRef, access: &AccessKey, share: &CardShare, card_no: u64) -> Secret<32> {
    let context = revision_context("obhut/card/v1", at).number(card_no);
    two_key(access, &share.card, &context)
}

fn two_key(access: &AccessKey, share: &Secret<32>, context: &Context) -> Secret<32> {
    // EXPOSE: both halves into the derivation of a key.
    let prk = hkdf_extract_sha512(share.expose(), access.secret().expose());
    // EXPOSE: as above.
    hkdf_expand_secret(prk.expose(), &[context.as_bytes()])
}

fn info_key(content_key: &Secret<32>) -> Secret<32> {
    subkey(content_key, &Context::new("obhut/info-key/v1"))
}

fn revision_context(label: &str, at: &RevisionRef) -> Context {
    Context::new(label)
        .field(&at.vault.0)
        .field(&at.document.0)
        .number(at.revision)
}

fn info_context(at: &RevisionRef) -> Context {
    SealedKind::info_context(at.vault, at.document, at.revision)
}

fn card_context(at: &RevisionRef, card_no: u64) -> Context {
    SealedKind::card_context(at.vault, at.document, at.revision, card_no)
}

fn header_for(at: &RevisionRef, true_bytes: u64) -> Result<CapsuleHeader, CryptoError> {
    let padded_bytes = capsule::padme(true_bytes);
    if padded_bytes > capsule::MAX_PADDED_BYTES {
        return Err(CryptoError::TooLarge);
    }
    Ok(CapsuleHeader {
        vault: at.vault,
        document: at.document,
        revision: at.revision,
        padded_bytes,
    })
}
