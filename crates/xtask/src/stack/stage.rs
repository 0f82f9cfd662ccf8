//! The folder, the server and the profiles of a demo; runs commands and shows them.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use serde_json::Value;
use tempfile::TempDir;
use xtask::canary::Canary;

use super::background::Background;
use super::elsewhere::Elsewhere;
use super::servers::Servers;
use super::services::Services;
use crate::run::{Result, output, root};

/// Longer output is cut in the middle of the story; the command can be repeated by hand.
const SHOWN_LINES: usize = 12;
/// What each operator has lies in a folder of its own: data, keys, logs.
const OPERATORS: [&str; 3] = ["server", "gate", "witness"];

pub(crate) struct Stage {
    folder: PathBuf,
    /// Removed when dropped, unless the folder is to be kept.
    temporary: Option<TempDir>,
    programs: PathBuf,
    /// Nothing is shown: a measurement has tables of its own.
    quiet: bool,
    servers: Servers,
    elsewhere: Option<Elsewhere>,
    /// Dropped after the programs that use them.
    services: Services,
    step: usize,
    canaries: Vec<Canary>,
    rng: ChaCha20Rng,
}

impl Stage {
    /// Plays in the folder `keep`, or in one that is removed afterwards; `programs` is where they lie.
    pub(crate) fn open(
        keep: Option<&Path>,
        programs: PathBuf,
        rng: ChaCha20Rng,
        services: Services,
    ) -> Result<Self> {
        let (folder, temporary) = if let Some(folder) = keep {
            fs::create_dir(folder).map_err(|error| trouble("make", folder, &error))?;
            let folder = folder.canonicalize();
            (folder.map_err(|error| error.to_string())?, None)
        } else {
            let folder = tempfile::Builder::new().prefix("obhut-demo-").tempdir();
            let folder = folder.map_err(|error| format!("no temporary folder: {error}"))?;
            (folder.path().to_owned(), Some(folder))
        };
        Self::within(folder, temporary, (programs, false), rng, services)
    }

    /// Without a word, in a new folder below this one.
    pub(crate) fn quiet(below: &Path, programs: &Path, services: Services) -> Result<Self> {
        fs::create_dir_all(below).map_err(|error| trouble("make", below, &error))?;
        let folder = tempfile::Builder::new().prefix("vault-").tempdir_in(below);
        let folder = folder.map_err(|error| trouble("make a folder in", below, &error))?;
        let rng = ChaCha20Rng::seed_from_u64(1);
        let place = folder.path().to_owned();
        Self::within(
            place,
            Some(folder),
            (programs.to_owned(), true),
            rng,
            services,
        )
    }

    fn within(
        folder: PathBuf,
        temporary: Option<TempDir>,
        (programs, quiet): (PathBuf, bool),
        rng: ChaCha20Rng,
        services: Services,
    ) -> Result<Self> {
        let stage = Self {
            folder,
            temporary,
            programs,
            quiet,
            servers: Servers::default(),
            elsewhere: None,
            services,
            step: 0,
            canaries: Vec::new(),
            rng,
        };
        stage.write("passphrase", b"a passphrase for the demo\n")?;
        for folder in OPERATORS {
            let folder = stage.path(folder);
            fs::create_dir(&folder).map_err(|error| trouble("make", &folder, &error))?;
        }
        Ok(stage)
    }

    /// Begins the next step of the story.
    pub(crate) fn step(&mut self, words: &str) {
        self.step += 1;
        self.show(&format!("\n{}. {words}", self.step));
    }

