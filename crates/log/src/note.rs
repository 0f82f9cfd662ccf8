//! C2SP signed-note: text with signature lines, verifier keys (vkeys), Ed25519 signatures (0x01) and
//! timestamped Ed25519 cosignatures (0x04, C2SP tlog-cosignature).

use std::fmt;
use std::str::FromStr;

use data_encoding::{BASE64, HEXLOWER};
use obhut_suite::{NoteKey, NotePublic};
use sha2::{Digest, Sha256};

use crate::error::LogError;

/// Longest note that is read, in bytes.
pub const MAX_NOTE_LEN: usize = 1_000_000;
/// Most signature lines that are read; C2SP asks for at least 16.
pub const MAX_NOTE_SIGNATURES: usize = 100;

const DASH: &str = "\u{2014} ";

/// What a key's signatures say; the number stands in key ids and vkeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum NoteKeyType {
    /// A log signs its own checkpoint.
    Log = 0x01,
    /// A witness says when this was the largest consistent tree it had seen.
    Cosigner = 0x04,
}

/// A public key with its name and purpose, written as a vkey: `<name>+<key id>+<base64>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: String,
    kind: NoteKeyType,
    public: NotePublic,
}

impl VerifierKey {
    /// Names must not be empty nor hold white space, control characters or `+`.
    pub fn new(
        name: impl Into<String>,
        kind: NoteKeyType,
        public: NotePublic,
    ) -> Result<Self, LogError> {
        let name = name.into();
        check_key_name(&name)?;
        Ok(Self { name, kind, public })
    }

    /// The key's name; a log's is its origin.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its signatures say.
    pub fn kind(&self) -> NoteKeyType {
        self.kind
    }

    /// The Ed25519 key.
    pub fn public(&self) -> &NotePublic {
        &self.public
    }

    /// First four bytes of SHA-256(name ‖ 0x0A ‖ type ‖ key).
    pub fn id(&self) -> [u8; 4] {
        let digest: [u8; 32] = Sha256::new()
            .chain_update(&self.name)
            .chain_update([b'\n', self.kind as u8])
            .chain_update(self.public.as_bytes())
            .finalize()
            .into();
        let [a, b, c, d, ..] = digest;
        [a, b, c, d]
    }

    fn signed(&self, signature: &NoteSignature) -> bool {
        signature.name == self.name && signature.key_id == self.id()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![self.kind as u8];
        key.extend(self.public.as_bytes());
        let id = HEXLOWER.encode(&self.id());
        write!(f, "{}+{id}+{}", self.name, BASE64.encode(&key))
    }
}

impl FromStr for VerifierKey {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(LogError::Malformed);
        };
        let key = BASE64
            .decode(key.as_bytes())
            .map_err(|_| LogError::Malformed)?;
        let (kind, public) = key.split_first().ok_or(LogError::Malformed)?;
        let kind = match kind {
            0x01 => NoteKeyType::Log,
            0x04 => NoteKeyType::Cosigner,
            _ => return Err(LogError::UnknownKeyType),
        };
        let public = NotePublic::parse(public).map_err(|_| LogError::Malformed)?;
        let key = Self::new(name, kind, public)?;
        if HEXLOWER.encode(&key.id()) == id {
            Ok(key)
        } else {
            Err(LogError::KeyIdMismatch)
        }
    }
}

/// A secret key with the name and purpose it signs under.
pub struct NoteSigner {
    verifier: VerifierKey,
    secret: NoteKey,
}

impl NoteSigner {
    /// Binds a key to a name and a purpose. A key must serve one of them only.
    pub fn new(
        name: impl Into<String>,
        kind: NoteKeyType,
        secret: NoteKey,
    ) -> Result<Self, LogError> {
        let verifier = VerifierKey::new(name, kind, secret.public())?;
        Ok(Self { verifier, secret })
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Signs a note text; only for keys of type [`NoteKeyType::Log`].
    pub fn sign(&self, text: &str) -> Result<NoteSignature, LogError> {
        if self.verifier.kind != NoteKeyType::Log {
            return Err(LogError::UnknownKeyType);
        }
        Ok(self.signature(self.secret.sign(text.as_bytes()).to_vec()))
    }

    /// Cosigns a checkpoint's text as of `time_s` (seconds since 1970 UTC); only for keys of type
    /// [`NoteKeyType::Cosigner`].
    pub fn cosign(&self, text: &str, time_s: u64) -> Result<NoteSignature, LogError> {
        if self.verifier.kind != NoteKeyType::Cosigner || i64::try_from(time_s).is_err() {
            return Err(LogError::UnknownKeyType);
        }
        let mut bytes = time_s.to_be_bytes().to_vec();
        bytes.extend(self.secret.sign(cosigned_message(text, time_s).as_bytes()));
        Ok(self.signature(bytes))
    }

    fn signature(&self, bytes: Vec<u8>) -> NoteSignature {
        NoteSignature {
            name: self.verifier.name.clone(),
            key_id: self.verifier.id(),
            bytes,
        }
    }
}

/// One signature line: who, which key, and bytes whose form depends on the key's type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    /// The key's name.
    pub name: String,
    /// The key's id.
    pub key_id: [u8; 4],
    /// The signature; for cosigners the time stands before it.
    pub bytes: Vec<u8>,
}

