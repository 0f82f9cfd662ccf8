//! Several servers on one database behind one address.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use xtask::balancer::Balancer;

use crate::run;

/// The servers of a vault, each with a data folder of its own; capsules, gatekeeper and database are shared. Killed
/// when dropped.
pub struct Fleet {
    members: Vec<Member>,
    balancer: Balancer,
    log: PathBuf,
    variables: Vec<(String, String)>,
    binary: PathBuf,
    scheme: &'static str,
}

struct Member {
    data: PathBuf,
    port: u16,
    process: Option<Child>,
    stopped: bool,
}

impl Fleet {
    /// Makes `count` servers of the data folder that `init` made, and starts them.
    pub(crate) fn of(
        data: &Path,
        count: usize,
        binary: PathBuf,
        variables: Vec<(String, String)>,
        ca: Option<&str>,
    ) -> Self {
        let parent = data.parent().unwrap();
        let first = std::fs::read_to_string(data.join("obhut.toml")).unwrap();
        let mut members = Vec::new();
        for number in 0..count {
            let own = match number {
                0 => data.to_owned(),
                _ => parent.join(format!("server-{number}")),
            };
            let port = free_port();
            if number > 0 {
                crate::copy_folder(&data.join("keys"), &own.join("keys"));
            }
            let config = configure(&first, data, port, ca);
            std::fs::write(own.join("obhut.toml"), config).unwrap();
            members.push(Member {
                data: own,
                port,
                process: None,
                stopped: false,
            });
        }
        let balancer = Balancer::start(members.iter().map(|member| member.port).collect()).unwrap();
        let mut fleet = Self {
            members,
            balancer,
            log: parent.join("server.log"),
            variables,
            binary,
            scheme: scheme(ca),
        };
        for number in 0..count {
            fleet.start(number);
        }
        fleet
    }

    /// The one address.
    pub fn url(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.balancer.port())
    }

    /// The address of one server.
    pub fn url_of(&self, number: usize) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.members[number].port)
    }

    /// How many servers there are, running or not.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Never: a fleet has servers.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Where a server's data folder is.
    pub fn data_of(&self, number: usize) -> &Path {
        &self.members[number].data
    }

    /// The number of the server at this address.
    pub fn find(&self, address: &str) -> Option<usize> {
        self.members
            .iter()
            .position(|member| address.ends_with(&format!(":{}", member.port)))
    }

    /// Starts a server and waits until it is ready.
    pub fn start(&mut self, number: usize) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .unwrap();
        let member = &mut self.members[number];
        let mut command = Command::new(&self.binary);
        command
            .args(["serve", "--data"])
            .arg(&member.data)
            .envs(self.variables.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut server = command.spawn().unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let ready = lines
            .by_ref()
            .map_while(Result::ok)
            .any(|line| line.contains("://"));
        assert!(ready, "server {number} does not start; see server.log");
        std::thread::spawn(move || lines.for_each(drop));
        member.process = Some(server);
        self.balancer.set(number, true);
    }

    /// Kills a server without warning.
    pub fn kill(&mut self, number: usize) {
        self.balancer.set(number, false);
        if let Some(mut server) = self.members[number].process.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// Stops a server in its tracks; the balancer leaves it out, as its health check would.
    pub fn pause(&mut self, number: usize) {
        self.balancer.set(number, false);
        self.signal(number, "-STOP");
        self.members[number].stopped = true;
    }

    /// Lets a paused server go on as if nothing had happened.
    pub fn wake(&mut self, number: usize) {
        self.signal(number, "-CONT");
        self.members[number].stopped = false;
        self.balancer.set(number, true);
    }

    fn signal(&self, number: usize, signal: &str) {
        let pid = self.members[number].process.as_ref().unwrap().id();
        let sent = run(Command::new("kill").args([signal, &pid.to_string()]));
        assert_eq!(sent.code, 0, "{}", sent.stderr);
    }

    /// The answer of one server to a GET by plain HTTP, status line first; `None` when it does not answer.
    pub fn get(&self, number: usize, path: &str) -> Option<String> {
        use std::io::{Read as _, Write as _};
        let mut stream = TcpStream::connect(("127.0.0.1", self.members[number].port)).ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        Some(text)
    }

    /// Waits until a server says that it is ready.
    pub fn wait_until_ready(&self, number: usize) {
        let started = Instant::now();
        while !self
            .get(number, "/readyz")
            .is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
        {
            assert!(
                started.elapsed() < Duration::from_mins(1),
                "server {number} does not become ready"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for number in 0..self.members.len() {
            if self.members[number].stopped {
                self.wake(number);
            }
            self.kill(number);
        }
    }
}

/// The configuration of one server: its own address, everything else where the first one has it.
fn configure(first: &str, data: &Path, port: u16, ca: Option<&str>) -> String {
    let here = |path: &str| format!("{:?}", data.join(path).to_str().unwrap());
    let mut text = String::new();
    for line in first.lines() {
        let keys = line.strip_prefix("keys = ");
        let line = match line {
            _ if line.starts_with("listen = ") => format!("listen = \"127.0.0.1:{port}\""),
            _ if line.trim_start_matches("# ").starts_with("advertise = ") => {
                format!("advertise = \"{}://127.0.0.1:{port}\"", scheme(ca))
            }
            _ if line.starts_with("# ca = ") && ca.is_some() => format!("ca = {:?}", ca.unwrap()),
            "# folder = \"objects\"" => format!("folder = {}", here("objects")),
            "# folder = \"gate\"" => format!("folder = {}", here("gate")),
            _ => match keys {
                Some(keys) => format!("keys = {}", here(keys.trim_matches('"'))),
                None => line.to_owned(),
            },
        };
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn scheme(ca: Option<&str>) -> &'static str {
    if ca.is_some() { "https" } else { "http" }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
