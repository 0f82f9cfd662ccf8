//! "Who has seen my data?": one's own entries in the access log, each chain checked from its start.

use std::collections::BTreeMap;

use obhut_crypto::{Lambda, unwrap_lambda};
use obhut_format::act::{Act, ActKind};
use obhut_format::card::Assurance;
use obhut_format::context::sha256;
use obhut_format::entry::{ClosePayload, LeafType, Outcome};
use obhut_format::reading::{AccessEntryPage, AccessLogAnswer, OwnKeys};
use obhut_format::statement::Role;
use obhut_format::{Cbor, Hash, Kid, PersonId, record};
use obhut_log::entry::{SubjectEntry, open_as_subject};
use obhut_log::{
    Chain, ChainHead, Core, DayKey, Label, Leaf, Quorum, Recs, SignedCheckpoint, close_commitment,
};
use obhut_suite::XwingSeed;

use crate::ClientError;
use crate::act::{ActDraft, stated_reason};
use crate::clock::now_us;
use crate::vault::Vault;

/// A shard's head must have been cosigned within this time.
const MAX_AGE_S: u64 = 300;
/// File of the profile that keeps how far each shard was read.
const SEEN: &str = "own-log";

/// One's own entries, all shards.
#[derive(Clone, Debug)]
pub struct OwnLog {
    /// Entries, newest first.
    pub entries: Vec<OwnEntry>,
    /// Shards that were read and checked, oldest first.
    pub shards: Vec<ReadShard>,
    /// Shards of the records log the vault gave no answer for.
    pub missing_shards: Vec<String>,
    /// How much of this somebody else confirms.
    pub assurance: Assurance,
}

/// One shard after its check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadShard {
    /// Its origin.
    pub origin: String,
    /// Entries and outcomes under one's label.
    pub count: u64,
    /// When a quorum stood behind the shard's head, seconds since 1970 UTC.
    pub confirmed_s: u64,
}

/// One entry.
#[derive(Clone, Debug)]
pub struct OwnEntry {
    /// Shard origin.
    pub origin: String,
    /// Index in the shard: with the origin it names the entry, for example in a question to the officer.
    pub index: u64,
    /// When, milliseconds since 1970 UTC.
    pub time_ms: u64,
    /// What it says; none where it was sealed before this person had the keys they have now.
    pub view: Option<SubjectEntry>,
    /// How it ended; none: requested, no outcome recorded.
    pub outcome: Option<Outcome>,
}

record! {
    /// How far one shard was read.
    SeenShard {
        /// Its origin.
        1 => origin: String,
        /// Entries under one's label.
        2 => seq: u64,
        /// Their fold.
        3 => head: Hash,
    }
}

impl Vault {
    /// Reads the entries about this profile's person and checks that none up to this reading, which is an
    /// entry itself, was left out, changed, moved or closed to its subject.
    pub async fn read_own_log(&mut self) -> Result<OwnLog, ClientError> {
        let keys = self.endpoint().own_keys().await?;
        let lambda = self.own_lambda(&keys)?;
        let draft = ActDraft::new(ActKind::ReadLog, Role::Citizen)
            .about(vec![self.person()])
            .because(stated_reason(
                ActKind::ReadLog,
                Some("own access log"),
                None,
            ));
        let request = self.act_signer()?.sign(draft, None, None)?;
        let answers = self.endpoint().log_entries(&request).await?;
        let mut seen = self.load_seen()?;
        let act = Act::from_bytes(&request.signed.act.0)?;
        let reader = LabelReader {
            person: self.person(),
            kid: self.unlocked().kid(),
            keys_since_ms: self.own_keys_since_ms()?,
            seed: self.unlocked().identity.xwing(),
            // EXPOSE: into the labels of one's own entries.
            lambda: lambda.secret().expose(),
            now_s: now_us() / 1_000_000,
        };
        let (mut entries, mut shards) = (Vec::new(), Vec::new());
        for answer in &answers {
            let quorum = self.directory().access_quorum(&answer.origin)?;
            let known = seen.get(&answer.origin).copied();
            let read = reader.read(answer, &quorum, known)?;
            self.keep_access_head(&answer.checkpoint.parse()?).await?;
            if answer.origin == act.shard {
                read.require_reading(&request.reason_salt)?;
            }
            seen.insert(answer.origin.clone(), read.head);
            entries.extend(read.entries);
            shards.push(read.shard);
        }
        let missing = |origin: &String| !answers.iter().any(|answer| answer.origin == *origin);
        if missing(&act.shard) {
            return Err(lacks_reading());
        }
        let origins = self.directory().shards().map(|shard| shard.origin.clone());
        let missing_shards = origins.filter(missing).collect();
        self.save_seen(&seen)?;
        entries.sort_by_key(|entry: &OwnEntry| std::cmp::Reverse((entry.time_ms, entry.index)));
        Ok(OwnLog {
            entries,
            shards,
            missing_shards,
            assurance: self.card().assurance,
        })
    }

