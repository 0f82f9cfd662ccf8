//! Decides for each source what is to be done: nothing, the same bytes again, or a new attempt.

use obhut_crypto::{RevisionRef, RevisionSecrets};
use obhut_format::{CaseId, DocumentId, Hash, ObjectId, VaultId};
use obhut_log::replay::Directory;
use rand_core::CryptoRng;

use super::journal::{Journal, JournalError, SourceState};
use super::journal_record::{SourceId, SourceRecord, Stage};

/// What a source looks like now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sighting {
    pub(super) source: SourceId,
    pub(super) size_bytes: u64,
    pub(super) mtime_ns: i64,
    pub(super) case: CaseId,
}

/// One attempt to store one revision of a source.
pub(super) struct Attempt {
    pub(super) record: SourceRecord,
    pub(super) secrets: RevisionSecrets,
    /// Hash of the manifest of the revision before; zeros for the first.
    pub(super) previous: Hash,
    /// Its keys are not in the journal yet: nothing may leave before they are.
    pub(super) is_new: bool,
}

/// What is to be done about a source.
pub(super) enum Plan {
    /// Stored, and unchanged since.
    Stored,
    /// Registered, which the journal does not know yet, and unchanged since.
    FoundStored,
    /// To be stored.
    Store(Box<Attempt>),
}

/// Where attempts belong.
pub(super) struct Planner<'a> {
    pub(super) vault: VaultId,
    pub(super) directory: &'a Directory,
    pub(super) now_us: u64,
}

impl Planner<'_> {
    /// The plan for a source whose content has this hash; `None` for content too large to be read twice.
    pub(super) fn plan(
        &self,
        journal: &Journal,
        sighting: &Sighting,
        hash: Option<Hash>,
        rng: &mut impl CryptoRng,
    ) -> Result<Plan, JournalError> {
        let Some(state) = journal.find_source(&sighting.source) else {
            let document = DocumentId(random(rng));
            return Ok(self.fresh(sighting, hash, (document, 1, 1), [0; 32], rng));
        };
        let same = looks_the_same(state, sighting)
            && (state.record.hash == hash || (hash.is_none() && state.stage == Stage::Stored));
        if state.stage == Stage::Stored {
            return Ok(if same {
                Plan::Stored
            } else {
                self.next_revision(state, sighting, hash, rng)
            });
        }
        let secrets = journal.load_secrets(state)?;
        match self.find_registered(state, &secrets) {
            Registered::ThisAttempt if same => Ok(Plan::FoundStored),
            Registered::ThisAttempt | Registered::EarlierAttempt => {
                Ok(self.next_revision(state, sighting, hash, rng))
            }
            // The same keys only ever seal the same bytes: the hash says so, or each part is compared before it is sent.
            Registered::No if same && (hash.is_some() || !state.parts.is_empty()) => {
                Ok(Plan::Store(Box::new(Attempt {
                    previous: self.previous(&state.record),
                    record: state.record.clone(),
                    secrets,
                    is_new: false,
                })))
            }
            Registered::No => {
                let record = &state.record;
                let at = (record.document, record.revision, record.attempt + 1);
                Ok(self.fresh(sighting, hash, at, self.previous(record), rng))
            }
        }
    }

    /// A new attempt at the revision whose latest attempt cannot be gone on with.
    pub(super) fn renew(&self, earlier: &SourceRecord, rng: &mut impl CryptoRng) -> Attempt {
        let record = SourceRecord {
            attempt: earlier.attempt + 1,
            upload: ObjectId(random(rng)),
            created_us: self.now_us,
            ..earlier.clone()
        };
        Attempt {
            previous: self.previous(&record),
            record,
            secrets: RevisionSecrets::generate(rng),
            is_new: true,
        }
    }

    fn find_registered(&self, state: &SourceState, secrets: &RevisionSecrets) -> Registered {
        let record = &state.record;
        let found = self
            .directory
            .document(record.document)
            .and_then(|document| document.find_revision(record.revision));
        let at = self.revision_ref(record);
        match found {
            None => Registered::No,
            Some(found) if found.share_id == secrets.share.share_id(&at) => Registered::ThisAttempt,
            Some(_) => Registered::EarlierAttempt,
        }
    }

    fn next_revision(
        &self,
        state: &SourceState,
        sighting: &Sighting,
        hash: Option<Hash>,
        rng: &mut impl CryptoRng,
    ) -> Plan {
        let record = &state.record;
        let next = SourceRecord {
            revision: record.revision + 1,
            ..record.clone()
        };
        let previous = self.previous(&next);
        self.fresh(
            sighting,
            hash,
            (next.document, next.revision, 1),
            previous,
            rng,
        )
    }

    fn fresh(
        &self,
        sighting: &Sighting,
        hash: Option<Hash>,
        (document, revision, attempt): (DocumentId, u64, u64),
        previous: Hash,
        rng: &mut impl CryptoRng,
    ) -> Plan {
        let record = SourceRecord {
            source: sighting.source,
            size_bytes: sighting.size_bytes,
            mtime_ns: sighting.mtime_ns.cast_unsigned(),
            hash,
            case: sighting.case,
            document,
            revision,
            attempt,
            upload: ObjectId(random(rng)),
            created_us: self.now_us,
        };
        Plan::Store(Box::new(Attempt {
            record,
            secrets: RevisionSecrets::generate(rng),
            previous,
            is_new: true,
        }))
    }

    /// Hash of the manifest of the revision before this record's; zeros for the first.
    fn previous(&self, record: &SourceRecord) -> Hash {
        let before = record.revision.saturating_sub(1);
        let document = self.directory.document(record.document);
        document
            .filter(|_| before > 0)
            .and_then(|document| document.find_revision(before))
            .map_or([0; 32], |revision| revision.manifest_hash)
    }

    fn revision_ref(&self, record: &SourceRecord) -> RevisionRef {
        RevisionRef {
            vault: self.vault,
            case: record.case,
            document: record.document,
            revision: record.revision,
        }
    }
}

