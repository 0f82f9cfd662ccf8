use std::collections::BTreeMap;

use obhut_client::assurance::{assurance_sentence, may_claim_complete};
use obhut_client::clock::utc_text;
use obhut_client::{ActKind, Decision, Outcome, OwnEntry, OwnLog, Role, SubjectEntry, UnitId};
use serde::Serialize;
use serde_json::{Value, json};

use crate::context::Context;
use crate::output::{Report, shown};
use crate::stop::Stop;

/// Show who has looked at your data: when, in which role, why, and how it ended
///
/// Every entry is checked against the published log; none up to this reading, which is an entry itself, can have
/// been left out, changed or moved.
#[derive(clap::Args)]
#[command(after_help = "Example:\n  obhut log mine --profile citizen")]
pub(crate) struct Args {}

struct Mine {
    log: OwnLog,
    units: BTreeMap<UnitId, String>,
}

impl Serialize for Mine {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let entries: Vec<_> = self.log.entries.iter().map(entry_json).collect();
        let shards: Vec<_> = self
            .log
            .shards
            .iter()
            .map(|shard| {
                json!({
                    "origin": shard.origin,
                    "count": shard.count,
                    "confirmed_s": shard.confirmed_s,
                })
            })
            .collect();
        json!({
            "assurance": self.log.assurance.as_str(),
            "entries": entries,
            "shards": shards,
            "missing_shards": self.log.missing_shards,
        })
        .serialize(serializer)
    }
}

fn entry_json(entry: &OwnEntry) -> Value {
    let mut value = json!({
        "shard": entry.origin,
        "index": entry.index,
        "time_ms": entry.time_ms,
        "readable": entry.view.is_some(),
        "outcome": entry.outcome.map_or("requested", |outcome| outcome.as_str()),
    });
    if let (Some(view), Some(fields)) = (&entry.view, value.as_object_mut()) {
        fields.insert("act".into(), view.a1.kind.as_str().into());
        fields.insert("decision".into(), view.a1.decision.as_str().into());
        fields.insert("role".into(), view.a1.role.as_str().into());
        fields.insert(
            "unit".into(),
            view.a1.unit.map(|unit| unit.to_string()).into(),
        );
        fields.insert("purpose".into(), view.reason.purpose.clone().into());
        fields.insert("legal_basis".into(), view.reason.legal_basis.clone().into());
        let justification = view.reason.justification.clone();
        fields.insert("justification".into(), justification.into());
    }
    value
}

impl Report for Mine {
    fn text(&self) -> String {
        let mut lines = vec![assurance_sentence(self.log.assurance).to_owned()];
        lines.push(self.completeness());
        for origin in &self.log.missing_shards {
            lines.push(format!(
                "No answer for {origin}: entries of that time are missing here."
            ));
        }
        // What cannot be opened is told once for each stretch, not once for each entry.
        let stretches = self
            .log
            .entries
            .chunk_by(|a, b| a.view.is_none() && b.view.is_none() && a.origin == b.origin);
        for stretch in stretches {
            lines.push(String::new());
            match stretch {
                [one] if one.view.is_some() => lines.extend(self.entry_lines(one)),
                sealed => lines.extend(sealed_lines(sealed)),
            }
        }
        lines.join("\n")
    }
}

impl Mine {
    fn completeness(&self) -> String {
        let confirmed = self.log.shards.iter().map(|shard| shard.confirmed_s).min();
        let Some(confirmed) = confirmed else {
            return "The vault showed no part of the access log.".to_owned();
        };
        let until = utc_text(confirmed.saturating_mul(1_000_000));
        let whole = self.log.missing_shards.is_empty();
        if whole && may_claim_complete(self.log.assurance) {
            format!("Complete for your id at this agency up to {until}.")
        } else {
            format!(
                "No entry up to this reading ({until}) was left out or changed. That nobody was shown another log \
                 is confirmed only by the agency itself."
            )
        }
    }

    fn entry_lines(&self, entry: &OwnEntry) -> Vec<String> {
        let time = utc_text(entry.time_ms.saturating_mul(1_000));
        let Some(view) = &entry.view else {
            return Vec::new();
        };
        let mut lines = vec![
            format!("{time}  {}", what(view)),
            format!("  who      {}", self.who(view)),
            format!("  why      {}", shown(&view.reason.purpose)),
            format!("  basis    {}", shown(&view.reason.legal_basis)),
        ];
        if let Some(justification) = &view.reason.justification {
            lines.push(format!("  more     {}", shown(justification)));
        }
        lines.push(format!("  outcome  {}", outcome(view, entry.outcome)));
        lines
    }

    fn who(&self, view: &SubjectEntry) -> String {
        let role = role_words(view);
        match view.a1.unit {
            None => role.to_owned(),
            Some(unit) => match self.units.get(&unit) {
                Some(name) => format!("{role}, {} ({unit})", shown(name)),
                None => format!("{role}, {unit}"),
            },
        }
    }
}

