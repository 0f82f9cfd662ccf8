#![allow(clippy::unwrap_used, reason = "tests")]

use super::super::journal_record::CaseRecord;
use super::*;
use obhut_format::{BatchId, Blob, DocumentId, ObjectId};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

fn rng() -> ChaCha20Rng {
    ChaCha20Rng::from_seed([3; 32])
}

fn key(byte: u8) -> Secret<32> {
    Secret::new([byte; 32])
}

fn source(number: u8) -> SourceRecord {
    SourceRecord {
        source: [number; 32],
        size_bytes: u64::from(number),
        mtime_ns: 1,
        hash: Some([9; 32]),
        case: CaseId([1; 16]),
        document: DocumentId([number; 16]),
        revision: 1,
        attempt: 1,
        upload: ObjectId([number; 16]),
        created_us: 5,
    }
}

/// A journal of `frames` frames of two sources each, and the length after each frame.
fn journal(path: &Path, frames: u8) -> Vec<u64> {
    let mut rng = rng();
    let mut journal = Journal::open(path, key(1), &mut rng).unwrap();
    let mut lengths = Vec::new();
    for frame in 0..frames {
        let secrets = [(); 2].map(|()| RevisionSecrets::generate(&mut rng));
        let records =
            [2 * frame, 2 * frame + 1].map(|number| JournalRecord::Source(source(number)));
        journal
            .append(records.to_vec(), &[&secrets[0], &secrets[1]], &mut rng)
            .unwrap();
        lengths.push(std::fs::metadata(path).unwrap().len());
    }
    lengths
}

fn mark_stored(journal: &mut Journal, sources: Vec<SourceId>) {
    let stage = Stage::Stored;
    let record = JournalRecord::Stage(StageRecord { stage, sources });
    journal.append(vec![record], &[], &mut rng()).unwrap();
}

fn open(path: &Path) -> Result<Journal, JournalError> {
    Journal::open(path, key(1), &mut rng())
}

#[test]
fn reads_back_what_was_appended_with_its_secrets() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let mut rng = rng();
    let secrets = RevisionSecrets::generate(&mut rng);
    let mut journal = open(&path).unwrap();
    let case = CaseRecord {
        folder: Blob(b"gr\xfcn".to_vec()),
        case: CaseId([4; 16]),
    };
    let records = vec![JournalRecord::Case(case), JournalRecord::Source(source(7))];
    journal.append(records, &[&secrets], &mut rng).unwrap();
    drop(journal);
    let journal = open(&path).unwrap();
    assert_eq!(journal.find_case(b"gr\xfcn"), Some(CaseId([4; 16])));
    let state = journal.find_source(&[7; 32]).unwrap();
    assert_eq!(state.record, source(7));
    assert_eq!(state.stage, Stage::Prepared);
    let loaded = journal.load_secrets(state).unwrap();
    assert_eq!(loaded.to_journal().expose(), secrets.to_journal().expose());
}

#[test]
fn a_kill_at_any_byte_of_the_last_frame_loses_that_frame_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let lengths = journal(&path, 3);
    let whole = std::fs::read(&path).unwrap();
    for cut in (lengths[1]..lengths[2]).step_by(7) {
        std::fs::write(&path, &whole[..cut as usize]).unwrap();
        let mut journal = open(&path).unwrap();
        assert_eq!(journal.sources().count(), 4, "cut at {cut}");
        let secrets = RevisionSecrets::generate(&mut rng());
        let again = vec![JournalRecord::Source(source(50))];
        journal.append(again, &[&secrets], &mut rng()).unwrap();
        drop(journal);
        assert_eq!(open(&path).unwrap().sources().count(), 5, "cut at {cut}");
    }
}

#[test]
fn space_that_was_allocated_and_never_written_is_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    journal(&path, 2);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.resize(bytes.len() + 8_192, 0);
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(open(&path).unwrap().sources().count(), 4);
}

#[test]
fn every_flipped_byte_before_the_last_frame_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let lengths = journal(&path, 3);
    let whole = std::fs::read(&path).unwrap();
    let slots = lengths[0] - 2 * SLOT_BYTES as u64;
    for at in (HEADER_BYTES..slots).step_by(5) {
        let mut bad = whole.clone();
        bad[at as usize] ^= 0x40;
        std::fs::write(&path, &bad).unwrap();
        assert!(
            matches!(open(&path), Err(JournalError::Damaged(_))),
            "byte {at}"
        );
    }
    let mut bad = whole.clone();
    bad[slots as usize] ^= 1;
    std::fs::write(&path, &bad).unwrap();
    let journal = open(&path).unwrap();
    let state = journal.find_source(&[0; 32]).unwrap();
    assert!(matches!(
        journal.load_secrets(state),
        Err(JournalError::Damaged(_))
    ));
}

#[test]
fn another_profiles_key_opens_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    journal(&path, 1);
    let refused = Journal::open(&path, key(2), &mut rng());
    assert!(matches!(refused, Err(JournalError::Damaged(_))));
}

