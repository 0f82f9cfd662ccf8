//! Feeding: the vault hands its logs over entry by entry, and nothing in them is taken on trust.

use std::collections::{BTreeSet, HashMap};
use std::str::FromStr as _;

use obhut_format::batch::RecordPayload;
use obhut_format::release::{Feed, FeedEntry};
use obhut_format::statement::{Event, Statement};
use obhut_format::{Cbor, PersonId};
use obhut_log::replay::{AccessReplayer, ReplayError, Replayer, record_labels};
use obhut_log::{Core, Label, LogError, SignedCheckpoint};

use crate::log_head::LogHead;
use crate::persist::{self, Step};
use crate::registrations::{self, Claim, Fitting};
use crate::replay::{Shard, VaultState};
use crate::{Gate, Refusal};

impl Gate {
    /// Follows a feed; gives the size replayed. Entries known already are passed over.
    pub(crate) async fn replay_feed(
        &self,
        state: &mut VaultState,
        mut feed: Feed,
    ) -> Result<u64, Refusal> {
        let records = feed.origin == state.records_origin();
        let size = if records {
            state.records.size()
        } else {
            let shard = state.shards.get(&feed.origin);
            shard.map_or(0, |shard| shard.replayer.size())
        };
        if feed.first.saturating_add(feed.entries.len() as u64) < size {
            return Ok(size);
        }
        let known = size.checked_sub(feed.first).ok_or(Refusal::FeedGap)?;
        let known = usize::try_from(known).map_err(|_| Refusal::FeedGap)?;
        feed.entries.drain(..known);
        feed.first = size;
        if records {
            self.replay_records(state, feed).await
        } else {
            self.replay_access(state, feed).await
        }
    }

    async fn replay_records(&self, state: &mut VaultState, feed: Feed) -> Result<u64, Refusal> {
        let labels = self.labels_of_feed(state, &feed).await?;
        let known = state.directory().card().map(|card| card.version);
        let (replayer, feed) = follow_records(state.records.clone(), feed, labels).await?;
        let card = replayer.directory().card();
        if let Some(card) = card.filter(|card| Some(card.version) != known) {
            self.verify_card(state, card, &replayer)?;
        }
        let root = card.map(|card| card.root.kid());
        let root = root.filter(|_| state.enrolled.root.is_none());
        let claims = claims_of(&feed)?;
        let db = &self.stores.first;
        let fitting = registrations::fitting(db, state.vault, claims).await?;
        let head = extended(&state.records_head, &feed, replayer.size())?;
        let step = Step {
            feed: &feed,
            size: replayer.size(),
            head: &head,
            fitting: &fitting,
            root,
        };
        state.in_doubt = true;
        persist::keep_step(db, &step, || replayer.to_bytes()).await?;
        if let Some(root) = root {
            state.enrolled.root = Some(root);
        }
        state.adopt_records(replayer, head);
        state.in_doubt = false;
        Ok(state.records.size())
    }

    /// Labels of every person that the feed's records stand under, from λ itself.
    async fn labels_of_feed(
        &self,
        state: &mut VaultState,
        feed: &Feed,
    ) -> Result<HashMap<PersonId, Label>, Refusal> {
        let mut persons = BTreeSet::new();
        let mut enrolled = Vec::new();
        for entry in &feed.entries {
            let payload = read_payload(entry)?;
            let labels =
                record_labels(&payload, state.directory()).map_err(Refusal::FeedRefused)?;
            persons.extend(
                labels
                    .iter()
                    .filter_map(obhut_log::replay::RecordLabel::person),
            );
            enrolled.extend(enrolment_of(&payload));
        }
        let mut found = HashMap::new();
        for person in persons {
            let labels = self.load_labels(state, &feed.origin, person).await?;
            found.insert(person, Label::from_bytes(labels.subject));
        }
        for event in enrolled {
            let labels = self.load_labels(state, &feed.origin, event.person).await?;
            if (labels.lambda_hash, labels.share_id) != (event.lambda_hash, event.share_id) {
                return Err(Refusal::PersonShareDiffers);
            }
        }
        Ok(found)
    }