    /// Prints a line of the story.
    pub(crate) fn show(&self, words: &str) {
        if !self.quiet {
            println!("{words}");
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Everything the operators have: data, keys, logs, and what the services keep.
    pub(crate) fn operators_folders(&self) -> Vec<PathBuf> {
        let folders = OPERATORS.iter().map(|folder| self.path(folder));
        let store = self.services.store_folder().map(Path::to_owned);
        folders.chain(store).collect()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("server/vault")
    }

    pub(crate) fn services(&self) -> &Services {
        &self.services
    }

    pub(crate) fn elsewhere(&self) -> Option<&Elsewhere> {
        self.elsewhere.as_ref()
    }

    pub(crate) fn keep_elsewhere(&mut self, elsewhere: Elsewhere) {
        self.elsewhere = Some(elsewhere);
    }

    pub(crate) fn servers(&mut self) -> &mut Servers {
        &mut self.servers
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
        self.show(&format!("   $ {}", self.line(command)));
        let output = command.output().map_err(|error| error.to_string())?;
        let text = printed(&output);
        let lines: Vec<&str> = text.lines().collect();
        for line in lines.iter().take(SHOWN_LINES) {
            self.show(&format!("     {line}"));
        }
        if lines.len() > SHOWN_LINES {
            self.show(&format!("     … {} lines more", lines.len() - SHOWN_LINES));
        }
        match output.status.code() {
            Some(code) if codes.contains(&code) => Ok((code, text)),
            _ if self.quiet => Err(format!("{}: {text}", self.line(command))),
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

    /// Shows and runs a program of an operator that must succeed; what it printed.
    pub(crate) fn program(&self, name: &str, arguments: &[&str]) -> Result<String> {
        self.ends_with(0, &mut self.operators_command(name, arguments))
    }

    /// Shows and starts a program that goes on in the background; `log` is a name in the demo's folder.
    pub(crate) fn background(
        &self,
        name: &str,
        arguments: &[&str],
        log: &str,
    ) -> Result<Background> {
        let mut command = self.operators_command(name, arguments);
        self.show(&format!("   $ {} &", self.line(&command)));
        Background::start(&mut command, &self.path(log), |line| {
            self.show(&format!("     {line}"));
        })
    }

    fn operators_command(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command
            .args(arguments)
            .current_dir(&self.folder)
            .envs(self.services.variables())
            .stdin(Stdio::null());
        command
    }

    /// Ends all programs; the folder, to be removed by whoever drops it.
    pub(crate) fn stop(mut self) -> Option<TempDir> {
        self.temporary.take()
    }

    /// Processes of the vault's servers.
    pub(crate) fn server_processes(&self) -> Vec<u32> {
        self.servers.running().map(Background::id).collect()
    }

    /// Processes of all operators that run now.
    pub(crate) fn processes(&self) -> Vec<u32> {
        let elsewhere = self.elsewhere.iter();
        let elsewhere = elsewhere.flat_map(|parties| [&parties.gatekeeper, &parties.witness]);
        let running = self.servers.running().chain(elsewhere);
        running.map(Background::id).collect()
    }

    /// Waits until the server ends, which Ctrl-C makes it do.
    pub(crate) fn keep_serving(mut self) -> Result<()> {
        println!(
            "The vault keeps running at {}. Ctrl-C ends it. Try, in another terminal:",
            self.servers.url()
        );
        println!("  export OBHUT_HOME={}", self.path("clients").display());
        println!(
            "  export OBHUT_PASSPHRASE_FILE={}",
            self.path("passphrase").display()
        );
        println!(
            "  {} --profile caseworker-1 case list --purpose 'a look around' --legal-basis none",
            self.programs.join("obhut").display()
        );
        let _ = std::io::stdout().flush();
        self.servers.wait()
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
pub(crate) fn built() -> Result<PathBuf> {
    let text = output(crate::run::cargo().args(["metadata", "--no-deps", "--format-version=1"]))?;
    let metadata: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let folder = metadata["target_directory"].as_str().map(PathBuf::from);
    let folder = folder
        .unwrap_or_else(|| root().join("target"))
        .join("debug");
    for name in ["obhut", "obhut-server", "obhut-gate"] {
        if !folder.join(name).exists() {
            return Err(format!(
                "{name} is not in {}: did the build end well?",
                folder.display()
            ));
        }
    }
    Ok(folder)
}