#[test]
fn frames_cannot_change_places() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let lengths = journal(&path, 3);
    let whole = std::fs::read(&path).unwrap();
    let [first, second] = [lengths[0] as usize, lengths[1] as usize];
    let head = HEADER_BYTES as usize;
    let swapped = [
        &whole[..head],
        &whole[first..second],
        &whole[head..first],
        &whole[second..],
    ]
    .concat();
    std::fs::write(&path, swapped).unwrap();
    assert!(matches!(open(&path), Err(JournalError::Damaged(_))));
}

#[test]
fn secrets_are_overwritten_once_a_document_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    journal(&path, 2);
    let before = std::fs::read(&path).unwrap();
    let mut journal = open(&path).unwrap();
    mark_stored(&mut journal, vec![[0; 32]]);
    let stored = journal.find_source(&[0; 32]).unwrap();
    assert_eq!(stored.stage, Stage::Stored);
    let lost = journal.load_secrets(stored);
    assert!(matches!(lost, Err(JournalError::SecretsLost)));
    let other = journal.find_source(&[1; 32]).unwrap();
    assert!(journal.load_secrets(other).is_ok());
    journal.sync().unwrap();
    drop(journal);
    // The old bytes of the slot stand nowhere any more.
    let after = std::fs::read(&path).unwrap();
    let zeroed = after
        .iter()
        .zip(&before)
        .filter(|(new, old)| new != old)
        .count();
    assert!((180..=SLOT_BYTES).contains(&zeroed), "{zeroed}");
    assert_eq!(open(&path).unwrap().sources().count(), 4);
}

#[test]
fn secrets_left_by_a_kill_between_stored_and_wiped_are_wiped_on_opening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let lengths = journal(&path, 1);
    let slots = lengths[0] as usize - 2 * SLOT_BYTES;
    let slot = std::fs::read(&path).unwrap()[slots..slots + SLOT_BYTES].to_vec();
    let mut journal = open(&path).unwrap();
    mark_stored(&mut journal, vec![[0; 32]]);
    drop(journal);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[slots..slots + SLOT_BYTES].copy_from_slice(&slot);
    std::fs::write(&path, &bytes).unwrap();
    open(&path).unwrap();
    let wiped = std::fs::read(&path).unwrap()[slots..slots + SLOT_BYTES].to_vec();
    assert_eq!(wiped, vec![0; SLOT_BYTES]);
}

#[test]
fn a_deposit_stays_open_until_all_its_documents_are_stored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    journal(&path, 1);
    let mut journal = open(&path).unwrap();
    let deposit = DepositRecord {
        batch: BatchId([1; 16]),
        deposit: Blob(vec![1, 2, 3]),
        sources: vec![[0; 32], [1; 32]],
        manifests: vec![[7; 32], [8; 32]],
    };
    let record = JournalRecord::Deposit(deposit.clone());
    journal.append(vec![record], &[], &mut rng()).unwrap();
    mark_stored(&mut journal, vec![[0; 32]]);
    drop(journal);
    let mut journal = open(&path).unwrap();
    assert_eq!(journal.open_deposits(), [deposit]);
    assert!(!journal.is_bound_elsewhere(&[1; 32], &[8; 32]));
    assert!(journal.is_bound_elsewhere(&[1; 32], &[9; 32]));
    assert!(!journal.is_bound_elsewhere(&[0; 32], &[9; 32]), "stored");
    mark_stored(&mut journal, vec![[1; 32]]);
    assert_eq!(journal.open_deposits(), []);
}

#[test]
fn refuses_a_second_import_of_the_same_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let held = open(&path).unwrap();
    assert!(matches!(open(&path), Err(JournalError::InUse)));
    drop(held);
    assert!(open(&path).is_ok());
}

#[test]
fn keys_of_an_attempt_that_was_given_up_are_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let lengths = journal(&path, 1);
    let slots = lengths[0] as usize - 2 * SLOT_BYTES;
    let mut journal = open(&path).unwrap();
    let secrets = RevisionSecrets::generate(&mut rng());
    let mut second = source(0);
    second.attempt = 2;
    let record = JournalRecord::Source(second);
    journal
        .append(vec![record], &[&secrets], &mut rng())
        .unwrap();
    let state = journal.find_source(&[0; 32]).unwrap();
    assert_eq!(state.record.attempt, 2);
    let loaded = journal.load_secrets(state).unwrap();
    assert_eq!(loaded.to_journal().expose(), secrets.to_journal().expose());
    let bytes = std::fs::read(&path).unwrap();
    assert_eq!(bytes[slots..slots + SLOT_BYTES], [0; SLOT_BYTES]);
    assert_ne!(
        bytes[slots + SLOT_BYTES..slots + 2 * SLOT_BYTES],
        [0; SLOT_BYTES]
    );
}
