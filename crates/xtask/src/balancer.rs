//! One address for several servers on loopback, as a load balancer gives them.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Hands each connection to the next server that takes it.
pub struct Balancer {
    port: u16,
    taken: Arc<Mutex<Vec<bool>>>,
}

impl Balancer {
    /// Listens on a free port for servers on these ports.
    pub fn start(ports: Vec<u16>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let taken = Arc::new(Mutex::new(vec![true; ports.len()]));
        let (known, next) = (Arc::clone(&taken), AtomicUsize::new(0));
        std::thread::spawn(move || {
            for connection in listener.incoming().map_while(Result::ok) {
                let first = next.fetch_add(1, Ordering::Relaxed);
                let taken = known.lock().unwrap_or_else(PoisonError::into_inner).clone();
                let turned = ports.iter().zip(taken).cycle().skip(first % ports.len());
                let server = turned
                    .take(ports.len())
                    .filter(|(_, taken)| *taken)
                    .find_map(|(port, _)| TcpStream::connect(("127.0.0.1", *port)).ok());
                if let Some(server) = server {
                    let _ = join(connection, server);
                }
            }
        });
        Ok(Self { port, taken })
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether a server gets connections, as its health check would say.
    pub fn set(&self, number: usize, taken: bool) {
        let mut servers = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = servers.get_mut(number) {
            *server = taken;
        }
    }
}

fn join(client: TcpStream, server: TcpStream) -> io::Result<()> {
    let pairs = [(client.try_clone()?, server.try_clone()?), (server, client)];
    for (mut from, mut to) in pairs {
        std::thread::spawn(move || {
            let _ = from.set_nodelay(true);
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
            // What a killed server leaves behind must end the client's connection, too.
            let _ = from.shutdown(Shutdown::Read);
        });
    }
    Ok(())
}
