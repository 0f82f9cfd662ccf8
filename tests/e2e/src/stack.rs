//! A vault on free ports in a temporary folder, and people with profiles who use it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};
use tempfile::TempDir;

use crate::{Databases, Fleet, Gatekeeper, Witness};

/// A running vault. Killed and removed when dropped.
pub struct Stack {
    folder: TempDir,
    data: PathBuf,
    /// How the server is started: which binary, as whom, with which clock.
    manner: Manner,
    server: Option<Child>,
    fleet: Option<Fleet>,
    /// The gatekeeper, where it is a process of its own.
    pub gatekeeper: Option<Gatekeeper>,
    /// The witness, where there is one.
    pub witness: Option<Witness>,
    /// What `obhut found` is told besides.
    pub(crate) founding: Vec<String>,
    /// Dropped after the server and the gatekeeper.
    pub(crate) databases: Option<Databases>,
    /// Address of the server.
    pub url: String,
    /// File with the authority of the server's certificate, where it speaks TLS.
    pub ca: Option<String>,
    /// What `obhut-server init` printed as the bootstrap code.
    pub code: String,
    /// All that `obhut-server init` printed.
    pub printed: String,
}

/// How the server is started.
struct Manner {
    binary: PathBuf,
    uid: Option<u32>,
    clock: Option<(PathBuf, i64)>,
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
    pub(crate) fn from_output(output: &Output) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let signal = || 128 + output.status.signal().unwrap_or_default();
        Self {
            code: output.status.code().unwrap_or_else(signal),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

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

    /// A command that must fail with `code` and a report; returns the report on standard output.
    #[must_use]
    pub fn fails_with_report(self, code: i32) -> String {
        assert_eq!(
            self.code, code,
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
        let folder = temporary();
        let data = folder.path().join("vault");
        Self::initialise(folder, data, None)
    }

    /// As [`Stack::start`], with all tables in PostgreSQL; `None` where there is no server for tests.
    pub fn start_on_postgres() -> Option<Self> {
        let databases = Databases::make()?;
        let folder = temporary();
        let data = folder.path().join("vault");
        Some(Self::initialise(folder, data, Some(databases)))
    }

    /// So many servers on one database behind one address; `None` where there is no server for tests.
    pub fn start_fleet(count: usize) -> Option<Self> {
        let databases = Databases::make()?;
        let folder = temporary();
        let data = folder.path().join("vault");
        let stack = Self::make(folder, data, Some(databases), &[]);
        Some(stack.into_fleet(count))
    }

    /// Starts so many servers on the folder that `init` made.
    pub(crate) fn into_fleet(mut self, count: usize) -> Self {
        let variables = gate_variables(self.databases.as_ref().unwrap());
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let servers = binary("obhut-server");
        let ca = self.ca.as_deref();
        let fleet = Fleet::of(&self.data, count, servers, variables.into(), ca);
        self.url = fleet.url();
        self.fleet = Some(fleet);
        self
    }

    /// The servers of [`Stack::start_fleet`].
    pub fn fleet(&mut self) -> &mut Fleet {
        self.fleet.as_mut().unwrap()
    }

    /// The databases of a vault on PostgreSQL.
    pub fn databases(&self) -> &Databases {
        self.databases.as_ref().unwrap()
    }

    /// Waits until a server leads other than `former`; its number.
    pub fn wait_for_leader(&self, former: Option<usize>) -> usize {
        let fleet = self.fleet.as_ref().unwrap();
        let started = Instant::now();
        loop {
            let leader = self.databases().leader();
            let leader = leader.and_then(|address| fleet.find(&address));
            if let Some(leader) = leader.filter(|leader| Some(*leader) != former) {
                return leader;
            }
            assert!(
                started.elapsed() < Duration::from_mins(1),
                "no other server leads"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// As [`Stack::start`] with the data in this folder, which must not exist.
    pub fn start_in(data: &Path) -> Self {
        Self::initialise(temporary(), data.to_owned(), None)
    }

    /// As [`Stack::start`] with further arguments for `obhut-server init`.
    pub fn start_with(init: &[&str]) -> Self {
        let folder = temporary();
        let data = folder.path().join("vault");
        Self::initialise_with(folder, data, None, init)
    }

    fn initialise(folder: TempDir, data: PathBuf, databases: Option<Databases>) -> Self {
        Self::initialise_with(folder, data, databases, &[])
    }

    fn initialise_with(
        folder: TempDir,
        data: PathBuf,
        databases: Option<Databases>,
        more: &[&str],
    ) -> Self {
        let mut stack = Self::make(folder, data, databases, more);
        stack.serve("127.0.0.1:0");
        stack
    }

    pub(crate) fn make(
        folder: TempDir,
        data: PathBuf,
        databases: Option<Databases>,
        more: &[&str],
    ) -> Self {
        let mut init = Command::new(binary("obhut-server"));
        init.args(["init", "--name", "Test Agency", "--data"])
            .arg(&data)
            .args(more);
        if let Some(databases) = &databases {
            let url = folder.path().join("database-url");
            std::fs::write(&url, databases.vault()).unwrap();
            init.arg("--database-file").arg(url);
            init.envs(gate_variables(databases));
        }
        let init = init.output().unwrap();
        let text = String::from_utf8_lossy(&init.stdout).into_owned();
        assert!(
            init.status.success(),
            "{text}{}",
            String::from_utf8_lossy(&init.stderr)
        );
        let code = bootstrap_code(&text);
        let manner = Manner {
            binary: binary("obhut-server"),
            uid: None,
            clock: None,
        };
        Self {
            folder,
            data,
            manner,
            server: None,
            fleet: None,
            gatekeeper: None,
            witness: None,
            founding: Vec::new(),
            databases,
            url: String::new(),
            ca: None,
            code,
            printed: text,
        }
    }

    /// Folder for the test's own files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The server's data folder.
    pub fn data(&self) -> PathBuf {
        self.data.clone()
    }

    /// The server's process id.
    pub fn server_pid(&self) -> u32 {
        self.server.as_ref().unwrap().id()
    }

    /// Adds lines to the server's configuration and starts it again with them.
    pub fn configure(&mut self, lines: &str) {
        self.append_settings(lines);
        self.kill_and_restart();
    }

    /// Adds lines to the server's configuration, for its next start.
    pub(crate) fn append_settings(&self, lines: &str) {
        let path = self.data.join("obhut.toml");
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str(lines);
        std::fs::write(path, text).unwrap();
    }

    /// Runs `obhut-server COMMAND --data …` to its end.
    pub fn server_command(&self, command: &str) -> Run {
        let mut server = Command::new(binary("obhut-server"));
        run(server.arg(command).arg("--data").arg(&self.data))
    }

    /// Starts the server and waits for the line that says where it listens.
    pub fn serve(&mut self, listen: &str) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("server.log"))
            .unwrap();
        let mut command = self.serve_command(listen);
        let mut server = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let url = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let start = line.find("https://").or_else(|| line.find("http://"))?;
            line.get(start..)?
                .split_whitespace()
                .next()
                .map(str::to_owned)
        });
        std::thread::spawn(move || lines.for_each(drop));
        self.server = Some(server);
        self.url = url.expect("the server said where it listens; see server.log");
    }

    fn serve_command(&self, listen: &str) -> Command {
        use std::os::unix::process::CommandExt as _;
        let mut command = Command::new(&self.manner.binary);
        command
            .args(["serve", "--listen", listen, "--data"])
            .arg(&self.data)
            .stdin(Stdio::null());
        command.envs(self.variables());
        if let Some(uid) = self.manner.uid {
            command.uid(uid).gid(uid);
        }
        if let Some((shifter, seconds)) = &self.manner.clock {
            crate::machine::shift_clock(&mut command, shifter, *seconds);
        }
        command
    }

    /// What the server finds in its environment.
    fn variables(&self) -> Vec<(&'static str, &str)> {
        let databases = self
            .databases
            .as_ref()
            .filter(|_| self.gatekeeper.is_none());
        databases.map_or_else(Vec::new, |databases| gate_variables(databases).into())
    }

    /// Starts the server where it must not come up; what it said.
    pub fn try_serve(&self) -> Run {
        run(&mut self.serve_command("127.0.0.1:0"))
    }

    /// From the next start on the server serves this data folder, with its database where that folder's configuration says.
    pub fn use_data(&mut self, data: &Path) {
        self.kill();
        data.clone_into(&mut self.data);
    }

    /// Starts the server again where profiles expect it.
    pub fn serve_again(&mut self) {
        let url = self.url.clone();
        self.serve(url.trim_start_matches("http://").trim_end_matches('/'));
    }

    /// From the next start on the server runs as this user, from a copy that everybody may execute.
    pub fn run_server_as(&mut self, uid: u32) {
        use std::os::unix::fs::PermissionsExt as _;
        let copy = self.folder.path().join("obhut-server");
        std::fs::copy(&self.manner.binary, &copy).unwrap();
        let all = |mode| std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(&copy, all(0o755)).unwrap();
        std::fs::set_permissions(self.folder.path(), all(0o755)).unwrap();
        self.manner.binary = copy;
        self.manner.uid = Some(uid);
    }

    /// From the next start on the server's clock is off by so many seconds.
    pub fn shift_server_clock(&mut self, clock: Option<(PathBuf, i64)>) {
        self.manner.clock = clock;
    }

    /// Kills the server without warning and starts it again on the same address; of several, the one that leads.
    pub fn kill_and_restart(&mut self) {
        if self.fleet.is_some() {
            let leader = self.databases().leader();
            let fleet = self.fleet();
            let victim = leader.and_then(|address| fleet.find(&address)).unwrap_or(0);
            fleet.kill(victim);
            fleet.start(victim);
            return;
        }
        self.kill();
        let (_, listen) = self.url.split_once("://").unwrap();
        let listen = listen.trim_end_matches('/').to_owned();
        self.serve(&listen);
    }

    /// Asks the server to end, as a service manager does, and waits until it has.
    pub fn stop(&mut self) -> Run {
        let pid = self.server_pid().to_string();
        let asked = run(Command::new("kill").args(["-TERM", &pid]));
        assert_eq!(asked.code, 0, "{}", asked.stderr);
        let status = self.server.take().unwrap().wait().unwrap();
        Run {
            code: status.code().unwrap_or(-1),
            stdout: String::new(),
            stderr: String::new(),
        }
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

    /// Runs `obhut-server` with these arguments and the data folder.
    pub fn server(&self, args: &[&str]) -> Run {
        let data = self.data.to_str().unwrap();
        self.bare_server(&[args, &["--data", data]].concat())
    }

    /// Runs `obhut-server` with these arguments.
    pub fn bare_server(&self, args: &[&str]) -> Run {
        run(&mut self.server_process(args))
    }

    /// `obhut-server` with these arguments, not yet started.
    pub fn server_process(&self, args: &[&str]) -> Command {
        let mut command = Command::new(binary("obhut-server"));
        command
            .args(args)
            .envs(self.variables())
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

/// How a server is told where the gatekeeper's stores are.
fn gate_variables(databases: &Databases) -> [(&'static str, &str); 2] {
    [
        ("OBHUT_GATE_DATABASE_URL", databases.gate()),
        ("OBHUT_GATE_MIRROR_URL", databases.mirror()),
    ]
}

pub(crate) fn temporary() -> TempDir {
    let mut builder = tempfile::Builder::new();
    builder.prefix("obhut-e2e-").tempdir().unwrap()
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Run {
    Run::from_output(&command.output().unwrap())
}

/// As [`run`], but kills what still runs after so long, and says so.
pub fn run_within(patience: Duration, command: &mut Command) -> Run {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    let pid = child.id().to_string();
    let (ended, end) = std::sync::mpsc::channel::<()>();
    let guard = std::thread::spawn(move || {
        let late = end.recv_timeout(patience) == Err(RecvTimeoutError::Timeout);
        late && run(Command::new("kill").args(["-KILL", &pid])).code == 0
    });
    let mut run = Run::of(child);
    drop(ended);
    if guard.join().unwrap() {
        run.stderr.push_str("killed: it did not end\n");
    }
    run
}

fn bootstrap_code(text: &str) -> String {
    let word = text
        .split_whitespace()
        .find(|word| word.matches('-').count() == 12);
    word.unwrap_or_else(|| panic!("no bootstrap code in: {text}"))
        .to_owned()
}

/// A binary beside the test's own (`target/debug/`).
pub(crate) fn binary(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join(name);
    assert!(
        path.exists(),
        "{name} is not built: run `cargo build --bins`, or `cargo xtask test`"
    );
    path
}
