//! A pipe from the sealing thread to an upload.

use std::io::{self, Write};

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc::{Receiver, Sender};

/// Bytes handed over at once.
const STREAM_BYTES: usize = 1 << 20;

/// Hands what is written to an upload; the last bytes only once the source is known to be unchanged.
pub(super) struct ChannelSink {
    sender: Sender<Bytes>,
    buffer: BytesMut,
}

impl ChannelSink {
    pub(super) fn new(sender: Sender<Bytes>) -> Self {
        Self {
            sender,
            buffer: BytesMut::with_capacity(STREAM_BYTES),
        }
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.hand_over()
    }

    fn hand_over(&mut self) -> io::Result<()> {
        let full = std::mem::replace(&mut self.buffer, BytesMut::with_capacity(STREAM_BYTES));
        self.sender
            .blocking_send(full.freeze())
            .map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for ChannelSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // The buffer is handed over before it overflows, so its last bytes are always kept back.
        if self.buffer.len() >= STREAM_BYTES {
            self.hand_over()?;
        }
        let room = STREAM_BYTES - self.buffer.len();
        let taken = bytes.len().min(room);
        self.buffer
            .extend_from_slice(bytes.get(..taken).unwrap_or(bytes));
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn body_stream(
    body: Receiver<Bytes>,
) -> impl futures_util::Stream<Item = Result<Bytes, io::Error>> + Send + Sync + 'static {
    futures_util::stream::unfold(body, |mut body| async move {
        body.recv().await.map(|bytes| (Ok(bytes), body))
    })
}