/// In which role, as people say it.
fn role_words(view: &SubjectEntry) -> &'static str {
    match view.a1.role {
        // Nobody does this in this role but the person it is about.
        Role::Citizen if matches!(view.a1.kind, ActKind::ManageIdentity | ActKind::ReadLog) => {
            "you yourself"
        }
        Role::Citizen => "a person the documents are about, in their own matter",
        Role::CaseWorker => "a caseworker",
        Role::Registrar => "a registrar",
        Role::Dpo => "the data protection officer",
        Role::RecordsManager => "a records manager",
        Role::Approver => "an approver",
        Role::Root => "the root of the agency",
    }
}

/// Entries without a key for this person, newest first.
fn sealed_lines(entries: &[OwnEntry]) -> Vec<String> {
    let (Some(last), Some(first)) = (entries.first(), entries.last()) else {
        return Vec::new();
    };
    let [from, to] = [first, last].map(|entry| utc_text(entry.time_ms.saturating_mul(1_000)));
    let (time, what) = match entries.len() {
        1 => (to, "An entry you cannot open".to_owned()),
        many => (
            format!("{from} to {to}"),
            format!("{many} entries you cannot open"),
        ),
    };
    let numbers = stretches(entries.iter().rev().map(|entry| entry.index));
    vec![
        format!("{time}  {what}"),
        "  Sealed before you had the keys you have now. The data protection officer tells you what they say.".to_owned(),
        format!("  numbers  {numbers} of {}", first.origin),
    ]
}

/// Rising numbers, neighbours folded: `3-7, 9`.
fn stretches(numbers: impl Iterator<Item = u64>) -> String {
    let mut stretches: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match stretches.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => stretches.push((number, number)),
        }
    }
    let texts: Vec<_> = stretches
        .iter()
        .map(|(first, last)| {
            if first == last {
                first.to_string()
            } else {
                format!("{first}-{last}")
            }
        })
        .collect();
    texts.join(", ")
}

fn what(view: &SubjectEntry) -> String {
    let did = match view.a1.kind {
        ActKind::ListCases => "Listed case files, yours among them",
        ActKind::FindCase => "Looked up a case file about you",
        ActKind::ListDocuments => "Listed the documents of a case about you",
        ActKind::OpenDocument => "Opened documents about you",
        ActKind::ExportCase => "Exported documents about you",
        ActKind::FileDocuments => "Filed documents about you",
        ActKind::CreateCase => "Created a case file about you",
        ActKind::ChangeCase => "Changed a case file about you",
        ActKind::EnrolPerson => "Enrolled or invited you",
        ActKind::ManageIdentity => "Changed your keys or devices",
        ActKind::Appoint => "Changed your appointment",
        ActKind::ManageUnit => "Changed the members of your unit",
        ActKind::Grant => "Gave somebody access to documents about you",
        ActKind::RevokeGrant => "Took back access to documents about you",
        ActKind::ReadLog => "Read this log about you",
        ActKind::Recover => "Changed or used the agency's key recovery",
    };
    let part = if view.a1.parts > 1 {
        format!(" (part {} of {})", view.a1.part, view.a1.parts)
    } else {
        String::new()
    };
    let tried = if view.a1.decision == Decision::Refused {
        " – REFUSED"
    } else {
        ""
    };
    format!("{did}{part}{tried}")
}

fn outcome(view: &SubjectEntry, outcome: Option<Outcome>) -> &'static str {
    match (view.a1.decision, outcome) {
        (Decision::Refused, _) => "refused by the vault; nothing was shown",
        (Decision::Allowed, Some(Outcome::Done)) => "done",
        (Decision::Allowed, Some(Outcome::RefusedByGate)) => {
            "refused by the gatekeeper; nothing was shown"
        }
        (Decision::Allowed, Some(Outcome::Failed)) => "failed",
        (Decision::Allowed, Some(Outcome::Aborted)) => "broken off",
        (Decision::Allowed, None) => "requested; how it ended is not recorded yet",
    }
}

pub(crate) async fn run(context: &Context<'_>, _args: Args) -> Result<(), Stop> {
    let mut vault = context.connected_vault().await?;
    let log = vault.read_own_log().await?;
    let mut units = BTreeMap::new();
    let seen = log.entries.iter().filter_map(|entry| entry.view.as_ref());
    for unit in seen.filter_map(|view| view.a1.unit) {
        if let Some(name) = vault.find_unit_name(unit).await? {
            units.insert(unit, name);
        }
    }
    context.output.report(&Mine { log, units })
}

#[cfg(test)]
mod tests {
    #[test]
    fn neighbouring_numbers_are_folded() {
        let folded = |numbers: &[u64]| super::stretches(numbers.iter().copied());
        assert_eq!(folded(&[3]), "3");
        assert_eq!(folded(&[3, 4, 5, 7, 9, 10]), "3-5, 7, 9-10");
    }
}
