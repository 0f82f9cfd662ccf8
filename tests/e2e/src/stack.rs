//! A vault on free ports in a temporary folder, and people with profiles who use it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// A running vault. Killed and removed when dropped.
pub struct Stack {
    folder: TempDir,
    server: Option<Child>,
    /// Address of the server.
    pub url: String,
    /// What `obhut-server init` printed as the bootstrap code.
    pub code: String,
}

/// What a command did.
pub struct Run {
    /// Exit code; 128 + signal when killed.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Run {
    /// Standard output of a command that must succeed.
    #[must_use]
    pub fn ok(self) -> String {
        assert_eq!(
            self.code, 0,
            "stdout: {}\nstderr: {}",
            self.stdout, self.stderr
        );
        self.stdout
    }

    /// A command that must fail with `code`; returns what it printed to standard error.
    #[must_use]
    pub fn fails_with(self, code: i32) -> String {
        assert_eq!(
            self.code, code,
            "stdout: {}\nstderr: {}",
            self.stdout, self.stderr
        );
        self.stderr
    }
}

impl Stack {
    /// Initialises and starts a vault.
    pub fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("obhut-e2e-")
            .tempdir()
            .unwrap();
        let data = folder.path().join("vault");
        let init = Command::new(binary("obhut-server"))
            .args(["init", "--name", "Test Agency", "--data"])
            .arg(&data)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&init.stdout).into_owned();
        assert!(
            init.status.success(),
            "{text}{}",
            String::from_utf8_lossy(&init.stderr)
        );
        let code = bootstrap_code(&text);
        let mut stack = Self {
            folder,
            server: None,
            url: String::new(),
            code,
        };
        stack.serve("127.0.0.1:0");
        stack
    }

    /// Folder for the test's own files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The server's data folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("vault")
    }

    /// The server's process id.
    pub fn server_pid(&self) -> u32 {
        self.server.as_ref().unwrap().id()
    }

    /// Starts the server and waits for the line that says where it listens.
    pub fn serve(&mut self, listen: &str) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("server.log"))
            .unwrap();
        let mut server = Command::new(binary("obhut-server"))
            .args(["serve", "--listen", listen, "--data"])
            .arg(self.data())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let url = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let start = line.find("http://")?;
            line.get(start..)?
                .split_whitespace()
                .next()
                .map(str::to_owned)
        });
        std::thread::spawn(move || lines.for_each(drop));
        self.server = Some(server);
        self.url = url.expect("the server said where it listens; see server.log");
    }

    /// Kills the server without warning and starts it again on the same address.
    pub fn kill_and_restart(&mut self) {
        self.kill();
        let listen = self
            .url
            .trim_start_matches("http://")
            .trim_end_matches('/')
            .to_owned();
        self.serve(&listen);
    }

    /// Kills the server without warning.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            let _ = server.kill();
            let _ = server.wait();
        }
    }

    /// An `obhut` command of a profile, not yet started.
    pub fn command(&self, profile: &str, args: &[&str]) -> Command {
        let passphrase = self.folder.path().join("passphrase");
        if !passphrase.exists() {
            std::fs::write(&passphrase, "correct horse battery staple for tests\n").unwrap();
        }
        let mut command = Command::new(binary("obhut"));
        command
            .env("OBHUT_HOME", self.folder.path().join("home"))
            .env("XDG_RUNTIME_DIR", self.folder.path())
            .env("OBHUT_PASSPHRASE_FILE", passphrase)
            .args(["--profile", profile])
            .args(args)
            .stdin(Stdio::null());
        command
    }

    /// Runs an `obhut` command of a profile to its end.
    pub fn obhut(&self, profile: &str, args: &[&str]) -> Run {
        run(&mut self.command(profile, args))
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Run {
    use std::os::unix::process::ExitStatusExt as _;
    let output = command.output().unwrap();
    Run {
        code: output
            .status
            .code()
            .unwrap_or_else(|| 128 + output.status.signal().unwrap_or_default()),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn bootstrap_code(text: &str) -> String {
    let word = text
        .split_whitespace()
        .find(|word| word.starts_with("OBHUT-BOOT-") || word.matches('-').count() >= 8);
    word.unwrap_or_else(|| panic!("no bootstrap code in: {text}"))
        .to_owned()
}

/// A binary beside the test's own (`target/debug/`).
fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join(name);
    assert!(
        path.exists(),
        "{name} is not built: run `cargo build --bins`, or `cargo xtask test`"
    );
    path
}
