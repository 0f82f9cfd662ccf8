use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::sync::Arc;

use obhut_format::Hash;
use obhut_format::tree::TreeBuilder;

use super::pipeline::{Steps, run};
use super::seal::at_end;
use super::stretch::{Cut, Stretch};
use super::workers::Workers;
use super::{CapsuleKey, Prefix};
use crate::CryptoError;

/// Where opened content waits until all of it is verified.
///
/// Dropped without [`finish`](Self::finish) it MUST discard everything written: an unnamed
/// temporary file does, a file under its final name does not.
pub trait Quarantine: Write {
    /// What is there once the content counts.
    type Kept;

    /// Lets the content out. Called once, after the last check.
    fn finish(self) -> io::Result<Self::Kept>;
}

/// Keeps the content in memory; for small documents. Not wiped when dropped.
impl Quarantine for Vec<u8> {
    type Kept = Self;

    fn finish(self) -> io::Result<Self> {
        Ok(self)
    }
}

/// What author and content info promise about a capsule.
pub(crate) struct Promise {
    pub(crate) true_bytes: u64,
    pub(crate) content_root: Hash,
}

/// Opens a capsule whose prefix was read; see `RevisionReader::open_content`.
pub(crate) fn open<Q: Quarantine>(
    key: CapsuleKey,
    prefix: Prefix,
    promise: &Promise,
    workers: &Workers,
    mut source: impl Read + Send,
    mut quarantine: Q,
) -> Result<Q::Kept, CryptoError> {
    let true_bytes = promise.true_bytes;
    let mut tree = TreeBuilder::new();
    let cut = Cut::new(key.header.padded_bytes, workers.threads());
    let count = cut.count();
    let steps = Steps {
        fill: |number, stretch: &mut Stretch| {
            stretch.reset(number, &cut, &prefix);
            source.read_exact(stretch.body_mut())?;
            if number + 1 == count && !at_end(&mut source)? {
                return Err(CryptoError::Damaged);
            }
            Ok(())
        },
        work: Arc::new(move |stretch: &mut Stretch| {
            stretch.open(&key)?;
            expect_zeros_from(true_bytes, stretch)
        }),
        drain: |stretch: &Stretch| {
            stretch.leaves().iter().for_each(|leaf| tree.append(*leaf));
            write_content(stretch, true_bytes, &mut quarantine)
        },
    };
    run(count, workers, steps)?;
    if tree.root() != promise.content_root {
        return Err(CryptoError::Damaged);
    }
    quarantine.flush().map_err(CryptoError::Io)?;
    quarantine.finish().map_err(CryptoError::Io)
}

fn expect_zeros_from(true_bytes: u64, stretch: &Stretch) -> Result<(), CryptoError> {
    let seen = stretch
        .plaintext()
        .map(|(offset, plain)| split_content(offset, plain, true_bytes).1)
        .map(|padding| padding.iter().fold(0, |seen, byte| seen | byte))
        .fold(0, |seen, piece| seen | piece);
    if seen == 0 {
        Ok(())
    } else {
        Err(CryptoError::Damaged)
    }
}

/// All chunks of the stretch in one go where the writer can.
fn write_content(
    stretch: &Stretch,
    true_bytes: u64,
    quarantine: &mut impl Write,
) -> Result<(), CryptoError> {
    let mut pieces: Vec<IoSlice<'_>> = stretch
        .plaintext()
        .map(|(offset, plain)| IoSlice::new(split_content(offset, plain, true_bytes).0))
        .filter(|piece| !piece.is_empty())
        .collect();
    let mut left = pieces.as_mut_slice();
    while !left.is_empty() {
        match quarantine.write_vectored(left) {
            Ok(0) => return Err(CryptoError::Io(ErrorKind::WriteZero.into())),
            Ok(written) => IoSlice::advance_slices(&mut left, written),
            Err(failed) if failed.kind() == ErrorKind::Interrupted => {}
            Err(failed) => return Err(CryptoError::Io(failed)),
        }
    }
    Ok(())
}

/// Content and padding of the plaintext at `offset`.
fn split_content(offset: u64, plain: &[u8], true_bytes: u64) -> (&[u8], &[u8]) {
    let left = true_bytes.saturating_sub(offset);
    let len = usize::try_from(left).map_or(plain.len(), |left| left.min(plain.len()));
    plain.split_at(len)
}
