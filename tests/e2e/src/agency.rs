//! A founded agency with people and a case, for tests that begin where the founding has ended.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::stack::{Run, Stack};

/// The purpose and legal basis that every reading needs.
pub const REASON: [&str; 4] = ["--purpose", "Testzweck", "--legal-basis", "§ 1 Testgesetz"];
/// The retention class of all cases.
pub const CLASS: &str = "permit-10y";

const PAUSE: Duration = Duration::from_millis(200);

/// A vault with a registrar (`registrar`), caseworkers, a unit and a case about one citizen.
pub struct Agency {
    /// The vault.
    pub stack: Stack,
    /// The unit of the caseworkers.
    pub unit: String,
    /// Persons of the caseworkers `cw1`, `cw2`, … in this order.
    pub caseworkers: Vec<String>,
    /// A case of the unit.
    pub case: String,
    /// The file reference of `case`.
    pub reference: String,
    /// The citizen the case is about.
    pub citizen: String,
}

impl Agency {
    /// Starts a vault, founds it, and lets so many caseworkers join one unit.
    pub fn open(caseworkers: usize) -> Self {
        Self::in_stack(Stack::start(), caseworkers)
    }

    /// Founds a vault that is running already.
    pub fn in_stack(stack: Stack, caseworkers: usize) -> Self {
        stack.found();
        Self::in_founded(stack, caseworkers)
    }

    /// Lets people join a vault that is founded already.
    pub fn in_founded(stack: Stack, caseworkers: usize) -> Self {
        let caseworkers: Vec<String> = (1..=caseworkers)
            .map(|number| stack.join(&format!("cw{number}"), "caseworker"))
            .collect();
        let mut arguments = vec!["unit", "create", "Test Unit 1"];
        arguments.extend(caseworkers.iter().map(String::as_str));
        let unit = text(&stack.json("registrar", &arguments), "unit");
        let reference = "5-0815/26 Ä".to_owned();
        let (case, citizen) = stack.new_case("cw1", &unit, &reference);
        Self {
            stack,
            unit,
            caseworkers,
            case,
            reference,
            citizen,
        }
    }

    /// Files bytes as a document of the case; its id.
    pub fn put(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.stack.write(name, bytes);
        self.stack.put("cw1", &self.case, &path)
    }

    /// `case verify --objects` of the case, which must find nothing.
    pub fn verify_case(&self) {
        let _ = self
            .stack
            .obhut("cw1", &["case", "verify", &self.case, "--objects"])
            .ok();
    }
}

impl Stack {
    /// Founds the vault as the profile `registrar`.
    pub fn found(&self) {
        let _ = self.try_found(&[]).ok();
    }

    /// As [`Stack::found`] with further arguments, whatever comes of it.
    pub fn try_found(&self, more: &[&str]) -> Run {
        let root = self.folder().join("agency-root.txt");
        let code = self.code_file();
        let arguments = [
            "found",
            &self.url,
            &code,
            "--agency",
            "Test Agency",
            "--registrar",
            "Test Person 1",
            "--root-file",
            root.to_str().unwrap(),
        ];
        let known: Vec<&str> = self.founding.iter().map(String::as_str).collect();
        self.obhut(
            "registrar",
            &[&arguments, &known[..], more, &self.ca_arguments()].concat(),
        )
    }

    fn ca_arguments(&self) -> Vec<&str> {
        let ca = self.ca.as_deref();
        ca.into_iter().flat_map(|ca| ["--ca", ca]).collect()
    }

    /// A file with the one-time code, as `obhut found` reads it.
    pub fn code_file(&self) -> String {
        let file = self.write("bootstrap-code", self.code.as_bytes());
        file.to_str().unwrap().to_owned()
    }

    /// Invites somebody and lets them join as the profile; their person id.
    pub fn join(&self, profile: &str, role: &str) -> String {
        let file = self.folder().join(format!("invitation-{profile}"));
        let file = file.to_str().unwrap();
        let name = format!("Test Person {profile}");
        let arguments = ["invite", &name, "--role", role, "--output", file];
        let person = text(&self.json("registrar", &arguments), "person");
        let join = [&["join", file], &self.ca_arguments()[..]].concat();
        let _ = self.obhut(profile, &join).ok();
        person
    }

    /// Creates a case about a new citizen; both ids.
    pub fn new_case(&self, profile: &str, unit: &str, reference: &str) -> (String, String) {
        let arguments = [
            "case",
            "new",
            "--unit",
            unit,
            "--reference",
            reference,
            "--title",
            "Prüfung der Öffnung",
            "--class",
            CLASS,
            "--new-subject",
            "Test Citizen",
            // Another citizen of the same name, where there is one already.
            "--yes",
        ];
        let made = self.json(profile, &arguments);
        let citizen = made["subjects"][0].as_str().unwrap().to_owned();
        (text(&made, "case"), citizen)
    }

    /// Sends a profile to another address from now on, such as a proxy's.
    pub fn redirect(&self, profile: &str, url: &str) {
        let path = self
            .folder()
            .join("home")
            .join(profile)
            .join("profile.json");
        let mut record: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        assert!(record["url"].is_string(), "{record}");
        record["url"] = url.into();
        std::fs::write(&path, serde_json::to_vec(&record).unwrap()).unwrap();
    }

    /// Writes a file of the test's own.
    pub fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.folder().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// Files a document; its id.
    pub fn put(&self, profile: &str, case: &str, file: &Path) -> String {
        let arguments = ["put", case, file.to_str().unwrap()];
        text(&self.json(profile, &arguments), "document")
    }

