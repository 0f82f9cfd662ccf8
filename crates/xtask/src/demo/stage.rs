//! The folder, the server and the profiles of a demo; runs commands and shows them.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rand_chacha::ChaCha20Rng;
use serde_json::Value;
use tempfile::TempDir;
use xtask::canary::Canary;

use super::services::Services;
use crate::run::{Result, output, root};

/// Longer output is cut in the middle of the story; the command can be repeated by hand.
const SHOWN_LINES: usize = 12;

pub(crate) struct Stage {
    folder: PathBuf,
    /// Removed when dropped, unless the folder is to be kept.
    _temporary: Option<TempDir>,
    programs: PathBuf,
    server: Option<Child>,
    services: Services,
    url: String,
    step: usize,
    canaries: Vec<Canary>,
    rng: ChaCha20Rng,
    missing: Vec<&'static str>,
}

impl Stage {
    pub(crate) fn open(keep: Option<&Path>, rng: ChaCha20Rng, services: Services) -> Result<Self> {
        let (folder, temporary) = if let Some(folder) = keep {
            fs::create_dir(folder).map_err(|error| trouble("make", folder, &error))?;
            let folder = folder.canonicalize();
            (folder.map_err(|error| error.to_string())?, None)
        } else {
            let folder = tempfile::Builder::new().prefix("obhut-demo-").tempdir();
            let folder = folder.map_err(|error| format!("no temporary folder: {error}"))?;
            (folder.path().to_owned(), Some(folder))
        };
        let stage = Self {
            folder,
            _temporary: temporary,
            programs: programs()?,
            server: None,
            services,
            url: String::new(),
            step: 0,
            canaries: Vec::new(),
            rng,
            missing: Vec::new(),
        };
        stage.write("passphrase", b"a passphrase for the demo\n")?;
        fs::create_dir(stage.path("server")).map_err(|error| error.to_string())?;
        Ok(stage)
    }

    /// Begins the next step of the story.
    pub(crate) fn step(&mut self, words: &str) {
        self.step += 1;
        println!("\n{}. {words}", self.step);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Everything the server has: data, keys, logs.
    pub(crate) fn server_folder(&self) -> PathBuf {
        self.path("server")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("server/vault")
    }

    pub(crate) fn services(&self) -> &Services {
        &self.services
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) -> Result<PathBuf> {
        let path = self.path(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|error| trouble("make", folder, &error))?;
        }
        fs::write(&path, content).map_err(|error| trouble("write", &path, &error))?;
        Ok(path)
    }

    /// A random token for a place; it must not be found at the server afterwards.
    pub(crate) fn plant(&mut self, place: &str) -> String {
        let canary = Canary::generate(place, &mut self.rng);
        let token = String::from_utf8_lossy(&canary.token).into_owned();
        self.canaries.push(canary);
        token
    }

    /// Something that exists already and must not be found at the server.
    pub(crate) fn watch(&mut self, canary: Canary) {
        self.canaries.push(canary);
    }

    pub(crate) fn canaries(&self) -> &[Canary] {
        &self.canaries
    }

    /// What the story leaves out because the program cannot do it yet.
    pub(crate) fn missing(&self) -> &[&'static str] {
        &self.missing
    }

    /// Whether `obhut` has a command; if not, the story says so and goes on without.
    pub(crate) fn has(&mut self, name: &'static str) -> bool {
        let mut help = Command::new(self.programs.join("obhut"));
        help.args(name.split(' ')).arg("--help");
        let exists = output(&mut help).is_ok();
        if !exists {
            say(&format!("(obhut {name}: not built yet)"));
            self.missing.push(name);
        }
        exists
    }

