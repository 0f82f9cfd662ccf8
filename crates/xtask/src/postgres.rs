//! A PostgreSQL server for one run: own folder, own port on loopback, gone afterwards.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::run::{Result, output};
use crate::tools;

/// The variable the tests read. When it is set already, that server is used.
pub const VARIABLE: &str = "OBHUT_TEST_POSTGRES";

/// The server; dropped, it is stopped and its folder removed.
pub struct Server {
    url: String,
    keeper: Option<Child>,
    /// Where it can be killed and started again.
    cluster: Option<Box<Cluster>>,
}

impl Server {
    /// Uses the server of [`VARIABLE`], or starts one, installing PostgreSQL where that is
    /// possible.
    pub fn start() -> Result<Self> {
        if let Ok(url) = std::env::var(VARIABLE) {
            println!("PostgreSQL: the server of {VARIABLE}");
            return Ok(Self {
                url,
                keeper: None,
                cluster: None,
            });
        }
        let programs = find_programs().map_or_else(install, Ok)?;
        let server = Self::of(Cluster::create(programs)?, "")?;
        println!("PostgreSQL: started for this run at {}", server.url);
        Ok(server)
    }

    /// Starts one that nobody else uses, that keeps what it acknowledged when it is killed, and that speaks TLS where
    /// `openssl` can make it a certificate; `None` where PostgreSQL is not installed.
    pub fn start_own() -> Result<Option<Self>> {
        let Some(programs) = find_programs() else {
            return Ok(None);
        };
        let cluster = Cluster::create(programs)?;
        let tls = cluster.certify();
        let more = if tls { "-c ssl=on" } else { "" };
        Self::of(cluster, &format!("-c synchronous_commit=on {more}")).map(Some)
    }

    fn of(cluster: Cluster, more: &str) -> Result<Self> {
        let port = cluster.start(more)?;
        let url = format!("postgres://postgres@127.0.0.1:{port}/postgres");
        let keeper = Some(cluster.keep()?);
        let cluster = Some(Box::new(cluster));
        Ok(Self {
            url,
            keeper,
            cluster,
        })
    }

    /// Whether it offers TLS.
    pub fn has_tls(&self) -> bool {
        self.cluster
            .as_ref()
            .is_some_and(|cluster| cluster.key().exists())
    }

    /// Ends it as a crash would: nothing is finished, the next start recovers.
    pub fn kill(&self) -> Result<()> {
        output(&mut self.own()?.stop()).map(drop)
    }

    /// Starts it where it was.
    pub fn restart(&self) -> Result<()> {
        let mut start = self.own()?.program("pg_ctl");
        start.args(["restart", "--wait", "--silent", "--mode=immediate"]);
        self.own()?.run_start(&mut start)
    }

    fn own(&self) -> Result<&Cluster> {
        let cluster = self.cluster.as_deref();
        cluster.ok_or_else(|| "the server of somebody else is not killed".to_owned())
    }

    /// The URL of a superuser's connection.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            drop(keeper.stdin.take());
            if let Err(error) = keeper.wait() {
                eprintln!("PostgreSQL may still be running: {error}");
            }
        }
    }
}

struct Cluster {
    programs: PathBuf,
    folder: PathBuf,
}

/// Tests throw their databases away, so nothing is synced.
const SETTINGS: &str = "-c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off \
    -c synchronous_commit=off -c full_page_writes=off -c max_connections=400 \
    -c shared_buffers=128MB -c max_pred_locks_per_transaction=256";

/// Waits until the chore has ended, however it ended, then stops the server. Ignores Ctrl-C, which
/// the terminal sends to both.
const KEEPER: &str = "trap '' INT TERM HUP; cat >/dev/null; folder=$1; shift; \
    \"$@\" >/dev/null 2>&1; rm -rf -- \"$folder\"";

impl Cluster {
    fn create(programs: PathBuf) -> Result<Self> {
        let mut make = as_server(Path::new("mktemp"));
        make.args(["--directory", "--tmpdir", "obhut-postgres.XXXXXXXX"]);
        let folder = PathBuf::from(output(&mut make)?.trim_end());
        let cluster = Self { programs, folder };
        let mut init = cluster.program("initdb");
        init.args(["--auth=trust", "--username=postgres", "--encoding=UTF8"])
            .args(["--locale=C", "--no-sync", "--pgdata"])
            .arg(cluster.data());
        output(&mut init)?;
        Ok(cluster)
    }

