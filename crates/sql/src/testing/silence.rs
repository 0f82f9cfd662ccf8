//! A network between a test and PostgreSQL that swallows bytes without a word.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::SqlError;

/// A forwarder in front of a PostgreSQL server whose connections can fall silent: neither end hears
/// from the other any more, nor that it has gone. Ends with the test's runtime.
pub struct Silencer {
    target: String,
    shared: Arc<Shared>,
}

/// What is swallowed of the statement that a [`Silencer`] waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swallow {
    /// The statement arrives; nobody hears so.
    Answer,
    /// The statement itself, and everything after it.
    Statement,
}

#[derive(Default)]
struct Shared {
    trap: Mutex<Option<Trap>>,
    /// Connections made so far.
    links: AtomicU64,
    /// Connections before this one are silent.
    stranded: AtomicU64,
    /// How many fell silent in a trap.
    caught: AtomicU64,
}

struct Trap {
    before: &'static str,
    word: &'static str,
    swallow: Swallow,
    /// The connection on which `before` was seen.
    on: Option<u64>,
}

impl Silencer {
    /// A forwarder to the server of this URL.
    pub async fn start(url: &str) -> Result<Self, SqlError> {
        let upstream = authority(url);
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .map_err(sqlx::Error::Io)?;
        let address = listener.local_addr().map_err(sqlx::Error::Io)?;
        let shared = Arc::new(Shared::default());
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        tokio::spawn(accept(listener, upstream.to_owned(), Arc::clone(&shared)));
        Ok(Self {
            target: with_authority(url, upstream, address),
            shared,
        })
    }

    /// The URL by way of this forwarder.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The next connection on which `before` is sent and after it `word` falls silent there.
    pub fn swallow(&self, before: &'static str, word: &'static str, swallow: Swallow) {
        *self.trap() = Some(Trap {
            before,
            word,
            swallow,
            on: None,
        });
    }

    /// All connections that stand fall silent; new ones are well.
    pub fn strand(&self) {
        let links = self.shared.links.load(Ordering::SeqCst);
        self.shared.stranded.store(links, Ordering::SeqCst);
    }

    /// How many connections fell silent by [`Silencer::swallow`].
    pub fn caught(&self) -> u64 {
        self.shared.caught.load(Ordering::SeqCst)
    }

    fn trap(&self) -> std::sync::MutexGuard<'_, Option<Trap>> {
        self.shared
            .trap
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// `host:port` of a URL.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['/', '?']).next().unwrap_or(rest);
    rest.rsplit_once('@').map_or(rest, |(_, place)| place)
}

fn with_authority(url: &str, upstream: &str, address: SocketAddr) -> String {
    url.replacen(upstream, &address.to_string(), 1)
}

async fn accept(listener: TcpListener, upstream: String, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(&upstream).await else {
            continue;
        };
        // Costs a test some milliseconds where it fails.
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let number = shared.links.fetch_add(1, Ordering::SeqCst);
        let silent = Arc::new(AtomicBool::new(false));
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let link = |shared: &Arc<Shared>| Link {
            number,
            silent: Arc::clone(&silent),
            shared: Arc::clone(shared),
        };
        #[expect(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        {
            tokio::spawn(link(&shared).carry(from_client, to_server, true));
            tokio::spawn(link(&shared).carry(from_server, to_client, false));
        }
    }
}

struct Link {
    number: u64,
    silent: Arc<AtomicBool>,
    shared: Arc<Shared>,
}

impl Link {
    async fn carry(self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, up: bool) {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let read = from.read(&mut buffer).await;
            let Ok(length @ 1..) = read else { break };
            let Some(bytes) = buffer.get(..length) else {
                break;
            };
            let kept = self.is_silent() || up && self.swallows(bytes);
            if !kept && to.write_all(bytes).await.is_err() {
                break;
            }
        }
        if self.is_silent() {
            // The other end hears nothing of an end either.
            std::future::pending::<()>().await;
        }
    }

    fn is_silent(&self) -> bool {
        let stranded = self.shared.stranded.load(Ordering::SeqCst);
        self.number < stranded || self.silent.load(Ordering::SeqCst)
    }

    /// Whether the trap closes on these bytes and keeps them. The answer is too late in any case.
    fn swallows(&self, bytes: &[u8]) -> bool {
        let mut place = self
            .shared
            .trap
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let Some(trap) = place.as_mut() else {
            return false;
        };
        if trap.on.is_none() && holds(bytes, trap.before) {
            trap.on = Some(self.number);
        }
        if trap.on != Some(self.number) || !holds(bytes, trap.word) {
            return false;
        }
        let swallowed = trap.swallow == Swallow::Statement;
        self.silent.store(true, Ordering::SeqCst);
        self.shared.caught.fetch_add(1, Ordering::SeqCst);
        *place = None;
        swallowed
    }
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes
        .windows(word.len())
        .any(|window| window == word.as_bytes())
}
