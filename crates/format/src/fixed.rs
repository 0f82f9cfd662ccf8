//! Reading layouts of fixed length.

use crate::FormatError;

pub(crate) struct FixedReader<'a>(&'a [u8]);

impl<'a> FixedReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn take<const N: usize>(&mut self) -> Result<[u8; N], FormatError> {
        let (head, tail) = self.0.split_first_chunk().ok_or(FormatError::Truncated)?;
        self.0 = tail;
        Ok(*head)
    }

    pub(crate) fn number(&mut self) -> Result<u64, FormatError> {
        self.take().map(u64::from_be_bytes)
    }

    pub(crate) fn finish(&self) -> Result<(), FormatError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(FormatError::TrailingBytes)
        }
    }
}
