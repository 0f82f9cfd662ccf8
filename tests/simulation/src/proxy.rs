//! A TCP proxy on loopback whose faults can be switched while it runs.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

/// What goes wrong with bytes on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Each piece arrives so much later.
    Latency(Duration),
    /// No more than so many bytes a second.
    Bandwidth(u64),
    /// Connections end, and new ones at once.
    Cut,
    /// The same with RST instead of FIN.
    Reset,
    /// Each connection ends in the middle, so many bytes after the fault began.
    Truncate(u64),
    /// One bit in about so many bytes is another.
    Flip(u32),
    /// Nothing arrives, and nobody is told.
    Stall,
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From who connected: requests.
    Up,
    /// To who connected: answers.
    Down,
    /// Either way.
    Both,
}

/// A proxy in front of one address. Ends with all its connections when dropped.
pub struct FaultProxy {
    address: SocketAddr,
    setting: watch::Sender<Setting>,
    shared: Arc<Shared>,
    /// Ends all tasks when dropped.
    _runtime: Runtime,
}

#[derive(Clone, Copy)]
struct Setting {
    upstream: SocketAddr,
    /// Grows with each change, so that what a fault counts begins anew.
    number: u64,
    up: Option<Fault>,
    down: Option<Fault>,
    /// Connections before this one are stalled for ever.
    stranded: u64,
}

impl Setting {
    fn fault(&self, direction: Direction, link: u64) -> Option<Fault> {
        if link < self.stranded {
            return Some(Fault::Stall);
        }
        match direction {
            Direction::Down => self.down,
            _ => self.up,
        }
    }
}

struct Shared {
    seed: u64,
    links: AtomicU64,
    struck: AtomicU64,
    /// Where all bytes are copied to, as they came in.
    tap: Option<mpsc::UnboundedSender<Vec<u8>>>,
}

impl FaultProxy {
    /// A proxy in front of `host:port` without any fault; what chance decides comes from the seed. With `tap` every byte
    /// that comes in is also written to that file, both ways and all connections mixed.
    pub fn start(upstream: &str, seed: u64, tap: Option<&Path>) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let setting = Setting {
            upstream: upstream.parse().unwrap(),
            number: 0,
            up: None,
            down: None,
            stranded: 0,
        };
        let shared = Arc::new(Shared {
            seed,
            links: AtomicU64::new(0),
            struck: AtomicU64::new(0),
            tap: tap.map(|file| start_tap(&runtime, file)),
        });
        let (sender, receiver) = watch::channel(setting);
        let address = listener.local_addr().unwrap();
        runtime.spawn(accept(listener, receiver, Arc::clone(&shared)));
        Self {
            address,
            setting: sender,
            shared,
            _runtime: runtime,
        }
    }

    /// Where it listens, `host:port`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Where it hands on to, `host:port`.
    pub fn upstream(&self) -> String {
        self.setting.borrow().upstream.to_string()
    }

    /// From now on this goes wrong in this direction, for connections that stand and for new ones.
    pub fn set(&self, direction: Direction, fault: Fault) {
        self.setting.send_modify(|setting| {
            setting.number += 1;
            if direction != Direction::Down {
                setting.up = Some(fault);
            }
            if direction != Direction::Up {
                setting.down = Some(fault);
            }
        });
    }

    /// No fault any more. What was held back goes on.
    pub fn lift(&self) {
        self.setting.send_modify(|setting| {
            setting.number += 1;
            setting.up = None;
            setting.down = None;
        });
    }

    /// All connections that stand carry nothing any more, for ever and without a word; new ones are well. As after a
    /// firewall forgot them or the other machine was replaced.
    pub fn strand(&self) {
        let links = self.shared.links.load(Ordering::SeqCst);
        self.setting.send_modify(|setting| setting.stranded = links);
    }

    /// New connections go to another address; those that stand are cut.
    pub fn redirect(&self, upstream: &str) {
        self.set(Direction::Both, Fault::Cut);
        // Whoever is cut must have seen it before the fault is gone.
        std::thread::sleep(Duration::from_millis(50));
        self.setting
            .send_modify(|setting| setting.upstream = upstream.parse().unwrap());
        self.lift();
    }

    /// How many connections or pieces a fault has changed so far.
    pub fn struck(&self) -> u64 {
        self.shared.struck.load(Ordering::SeqCst)
    }
}

