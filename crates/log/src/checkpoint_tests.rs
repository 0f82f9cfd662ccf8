#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use obhut_format::tree::{Tree, leaf_hash};
use obhut_suite::{NoteKey, Secret};

/// A checkpoint that a public staging log published, with signatures of types this crate does not
/// know beside those it does.
const PUBLISHED: &str = "arche2025h1.staging.ct.transparency.dev
1432088532
U7WM79jrzyhGZ5/GUBTpM7NzwdyfFx61t3RovgcC4Ro=

\u{2014} arche2025h1.staging.ct.transparency.dev zTM8sQAAAZ5W0WdjBAMARjBEAiBjW5IQf9pvsYLfQFX6hoGREPMHbdQ3urbllzalApkptQIgIpwtEroeW2BXaHAI4kJXFbon5Ch9MNL5zRNZ55lvGt0=
\u{2014} arche2025h1.staging.ct.transparency.dev ui8GwCF1+kWqZrxGdhj4aX3gcw7XUlXQQabg/27lefwhUkzbC3NygNI75MdhL1bfTW9g8Ei59RA23oHP7Ry1k3ZFWwQ=
\u{2014} transparency.dev/DEV:witness-little-garden 2AQqhwAAAABqEiEgzgFIqqhbUoDwjMWE6UP8nd8/KYTzwZ2rhIgcqoXHAwVkjZr4AscylP3v7sEodkRAErumC2q44vdgJY096st5BQ==
\u{2014} witness1.smartit.nu/witness1 pIyCDwAAAABqEiEghIp82KWebrw7/oHQwlTAm3g2RKS4+eebl8eO0WH+/iEcxZ75W3u5hNI7TOQtmJbqmNWVuE0tgh0XwzdZsDsUAQ==
\u{2014} remora.n621.de 2net5wAAAABqEiEgPlfF3V06o0Y+fHM+J5J9s27wgxxcOVSpZ/2g/KSiXCg9DEZI+aVCIobWX9sXTynk5XeU/zZ0WBxtqB0DrAWfBw==
\u{2014} witness.stagemole.eu Z/euoAAAAABqEiEgw0i+7g2ENfDAWHmtRzCfKTHSDwYDJA2NmKeGi9Y8FtEyOUvVr+AJmIY/2TUFucgKi7lI7cUiOvKFYe/TmN9DAg==
";
const PUBLISHED_LOG: &str =
    "arche2025h1.staging.ct.transparency.dev+ba2f06c0+AU0vHmlGCS/PdN8b2OaGmKprLI8HKM+dJ472xgFYh15f";
const PUBLISHED_WITNESSES: [&str; 4] = [
    "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
    "witness.stagemole.eu+67f7aea0+BEqSG3yu9YrmcM3BHvQYTxwFj3uSWakQepafafpUqklv",
    "transparency.dev/DEV:witness-little-garden+d8042a87+BCtusOxINQNUTN5Oj8HObRkh2yHf/MwYaGX4CPdiVEPM",
    "witness1.smartit.nu/witness1+a48c820f+BPSFWg9G6KPiO7QPryYO5Xq4oYJJ+kAvLKLSimDhoxMO",
];
/// 0x6a122120, the time in all four cosignatures.
const PUBLISHED_TIME: u64 = 1_779_573_024;

const ORIGIN: &str = "vault.example/records";

fn log() -> NoteSigner {
    let key = NoteKey::from_seed(&Secret::new([1; 32]));
    NoteSigner::new(ORIGIN, NoteKeyType::Log, key).unwrap()
}

fn witness(seed: u8) -> NoteSigner {
    let key = NoteKey::from_seed(&Secret::new([seed; 32]));
    NoteSigner::new(
        format!("witness.example/{seed}"),
        NoteKeyType::Cosigner,
        key,
    )
    .unwrap()
}

fn head(size: u64) -> Checkpoint {
    Checkpoint {
        origin: ORIGIN.to_owned(),
        size,
        root: tree(size).root(),
    }
}

fn tree(size: u64) -> Tree {
    Tree::new((0..size).map(|i| leaf_hash(&i.to_be_bytes())).collect())
}

fn quorum(threshold: usize) -> Quorum {
    let witnesses = [2, 3, 4].map(|seed| witness(seed).verifier().clone());
    Quorum::new(log().verifier().clone(), witnesses.to_vec(), threshold).unwrap()
}