/// True when a look at the file's stamp is enough: stored, and unchanged since.
pub(super) fn is_stored(journal: &Journal, sighting: &Sighting) -> bool {
    journal
        .find_source(&sighting.source)
        .is_some_and(|state| state.stage == Stage::Stored && looks_the_same(state, sighting))
}

enum Registered {
    No,
    ThisAttempt,
    EarlierAttempt,
}

fn looks_the_same(state: &SourceState, sighting: &Sighting) -> bool {
    let record = &state.record;
    record.size_bytes == sighting.size_bytes
        && record.mtime_ns.cast_signed() == sighting.mtime_ns
        && record.case == sighting.case
}

fn random<const N: usize>(rng: &mut impl CryptoRng) -> [u8; N] {
    let mut bytes = [0; N];
    rng.fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::super::journal_record::{JournalRecord, StageRecord};
    use super::*;
    use obhut_suite::Secret;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    const HASH: Option<Hash> = Some([9; 32]);

    struct Bench {
        _folder: tempfile::TempDir,
        journal: Journal,
        directory: Directory,
        rng: ChaCha20Rng,
    }

    impl Bench {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let mut rng = ChaCha20Rng::from_seed([3; 32]);
            let path = folder.path().join("journal");
            let journal = Journal::open(&path, Secret::new([1; 32]), &mut rng).unwrap();
            Self {
                _folder: folder,
                journal,
                directory: Directory::new(VaultId([1; 16]), [2; 32]),
                rng,
            }
        }

        fn plan(&mut self, sighting: Sighting, hash: Option<Hash>) -> Plan {
            let planner = Planner {
                vault: VaultId([1; 16]),
                directory: &self.directory,
                now_us: 7,
            };
            planner
                .plan(&self.journal, &sighting, hash, &mut self.rng)
                .unwrap()
        }

        fn attempt(&mut self, sighting: Sighting, hash: Option<Hash>) -> Attempt {
            match self.plan(sighting, hash) {
                Plan::Store(attempt) => *attempt,
                Plan::Stored | Plan::FoundStored => panic!("stored already"),
            }
        }

        fn note(&mut self, attempt: &Attempt) {
            let record = JournalRecord::Source(attempt.record.clone());
            self.journal
                .append(vec![record], &[&attempt.secrets], &mut self.rng)
                .unwrap();
        }

        fn store(&mut self, sighting: Sighting) {
            let record = JournalRecord::Stage(StageRecord {
                stage: Stage::Stored,
                sources: vec![sighting.source],
            });
            self.journal
                .append(vec![record], &[], &mut self.rng)
                .unwrap();
        }
    }

    fn sighting() -> Sighting {
        Sighting {
            source: [5; 32],
            size_bytes: 10,
            mtime_ns: -3,
            case: CaseId([6; 16]),
        }
    }

    #[test]
    fn an_unchanged_source_is_sealed_to_the_same_bytes_again() {
        let mut bench = Bench::new();
        let first = bench.attempt(sighting(), HASH);
        assert!(first.is_new);
        bench.note(&first);
        let again = bench.attempt(sighting(), HASH);
        assert!(!again.is_new);
        assert_eq!(again.record, first.record);
        let [a, b] = [&first, &again].map(|attempt| attempt.secrets.to_journal());
        assert_eq!(a.expose(), b.expose());
    }

    #[test]
    fn a18_a_changed_source_gets_new_keys_for_the_same_document_and_revision() {
        let mut bench = Bench::new();
        let first = bench.attempt(sighting(), HASH);
        bench.note(&first);
        let longer = Sighting {
            size_bytes: 11,
            ..sighting()
        };
        let later = Sighting {
            mtime_ns: 4,
            ..sighting()
        };
        // Same stamp, other bytes: whoever set the time back does not get two texts under one key.
        let forged = (sighting(), Some([8; 32]));
        for (now, hash) in [(longer, HASH), (later, HASH), forged] {
            let next = bench.attempt(now, hash);
            assert!(next.is_new);
            assert_eq!(next.record.document, first.record.document);
            assert_eq!((next.record.revision, next.record.attempt), (1, 2));
            assert_ne!(next.record.upload, first.record.upload);
            assert!(next.secrets.to_journal().expose() != first.secrets.to_journal().expose());
        }
    }

    #[test]
    fn content_read_only_once_is_never_resumed_under_its_old_keys() {
        let mut bench = Bench::new();
        let first = bench.attempt(sighting(), None);
        bench.note(&first);
        let next = bench.attempt(sighting(), None);
        assert!(next.is_new && next.record.attempt == 2);
    }

    #[test]
    fn what_is_stored_is_left_alone_until_it_changes() {
        let mut bench = Bench::new();
        let first = bench.attempt(sighting(), HASH);
        bench.note(&first);
        bench.store(sighting());
        assert!(matches!(bench.plan(sighting(), HASH), Plan::Stored));
        assert!(matches!(bench.plan(sighting(), None), Plan::Stored));
        let changed = bench.attempt(sighting(), Some([8; 32]));
        assert_eq!(changed.record.document, first.record.document);
        assert_eq!((changed.record.revision, changed.record.attempt), (2, 1));
    }
}
