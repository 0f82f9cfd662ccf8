//! The full stack with a proxy at every border, and what must hold of it after every trouble.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use obhut_e2e::{Agency, Border, Databases, REASON, Run, Stack, letter_code, random_bytes, text};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use tempfile::TempDir;
use xtask::canary::{Canary, Search};
use xtask::postgres::Server;

use crate::FaultProxy;

/// How long a command may take once nothing is in its way any more.
const PATIENCE: Duration = Duration::from_secs(150);
/// The exit code for what is not as it was made.
const DAMAGED: i32 = 6;
/// Within this time after a fault the same command must succeed.
const RECOVERY: Duration = Duration::from_secs(30);

/// An agency on the full stack, with three caseworkers and a citizen who has activated.
pub struct World {
    /// The agency; everybody but the test itself reaches it through a proxy.
    pub agency: Agency,
    /// The proxy at each border.
    pub proxies: BTreeMap<Border, FaultProxy>,
    /// What was acknowledged: the bytes of each document of the agency's case.
    kept: BTreeMap<String, Vec<u8>>,
    /// The purposes of readings that succeeded.
    read: Vec<String>,
    canaries: Vec<Canary>,
    rng: ChaCha20Rng,
    number: u64,
    /// Of PostgreSQL's own, if it is not shared; dropped after the agency's databases.
    postgres: Option<Server>,
    /// Copies of what passed each border.
    taps: TempDir,
}

/// One command and what its success means.
pub struct Job {
    profile: &'static str,
    arguments: Vec<String>,
    means: Means,
}

enum Means {
    Filed(Vec<u8>),
    Read {
        purpose: String,
        target: PathBuf,
        content: Vec<u8>,
    },
    Issued,
    Imported,
}

/// How a world is made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Make {
    /// What chance decides comes from here.
    pub seed: u64,
    /// A PostgreSQL of its own, which can be killed.
    pub own_postgres: bool,
    /// TLS to that PostgreSQL, without which wrong bytes cannot be told from right ones.
    pub tls: bool,
}

impl World {
    /// Starts it; `None`, and a printed line, where something of it is not to be had.
    pub fn open(make: Make) -> Option<Self> {
        eprintln!("seed {}", make.seed);
        let (postgres, databases) = if make.own_postgres {
            let Some(server) = Server::start_own().unwrap() else {
                eprintln!("skipped: PostgreSQL is not installed");
                return None;
            };
            if make.tls && !server.has_tls() {
                eprintln!("skipped: no openssl to make a certificate");
                return None;
            }
            let query = if make.tls { "?sslmode=require" } else { "" };
            let databases = Databases::make_at(&format!("{}{query}", server.url()));
            (Some(server), databases)
        } else {
            (None, Databases::make()?)
        };
        let taps = tempfile::tempdir().unwrap();
        let mut proxies = BTreeMap::new();
        let mut route = |border: Border, address: &str| {
            let tap = taps.path().join(format!("{border:?}"));
            let proxy = FaultProxy::start(address, make.seed, Some(&tap));
            let address = proxy.address();
            proxies.insert(border, proxy);
            address
        };
        let stack = Stack::start_full_through(databases, &mut route)?;
        let agency = Agency::in_stack(stack, 3);
        let mut world = Self {
            agency,
            proxies,
            kept: BTreeMap::new(),
            read: Vec::new(),
            canaries: Vec::new(),
            rng: ChaCha20Rng::seed_from_u64(make.seed),
            number: 0,
            postgres,
            taps,
        };
        world.meet_the_citizen();
        world.redirect_profiles();
        Some(world)
    }

    /// The vault.
    pub fn stack(&self) -> &Stack {
        &self.agency.stack
    }

    /// The proxy at a border.
    pub fn at(&self, border: Border) -> &FaultProxy {
        &self.proxies[&border]
    }

    /// Where the proxy at a border hands on to, `host:port`.
    pub fn upstream(&self, border: Border) -> String {
        self.at(border).upstream()
    }

    /// The PostgreSQL of [`Make::own_postgres`].
    pub fn postgres(&self) -> &Server {
        self.postgres.as_ref().unwrap()
    }

    /// Remembers a document of the agency's case that was acknowledged.
    pub fn keep(&mut self, document: &str, content: Vec<u8>) {
        self.kept.insert(document.to_owned(), content);
    }

    fn meet_the_citizen(&mut self) {
        let document = self.agency.put("first.txt", b"the first document");
        let stack = &self.agency.stack;
        let letter = stack.folder().join("letter.html");
        let issue = [
            "issue",
            &document,
            "--to",
            &self.agency.citizen,
            "--letter",
            letter.to_str().unwrap(),
        ];
        let _ = stack.reading("cw1", &issue).ok();
        let code = letter_code(&std::fs::read_to_string(letter).unwrap());
        let code = stack.write("code", code.as_bytes());
        let activate = ["activate", code.to_str().unwrap()];
        let _ = stack.obhut("citizen", &activate).ok();
        self.kept.insert(document, b"the first document".to_vec());
    }