    /// An `obhut` command of a profile, not yet started.
    pub(crate) fn command(&self, profile: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.programs.join("obhut"));
        command
            .env("OBHUT_HOME", self.path("clients"))
            .env("XDG_RUNTIME_DIR", &self.folder)
            .env("OBHUT_PASSPHRASE_FILE", self.path("passphrase"))
            .current_dir(&self.folder)
            .args(["--profile", profile])
            .args(arguments)
            .stdin(Stdio::null());
        command
    }

    /// Shows and runs a command that must succeed; what it printed.
    pub(crate) fn obhut(&self, profile: &str, arguments: &[&str]) -> Result<String> {
        let text = self.ends_with(0, &mut self.command(profile, arguments))?;
        Ok(text)
    }

    /// As [`Stage::obhut`], with a secret on standard input.
    pub(crate) fn obhut_fed(
        &self,
        profile: &str,
        arguments: &[&str],
        secret: &str,
    ) -> Result<String> {
        let path = self.write("standard-input", secret.as_bytes())?;
        let file = File::open(&path).map_err(|error| error.to_string())?;
        let mut command = self.command(profile, arguments);
        let result = self.ends_with(0, command.stdin(file));
        fs::remove_file(path).map_err(|error| error.to_string())?;
        result
    }

    /// Shows and runs a command that must succeed, at least in part; whether it was whole.
    pub(crate) fn obhut_in_part(&self, profile: &str, arguments: &[&str]) -> Result<bool> {
        const IN_PART: i32 = 5;
        let codes = [0, IN_PART];
        let (code, _) = self.ends_with_one_of(&codes, &mut self.command(profile, arguments))?;
        Ok(code == 0)
    }

    /// Shows and runs a command that must be refused with this exit code; what it said.
    pub(crate) fn refused(&self, code: i32, profile: &str, arguments: &[&str]) -> Result<String> {
        self.ends_with(code, &mut self.command(profile, arguments))
    }

    /// Runs a command in silence and reads its JSON, an object a line.
    pub(crate) fn json(&self, profile: &str, arguments: &[&str]) -> Result<Vec<Value>> {
        let text = output(self.command(profile, arguments).arg("--json"))?;
        let objects: std::result::Result<_, serde_json::Error> =
            text.lines().map(serde_json::from_str).collect();
        objects.map_err(|error| format!("{arguments:?} gave no JSON: {error}"))
    }

    fn ends_with(&self, code: i32, command: &mut Command) -> Result<String> {
        let (_, text) = self.ends_with_one_of(&[code], command)?;
        Ok(text)
    }

    fn ends_with_one_of(&self, codes: &[i32], command: &mut Command) -> Result<(i32, String)> {
        println!("   $ {}", self.line(command));
        let output = command.output().map_err(|error| error.to_string())?;
        let text = printed(&output);
        let lines: Vec<&str> = text.lines().collect();
        for line in lines.iter().take(SHOWN_LINES) {
            println!("     {line}");
        }
        if lines.len() > SHOWN_LINES {
            println!("     … {} lines more", lines.len() - SHOWN_LINES);
        }
        match output.status.code() {
            Some(code) if codes.contains(&code) => Ok((code, text)),
            _ => Err(format!(
                "that ended with {}, not with {codes:?}",
                output.status
            )),
        }
    }

    /// The command as a person in the demo's folder would type it.
    fn line(&self, command: &Command) -> String {
        let program = Path::new(command.get_program()).file_name();
        let words = program.into_iter().chain(command.get_args());
        let here = format!("{}/", self.folder.display());
        let quoted = words.map(|word| {
            let word = word.to_string_lossy().replace(&here, "");
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:{}=".contains(c);
            if !word.is_empty() && word.chars().all(plain) {
                word
            } else {
                format!("'{word}'")
            }
        });
        quoted.collect::<Vec<_>>().join(" ")
    }

    /// Makes the data folder; what the program printed.
    pub(crate) fn init(&self, agency: &str) -> Result<String> {
        let mut command = Command::new(self.programs.join("obhut-server"));
        command
            .args(["init", "--name", agency, "--data"])
            .arg(self.data())
            .envs(self.services.variables());
        self.ends_with(0, &mut command)
    }

    /// Starts the server on a free port and waits until it says where it listens.
    pub(crate) fn serve(&mut self) -> Result<()> {
        let log = self.server_folder().join("server.log");
        let log = File::options().create(true).append(true).open(&log);
        let log = log.map_err(|error| format!("the server's log: {error}"))?;
        let mut command = Command::new(self.programs.join("obhut-server"));
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(self.data())
            .envs(self.services.variables())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        println!("   $ {} &", self.line(&command));
        let mut server = command.spawn().map_err(|error| error.to_string())?;
        let lines = server.stdout.take().map(|out| BufReader::new(out).lines());
        self.server = Some(server);
        let mut lines = lines
            .into_iter()
            .flatten()
            .map_while(std::result::Result::ok);
        let url = lines.by_ref().find_map(|line| {
            println!("     {line}");
            let start = line.find("http://")?;
            let word = line.get(start..)?.split_whitespace().next()?;
            Some(word.trim_end_matches(['/', ',', '.']).to_owned())
        });
        self.url = url.ok_or("the server ended; see server.log")?;
        // Keeps the pipe empty for as long as the server lives.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(())
    }

    pub(crate) fn server_process(&self) -> Option<u32> {
        self.server.as_ref().map(Child::id)
    }

    /// Waits until the server ends, which Ctrl-C makes it do.
    pub(crate) fn keep_serving(mut self) -> Result<()> {
        println!(
            "The vault keeps running at {}. Ctrl-C ends it. Try, in another terminal:",
            self.url
        );
        println!("  export OBHUT_HOME={}", self.path("clients").display());
        println!(
            "  export OBHUT_PASSPHRASE_FILE={}",
            self.path("passphrase").display()
        );
        println!(
            "  {} --profile caseworker-1 case list",
            self.programs.join("obhut").display()
        );
        let _ = std::io::stdout().flush();
        if let Some(mut server) = self.server.take() {
            let status = server.wait().map_err(|error| error.to_string())?;
            println!("The server ended: {status}");
        }
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            if let Some(process) = rustix::process::Pid::from_raw(server.id().cast_signed()) {
                let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
            }
            let _ = server.wait();
        }
    }
}

/// A remark between commands.
pub(crate) fn say(words: &str) {
    println!("   {words}");
}

/// The first word with this beginning: an id that a command printed.
pub(crate) fn find_id(text: &str, prefix: &str) -> Result<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !fits(c))
        .find(|word| word.starts_with(prefix) && word.len() > prefix.len())
        .map(str::to_owned)
        .ok_or_else(|| format!("no {prefix}… was printed"))
}

pub(crate) fn trouble(verb: &str, path: &Path, error: &std::io::Error) -> String {
    format!("cannot {verb} {}: {error}", path.display())
}

fn printed(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text
}

/// Where `cargo build` has put the programs.
fn programs() -> Result<PathBuf> {
    let text = output(crate::run::cargo().args(["metadata", "--no-deps", "--format-version=1"]))?;
    let metadata: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let folder = metadata["target_directory"].as_str().map(PathBuf::from);
    let folder = folder
        .unwrap_or_else(|| root().join("target"))
        .join("debug");
    for name in ["obhut", "obhut-server"] {
        if !folder.join(name).exists() {
            return Err(format!(
                "the demo is not built yet: {name} does not exist; see the status line of README.md"
            ));
        }
    }
    Ok(folder)
}