    /// `obhut get` into a file that must not exist.
    pub fn get(&self, profile: &str, document: &str, target: &Path) -> Run {
        self.reading(
            profile,
            &["get", document, "--output", target.to_str().unwrap()],
        )
    }

    /// The bytes of a document.
    pub fn content(&self, profile: &str, document: &str) -> Vec<u8> {
        let target = self.folder().join(format!("opened-{document}"));
        let _ = self.get(profile, document, &target).ok();
        let bytes = std::fs::read(&target).unwrap();
        std::fs::remove_file(target).unwrap();
        bytes
    }

    /// A command with a purpose.
    pub fn reading(&self, profile: &str, arguments: &[&str]) -> Run {
        self.obhut(profile, &[arguments, &REASON].concat())
    }

    /// The JSON of a command that must succeed and print one object.
    pub fn json(&self, profile: &str, arguments: &[&str]) -> Value {
        let mut lines = self.json_lines(profile, arguments);
        assert_eq!(lines.len(), 1, "{arguments:?}: {lines:?}");
        lines.remove(0)
    }

    /// The JSON of a command that must succeed and prints an object a line.
    pub fn json_lines(&self, profile: &str, arguments: &[&str]) -> Vec<Value> {
        let printed = self.obhut(profile, &[arguments, &["--json"]].concat()).ok();
        printed
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// Copies the published logs and checks them with nothing but the vault card.
    pub fn verify_logs(&self) -> Run {
        let copy = self.folder().join("tiles-copy");
        let _ = std::fs::remove_dir_all(&copy);
        copy_folder(&self.data().join("tiles"), &copy);
        self.verify_tiles(&copy)
    }

    /// `log verify` of a folder, by somebody without a profile and without the server.
    pub fn verify_tiles(&self, tiles: &Path) -> Run {
        let card = self.folder().join("home/registrar/card");
        let arguments = [
            "log",
            "verify",
            "--tiles",
            tiles.to_str().unwrap(),
            "--card",
            card.to_str().unwrap(),
        ];
        let mut command = self.command("nobody", &arguments);
        command.env("OBHUT_HOME", self.folder().join("nobody"));
        crate::run(&mut command)
    }

    /// The size of the access log by its published checkpoint.
    pub fn access_entries(&self) -> u64 {
        let notes = walkdir::WalkDir::new(self.data().join("tiles"))
            .into_iter()
            .map(Result::unwrap)
            .filter(|entry| entry.file_name() == "checkpoint")
            .map(|entry| std::fs::read_to_string(entry.path()).unwrap());
        notes
            .filter(|note| note.lines().next().unwrap().contains("/access"))
            .map(|note| note.lines().nth(1).unwrap().parse::<u64>().unwrap())
            .sum()
    }

    /// The size of the access log once nothing has been added to it for two seconds.
    pub fn quiet_access_entries(&self) -> u64 {
        let (mut size, mut quiet) = (self.access_entries(), 0);
        while quiet < 10 {
            std::thread::sleep(PAUSE);
            let now = self.access_entries();
            quiet = if now == size { quiet + 1 } else { 0 };
            size = now;
        }
        size
    }

    /// Waits until the access log has more entries than that.
    pub fn wait_for_access_entries(&self, before: u64) {
        let started = Instant::now();
        while self.access_entries() <= before {
            assert!(
                started.elapsed() < Duration::from_secs(20),
                "the access log still has {before} entries"
            );
            std::thread::sleep(PAUSE);
        }
    }

    /// The sealed objects the server keeps, finished or not, without the hash lists beside them.
    pub fn objects(&self) -> Vec<PathBuf> {
        let mut files = files_below(&self.data().join("objects"));
        files.retain(|path| path.extension().is_none_or(|end| end != "leaves"));
        files
    }
}

/// A text field of a JSON object.
pub fn text(object: &Value, field: &str) -> String {
    let text = object[field].as_str();
    text.unwrap_or_else(|| panic!("no {field} in {object}"))
        .to_owned()
}

/// All regular files below a folder, sorted; none if there is no folder.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    if !folder.exists() {
        return Vec::new();
    }
    walkdir::WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .collect()
}

/// Copies a folder with all it has. A file that goes away meanwhile is left out: a running server
/// deletes a partial tile once the full one is there.
pub fn copy_folder(from: &Path, to: &Path) {
    for file in files_below(from) {
        let target = to.join(file.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        match std::fs::copy(&file, &target) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            copied => assert!(copied.is_ok(), "{}: {copied:?}", file.display()),
        }
    }
}

/// Bytes that do not repeat, from a seed.
pub fn random_bytes(seed: u64, length: usize) -> Vec<u8> {
    use rand_core::{Rng as _, SeedableRng as _};
    let mut bytes = vec![0; length];
    rand_chacha::ChaCha20Rng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

/// The characters of a printed letter: the rows of its list of class `code`.
pub fn letter_code(html: &str) -> String {
    let (_, list) = html.split_once("<ol class=\"code\"").unwrap();
    let (list, _) = list.split_once("</ol>").unwrap();
    let rows = list.split("<li>").skip(1);
    let rows: Vec<_> = rows.map(|row| row.split_once("</li>").unwrap().0).collect();
    assert!(!rows.is_empty(), "the letter has no code");
    rows.join(" ")
}