    fn redirect_profiles(&self) {
        let url = format!("http://{}", self.at(Border::Client).address());
        for profile in ["registrar", "cw1", "cw2", "cw3", "citizen"] {
            self.stack().redirect(profile, &url);
        }
    }

    fn plant(&mut self, place: &str) -> String {
        let canary = Canary::generate(place, &mut self.rng);
        let token = String::from_utf8_lossy(&canary.token).into_owned();
        self.canaries.push(canary);
        token
    }

    /// A put, a get, an issue and an import, as different people would begin them at the same time.
    pub fn jobs(&mut self) -> Vec<Job> {
        self.number += 1;
        vec![self.put(60_000), self.get(), self.issue(), self.import()]
    }

    /// Files a new document with so many bytes more than a token.
    pub fn put(&mut self, length: usize) -> Job {
        let token = self.plant("a document");
        let mut content = token.into_bytes();
        self.number += 1;
        content.extend(random_bytes(self.number, length));
        let name = format!("{}.bin", self.plant("a file's name"));
        let file = self.stack().write(&name, &content);
        let title = self.plant("a title");
        let put = ["put", &self.agency.case, path(&file), "--title", &title];
        Job::new("cw1", &put, Means::Filed(content))
    }

    fn get(&mut self) -> Job {
        let number = (self.number as usize * 7) % self.kept.len();
        let (document, content) = self.kept.iter().nth(number).unwrap();
        let (document, content) = (document.clone(), content.clone());
        let purpose = format!("Purpose number {}", self.number);
        let target = self.stack().folder().join(format!("read-{}", self.number));
        let get = [
            "get",
            &document,
            "--force",
            "--output",
            path(&target),
            "--purpose",
            &purpose,
            REASON[2],
            REASON[3],
        ];
        let means = Means::Read {
            purpose: purpose.clone(),
            target: target.clone(),
            content,
        };
        Job::new("cw2", &get, means)
    }

    fn issue(&mut self) -> Job {
        let document = self.kept.keys().next_back().unwrap();
        let issue = ["issue", document, "--to", &self.agency.citizen];
        Job::new("cw1", &[&issue[..], &REASON].concat(), Means::Issued)
    }

    fn import(&mut self) -> Job {
        let tree = format!("tree-{}", self.number);
        let folder = self.plant("an imported folder's name");
        for file in 0..4 {
            let content = random_bytes(self.number << 8 | file, 9_000);
            self.stack()
                .write(&format!("{tree}/{folder}/{file}.bin"), &content);
        }
        let tree = self.stack().folder().join(tree);
        let import = ["import", path(&tree), "--class", obhut_e2e::CLASS];
        Job::new("cw3", &import, Means::Imported)
    }

    /// Runs jobs side by side while `trouble` is made; then each must have ended honestly, and whatever did not succeed
    /// succeeds now. `honest` says which exit codes are.
    pub fn run(&mut self, jobs: Vec<Job>, honest: &[i32], trouble: impl FnOnce(&mut Self)) {
        let children: Vec<_> = jobs
            .iter()
            .map(|job| {
                let mut command = job.command(self.stack());
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
                command.spawn().unwrap()
            })
            .collect();
        trouble(self);
        let lifted = Instant::now();
        let mut failed = Vec::new();
        for (job, child) in jobs.into_iter().zip(children) {
            let run = finish_within(child, PATIENCE, &job);
            assert!(
                honest.contains(&run.code),
                "{:?}: exit {}\n{}\n{}",
                job.arguments,
                run.code,
                run.stdout,
                run.stderr
            );
            let dumb = run.stderr.contains("\"problem\":\"internal\"");
            assert!(
                !dumb || honest.contains(&DAMAGED),
                "nobody says why: {}",
                run.stderr
            );
            if run.code == 0 {
                self.note(&job, &run);
            } else {
                let last = run
                    .stderr
                    .trim()
                    .lines()
                    .last()
                    .unwrap_or_default()
                    .to_owned();
                failed.push((job, run.code, last));
            }
        }
        let ended = lifted.elapsed();
        for (job, code, words) in failed {
            let again = self.again(&job);
            eprintln!(
                "  {} ended with {code} ({words}); it works again after {:.1} s",
                job.arguments[0],
                again.as_secs_f64()
            );
        }
        if ended > Duration::from_secs(8) {
            eprintln!(
                "  the last command ended {:.1} s after the trouble",
                ended.as_secs_f64()
            );
        }
    }

    /// Runs a job to its end while whatever is wrong stays so.
    pub fn attempt(&mut self, job: &Job) -> Run {
        let mut command = job.command(self.stack());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let run = finish_within(command.spawn().unwrap(), PATIENCE, job);
        if run.code == 0 {
            self.note(job, &run);
        }
        run
    }

