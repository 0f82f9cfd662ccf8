//! Case files, single documents, an import that is killed and finished.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use xtask::samples;

use super::people::People;
use crate::run::Result;
use crate::stack::stage::{Stage, find_id, say, trouble};

/// The files of the demo.
pub(crate) struct Files {
    letter: PathBuf,
    import: PathBuf,
    map: Option<PathBuf>,
}

/// What was filed.
pub(crate) struct Filed {
    pub(crate) reference: String,
    pub(crate) case: String,
    pub(crate) citizen: String,
    pub(crate) document: String,
    /// The source of `document`.
    pub(crate) letter: PathBuf,
}

pub(crate) const CLASS: &str = "permit-10y";

/// A letter, and a folder to import: the user's, or synthetic case files.
pub(crate) fn prepare(stage: &mut Stage, own: Option<&Path>, seed: u64) -> Result<Files> {
    let name = format!("Bescheid {}.txt", stage.plant("a file's name"));
    let text = format!(
        "Bescheid\n\nDem Antrag wird stattgegeben.\nKennung: {}\n",
        stage.plant("a document's content")
    );
    let letter = stage.write(&format!("files/{name}"), text.repeat(100).as_bytes())?;
    if let Some(own) = own {
        let import = own
            .canonicalize()
            .map_err(|error| trouble("read", own, &error))?;
        let map = None;
        return Ok(Files {
            letter,
            import,
            map,
        });
    }
    let import = stage.path("files/import");
    let made = samples::make(seed);
    samples::write(&made, &import).map_err(|error| trouble("write", &import, &error))?;
    made.into_iter()
        .filter_map(|sample| sample.canary)
        .for_each(|canary| stage.watch(canary));
    let mut map = String::from("folder,person,reference,title\n");
    for (number, case) in (1..).zip(samples::CASES) {
        let person = stage.plant(&format!("the name of subject {number}"));
        let reference = stage.plant(&format!("the reference of imported case {number}"));
        let title = stage.plant(&format!("the title of imported case {number}"));
        let reference = format!("T-{number}/26 {reference}");
        let row = [
            case,
            &format!("Testperson {person}"),
            &reference,
            &format!("{case} {title}"),
        ];
        map.push_str(&row.join(","));
        map.push('\n');
    }
    let map = Some(stage.write("files/map.csv", map.as_bytes())?);
    Ok(Files {
        letter,
        import,
        map,
    })
}

pub(crate) fn file(stage: &mut Stage, people: &People, files: &Files) -> Result<Filed> {
    stage.step("A caseworker creates a case file and files a document. It is sealed on her machine; the server gets ciphertext.");
    let reference = format!("5-0815/26 {}", stage.plant("a file reference"));
    let title = format!("Bauantrag Testperson 7 {}", stage.plant("a case's title"));
    let subject = format!("Testperson 7 {}", stage.plant("a data subject's name"));
    let arguments = [
        "case",
        "new",
        "--reference",
        &reference,
        "--title",
        &title,
        "--class",
        CLASS,
        "--new-subject",
        &subject,
        "--unit",
        &people.unit,
    ];
    let printed = stage.obhut("caseworker-1", &arguments)?;
    let case = find_id(&printed, "case_")?;
    let citizen = find_id(&printed, "person_")?;
    let title = format!("Bescheid vom 1. März {}", stage.plant("a document's title"));
    let letter = files.letter.to_string_lossy().into_owned();
    let printed = stage.obhut("caseworker-1", &["put", &case, &letter, "--title", &title])?;
    let document = find_id(&printed, "doc_")?;

    stage.step("She imports a folder tree: each folder a case file. It is killed in the middle and run again.");
    import(stage, people, files)?;
    let letter = files.letter.clone();
    Ok(Filed {
        reference,
        case,
        citizen,
        document,
        letter,
    })
}