#[test]
fn verifies_a_checkpoint_published_by_others() {
    let signed: SignedCheckpoint = PUBLISHED.parse().unwrap();
    assert_eq!(signed.to_string(), PUBLISHED);
    assert_eq!(signed.unverified().size, 1_432_088_532);
    let witnesses = PUBLISHED_WITNESSES.map(|vkey| vkey.parse().unwrap());
    let quorum = Quorum::new(PUBLISHED_LOG.parse().unwrap(), witnesses.to_vec(), 4).unwrap();
    let witnessed = quorum.verify(&signed).unwrap();
    assert_eq!(witnessed.checkpoint(), signed.unverified());
    assert_eq!(witnessed.time_s(), PUBLISHED_TIME);
    let other: SignedCheckpoint = PUBLISHED
        .replace("1432088532", "1432088533")
        .parse()
        .unwrap();
    assert_eq!(quorum.verify(&other), Err(LogError::BadSignature));
}

#[test]
fn signs_the_bytes_that_a_reader_of_others_has_verified() {
    let root = BASE64
        .decode(b"B1kWeg+Y416ALUb/fH0p0sPwOmOiVt62q7/zV6kbY7E=")
        .unwrap();
    let head = Checkpoint {
        origin: ORIGIN.to_owned(),
        size: 70_000,
        root: root.try_into().unwrap(),
    };
    let mut signed = SignedCheckpoint::sign(head, &log()).unwrap();
    let key = NoteKey::from_seed(&Secret::new([2; 32]));
    let witness = NoteSigner::new("witness.example/w1", NoteKeyType::Cosigner, key).unwrap();
    signed.cosign(&witness, 1_700_000_000).unwrap();
    let expected = "vault.example/records\n70000\nB1kWeg+Y416ALUb/fH0p0sPwOmOiVt62q7/zV6kbY7E=\n\n\
        \u{2014} vault.example/records jRNizbQQthxz+gSQeMYlIhudajF/6/IfyS2g/v+dpHyikrpAuABpHFK2r2oNtAHBkcoZT5Se70ODPEcUBsMWLlNN3AE=\n\
        \u{2014} witness.example/w1 3xwKNQAAAABlU/EAuDY3NnpLP7zAmMyIBtrvU7vvYiHDojDHbhAKXcZfhigss3buJUlINdmQGCGIXOpkAxzryp90guJ8yBbYfebhBw==\n";
    assert_eq!(signed.to_string(), expected);
    let vkey = "vault.example/records+8d1362cd+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";
    assert_eq!(log().verifier().to_string(), vkey);
}

#[test]
fn c03_needs_the_threshold_of_distinct_witnesses() {
    let mut signed = SignedCheckpoint::sign(head(5), &log()).unwrap();
    assert_eq!(quorum(1).verify(&signed), Err(LogError::NoQuorum));
    signed.cosign(&witness(2), 1_000).unwrap();
    signed.cosign(&witness(2), 1_060).unwrap();
    signed.cosign(&witness(9), 1_060).unwrap();
    assert_eq!(quorum(2).verify(&signed), Err(LogError::NoQuorum));
    signed.cosign(&witness(4), 1_030).unwrap();
    let parsed: SignedCheckpoint = signed.to_string().parse().unwrap();
    assert_eq!(quorum(2).verify(&parsed).unwrap().time_s(), 1_030);
    assert_eq!(quorum(1).verify(&parsed).unwrap().time_s(), 1_060);
    assert_eq!(quorum(3).verify(&parsed), Err(LogError::NoQuorum));
}

#[test]
fn f21_refuses_a_quorum_that_is_too_old_or_from_the_future() {
    let mut signed = SignedCheckpoint::sign(head(5), &log()).unwrap();
    signed.cosign(&witness(2), 10_000).unwrap();
    assert!(quorum(1).verify_fresh(&signed, 10_300, 300).is_ok());
    assert_eq!(
        quorum(1).verify_fresh(&signed, 10_301, 300),
        Err(LogError::Stale)
    );
    // Dated ahead no further than clocks differ: else it would stay good for as much longer.
    assert!(quorum(1).verify_fresh(&signed, 9_880, 300).is_ok());
    assert_eq!(
        quorum(1).verify_fresh(&signed, 9_879, 300),
        Err(LogError::Stale)
    );
}