    /// The same command until it succeeds, which it must do soon.
    fn again(&mut self, job: &Job) -> Duration {
        let begun = Instant::now();
        loop {
            let command = job
                .command(self.stack())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn();
            let run = finish_within(command.unwrap(), PATIENCE, job);
            if run.code == 0 {
                self.note(job, &run);
                return begun.elapsed();
            }
            assert!(
                begun.elapsed() < RECOVERY,
                "{:?} does not recover: exit {}\n{}\n{}",
                job.arguments,
                run.code,
                run.stdout,
                run.stderr
            );
            std::thread::sleep(Duration::from_millis(300));
        }
    }

    /// Keeps what was acknowledged.
    fn note(&mut self, job: &Job, run: &Run) {
        match &job.means {
            Means::Filed(content) => {
                let done: serde_json::Value = serde_json::from_str(run.stdout.trim()).unwrap();
                self.kept.insert(text(&done, "document"), content.clone());
            }
            Means::Read {
                purpose,
                target,
                content,
            } => {
                assert!(std::fs::read(target).unwrap() == *content, "{purpose}");
                self.read.push(purpose.clone());
            }
            Means::Issued | Means::Imported => {}
        }
    }

    /// What must hold after any trouble, with nothing in the way.
    pub fn check(&mut self) {
        self.stands();
        self.kept_documents_are_there();
        self.agency.verify_case();
        let _ = self.stack().verify_logs().ok();
        self.every_reading_is_logged();
        self.nothing_leaked();
    }

    /// Nothing left behind blocks: all of it works at the first attempt.
    fn stands(&mut self) {
        for job in self.jobs() {
            let run = job.command(self.stack()).output().unwrap();
            let words = String::from_utf8_lossy(&run.stderr);
            assert!(run.status.success(), "{:?}: {words}", job.arguments);
            let run = Run {
                code: 0,
                stdout: String::from_utf8_lossy(&run.stdout).into_owned(),
                stderr: String::new(),
            };
            self.note(&job, &run);
        }
    }

    fn kept_documents_are_there(&self) {
        let stack = self.stack();
        let export = stack.folder().join(format!("export-{}", self.number));
        let arguments = ["export", &self.agency.case, path(&export), "--json"];
        let report = stack.reading("cw1", &arguments).ok();
        let report: serde_json::Value = serde_json::from_str(report.trim()).unwrap();
        let written = report["written"].as_array().unwrap();
        for (document, content) in &self.kept {
            let found = written
                .iter()
                .find(|one| one["document"] == document.as_str());
            let found = found.unwrap_or_else(|| panic!("{document} was acknowledged and is lost"));
            let file = export.join(found["path"].as_str().unwrap());
            assert!(
                std::fs::read(file).unwrap() == *content,
                "{document} differs"
            );
        }
        std::fs::remove_dir_all(export).unwrap();
    }

    /// No release without an entry: each reading's purpose stands in the citizen's own log.
    fn every_reading_is_logged(&self) {
        let log = self.stack().json("citizen", &["log", "mine"]);
        let entries = log["entries"].as_array().unwrap();
        for purpose in &self.read {
            let found = entries
                .iter()
                .any(|entry| entry["purpose"] == purpose.as_str());
            assert!(found, "{purpose} was read and is not in the log");
        }
    }

    /// No token is found in what operators have: files, a dump of all databases, all that passed a border.
    fn nothing_leaked(&self) {
        let dump = self.taps.path().join("dump.sql");
        std::fs::write(&dump, self.stack().databases().dump()).unwrap();
        let search = Search::new(&self.canaries).unwrap();
        let mut places = self.stack().operators_files();
        places.push(self.taps.path().to_owned());
        for place in places {
            let findings = search.tree(&place).unwrap();
            assert!(findings.is_empty(), "leaked: {findings:#?}");
        }
    }

    /// How many tokens were planted so far.
    pub fn canaries(&self) -> usize {
        self.canaries.len()
    }
}

impl Drop for World {
    /// A failed test shows what the operators would have seen.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let gate = self.stack().gatekeeper.as_ref();
        let gate = gate.map(|gate| gate.folder().join("gate.log"));
        for log in [Some(self.stack().folder().join("server.log")), gate]
            .into_iter()
            .flatten()
        {
            let lines = std::fs::read_to_string(&log).unwrap_or_default();
            let last: Vec<_> = lines.lines().rev().take(60).collect();
            eprintln!("the end of {}:", log.display());
            last.iter().rev().for_each(|line| eprintln!("  {line}"));
        }
    }
}

impl Job {
    fn new(profile: &'static str, arguments: &[&str], means: Means) -> Self {
        let arguments = arguments.iter().map(|word| (*word).to_owned());
        Self {
            profile,
            arguments: arguments.chain(["--json".to_owned()]).collect(),
            means,
        }
    }

    fn command(&self, stack: &Stack) -> std::process::Command {
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        stack.command(self.profile, &arguments)
    }
}

fn finish_within(mut child: std::process::Child, patience: Duration, job: &Job) -> Run {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > patience {
            child.kill().unwrap();
            panic!("{:?} hangs", job.arguments);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Run::of(child)
}

fn path(path: &std::path::Path) -> &str {
    path.to_str().unwrap()
}