    /// Since when entries are sealed to the keys this profile holds, milliseconds since 1970 UTC.
    fn own_keys_since_ms(&self) -> Result<u64, ClientError> {
        let person = self.directory().person(self.person());
        let key = person.and_then(|person| person.find_key(self.unlocked().kid()));
        let unknown =
            || ClientError::integrity("the records log does not know this profile's keys");
        Ok(key.ok_or_else(unknown)?.since_us / 1_000)
    }

    /// λ as sealed to this person; it must be the one the records log commits to.
    fn own_lambda(&self, keys: &OwnKeys) -> Result<Lambda, ClientError> {
        self.find_own_lambda(keys)?.ok_or_else(|| {
            ClientError::integrity("the vault keeps back the key of your entries in the log")
        })
    }

    pub(crate) fn find_own_lambda(&self, keys: &OwnKeys) -> Result<Option<Lambda>, ClientError> {
        let identity = &self.unlocked().identity;
        let mut wraps = keys.lambda_wraps.iter();
        let wrap =
            wraps.find(|wrap| wrap.person == self.person() && wrap.recipient == identity.kid());
        let known = self.directory().person(self.person());
        let (Some(wrap), Some(known)) = (wrap, known) else {
            return Ok(None);
        };
        let lambda = unwrap_lambda(wrap, self.id(), &known.lambda_hash, identity)?;
        Ok(Some(lambda))
    }

    fn load_seen(&self) -> Result<BTreeMap<String, ChainHead>, ClientError> {
        let Some(bytes) = self.profile().find(SEEN)? else {
            return Ok(BTreeMap::new());
        };
        let shards = Vec::<SeenShard>::from_bytes(&bytes)?.into_iter();
        Ok(shards
            .map(|shard| {
                let (seq, head) = (shard.seq, shard.head);
                (shard.origin, ChainHead { seq, head })
            })
            .collect())
    }

    fn save_seen(&self, seen: &BTreeMap<String, ChainHead>) -> Result<(), ClientError> {
        let _held = self.profile().hold_state()?;
        let mut seen = seen.clone();
        // Another command of this profile may have read further meanwhile.
        for (origin, kept) in self.load_seen()? {
            let ours = seen.entry(origin).or_insert(kept);
            if ours.seq < kept.seq {
                *ours = kept;
            }
        }
        let shards: Vec<_> = seen
            .iter()
            .map(|(origin, chain)| SeenShard {
                origin: origin.clone(),
                seq: chain.seq,
                head: chain.head,
            })
            .collect();
        self.profile().save(SEEN, &shards.to_bytes())
    }
}

/// Who reads, with what.
struct LabelReader<'a> {
    person: PersonId,
    kid: Kid,
    /// Entries after this moment are sealed to these keys.
    keys_since_ms: u64,
    seed: &'a XwingSeed,
    lambda: &'a [u8; 32],
    now_s: u64,
}

struct ShardRead {
    entries: Vec<OwnEntry>,
    shard: ReadShard,
    head: ChainHead,
}

impl ShardRead {
    /// The entry of this very reading must be there: a chain cut before it would pass for a whole one.
    fn require_reading(&self, salt: &[u8; 32]) -> Result<(), ClientError> {
        let mut views = self.entries.iter().filter_map(|entry| entry.view.as_ref());
        if views.any(|view| view.reason_salt == *salt) {
            Ok(())
        } else {
            Err(lacks_reading())
        }
    }
}

fn lacks_reading() -> ClientError {
    ClientError::integrity(
        "the entries about you do not include this reading of them: the newest ones are kept back",
    )
}

