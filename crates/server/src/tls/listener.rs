//! Takes connections and shakes hands on them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::config::Limits;
use crate::http::{Kind, Problem};

/// After the operating system refused a connection (no file descriptors left).
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// How many may stand in the door, and for how long.
#[derive(Clone, Copy)]
pub(crate) struct Doors {
    handshakes: usize,
    within: Duration,
}

impl Doors {
    /// As configured.
    pub(crate) fn of(limits: &Limits) -> Self {
        Self {
            handshakes: limits.handshakes,
            within: Duration::from_secs(limits.handshake_seconds),
        }
    }
}

/// A port behind which TLS is spoken. Handshakes run beside each other, so that a slow one keeps nobody waiting; those
/// under way end with the listener.
pub(crate) struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
    doors: Doors,
    shaking: JoinSet<Option<Connection>>,
}

type Connection = (TlsStream<TcpStream>, SocketAddr);

impl TlsListener {
    /// Takes connections of `tcp` whenever it is asked for one.
    pub(crate) fn new(tcp: TcpListener, acceptor: TlsAcceptor, doors: Doors) -> Self {
        Self {
            tcp,
            acceptor,
            doors,
            shaking: JoinSet::new(),
        }
    }

    fn begin(&mut self, stream: TcpStream, peer: SocketAddr) {
        let shaken = shake(self.acceptor.clone(), stream);
        let within = self.doors.within;
        self.shaking.spawn(async move {
            let shaken = tokio::time::timeout(within, shaken).await.ok()??;
            Some((shaken, peer))
        });
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> Connection {
        loop {
            let room = self.shaking.len() < self.doors.handshakes;
            tokio::select! {
                Some(shaken) = self.shaking.join_next() => {
                    if let Ok(Some(connection)) = shaken {
                        return connection;
                    }
                }
                taken = self.tcp.accept(), if room => match taken {
                    Ok((stream, peer)) => self.begin(stream, peer),
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be taken");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

async fn shake(acceptor: TlsAcceptor, stream: TcpStream) -> Option<TlsStream<TcpStream>> {
    // Small answers go out at once; a failure costs latency only.
    let _ = stream.set_nodelay(true);
    let mut first = [0];
    stream.peek(&mut first).await.ok()?;
    // A method of HTTP; records of TLS begin otherwise.
    if first[0].is_ascii_uppercase() {
        let _ = turn_away(stream).await;
        return None;
    }
    acceptor.accept(stream).await.ok()
}

/// Whoever speaks plain HTTP here is told so.
async fn turn_away(mut stream: TcpStream) -> io::Result<()> {
    let problem = Problem::from(Kind::TlsRequired).body("", 0);
    let body = serde_json::to_string(&problem).unwrap_or_default();
    let head = format!(
        "HTTP/1.1 {} Bad Request\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        problem.status,
        body.len()
    );
    stream.write_all([head, body].concat().as_bytes()).await?;
    stream.shutdown().await?;
    // What is still on its way is read: closing before would cut off the answer.
    let mut rest = [0; 4_096];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}