fn import(stage: &mut Stage, people: &People, files: &Files) -> Result<()> {
    let folder = files.import.to_string_lossy().into_owned();
    let map = files
        .map
        .as_ref()
        .map(|map| map.to_string_lossy().into_owned());
    let mut arguments = vec!["import", &folder, "--class", CLASS, "--unit", &people.unit];
    if let Some(map) = &map {
        arguments.extend(["--subjects", map]);
    }
    let before = Counted::of(stage)?;
    kill_in_the_middle(stage, &arguments)?;
    let whole = stage.obhut_in_part("caseworker-1", &arguments)?;
    let once = Counted::of(stage)?;
    say("Once more, to see that nothing is filed twice:");
    stage.obhut_in_part("caseworker-1", &arguments)?;
    let twice = Counted::of(stage)?;
    check_counts(&files.import, whole, &before, &once, &twice)
}

/// What a folder or the caseworker's unit holds.
#[derive(Debug, PartialEq, Eq)]
struct Counted {
    cases: usize,
    documents: usize,
}

impl Counted {
    fn of(stage: &Stage) -> Result<Self> {
        let cases = stage.json("caseworker-1", &["case", "list"])?;
        let documents = cases.iter().filter_map(|case| case["documents"].as_u64());
        let documents = usize::try_from(documents.sum::<u64>()).unwrap_or(usize::MAX);
        let cases = cases.len();
        Ok(Self { cases, documents })
    }
}

fn check_counts(
    folder: &Path,
    whole: bool,
    before: &Counted,
    once: &Counted,
    twice: &Counted,
) -> Result<()> {
    if once != twice {
        return Err(format!("the repeated import changed {once:?} to {twice:?}"));
    }
    let filed = Counted {
        cases: once.cases - before.cases,
        documents: once.documents - before.documents,
    };
    let Counted { cases, documents } = filed;
    let expected = count_files(folder)?;
    if whole && filed != expected {
        return Err(format!(
            "{expected:?} were to be filed, {filed:?} are there"
        ));
    }
    let files = expected.documents;
    let remark = if whole {
        ""
    } else {
        "; what was skipped is reported above"
    };
    say(&format!(
        "Checked: {files} files, {documents} documents in {cases} case files{remark}."
    ));
    Ok(())
}

/// Starts the import and kills it without warning once some objects have arrived.
fn kill_in_the_middle(stage: &Stage, arguments: &[&str]) -> Result<()> {
    const SOME: usize = 4;
    let objects = stage.data().join("objects");
    let there = count_objects(&objects);
    let mut command = stage.command("caseworker-1", arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut import = command.spawn().map_err(|error| error.to_string())?;
    let started = Instant::now();
    let ended = loop {
        match import.try_wait().map_err(|error| error.to_string())? {
            Some(_) => break true,
            None if count_objects(&objects) >= there + SOME => break false,
            None if started.elapsed() > Duration::from_mins(1) => break false,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    if ended {
        say("(The first run had ended before it could be killed.)");
        return Ok(());
    }
    import.kill().map_err(|error| error.to_string())?;
    import.wait().map_err(|error| error.to_string())?;
    let arrived = count_objects(&objects) - there;
    say(&format!(
        "Killed (kill -9) when {arrived} sealed objects had arrived. The same command again:"
    ));
    Ok(())
}

fn count_objects(folder: &Path) -> usize {
    walkdir::WalkDir::new(folder)
        .into_iter()
        .filter_map(std::result::Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .count()
}

/// First-level folders, and regular files below them.
fn count_files(folder: &Path) -> Result<Counted> {
    let entries = fs::read_dir(folder).map_err(|error| trouble("read", folder, &error))?;
    let folders = entries
        .filter_map(std::result::Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let counts: Vec<usize> = folders.map(|entry| count_objects(&entry.path())).collect();
    Ok(Counted {
        cases: counts.len(),
        documents: counts.iter().sum(),
    })
}
