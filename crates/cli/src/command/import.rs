use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{HumanBytes, HumanDuration, ProgressBar, ProgressStyle};
use obhut_client::import::{ImportProgress, ImportReport, ImportTerms, Skipped, SubjectsMap};
use obhut_client::{ClassCode, ClientError, UnitId};
use serde::Serialize;
use serde_json::json;

use crate::context::Context;
use crate::output::{Report, shown};
use crate::stop::Stop;
use crate::words::words;

const REDRAW: Duration = Duration::from_millis(200);
/// So many skipped files are listed for people; JSON lists all.
const LISTED: usize = 20;

/// Import a folder: each folder in it becomes a case file, each file a document
///
/// Interrupted at any time and run again it goes on where it was, without duplicates; files that changed since
/// become new revisions. Symbolic links and special files are skipped and reported.
#[derive(clap::Args)]
#[command(
    after_help = "The map is a CSV file with the columns folder, person and, if wanted, reference and title; a person is\n\
                  an id or a name, and a name nobody has yet is enrolled.\n\n\
                  Example:\n  obhut import ./files --class permit-10y --subjects map.csv"
)]
pub(crate) struct Args {
    /// The folder
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
    /// Retention class of new cases, at most 16 of `A-Z a-z 0-9 . _ -`
    #[arg(long, value_name = "CLASS")]
    class: ClassCode,
    /// The unit, when you are a caseworker of several
    #[arg(long, value_name = "UNIT")]
    unit: Option<UnitId>,
    /// Which folders are about which persons
    #[arg(long, value_name = "MAP")]
    subjects: Option<PathBuf>,
    /// File reference of folders the map gives none; {folder} stands for the folder's name
    #[arg(long, value_name = "TEXT", default_value = "{folder}", value_parser = words)]
    reference: String,
    /// How many threads seal; all cores without it
    #[arg(long, value_name = "NUMBER")]
    jobs: Option<NonZeroUsize>,
}

struct Imported(ImportReport);

impl Serialize for Imported {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let report = &self.0;
        let skipped: Vec<_> = report.skipped.iter().map(skipped_json).collect();
        json!({
            "cases": report.cases,
            "cases_created": report.cases_created,
            "persons_enrolled": report.persons_enrolled,
            "subjects_added": report.subjects_added,
            "cases_without_subjects": report.cases_without_subjects,
            "cases_of_other_class": report.cases_of_other_class,
            "stored_files": report.stored_files,
            "stored_bytes": report.stored_bytes,
            "unchanged_files": report.unchanged_files,
            "skipped": skipped,
            "milliseconds": u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX),
        })
        .serialize(serializer)
    }
}

fn skipped_json(skipped: &Skipped) -> serde_json::Value {
    json!({
        "path": skipped.path.to_string_lossy(),
        "reason": skipped.reason.as_str(),
        "text": skipped.reason.to_string(),
    })
}

impl Report for Imported {
    fn text(&self) -> String {
        let report = &self.0;
        let mut lines = vec![
            format!(
                "Stored {} documents ({}) in {}, {} documents/s",
                report.stored_files,
                HumanBytes(report.stored_bytes),
                HumanDuration(report.took),
                rate(report),
            ),
            format!(
                "{} case files, {} of them new; {} documents were stored before",
                report.cases, report.cases_created, report.unchanged_files
            ),
        ];
        lines.extend(remarks(report));
        if report.is_partial() {
            lines.push(format!("{} skipped:", report.skipped.len()));
            let listed = report.skipped.iter().take(LISTED).map(skipped_text);
            lines.extend(listed);
        }
        if let Some(more) = report.skipped.len().checked_sub(LISTED + 1) {
            lines.push(format!("  and {} more; --json lists all", more + 1));
        }
        lines.join("\n")
    }
}

/// What somebody should know who reads only this.
fn remarks(report: &ImportReport) -> impl Iterator<Item = String> {
    let none = report.cases == 0 && report.skipped.is_empty();
    let counted = [
        (report.persons_enrolled, "persons enrolled"),
        (
            report.subjects_added,
            "persons named as subjects of case files that were there already",
        ),
        (
            report.cases_without_subjects,
            "case files are about nobody: name whom they concern with --subjects or `obhut subject add`, or these \
             persons will not see who opened them",
        ),
        (
            report.cases_of_other_class,
            "case files were there already under another retention class, and keep it",
        ),
    ];
    let counted = counted.into_iter().filter(|(count, _)| *count > 0);
    let empty = "There is no folder in it: each folder becomes a case file.".to_owned();
    none.then_some(empty)
        .into_iter()
        .chain(counted.map(|(count, text)| format!("{count} {text}")))
}

fn skipped_text(skipped: &Skipped) -> String {
    let path = shown(skipped.path.to_string_lossy());
    format!("  {path}: {}", shown(skipped.reason.to_string()))
}

fn rate(report: &ImportReport) -> u64 {
    let millis = u64::try_from(report.took.as_millis()).unwrap_or(u64::MAX);
    report.stored_files.saturating_mul(1_000) / millis.max(1)
}

pub(crate) async fn run(context: &Context<'_>, args: Args) -> Result<(), Stop> {
    let subjects = match &args.subjects {
        Some(path) => read_map(path)?,
        None => SubjectsMap::default(),
    };
    let cores = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    let terms = ImportTerms {
        folder: args.folder,
        unit: args.unit,
        class: args.class,
        subjects,
        reference: args.reference,
        jobs: args.jobs.unwrap_or_else(cores),
    };
    let mut vault = context.connected_vault().await?;
    let progress = Arc::new(ImportProgress::default());
    let report = tokio::select! {
        report = vault.import(&terms, Arc::clone(&progress)) => report?,
        () = show(&progress, context.output.is_watched()) => return Ok(()),
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.map_err(Stop::Terminal)?;
            return Err(Stop::Interrupted);
        }
    };
    let skipped = report.skipped.len() as u64;
    let all = report.stored_files + report.unchanged_files + skipped;
    context.output.report(&Imported(report))?;
    if skipped > 0 {
        let failed = skipped;
        return Err(ClientError::Partial { failed, all }.into());
    }
    Ok(())
}

fn read_map(path: &std::path::Path) -> Result<SubjectsMap, Stop> {
    let file = std::fs::File::open(path).map_err(|source| ClientError::Io {
        what: "cannot read",
        path: path.to_owned(),
        source,
    })?;
    Ok(SubjectsMap::read(file).map_err(ClientError::from)?)
}

/// Draws until it is dropped.
async fn show(progress: &ImportProgress, watched: bool) {
    if !watched {
        std::future::pending::<()>().await;
    }
    let bar = ProgressBar::new(0);
    let style = "{bar:30} {bytes}/{total_bytes}  {binary_bytes_per_sec}  {msg}  {eta} left";
    // The template is a constant; a wrong one would only change the look.
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    let _cleared = Cleared(bar.clone());
    loop {
        let now = progress.glance();
        bar.set_length(now.total_bytes.max(1));
        bar.set_position(now.uploaded_bytes);
        let more = if now.counted { "" } else { "+" };
        let (stored, total) = (now.stored_files, now.total_files);
        bar.set_message(format!(
            "{stored}/{total}{more} stored, {} skipped",
            now.skipped_files
        ));
        tokio::time::sleep(REDRAW).await;
    }
}

struct Cleared(ProgressBar);

impl Drop for Cleared {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
