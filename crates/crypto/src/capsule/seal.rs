use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use obhut_format::Hash;
use obhut_format::capsule::CapsuleHeader;
use obhut_format::tree::TreeBuilder;

use super::pipeline::{Steps, run};
use super::stretch::{Cut, Stretch};
use super::workers::Workers;
use super::{CapsuleKey, Prefix};
use crate::CryptoError;

/// What sealing a capsule leaves to sign and store.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedCapsule {
    /// The header as written.
    pub header: CapsuleHeader,
    /// RFC 6962 root over the leaves of the whole object.
    pub content_root: Hash,
    /// The leaf hashes, stored beside the capsule for range reads.
    pub leaves: Vec<Hash>,
}

/// Takes a capsule while it is sealed.
pub trait CapsuleSink {
    /// The next bytes, whole leaves of the content tree, and the hashes of these leaves.
    fn take(&mut self, bytes: &[u8], leaves: &[Hash]) -> io::Result<()>;

    /// Nothing follows.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A sink that only wants the bytes.
pub(crate) struct Plain<W>(pub(crate) W);

impl<W: Write> CapsuleSink for Plain<W> {
    fn take(&mut self, bytes: &[u8], _: &[Hash]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Seals `true_bytes` from the source; see `RevisionSealer::seal_content`.
pub(crate) fn seal(
    key: CapsuleKey,
    prefix: Prefix,
    true_bytes: u64,
    workers: &Workers,
    mut source: impl Read + Send,
    mut sink: impl CapsuleSink,
) -> Result<SealedCapsule, CryptoError> {
    let (mut leaves, mut tree) = (Vec::new(), TreeBuilder::new());
    let header = key.header;
    let cut = Cut::new(header.padded_bytes, workers.threads());
    let count = cut.count();
    let steps = Steps {
        fill: |number, stretch: &mut Stretch| {
            stretch.reset(number, &cut, &prefix);
            read_content(stretch, true_bytes, &mut source)?;
            if number + 1 == count {
                expect_end(&mut source)?;
            }
            Ok(())
        },
        work: Arc::new(move |stretch: &mut Stretch| stretch.seal(&key)),
        drain: |stretch: &Stretch| {
            leaves.extend_from_slice(stretch.leaves());
            stretch.leaves().iter().for_each(|leaf| tree.append(*leaf));
            sink.take(stretch.bytes(), stretch.leaves())
                .map_err(CryptoError::Io)
        },
    };
    run(count, workers, steps)?;
    sink.flush().map_err(CryptoError::Io)?;
    Ok(SealedCapsule {
        header,
        content_root: tree.root(),
        leaves,
    })
}

/// Content into the slots, zeros behind it.
fn read_content(
    stretch: &mut Stretch,
    true_bytes: u64,
    source: &mut impl Read,
) -> Result<(), CryptoError> {
    for (offset, slot) in stretch.plaintext_mut() {
        let left = true_bytes.saturating_sub(offset);
        let len = usize::try_from(left).map_or(slot.len(), |left| left.min(slot.len()));
        let (content, padding) = slot.split_at_mut(len);
        source
            .read_exact(content)
            .map_err(|failed| match failed.kind() {
                ErrorKind::UnexpectedEof => CryptoError::SourceChanged,
                _ => CryptoError::Io(failed),
            })?;
        padding.fill(0);
    }
    Ok(())
}

fn expect_end(source: &mut impl Read) -> Result<(), CryptoError> {
    if at_end(source)? {
        Ok(())
    } else {
        Err(CryptoError::SourceChanged)
    }
}

/// Whether nothing follows.
pub(crate) fn at_end(source: &mut impl Read) -> Result<bool, CryptoError> {
    loop {
        match source.read(&mut [0]) {
            Ok(read) => return Ok(read == 0),
            Err(failed) if failed.kind() == ErrorKind::Interrupted => {}
            Err(failed) => return Err(CryptoError::Io(failed)),
        }
    }
}