#[test]
fn refuses_a_checkpoint_the_log_did_not_sign() {
    let mut signed = SignedCheckpoint::sign(head(5), &log()).unwrap();
    signed.cosign(&witness(2), 1_000).unwrap();
    let text = signed.to_string();
    let witness_only: Vec<&str> = text
        .lines()
        .filter(|l| !l.contains("\u{2014} vault"))
        .collect();
    let unsigned: SignedCheckpoint = (witness_only.join("\n") + "\n").parse().unwrap();
    assert_eq!(quorum(1).verify(&unsigned), Err(LogError::NotSigned));
}

#[test]
fn refuses_a_checkpoint_of_another_log() {
    let other = Checkpoint {
        origin: "other.example/records".to_owned(),
        ..head(5)
    };
    assert_eq!(
        SignedCheckpoint::sign(other.clone(), &log()),
        Err(LogError::OriginMismatch)
    );
    let key = NoteKey::from_seed(&Secret::new([1; 32]));
    let same_key = NoteSigner::new("other.example/records", NoteKeyType::Log, key).unwrap();
    let signed = SignedCheckpoint::sign(other.clone(), &same_key).unwrap();
    assert_eq!(quorum(1).verify(&signed), Err(LogError::OriginMismatch));
    assert_eq!(
        other.verify_extends(&head(3), &[]),
        Err(LogError::OriginMismatch)
    );
}

#[test]
fn a_policy_needs_distinct_keys_roles_and_a_reachable_threshold() {
    let one = witness(2).verifier().clone();
    let log = log().verifier().clone();
    for (log, witnesses, threshold) in [
        (log.clone(), vec![one.clone()], 0),
        (log.clone(), vec![one.clone()], 2),
        (log.clone(), vec![one.clone(), one.clone()], 1),
        (log.clone(), vec![log.clone()], 1),
        (one.clone(), vec![one.clone()], 1),
    ] {
        assert_eq!(
            Quorum::new(log, witnesses, threshold),
            Err(LogError::Policy)
        );
    }
    let key = NoteKey::from_seed(&Secret::new([1; 32]));
    let own = NoteSigner::new("witness.example", NoteKeyType::Cosigner, key).unwrap();
    let own_witness = Quorum::new(log, vec![own.verifier().clone()], 1);
    assert_eq!(
        own_witness,
        Err(LogError::Policy),
        "the log's own key is no witness"
    );
}

#[test]
fn c04_a_head_extends_only_what_it_continues() {
    let (old, new) = (head(5), head(9));
    let path = tree(9).consistency_path(5).unwrap();
    assert_eq!(new.verify_extends(&old, &path), Ok(()));
    assert!(old.verify_extends(&new, &path).is_err());
    let rewritten = Checkpoint {
        root: [0; 32],
        ..old
    };
    assert!(new.verify_extends(&rewritten, &path).is_err());
}

#[test]
fn refuses_malformed_checkpoint_texts() {
    let good = head(5).to_text();
    assert_eq!(Checkpoint::parse_text(&good), Ok(head(5)));
    assert_eq!(Checkpoint::parse_text(&head(0).to_text()), Ok(head(0)));
    let root = good.lines().nth(2).unwrap().to_owned();
    for bad in [
        good.trim_end().to_owned(),
        format!("{good}extension\n"),
        format!("\n5\n{root}\n"),
        format!("{ORIGIN}\n05\n{root}\n"),
        format!("{ORIGIN}\n+5\n{root}\n"),
        format!("{ORIGIN}\n\n{root}\n"),
        format!("{ORIGIN}\n18446744073709551616\n{root}\n"),
        format!("{ORIGIN}\n0\n{root}\n"),
        format!("{ORIGIN}\n5\n{}\n", root.trim_end_matches('=')),
    ] {
        assert!(Checkpoint::parse_text(&bad).is_err(), "{bad:?}");
    }
}

#[test]
fn merges_signatures_over_the_same_head_only() {
    let mut ours = SignedCheckpoint::sign(head(5), &log()).unwrap();
    let mut theirs = ours.clone();
    theirs.cosign(&witness(2), 1_000).unwrap();
    ours.merge(&theirs).unwrap();
    assert!(quorum(1).verify(&ours).is_ok());
    let other = SignedCheckpoint::sign(head(6), &log()).unwrap();
    assert_eq!(ours.merge(&other), Err(LogError::OriginMismatch));
}
