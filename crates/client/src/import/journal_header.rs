//! The first bytes of an import journal: magic and a random id that binds its frames.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::Path;

use rand_core::CryptoRng;

use super::journal::JournalError;

const MAGIC: &[u8; 8] = b"OBHJ\x01\0\0\0";
/// Bytes before the first frame.
pub(super) const HEADER_BYTES: u64 = 24;

/// The id of a journal; none for one that was just made.
pub(super) fn read_header(file: &mut File) -> Result<Option<[u8; 16]>, JournalError> {
    let total = file.metadata()?.len();
    if total < HEADER_BYTES {
        return Ok(None);
    }
    let mut header = [0; HEADER_BYTES as usize];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut header)?;
    let id = header.strip_prefix(MAGIC).and_then(|id| id.try_into().ok());
    id.map(Some).ok_or(JournalError::Damaged(0))
}

/// Makes the journal durable before anything is in it.
pub(super) fn write_header(
    file: &mut File,
    path: &Path,
    rng: &mut impl CryptoRng,
) -> Result<[u8; 16], JournalError> {
    let mut id = [0; 16];
    rng.fill_bytes(&mut id);
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&[MAGIC.as_slice(), &id].concat())?;
    file.sync_all()?;
    if let Some(folder) = path.parent() {
        File::open(folder)?.sync_all()?;
    }
    Ok(id)
}