    /// Starts the server on a free port, with further settings. Another program may take the port meanwhile, so it tries
    /// more than once.
    fn start(&self, more: &str) -> Result<u16> {
        let mut refused = String::new();
        for _ in 0..5 {
            let port = free_port()?;
            let mut start = self.program("pg_ctl");
            start
                .args(["start", "--wait", "--silent", "--options"])
                .arg(format!("-p {port} {SETTINGS} {more}"));
            match self.run_start(&mut start) {
                Ok(()) => return Ok(port),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    fn run_start(&self, start: &mut Command) -> Result<()> {
        start
            .arg("--log")
            .arg(self.folder.join("log"))
            .arg("--pgdata")
            .arg(self.data());
        // Not piped: the server keeps what it inherits.
        let status = start.stdout(Stdio::null()).stderr(Stdio::null()).status();
        let refused = match status {
            Ok(status) if status.success() => return Ok(()),
            Ok(_) => fs::read_to_string(self.folder.join("log")).unwrap_or_default(),
            Err(error) => error.to_string(),
        };
        Err(format!("PostgreSQL does not start: {refused}"))
    }

    /// A key and a certificate that nobody trusts: what travels is encrypted and cannot be changed unnoticed.
    fn certify(&self) -> bool {
        let mut make = as_server(Path::new("openssl"));
        make.args(["req", "-x509", "-newkey", "ec", "-pkeyopt"])
            .args(["ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=localhost", "-keyout"])
            .arg(self.key())
            .arg("-out")
            .arg(self.data().join("server.crt"));
        output(&mut make).is_ok()
    }

    fn key(&self) -> PathBuf {
        self.data().join("server.key")
    }

    fn stop(&self) -> Command {
        let mut stop = self.program("pg_ctl");
        stop.args(["stop", "--wait", "--mode=immediate", "--pgdata"])
            .arg(self.data());
        stop
    }

    fn keep(&self) -> Result<Child> {
        let stop = self.stop();
        Command::new("sh")
            .args(["-c", KEEPER, "obhut-postgres"])
            .arg(&self.folder)
            .arg(stop.get_program())
            .args(stop.get_args())
            .current_dir("/")
            .stdin(Stdio::piped())
            .spawn()
            .map_err(|error| format!("sh could not be started: {error}"))
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn program(&self, name: &str) -> Command {
        as_server(&self.programs.join(name))
    }
}

/// PostgreSQL refuses to run as root; its package makes the user `postgres`.
fn as_server(program: &Path) -> Command {
    let mut command;
    if rustix::process::geteuid().is_root() {
        command = Command::new("runuser");
        command.args(["--user", "postgres", "--"]).arg(program);
    } else {
        command = Command::new(program);
    }
    command.current_dir("/");
    command
}

fn free_port() -> Result<u16> {
    TcpListener::bind(("127.0.0.1", 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| format!("no free port on loopback: {error}"))
}

/// The oldest version that is supported.
const OLDEST: u32 = 15;

/// The folder of `initdb` and `pg_ctl`: Debian's newest, or `pg_config`'s.
fn find_programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let newest = versions
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|version| *version >= OLDEST)
        .max();
    let debian = newest.map(|version| format!("/usr/lib/postgresql/{version}/bin").into());
    let other = || {
        let printed = output(Command::new("pg_config").arg("--bindir")).ok()?;
        Some(PathBuf::from(printed.trim_end()))
    };
    debian
        .or_else(other)
        .filter(|folder: &PathBuf| folder.join("initdb").exists())
}

/// Installs Debian's package, without the server it would otherwise start at once.
fn install() -> Result<PathBuf> {
    if !tools::may_install_packages() {
        return Err(format!(
            "PostgreSQL {OLDEST} or newer is missing. Install it (Debian: apt-get install \
             postgresql), or set {VARIABLE} to the URL of a server whose user may create \
             databases, or run `cargo xtask test --fast`"
        ));
    }
    println!("PostgreSQL is missing; installing it");
    tools::install_package("postgresql-common")?;
    let settings = Path::new("/etc/postgresql-common/createcluster.conf");
    let text = fs::read_to_string(settings).unwrap_or_default();
    if !text.contains("\ncreate_main_cluster") {
        fs::write(settings, text + "\ncreate_main_cluster = false\n")
            .map_err(|error| format!("{}: {error}", settings.display()))?;
    }
    tools::install_package("postgresql")?;
    find_programs().ok_or_else(|| format!("the package has no PostgreSQL {OLDEST} or newer"))
}
