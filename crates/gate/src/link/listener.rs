//! Takes connections whose other end has proved a key.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use obhut_format::gate_link::PartyKey;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::tls::{LinkKey, peer_key};
use crate::GateError;

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Handshakes under way at a time; more wait in the operating system's queue.
const HANDSHAKES: usize = 64;
/// After the operating system refused a connection (no file descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The key it proved to hold.
    pub key: PartyKey,
    /// Where it calls from.
    pub address: SocketAddr,
}

/// A port on which every caller proves a key before the first byte of HTTP.
pub struct TlsListener {
    connections: mpsc::Receiver<Connection>,
    address: SocketAddr,
    _taking: JoinSet<()>,
}

type Connection = (TlsStream<TcpStream>, Peer);

impl TlsListener {
    /// Takes connections of `tcp` and proves `key` on them, until it is dropped.
    pub fn new(tcp: TcpListener, key: &LinkKey) -> Result<Self, GateError> {
        let config = key.server_config().map_err(GateError::Tls)?;
        let address = tcp.local_addr().map_err(GateError::Listen)?;
        let (out, connections) = mpsc::channel(HANDSHAKES);
        let mut taking = JoinSet::new();
        taking.spawn(take(tcp, TlsAcceptor::from(Arc::new(config)), out));
        Ok(Self {
            connections,
            address,
            _taking: taking,
        })
    }
}

/// Handshakes run beside each other, so that a slow one keeps nobody waiting.
async fn take(tcp: TcpListener, acceptor: TlsAcceptor, out: mpsc::Sender<Connection>) {
    let places = Arc::new(Semaphore::new(HANDSHAKES));
    let mut handshakes = JoinSet::new();
    loop {
        while handshakes.try_join_next().is_some() {}
        let place = Arc::clone(&places).acquire_owned().await;
        match tcp.accept().await {
            Ok((stream, address)) => {
                let shake = shake(acceptor.clone(), stream, address);
                let out = out.clone();
                handshakes.spawn(async move {
                    let _place = place;
                    let shaken = tokio::time::timeout(HANDSHAKE_TIMEOUT, shake).await;
                    if let Ok(Some(connection)) = shaken {
                        // Only when the listener is gone.
                        let _ = out.send(connection).await;
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be taken");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn shake(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    address: SocketAddr,
) -> Option<Connection> {
    // Small answers go out at once; a failure costs latency only.
    let _ = stream.set_nodelay(true);
    let stream = acceptor.accept(stream).await.ok()?;
    let key = peer_key(stream.get_ref().1.peer_certificates()?)?;
    Some((stream, Peer { key, address }))
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = Peer;

    async fn accept(&mut self) -> Connection {
        match self.connections.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        let key = PartyKey([0; 32]);
        Ok(Peer {
            key,
            address: self.address,
        })
    }
}

impl Connected<IncomingStream<'_, TlsListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, TlsListener>) -> Self {
        *stream.remote_addr()
    }
}