impl NoteSignature {
    fn parse(line: &str) -> Result<Self, LogError> {
        let line = line.strip_prefix(DASH).ok_or(LogError::Malformed)?;
        let (name, signature) = line.split_once(' ').ok_or(LogError::Malformed)?;
        check_key_name(name)?;
        let bytes = BASE64
            .decode(signature.as_bytes())
            .map_err(|_| LogError::Malformed)?;
        let (key_id, bytes) = bytes.split_first_chunk().ok_or(LogError::Malformed)?;
        if bytes.is_empty() {
            return Err(LogError::Malformed);
        }
        Ok(Self {
            name: name.to_owned(),
            key_id: *key_id,
            bytes: bytes.to_vec(),
        })
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = [self.key_id.as_slice(), &self.bytes].concat();
        write!(f, "{DASH}{} {}", self.name, BASE64.encode(&bytes))
    }
}

/// A text, ending in a newline, and its signature lines. Not trusted until a key verified it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl SignedNote {
    /// A text with its first signature.
    pub fn new(text: String, signature: NoteSignature) -> Result<Self, LogError> {
        check_text(&text)?;
        Ok(Self {
            text,
            signatures: vec![signature],
        })
    }

    /// The signed text with its final newline.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signature lines in order.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds a signature; an older one by the same key is replaced.
    pub fn add(&mut self, signature: NoteSignature) {
        self.signatures
            .retain(|old| (&old.name, old.key_id) != (&signature.name, signature.key_id));
        self.signatures.push(signature);
    }

    /// Whether `key` signed. A line of a known key that does not verify is an error, not a "no".
    pub fn signed_by(&self, key: &VerifierKey) -> Result<bool, LogError> {
        let mut found = false;
        for signature in self.signatures.iter().filter(|line| key.signed(line)) {
            if key.kind != NoteKeyType::Log {
                return Err(LogError::UnknownKeyType);
            }
            verify(key, self.text.as_bytes(), &signature.bytes)?;
            found = true;
        }
        Ok(found)
    }

    /// When `key` cosigned last, in seconds since 1970 UTC. A line of a known key that does not
    /// verify is an error.
    pub fn cosigned_at(&self, key: &VerifierKey) -> Result<Option<u64>, LogError> {
        let mut latest = None;
        for signature in self.signatures.iter().filter(|line| key.signed(line)) {
            if key.kind != NoteKeyType::Cosigner {
                return Err(LogError::UnknownKeyType);
            }
            let (time, bytes) = signature
                .bytes
                .split_first_chunk()
                .ok_or(LogError::Malformed)?;
            let time_s = u64::from_be_bytes(*time);
            if i64::try_from(time_s).is_err() {
                return Err(LogError::Malformed);
            }
            verify(key, cosigned_message(&self.text, time_s).as_bytes(), bytes)?;
            latest = latest.max(Some(time_s));
        }
        Ok(latest)
    }
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures
            .iter()
            .try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl FromStr for SignedNote {
    type Err = LogError;

    fn from_str(note: &str) -> Result<Self, LogError> {
        if note.len() > MAX_NOTE_LEN || !note.ends_with('\n') {
            return Err(LogError::Malformed);
        }
        // The text ends at the last empty line, whose newline is not part of it.
        let at = note.rfind("\n\n").ok_or(LogError::Malformed)?;
        let (text, lines) = note.split_at(at + 1);
        check_text(text)?;
        let signatures: Vec<_> = lines
            .trim_start_matches('\n')
            .split_terminator('\n')
            .take(MAX_NOTE_SIGNATURES + 1)
            .map(NoteSignature::parse)
            .collect::<Result<_, _>>()?;
        if signatures.is_empty() || signatures.len() > MAX_NOTE_SIGNATURES {
            return Err(LogError::Malformed);
        }
        Ok(Self {
            text: text.to_owned(),
            signatures,
        })
    }
}

fn verify(key: &VerifierKey, message: &[u8], signature: &[u8]) -> Result<(), LogError> {
    key.public
        .verify(message, signature)
        .map_err(|_| LogError::BadSignature)
}

fn cosigned_message(text: &str, time_s: u64) -> String {
    format!("cosignature/v1\ntime {time_s}\n{text}")
}

fn check_key_name(name: &str) -> Result<(), LogError> {
    let bad = |c: char| c.is_whitespace() || c.is_control() || c == '+';
    if name.is_empty() || name.contains(bad) {
        return Err(LogError::KeyName);
    }
    Ok(())
}

fn check_text(text: &str) -> Result<(), LogError> {
    let bad = |c: char| c < ' ' && c != '\n';
    if !text.ends_with('\n') || text.contains(bad) {
        return Err(LogError::Malformed);
    }
    Ok(())
}

#[cfg(test)]
#[path = "note_tests.rs"]
mod tests;
