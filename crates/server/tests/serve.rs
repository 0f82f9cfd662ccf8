//! The built binary: init, serve, stop, and what it refuses.
#![allow(clippy::unwrap_used, clippy::zombie_processes, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

fn server(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_obhut-server"));
    command.args(args);
    command
}

fn run(args: &[&str]) -> Output {
    server(args).output().unwrap()
}

#[track_caller]
fn refused(args: &[&str], why: &str) {
    let output = run(args);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains(why), "{text}");
}

/// A server that is ready, and its address.
fn serve(data: &str) -> (Child, String) {
    let mut child = server(&["serve", "--data", data, "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    lines.read_line(&mut line).unwrap();
    let address = line.split("http://").nth(1).unwrap().trim().to_owned();
    (child, address)
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn stop(mut child: Child) -> bool {
    let id = i32::try_from(child.id()).unwrap();
    let id = rustix::process::Pid::from_raw(id).unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    child.wait().unwrap().success()
}

#[test]
fn serves_until_it_is_told_to_stop_and_starts_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault");
    let data = path.to_str().unwrap();
    let made = run(&["init", "--data", data, "--name", "Test Agency"]);
    let text = String::from_utf8(made.stdout).unwrap();
    assert!(
        made.status.success() && text.contains("Bootstrap code"),
        "{text}"
    );
    refused(
        &["init", "--data", data, "--name", "Test Agency"],
        "holds a vault already",
    );
    assert!(run(&["config", "check", "--data", data]).status.success());
    for _ in 0..2 {
        let (child, address) = serve(data);
        assert!(get(&address, "/readyz").starts_with("HTTP/1.1 200"));
        assert!(get(&address, "/v1/vaults").contains("Test Agency"));
        refused(&["serve", "--data", data], "another obhut-server");
        assert!(stop(child));
    }
    let (child, address) = serve(data);
    let added = run(&["vault", "add", "--data", data, "--name", "Second"]);
    assert!(added.status.success());
    let started = std::time::Instant::now();
    while !get(&address, "/v1/vaults").contains("Second") {
        assert!(started.elapsed().as_secs() < 20, "it is not served");
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(get(&address, "/readyz").starts_with("HTTP/1.1 200"));
    assert!(stop(child));
    private(&path);
    private(&folder.path().join("vault-gate-key"));
    // No secret of the code is kept: neither half of what was printed is in the folder.
    let code = text
        .split_whitespace()
        .find(|word| word.matches('-').count() == 12)
        .unwrap();
    let code = obhut_format::bootstrap::BootstrapCode::parse_text(code).unwrap();
    for bytes in files(&path) {
        assert!(!bytes.windows(16).any(|window| window == code.secret));
    }
}

#[test]
fn refuses_what_is_not_safe_with_a_next_step() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vault");
    let data = path.to_str().unwrap();
    refused(&["serve", "--data", data], "run `obhut-server init");
    let init = ["init", "--data", data, "--name", "Test Agency"];
    let open = [&init[..], &["--listen", "0.0.0.0:80"]].concat();
    refused(&open, "plain HTTP only");
    let inside = path.join("gate-key");
    let inside = [&init[..], &["--gate-keys", inside.to_str().unwrap()]].concat();
    refused(&inside, "inside the data folder");
    let origin = [&init[..], &["--origin", "../elsewhere"]].concat();
    refused(&origin, "--origin must look like");
    assert!(!path.exists());
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("other.txt"), "x").unwrap();
    refused(&init, "is not empty");
}

/// Files 0600, folders 0700.
fn private(path: &Path) {
    let metadata = std::fs::metadata(path).unwrap();
    let mode = metadata.permissions().mode() & 0o777;
    let expected = if metadata.is_dir() { 0o700 } else { 0o600 };
    // Tiles and checkpoints are public, inside a private folder.
    assert_eq!(mode, expected, "{}", path.display());
    if metadata.is_dir() && !path.ends_with("tiles") {
        for entry in std::fs::read_dir(path).unwrap() {
            private(&entry.unwrap().path());
        }
    }
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push(std::fs::read(path).unwrap());
        }
    }
    all
}