fn start_tap(runtime: &Runtime, file: &Path) -> mpsc::UnboundedSender<Vec<u8>> {
    let mut file = std::fs::File::create(file).unwrap();
    let (sender, mut receiver) = mpsc::unbounded_channel::<Vec<u8>>();
    runtime.spawn(async move {
        while let Some(bytes) = receiver.recv().await {
            std::io::Write::write_all(&mut file, &bytes).unwrap();
        }
    });
    sender
}

async fn accept(listener: TcpListener, setting: watch::Receiver<Setting>, shared: Arc<Shared>) {
    let mut links = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else {
            continue;
        };
        while links.try_join_next().is_some() {}
        let number = shared.links.fetch_add(1, Ordering::SeqCst);
        links.spawn(carry(client, number, setting.clone(), Arc::clone(&shared)));
    }
}

/// How a direction of a connection ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The sender had nothing more to say.
    Finished,
    /// The other half goes with it.
    Broken,
    /// As `Broken`, with RST.
    Reset,
}

async fn carry(
    client: TcpStream,
    number: u64,
    mut setting: watch::Receiver<Setting>,
    shared: Arc<Shared>,
) {
    let Some(upstream) = admit(&client, number, &mut setting, &shared).await else {
        return;
    };
    let _ = (client.set_nodelay(true), upstream.set_nodelay(true));
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = upstream.into_split();
    let way = |direction| Way {
        direction,
        link: number,
        setting: setting.clone(),
        rng: ChaCha20Rng::seed_from_u64(
            shared.seed ^ (number << 1) ^ u64::from(direction == Direction::Up),
        ),
        shared: Arc::clone(&shared),
        since: 0,
        carried: 0,
        until_flip: 0,
    };
    let (mut up, mut down) = (way(Direction::Up), way(Direction::Down));
    let mut halves = (client_in, client_out, server_in, server_out);
    let end = {
        let (client_in, client_out, server_in, server_out) = &mut halves;
        let mut upwards = std::pin::pin!(up.pump(client_in, server_out));
        let mut downwards = std::pin::pin!(down.pump(server_in, client_out));
        let (first, other_is_up) = tokio::select! {
            end = &mut upwards => (end, false),
            end = &mut downwards => (end, true),
        };
        match (first, other_is_up) {
            (End::Finished, true) => upwards.await,
            (End::Finished, false) => downwards.await,
            (end, _) => end,
        }
    };
    if end == End::Reset {
        let (client_in, client_out, server_in, server_out) = halves;
        for half in [client_in.as_ref(), server_in.as_ref()] {
            let _ = half.set_zero_linger();
        }
        // Dropped, they would say goodbye.
        client_out.forget();
        server_out.forget();
    }
}

/// Connects, unless the fault of the moment keeps connections from standing.
async fn admit(
    client: &TcpStream,
    number: u64,
    setting: &mut watch::Receiver<Setting>,
    shared: &Shared,
) -> Option<TcpStream> {
    loop {
        let now = *setting.borrow_and_update();
        let faults = [Direction::Up, Direction::Down].map(|way| now.fault(way, number));
        if faults.contains(&Some(Fault::Reset)) {
            let _ = client.set_zero_linger();
        }
        if faults
            .iter()
            .any(|fault| matches!(fault, Some(Fault::Reset | Fault::Cut)))
        {
            shared.struck.fetch_add(1, Ordering::SeqCst);
            return None;
        }
        if !faults.contains(&Some(Fault::Stall)) {
            return TcpStream::connect(now.upstream).await.ok();
        }
        shared.struck.fetch_add(1, Ordering::SeqCst);
        setting.changed().await.ok()?;
    }
}

