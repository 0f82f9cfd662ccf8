//! Log keys in memory: one for each subject and shard, ratcheted a day at a time, and one for each
//! data protection officer and day. A restart makes new ones.

use std::collections::HashMap;

use obhut_format::entry::LogKey;
use obhut_format::person::KeyBundle;
use obhut_format::statement::Role;
use obhut_format::{Kid, PersonId};
use obhut_log::replay::Directory;
use obhut_log::{DayKey, LogError};
use rand_core::CryptoRng;

/// The keys of one process.
#[derive(Default)]
pub(crate) struct ReaderKeys {
    subjects: HashMap<(String, PersonId), (Kid, DayKey)>,
    officers: HashMap<(String, Kid), DayKey>,
    readers: Option<(u64, Vec<Officer>)>,
    /// Sealed keys whose rows are not committed yet.
    fresh: Vec<LogKey>,
}

/// Who reads every entry.
#[derive(Clone)]
pub(crate) struct Officer {
    person: Option<PersonId>,
    bundle: KeyBundle,
    kid: Kid,
}

impl ReaderKeys {
    /// The subject's key on this day; `None` while the person has no bundle.
    pub(crate) fn of_subject(
        &mut self,
        directory: &Directory,
        origin: &str,
        day: u64,
        subject: PersonId,
        rng: &mut impl CryptoRng,
    ) -> Result<Option<&DayKey>, LogError> {
        let Some(current) = directory
            .person(subject)
            .and_then(|person| person.current())
        else {
            return Ok(None);
        };
        let slot = (origin.to_owned(), subject);
        let stale = self
            .subjects
            .get(&slot)
            .is_none_or(|(kid, key)| *kid != current.kid || key.day() > day);
        if stale {
            let key = DayKey::generate(origin, day, rng);
            self.fresh
                .push(key.seal_to(Some(subject), &current.bundle, rng)?);
            self.subjects.insert(slot.clone(), (current.kid, key));
        }
        match self.subjects.get_mut(&slot) {
            Some((_, key)) => {
                key.advance_to(day)?;
                Ok(Some(&*key))
            }
            None => Ok(None),
        }
    }

    /// The officer's key of this day.
    pub(crate) fn of_officer(
        &mut self,
        officer: &Officer,
        origin: &str,
        day: u64,
        rng: &mut impl CryptoRng,
    ) -> Result<&DayKey, LogError> {
        let slot = (origin.to_owned(), officer.kid);
        if self.officers.get(&slot).is_none_or(|key| key.day() != day) {
            let key = DayKey::generate(origin, day, rng);
            self.fresh
                .push(key.seal_to(officer.person, &officer.bundle, rng)?);
            self.officers.insert(slot.clone(), key);
        }
        self.officers.get(&slot).ok_or(LogError::CannotSeal)
    }

    /// Data protection officers in office; the agency root stands in while there is none.
    pub(crate) fn officers(&mut self, directory: &Directory, now_us: u64) -> Vec<Officer> {
        if let Some((size, officers)) = &self.readers
            && *size == directory.size()
            && officers
                .iter()
                .all(|officer| officer.holds(directory, now_us))
        {
            return officers.clone();
        }
        let mut officers: Vec<Officer> = directory
            .persons()
            .filter(|person| person.is_activated() && person.holds(Role::Dpo, None, now_us))
            .filter_map(|person| {
                let key = person.current()?;
                Some(Officer {
                    person: Some(person.person),
                    bundle: key.bundle.clone(),
                    kid: key.kid,
                })
            })
            .collect();
        if officers.is_empty() {
            officers.extend(directory.card().map(|card| Officer {
                person: None,
                bundle: card.root.clone(),
                kid: card.root.kid(),
            }));
        }
        self.readers = Some((directory.size(), officers.clone()));
        officers
    }

    /// Sealed keys to be written with the next commit; to be called again until [`Self::committed`].
    pub(crate) fn fresh(&self) -> &[LogKey] {
        &self.fresh
    }

    /// The fresh keys' rows are durable.
    pub(crate) fn committed(&mut self) {
        self.fresh.clear();
    }
}

impl Officer {
    fn holds(&self, directory: &Directory, now_us: u64) -> bool {
        let Some(person) = self.person else {
            return true;
        };
        directory
            .person(person)
            .is_some_and(|person| person.holds(Role::Dpo, None, now_us))
    }
}
