#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use obhut_format::tree::Tree;
use obhut_suite::{NoteKey, Secret};

use super::*;
use crate::note::{NoteKeyType, NoteSigner};

const ORIGIN: &str = "vault.example/1/records";

fn signer(name: &str, seed: u8) -> NoteSigner {
    let key = NoteKey::from_seed(&Secret::new([seed; 32]));
    NoteSigner::new(name, NoteKeyType::Log, key).unwrap()
}

/// The first `size` leaves of the log that begins with `salt`.
fn tree(salt: u8, size: u8) -> Tree {
    Tree::new((0..size).map(|leaf| [leaf ^ salt; 32]).collect())
}

fn head(tree: &Tree, log: &NoteSigner) -> SignedCheckpoint {
    let checkpoint = Checkpoint {
        origin: log.verifier().name().to_owned(),
        size: tree.size(),
        root: tree.root(),
    };
    SignedCheckpoint::sign(checkpoint, log).unwrap()
}

fn request(tree: &Tree, old_size: u64) -> AddCheckpoint {
    AddCheckpoint {
        old_size,
        proof: tree.consistency_path(old_size).unwrap(),
        checkpoint: head(tree, &signer(ORIGIN, 1)),
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "what a witness knows of a log, if it knows it"
)]
fn known(tree: &Tree) -> Option<(u64, Hash)> {
    Some((tree.size(), tree.root()))
}

#[test]
fn reads_back_what_it_writes_in_the_form_of_the_specification() {
    let request = request(&tree(0, 7), 3);
    let text = request.to_string();
    assert!(text.starts_with("old 3\n"), "{text}");
    assert_eq!(text.parse(), Ok(request.clone()));
    let lines = request.proof.len();
    assert_eq!(text.split('\n').nth(lines + 1), Some(""));
    assert_eq!(text.split('\n').nth(lines + 2), Some(ORIGIN));
    let first = AddCheckpoint {
        old_size: 0,
        proof: Vec::new(),
        ..request
    };
    assert_eq!(first.to_string().parse(), Ok(first));
}

#[test]
fn refuses_bodies_of_another_form() {
    let text = request(&tree(0, 7), 3).to_string();
    let long = format!(
        "old 3\n{}\n",
        format!("{}\n", BASE64.encode(&[0; 32])).repeat(64)
    );
    for bad in [
        text.replacen("old 3", "old 03", 1),
        text.replacen("old 3", "3", 1),
        text.replacen('\n', " \n", 1),
        text.replacen("old 3\n", "old 3\nxyz\n", 1),
        long,
        String::new(),
    ] {
        assert!(bad.parse::<AddCheckpoint>().is_err(), "{bad}");
    }
}

#[test]
fn a_log_that_only_grows_is_cosigned() {
    let key = signer(ORIGIN, 1);
    let (three, seven) = (tree(0, 3), tree(0, 7));
    let fresh = request(&three, 0);
    assert_eq!(fresh.verify(key.verifier(), None).unwrap().size, 3);
    let grown = request(&seven, 3);
    assert_eq!(grown.verify(key.verifier(), known(&three)).unwrap().size, 7);
    let again = request(&seven, 7);
    assert_eq!(again.verify(key.verifier(), known(&seven)).unwrap().size, 7);
}

#[test]
fn c04_a_witness_refuses_a_fork_a_rollback_and_a_size_it_does_not_stand_at() {
    let log = signer(ORIGIN, 1);
    let key = log.verifier();
    let (three, seven, fork) = (tree(0, 3), tree(0, 7), tree(9, 7));
    assert_eq!(
        request(&fork, 3).verify(key, known(&three)),
        Err(WitnessRefusal::Proof)
    );
    assert_eq!(
        request(&fork, 7).verify(key, known(&seven)),
        Err(WitnessRefusal::Conflict(7))
    );
    assert_eq!(
        request(&seven, 0).verify(key, known(&three)),
        Err(WitnessRefusal::Conflict(3))
    );
    assert_eq!(
        request(&three, 3).verify(key, known(&seven)),
        Err(WitnessRefusal::Conflict(7))
    );
    let shrink = AddCheckpoint {
        old_size: 7,
        ..request(&three, 3)
    };
    assert_eq!(
        shrink.verify(key, known(&seven)),
        Err(WitnessRefusal::Malformed)
    );
}

#[test]
fn a_head_signed_for_another_origin_or_by_another_key_is_refused() {
    let seven = tree(0, 7);
    let stranger = AddCheckpoint {
        checkpoint: head(&seven, &signer(ORIGIN, 2)),
        ..request(&seven, 0)
    };
    let other = AddCheckpoint {
        checkpoint: head(&seven, &signer("vault.example/2/records", 1)),
        ..request(&seven, 0)
    };
    for bad in [stranger, other] {
        let refused = bad.verify(signer(ORIGIN, 1).verifier(), None);
        assert_eq!(refused, Err(WitnessRefusal::NotSigned));
    }
}