/// One direction of one connection.
struct Way {
    direction: Direction,
    link: u64,
    setting: watch::Receiver<Setting>,
    rng: ChaCha20Rng,
    shared: Arc<Shared>,
    /// The setting `carried` and `until_flip` belong to.
    since: u64,
    carried: u64,
    until_flip: u64,
}

impl Way {
    async fn pump(&mut self, from: &mut OwnedReadHalf, to: &mut OwnedWriteHalf) -> End {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            if let Some(end) = self.wait_until_open().await {
                return end;
            }
            let read = tokio::select! {
                read = from.read(&mut buffer) => read,
                changed = self.setting.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return End::Broken,
                },
            };
            let Ok(length @ 1..) = read else {
                let _ = to.shutdown().await;
                return if read.is_ok() {
                    End::Finished
                } else {
                    End::Reset
                };
            };
            let bytes = &mut buffer[..length];
            if let Some(tap) = &self.shared.tap {
                let _ = tap.send(bytes.to_vec());
            }
            if let Some(end) = self.pass(bytes, to).await {
                return end;
            }
        }
    }

    /// Holds bytes back as long as nothing passes; how the connection ends if it does meanwhile.
    async fn wait_until_open(&mut self) -> Option<End> {
        loop {
            match self.fault() {
                Some(Fault::Cut) => return Some(self.struck(End::Broken)),
                Some(Fault::Reset) => return Some(self.struck(End::Reset)),
                Some(Fault::Stall) => {
                    self.struck(End::Broken);
                    if self.setting.changed().await.is_err() {
                        return Some(End::Broken);
                    }
                }
                _ => return None,
            }
        }
    }

    /// Hands bytes on as the fault of the moment lets them.
    async fn pass(&mut self, bytes: &mut [u8], to: &mut OwnedWriteHalf) -> Option<End> {
        if let Some(Fault::Latency(delay)) = self.fault() {
            self.struck(End::Broken);
            tokio::time::sleep(delay).await;
        }
        if let Some(end) = self.wait_until_open().await {
            return Some(end);
        }
        let mut rest = bytes.len();
        match self.fault() {
            Some(Fault::Truncate(after)) => {
                rest = rest.min((after - self.carried.min(after)) as usize);
            }
            Some(Fault::Flip(every)) => self.flip(bytes, every),
            _ => {}
        }
        let written = to.write_all(&bytes[..rest]).await;
        self.carried += rest as u64;
        if rest < bytes.len() {
            return Some(self.struck(End::Broken));
        }
        if let Some(Fault::Bandwidth(rate)) = self.fault() {
            self.struck(End::Broken);
            let takes = rest as u64 * 1_000_000 / rate.max(1);
            tokio::time::sleep(Duration::from_micros(takes)).await;
        }
        written.is_err().then_some(End::Reset)
    }

    fn flip(&mut self, bytes: &mut [u8], every: u32) {
        let mut at = self.until_flip;
        if self.carried == 0 && at == 0 {
            at = u64::from(self.rng.next_u32() % every.max(1));
        }
        while let Some(byte) = bytes.get_mut(at as usize) {
            *byte ^= 1 << (self.rng.next_u32() % 8);
            self.shared.struck.fetch_add(1, Ordering::SeqCst);
            at += 1 + u64::from(self.rng.next_u32() % (2 * every.max(1)));
        }
        self.until_flip = at - bytes.len() as u64;
    }

    fn fault(&mut self) -> Option<Fault> {
        let now = *self.setting.borrow_and_update();
        if self.since != now.number {
            (self.since, self.carried, self.until_flip) = (now.number, 0, 0);
        }
        now.fault(self.direction, self.link)
    }

    fn struck(&self, end: End) -> End {
        self.shared.struck.fetch_add(1, Ordering::SeqCst);
        end
    }
}
