use std::path::PathBuf;

use obhut_client::assurance::assurance_sentence;
use obhut_client::clock::utc_text;
use obhut_client::letter::fingerprint_text;
use obhut_client::tiles::{CheckedLog, TilesReport, read_card, verify_tiles};
use serde::Serialize;
use serde_json::{Value, json};

use crate::context::Context;
use crate::output::Report;
use crate::stop::Stop;

/// Check a copy of the published logs offline: signatures, every leaf and tile, one single history
///
/// Needs nothing but the vault card: no profile, no passphrase, no network.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  obhut log verify --tiles ./tiles --card ./card")]
pub(crate) struct Args {
    /// Folder with the published tiles and checkpoints
    #[arg(long, value_name = "DIR")]
    tiles: PathBuf,
    /// The vault card; without it the one this profile has pinned
    #[arg(long, value_name = "FILE")]
    card: Option<PathBuf>,
    /// A checkpoint kept from elsewhere that the logs must continue; may be repeated
    #[arg(long, value_name = "FILE")]
    seen: Vec<PathBuf>,
}

struct Verified(TilesReport);

impl Serialize for Verified {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let logs: Vec<Value> = self.0.logs.iter().map(log_json).collect();
        json!({
            "assurance": self.0.assurance.as_str(),
            "card": fingerprint_text(&self.0.card),
            "logs": logs,
            "logs_of_other_vaults": self.0.foreign,
        })
        .serialize(serializer)
    }
}

impl Report for Verified {
    fn text(&self) -> String {
        let report = &self.0;
        let mut lines = vec![
            assurance_sentence(report.assurance).to_owned(),
            format!("Card fingerprint  {}", fingerprint_text(&report.card)),
        ];
        lines.extend(report.logs.iter().map(log_text));
        if report.foreign > 0 {
            let count = report.foreign;
            lines.push(format!("{count} logs of other vaults were not checked"));
        }
        lines.join("\n")
    }
}

fn log_text(log: &CheckedLog) -> String {
    let kinds: Vec<_> = log
        .leaves
        .iter()
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    let kinds = if kinds.is_empty() {
        String::new()
    } else {
        format!(" ({})", kinds.join(", "))
    };
    let text = format!(
        "{}\n  {} leaves{kinds}: every leaf, tile and signature fits\n  head cosigned {}, continues {} older heads",
        log.origin,
        log.size,
        utc_text(log.witnessed_s.saturating_mul(1_000_000)),
        log.older_heads
    );
    let Some((first, last)) = log.times_ms else {
        return text;
    };
    let [first, last] = [first, last].map(|time| utc_text(time.saturating_mul(1_000)));
    format!("{text}\n  entries from {first} to {last}")
}

fn log_json(log: &CheckedLog) -> Value {
    json!({
        "origin": log.origin,
        "size": log.size,
        "root": log.root_text(),
        "witnessed_s": log.witnessed_s,
        "older_heads": log.older_heads,
        "leaves": log.leaves,
        "first_ms": log.times_ms.map(|times| times.0),
        "last_ms": log.times_ms.map(|times| times.1),
    })
}

pub(crate) fn run(context: &Context<'_>, args: &Args) -> Result<(), Stop> {
    let card = match &args.card {
        Some(path) => read_card(path)?,
        None => context.profile()?.load_card()?,
    };
    let report = verify_tiles(&args.tiles, &card, &args.seen)?;
    context.output.report(&Verified(report))
}
