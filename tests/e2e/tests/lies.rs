//! The whole catalogue of lies, told between the real programs: each is told, noticed, and named as the catalogue says.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

use std::cell::Cell;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use obhut_e2e::lies::{self, Deed, Front, Lie, Outcome};
use obhut_e2e::{
    Agency, Border, LyingProxy, REASON, Run, Stack, files_below, letter_code, random_bytes,
    run_within,
};

/// Who is lied to at first: a founder, and people who join.
const BEFORE: &[Deed] = &[Deed::Found, Deed::Join];
/// What readers do.
const READING: &[Deed] = &[
    Deed::Get,
    Deed::GetOther,
    Deed::GetTwice,
    Deed::GetRevisions,
    Deed::GetRange,
    Deed::Show,
    Deed::Units,
];
/// What depends on records and logs.
const FOLLOWING: &[Deed] = &[
    Deed::List,
    Deed::ListAgain,
    Deed::Put,
    Deed::PutAfterRemoval,
    Deed::Issue,
    Deed::OwnLog,
];

/// Nothing a lie leads to takes as long; what hangs is ended, and was not refused.
const PATIENCE: Duration = Duration::from_secs(90);

#[test]
fn lies_to_founders_and_to_who_joins_are_noticed() {
    let stack = Stack::start();
    let proxy = LyingProxy::start_on(&stack.url, 0).unwrap();
    let mut stack = stack;
    stack.url.clone_from(&proxy.url);
    let newcomer = Newcomer { proxy, stack };
    newcomer.walk();
}

#[test]
fn lies_of_a_vault_to_readers_are_noticed() {
    Scene::of_vault().walk(Front::Vault, READING);
}

#[test]
fn lies_of_a_vault_about_its_logs_are_noticed() {
    Scene::of_vault().walk(Front::Vault, FOLLOWING);
}

#[test]
fn lies_of_a_store_are_noticed() {
    let Some(scene) = Scene::of_store() else {
        return;
    };
    scene.walk(Front::Store, READING);
}

#[test]
fn no_lie_of_the_catalogue_is_left_out_and_none_has_two_names() {
    let mut names = std::collections::BTreeSet::new();
    for lie in lies::all() {
        assert!(names.insert(lie.name), "{} stands there twice", lie.name);
        let told_by_vault = [BEFORE, READING, FOLLOWING].concat().contains(&lie.deed);
        assert!(told_by_vault, "nobody does what {} is told to", lie.name);
        let by_store = lie.outcome(Front::Store).is_some();
        assert!(!by_store || READING.contains(&lie.deed), "{}", lie.name);
    }
}

/// A vault that nobody has founded yet, reached through a liar.
struct Newcomer {
    proxy: LyingProxy,
    stack: Stack,
}

impl Newcomer {
    fn walk(&self) {
        let stack = &self.stack;
        let mut problems = Vec::new();
        for lie in lies_to(Deed::Found) {
            let run = tell(&self.proxy, lie, || stack.try_found(&[]));
            problems.extend(judge(lie, Front::Vault, &run));
            assert!(!stack.folder().join("agency-root.txt").exists());
        }
        stack.found();
        let invitation = stack.folder().join("invitation");
        let invitation = invitation.to_str().unwrap();
        let invite = ["invite", "Test Person 2", "--output", invitation];
        let _ = stack.obhut("registrar", &invite).ok();
        let join = || stack.obhut("new", &["join", invitation]);
        for lie in lies_to(Deed::Join) {
            problems.extend(judge(lie, Front::Vault, &tell(&self.proxy, lie, join)));
        }
        let _ = join().ok();
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }
}

/// An agency whose first caseworker, or whose server, is lied to.
struct Scene {
    proxy: LyingProxy,
    agency: Agency,
    /// Two documents of the same size.
    documents: [String; 2],
    /// A document with two revisions.
    revised: String,
    large: String,
    other_case: String,
    /// Whether the third caseworker is in the unit.
    third: Cell<bool>,
}

impl Scene {
    /// The first caseworker reaches the vault through the proxy, the others do not.
    fn of_vault() -> Self {
        let mut stack = Stack::start();
        let direct = stack.url.clone();
        let proxy = LyingProxy::start_on(&direct, 0).unwrap();
        stack.url.clone_from(&proxy.url);
        let agency = Agency::in_stack(stack, 3);
        for profile in ["registrar", "cw2", "cw3"] {
            agency.stack.redirect(profile, &direct);
        }
        Self::furnish(proxy, agency)
    }