    /// Every card, the first and each successor, is for the vault as enrolled and names this
    /// gatekeeper.
    fn verify_card(
        &self,
        state: &VaultState,
        card: &obhut_format::card::VaultCard,
        replayer: &Replayer,
    ) -> Result<(), Refusal> {
        let enrolled = &state.enrolled;
        let fits = card.vault == enrolled.vault
            && card.origin == enrolled.origin
            && card.records_key == enrolled.records_key
            && card.access_key == enrolled.access_key
            && card.gate_key == self.signing.public()
            && enrolled.root.is_none_or(|root| root == card.root.kid())
            && replayer.directory().records_quorum().is_ok();
        if fits {
            Ok(())
        } else {
            Err(Refusal::CardRefused)
        }
    }

    /// F15: only shards that the records log names.
    async fn replay_access(&self, state: &mut VaultState, feed: Feed) -> Result<u64, Refusal> {
        let opened = state.directory().find_shard(&feed.origin);
        let key = opened.ok_or(Refusal::ShardUnknown)?.key;
        let mut shard = state
            .shards
            .get(&feed.origin)
            .cloned()
            .unwrap_or_else(|| Shard {
                replayer: AccessReplayer::new(state.vault, &feed.origin, key),
                head: LogHead::default(),
            });
        shard.replayer.apply_feed(&feed).map_err(refuse_feed)?;
        shard.head = extended(&shard.head, &feed, shard.replayer.size())?;
        let step = Step {
            feed: &feed,
            size: shard.replayer.size(),
            head: &shard.head,
            fitting: &Fitting::default(),
            root: None,
        };
        state.in_doubt = true;
        persist::keep_step(&self.stores.first, &step, || shard.replayer.to_bytes()).await?;
        let size = shard.replayer.size();
        state.shards.insert(feed.origin, shard);
        state.in_doubt = false;
        Ok(size)
    }
}

/// Hybrid signatures take their time: not on a thread that serves others.
async fn follow_records(
    mut replayer: Replayer,
    feed: Feed,
    labels: HashMap<PersonId, Label>,
) -> Result<(Replayer, Feed), Refusal> {
    let followed = tokio::task::spawn_blocking(move || {
        replayer
            .apply_feed(&feed, |person| labels.get(&person).copied())
            .map_err(refuse_feed)?;
        Ok((replayer, feed))
    });
    match followed.await {
        Ok(followed) => followed,
        // Only when the runtime is shutting down.
        Err(_) => Err(Refusal::FeedGap),
    }
}

fn refuse_feed(error: ReplayError) -> Refusal {
    match error {
        ReplayError::Log(LogError::Gap) => Refusal::FeedGap,
        ReplayError::Log(LogError::HeadMismatch) => Refusal::CheckpointTree,
        error => Refusal::FeedRefused(error),
    }
}

/// What was replayed may be cosigned, and is kept as such with the same commit.
fn extended(head: &LogHead, feed: &Feed, size: u64) -> Result<LogHead, Refusal> {
    let signed = SignedCheckpoint::from_str(&feed.checkpoint).map_err(|_| Refusal::Checkpoint)?;
    let mut head = head.clone();
    head.take(signed);
    head.cosigned_size = size;
    Ok(head)
}

fn read_payload(entry: &FeedEntry) -> Result<RecordPayload, Refusal> {
    let payload = entry.payload.as_ref().ok_or(Refusal::BadBytes)?;
    RecordPayload::from_bytes(&payload.0).map_err(|_| Refusal::BadBytes)
}

fn enrolment_of(payload: &RecordPayload) -> Option<obhut_format::statement::PersonEnrolled> {
    let RecordPayload::Statement(signed) = payload else {
        return None;
    };
    match Statement::from_bytes(&signed.statement.0).ok()?.event {
        Event::PersonEnrolled(event) => Some(event),
        _ => None,
    }
}

fn claims_of(feed: &Feed) -> Result<Vec<Claim>, Refusal> {
    let mut claims = Vec::new();
    for (index, entry) in (feed.first..).zip(&feed.entries) {
        let core = Core::parse(&entry.core.0).map_err(|_| Refusal::BadBytes)?;
        let time_us = core.time_ms.saturating_mul(1_000);
        claims.extend(Claim::of(&read_payload(entry)?, index, time_us));
    }
    Ok(claims)
}