impl LabelReader<'_> {
    /// Checks the shard's head, that every entry stands in it, and the chain of the label from its start
    /// through what was seen before.
    fn read(
        &self,
        answer: &AccessLogAnswer,
        quorum: &Quorum,
        known: Option<ChainHead>,
    ) -> Result<ShardRead, ClientError> {
        let signed: SignedCheckpoint = answer.checkpoint.parse()?;
        let witnessed = quorum.verify_fresh(&signed, self.now_s, MAX_AGE_S)?;
        let label = Label::of_subject(&answer.origin, self.lambda);
        if *label.as_bytes() != answer.label {
            return Err(ClientError::integrity(
                "the vault answered with the entries of somebody else",
            ));
        }
        let mut chain = Chain::start(&answer.origin, label);
        let mut passed = known.is_none_or(|known| known.seq == 0);
        let mut found = Found::default();
        for page in &answer.entries {
            let core = Core::parse(&page.core.0)?;
            let recs = Recs::from_records(&page.labels)?;
            let leaf = Leaf::new(core, &recs);
            chain.append(&leaf, &recs)?;
            let head = witnessed.checkpoint();
            head.verify_leaf(&leaf.hash(), page.index, &page.path)?;
            passed |= known == Some(chain.head());
            self.take(answer, page, &core, &mut found)?;
        }
        if !passed {
            return Err(ClientError::integrity(format!(
                "{} lacks entries about you that it showed before",
                answer.origin
            )));
        }
        let head = chain.head();
        Ok(ShardRead {
            entries: found.into_entries()?,
            shard: ReadShard {
                origin: answer.origin.clone(),
                count: head.seq,
                confirmed_s: witnessed.time_s(),
            },
            head,
        })
    }

    fn take(
        &self,
        answer: &AccessLogAnswer,
        page: &AccessEntryPage,
        core: &Core,
        found: &mut Found,
    ) -> Result<(), ClientError> {
        let kind = u64::from(core.kind);
        if kind == LeafType::Close.code() {
            let close = check_close(page, core)?;
            found.outcomes.insert(close.entry, close.outcome);
            return Ok(());
        }
        if kind != LeafType::Access.code() {
            return Err(ClientError::integrity(
                "an entry of an unknown kind stands under your label",
            ));
        }
        let entry = OwnEntry {
            origin: answer.origin.clone(),
            index: page.index,
            time_ms: core.time_ms,
            view: self.open(answer, page, core)?,
            outcome: None,
        };
        found.entries.insert(page.index, entry);
        Ok(())
    }

    /// What the entry says. One of a time when the reader had these keys MUST open; an older one may have been
    /// sealed to nobody, or to an invitation that was replaced.
    fn open(
        &self,
        answer: &AccessLogAnswer,
        page: &AccessEntryPage,
        core: &Core,
    ) -> Result<Option<SubjectEntry>, ClientError> {
        for wrap in &page.wraps {
            let mut keys = answer.log_keys.iter();
            let sealed = keys.find(|key| key.id == wrap.log_key && key.recipient == self.kid);
            let Some(sealed) = sealed else {
                continue;
            };
            let key = DayKey::open(sealed, self.seed)?;
            let opened = open_as_subject(core, &page.payload.0, wrap, &key)?;
            if opened.subject != self.person {
                return Err(ClientError::integrity(
                    "an entry under your label names somebody else",
                ));
            }
            return Ok(Some(opened));
        }
        if core.time_ms > self.keys_since_ms {
            return Err(ClientError::integrity(format!(
                "entry {} of {} is about you and closed to you: the vault keeps its key back",
                page.index, answer.origin
            )));
        }
        Ok(None)
    }
}

#[derive(Default)]
struct Found {
    entries: BTreeMap<u64, OwnEntry>,
    outcomes: BTreeMap<u64, Outcome>,
}

impl Found {
    fn into_entries(mut self) -> Result<Vec<OwnEntry>, ClientError> {
        for (index, outcome) in self.outcomes {
            let entry = self.entries.get_mut(&index).ok_or_else(|| {
                ClientError::integrity("the log tells the outcome of an entry it does not show")
            })?;
            entry.outcome = Some(outcome);
        }
        Ok(self.entries.into_values().collect())
    }
}

fn check_close(page: &AccessEntryPage, core: &Core) -> Result<ClosePayload, ClientError> {
    let payload = &page.payload.0;
    if core.payload_hash != sha256(&[payload]) || core.commitment != close_commitment(payload) {
        return Err(ClientError::integrity(
            "the outcome of an entry is not the logged one",
        ));
    }
    Ok(ClosePayload::from_bytes(payload)?)
}

#[cfg(test)]
#[path = "own_log_tests.rs"]
mod tests;