    /// The server reaches its store through the proxy.
    fn of_store() -> Option<Self> {
        let mut proxy = None;
        let stack = Stack::start_on_s3(&mut |border, address| {
            assert_eq!(border, Border::Objects);
            let lying = LyingProxy::start_on(&format!("http://{address}"), 0).unwrap();
            let address = lying.url.trim_start_matches("http://").to_owned();
            proxy = Some(lying);
            address
        })?;
        Some(Self::furnish(proxy.unwrap(), Agency::in_stack(stack, 3)))
    }

    fn furnish(proxy: LyingProxy, agency: Agency) -> Self {
        let documents = [
            agency.put("first.bin", &content(1)),
            agency.put("second.bin", &content(2)),
        ];
        let revised = agency.put("revised.bin", &content(3));
        let file = agency.stack.write("revised-again.bin", &content(4));
        let revise = [
            "put",
            &agency.case,
            file.to_str().unwrap(),
            "--revises",
            &revised,
        ];
        let _ = agency.stack.obhut("cw1", &revise).ok();
        let large = agency.put("large.bin", &large_content());
        let other_case = agency.stack.new_case("cw1", &agency.unit, "other/26").0;
        Self {
            proxy,
            documents,
            revised,
            large,
            other_case,
            agency,
            third: Cell::new(true),
        }
    }

    /// Tells all lies to these deeds; afterwards each succeeds without a lie.
    fn walk(&self, front: Front, deeds: &[Deed]) {
        let mut problems = Vec::new();
        for deed in deeds {
            for lie in lies_to(*deed).filter(|lie| lie.outcome(front).is_some()) {
                let objects = self.agency.stack.objects().len();
                self.prepare(*deed);
                let run = tell(&self.proxy, lie, || self.attempt(*deed));
                problems.extend(judge(lie, front, &run));
                problems.extend(self.leftovers(lie, front, objects));
            }
            self.prepare(*deed);
            let honest = self.attempt(*deed);
            if honest.code != 0 || self.wrong_content(*deed) {
                problems.push(format!(
                    "{deed:?} without a lie: {} {}",
                    honest.code, honest.stderr
                ));
            }
        }
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }

    /// What comes before, and is answered honestly.
    fn prepare(&self, deed: Deed) {
        let _ = fs::remove_dir_all(self.out());
        fs::create_dir_all(self.out()).unwrap();
        let stack = &self.agency.stack;
        match deed {
            Deed::List | Deed::Issue => {
                let _ = stack.content("cw1", &self.documents[0]);
                fs::remove_file(stack.folder().join("home/cw1/directory")).unwrap();
            }
            Deed::OwnLog => {
                self.activate_citizen();
                let _ = stack.content("cw2", &self.documents[1]);
            }
            _ => {}
        }
    }

    /// The deed; all steps but the last must succeed.
    fn attempt(&self, deed: Deed) -> Run {
        let stack = &self.agency.stack;
        let seen = |document: &str| drop(stack.content("cw1", document));
        match deed {
            Deed::Found | Deed::Join => panic!("done by newcomers"),
            Deed::List => self.do_as("cw1", &["case", "list"]),
            Deed::ListAgain => {
                for _ in 0..2 {
                    let _ = stack.obhut("cw1", &["case", "list"]).ok();
                    stack.put("cw2", &self.other_case, &self.file());
                }
                self.do_as("cw1", &["case", "list"])
            }
            Deed::Units => self.do_as("cw1", &["unit", "list"]),
            Deed::Show => self.do_as("cw1", &["case", "show", &self.agency.case]),
            Deed::Get => self.get(&self.documents[0], &[]),
            Deed::GetOther => {
                seen(&self.documents[1]);
                self.get(&self.documents[0], &[])
            }
            Deed::GetTwice => {
                seen(&self.documents[0]);
                self.get(&self.documents[0], &[])
            }
            Deed::GetRevisions => {
                let _ = self.get(&self.revised, &["--revision", "1"]).ok();
                fs::remove_file(self.out().join("file")).unwrap();
                self.get(&self.revised, &[])
            }
            Deed::GetRange => {
                seen(&self.large);
                self.get(&self.large, &["--range", "500000-500100"])
            }
            Deed::Put => {
                stack.put("cw1", &self.other_case, &self.file());
                self.put()
            }
            Deed::PutAfterRemoval => {
                seen(&self.documents[0]);
                let member = self.third.replace(!self.third.get());
                let change = if member { "remove" } else { "add" };
                let (unit, third) = (&self.agency.unit, &self.agency.caseworkers[2]);
                let change = ["unit", change, unit, third, "--yes"];
                let _ = stack.obhut("registrar", &change).ok();
                self.put()
            }
            Deed::Issue => {
                let (document, citizen) = (&self.documents[0], &self.agency.citizen);
                let letter = self.letter();
                let letter = letter.to_str().unwrap();
                let issue = ["issue", document, "--to", citizen, "--letter", letter];
                self.do_as("cw1", &[&issue[..], &REASON].concat())
            }
            Deed::OwnLog => self.do_as("citizen", &["log", "mine"]),
        }
    }

    fn do_as(&self, profile: &str, arguments: &[&str]) -> Run {
        run_within(PATIENCE, &mut self.agency.stack.command(profile, arguments))
    }

    fn get(&self, document: &str, more: &[&str]) -> Run {
        let target = self.out().join("file");
        let get = ["get", document, "--output", target.to_str().unwrap()];
        self.do_as("cw1", &[&get, more, &REASON].concat())
    }

    fn put(&self) -> Run {
        let file = self.file();
        self.do_as("cw1", &["put", &self.agency.case, file.to_str().unwrap()])
    }

    fn file(&self) -> PathBuf {
        self.agency.stack.write("new.txt", b"not for the server")
    }

    fn out(&self) -> PathBuf {
        self.agency.stack.folder().join("out")
    }

    fn letter(&self) -> PathBuf {
        self.agency.stack.folder().join("letter.html")
    }

    /// With the letter that was issued without a lie, once.
    fn activate_citizen(&self) {
        let stack = &self.agency.stack;
        if stack.folder().join("home/citizen").exists() {
            return;
        }
        let code = letter_code(&fs::read_to_string(self.letter()).unwrap());
        let code = stack.write("code", code.as_bytes());
        let activate = ["activate", code.to_str().unwrap()];
        let _ = stack.obhut("citizen", &activate).ok();
    }

    /// What a refused deed must not leave behind.
    fn leftovers(&self, lie: &Lie, front: Front, objects: usize) -> Option<String> {
        if lie.outcome(front) == Some(Outcome::Harmless) {
            let wrong = self.wrong_content(lie.deed);
            return wrong.then(|| format!("{}: not the content", lie.name));
        }
        let files = files_below(&self.out());
        let is_put = matches!(lie.deed, Deed::Put | Deed::PutAfterRemoval);
        // A put into another case comes first.
        let most = objects + usize::from(lie.deed == Deed::Put);
        let stored = self.agency.stack.objects().len();
        let left = !files.is_empty() || (is_put && stored > most);
        left.then(|| format!("{}: left behind {files:?}, {stored} objects", lie.name))
    }

    fn wrong_content(&self, deed: Deed) -> bool {
        let expected = match deed {
            Deed::Get | Deed::GetOther | Deed::GetTwice => content(1),
            Deed::GetRevisions => content(4),
            Deed::GetRange => large_content()[500_000..=500_100].to_vec(),
            _ => return false,
        };
        fs::read(self.out().join("file")).unwrap_or_default() != expected
    }
}

fn content(seed: u64) -> Vec<u8> {
    random_bytes(seed, 60_000)
}

fn large_content() -> Vec<u8> {
    random_bytes(9, 1_000_000)
}

fn lies_to(deed: Deed) -> impl Iterator<Item = &'static Lie> {
    lies::all().filter(move |lie| lie.deed == deed)
}

/// What the deed came to, and how often the lie was told.
struct Told {
    run: Run,
    times: usize,
}

fn tell(proxy: &LyingProxy, lie: &Lie, deed: impl FnOnce() -> Run) -> Told {
    proxy.tell(lie.teller());
    let run = deed();
    proxy.be_honest();
    let times = proxy.lies_told();
    Told { run, times }
}

/// What was otherwise than the catalogue says.
fn judge(lie: &Lie, front: Front, told: &Told) -> Option<String> {
    let (run, name) = (&told.run, lie.name);
    let said = run.stderr.trim();
    if told.times == 0 {
        return Some(format!(
            "{name} ({front:?}): not told; exit {}: {said}",
            run.code
        ));
    }
    let (code, words) = match lie.outcome(front)? {
        Outcome::Harmless => (0, ""),
        Outcome::Refused(words) => (6, words),
        Outcome::Ends(code, words) => (code, words),
    };
    let advises = code == 0 || said.lines().count() >= 2;
    let fits = run.code == code && said.contains(words) && advises;
    (!fits).then(|| {
        format!(
            "{name} ({front:?}): exit {} for {code}, {words:?}: {said}",
            run.code
        )
    })
}
