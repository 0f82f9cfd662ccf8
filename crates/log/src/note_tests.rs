#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use obhut_suite::Secret;
use proptest::prelude::*;

/// Published with Go's `golang.org/x/mod/sumdb/note`, the origin of the format.
const GO_VKEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_SEED: &str = "gQoUAtUUbI2E8kQzMPVAgOv5juF9nHT2JS/F1ccoMXM=";
const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\n\
    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn signer(name: &str, kind: NoteKeyType, seed: u8) -> NoteSigner {
    NoteSigner::new(name, kind, NoteKey::from_seed(&Secret::new([seed; 32]))).unwrap()
}

#[test]
fn reads_and_writes_the_note_of_the_go_implementation() {
    let key: VerifierKey = GO_VKEY.parse().unwrap();
    assert_eq!(key.to_string(), GO_VKEY);
    let note: SignedNote = GO_NOTE.parse().unwrap();
    assert_eq!(note.to_string(), GO_NOTE);
    assert_eq!(note.signed_by(&key), Ok(true));
    let seed = BASE64.decode(GO_SEED.as_bytes()).unwrap();
    let secret = NoteKey::from_seed(&Secret::from_slice(&seed).unwrap());
    let signer = NoteSigner::new("PeterNeumann", NoteKeyType::Log, secret).unwrap();
    let signature = signer.sign(note.text()).unwrap();
    let again = SignedNote::new(note.text().to_owned(), signature).unwrap();
    assert_eq!(again.to_string(), GO_NOTE);
}

#[test]
fn accepts_the_example_vkey_and_refuses_it_with_another_id() {
    let text = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
    assert_eq!(text.parse::<VerifierKey>().unwrap().to_string(), text);
    let other = text.replace("530d903a", "530d903b");
    assert_eq!(other.parse::<VerifierKey>(), Err(LogError::KeyIdMismatch));
    for bad in [
        "",
        "a",
        "a+b",
        "example.com/foo+530d903a+",
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    ] {
        assert!(bad.parse::<VerifierKey>().is_err(), "{bad}");
    }
}

#[test]
fn a_changed_text_is_an_error_and_an_unknown_key_a_no() {
    let key: VerifierKey = GO_VKEY.parse().unwrap();
    let changed: SignedNote = GO_NOTE.replace("problem", "Problem").parse().unwrap();
    assert_eq!(changed.signed_by(&key), Err(LogError::BadSignature));
    let stranger = signer("PeterNeumann", NoteKeyType::Log, 1);
    let note: SignedNote = GO_NOTE.parse().unwrap();
    assert_eq!(note.signed_by(stranger.verifier()), Ok(false));
}

#[test]
fn a_note_may_hold_empty_lines() {
    let signer = signer("example.com/log", NoteKeyType::Log, 1);
    let text = "one\n\ntwo\n".to_owned();
    let signature = signer.sign(&text).unwrap();
    let note = SignedNote::new(text, signature).unwrap();
    let parsed: SignedNote = note.to_string().parse().unwrap();
    assert_eq!(parsed, note);
    assert_eq!(parsed.signed_by(signer.verifier()), Ok(true));
}

#[test]
fn refuses_malformed_notes() {
    let line = "\u{2014} a.example AAAAAAA=";
    assert!(format!("text\n\n{line}\n").parse::<SignedNote>().is_ok());
    for bad in [
        String::new(),
        "text\n".to_owned(),
        "text\n\n".to_owned(),
        format!("text\n{line}\n"),
        format!("text\n\n{line}"),
        format!("text\n\n{line}\n{line} \n"),
        format!("te\txt\n\n{line}\n"),
        format!("text\r\n\n{line}\n"),
        "text\n\n- a.example AAAAAAA=\n".to_owned(),
        "text\n\n\u{2014} a.example AAAAAA\n".to_owned(),
        "text\n\n\u{2014} a.example AAAAAA==\n".to_owned(),
        "text\n\n\u{2014} a+b AAAAAAA=\n".to_owned(),
        "text\n\n\u{2014}  AAAAAAA=\n".to_owned(),
        format!(
            "text\n\n{}",
            format!("{line}\n").repeat(MAX_NOTE_SIGNATURES + 1)
        ),
    ] {
        assert!(bad.parse::<SignedNote>().is_err(), "{bad:?}");
    }
}

#[test]
fn a_cosignature_is_over_header_time_and_text() {
    let witness = signer("witness.example/w1", NoteKeyType::Cosigner, 2);
    let text = "vault.example/records\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
    let signature = witness.cosign(text, 1_679_315_147).unwrap();
    let message = format!("cosignature/v1\ntime 1679315147\n{text}");
    let (time, bytes) = signature.bytes.split_first_chunk::<8>().unwrap();
    assert_eq!(u64::from_be_bytes(*time), 1_679_315_147);
    assert!(
        witness
            .verifier()
            .public()
            .verify(message.as_bytes(), bytes)
            .is_ok()
    );
    let note = SignedNote::new(text.to_owned(), signature).unwrap();
    assert_eq!(
        note.cosigned_at(witness.verifier()),
        Ok(Some(1_679_315_147))
    );
}

#[test]
fn refuses_a_cosignature_with_another_time_text_or_role() {
    let witness = signer("witness.example/w1", NoteKeyType::Cosigner, 2);
    let mut signature = witness.cosign("text\n", 1_000).unwrap();
    *signature.bytes.get_mut(7).unwrap() ^= 1;
    let note = SignedNote::new("text\n".to_owned(), signature).unwrap();
    assert_eq!(
        note.cosigned_at(witness.verifier()),
        Err(LogError::BadSignature)
    );
    let signature = witness.cosign("text\n", 1_000).unwrap();
    let note = SignedNote::new("other\n".to_owned(), signature).unwrap();
    assert_eq!(
        note.cosigned_at(witness.verifier()),
        Err(LogError::BadSignature)
    );
    assert!(witness.sign("text\n").is_err());
    assert!(
        signer("log.example", NoteKeyType::Log, 1)
            .cosign("text\n", 1)
            .is_err()
    );
    assert!(witness.cosign("text\n", u64::MAX).is_err());
}

#[test]
fn adding_a_newer_cosignature_replaces_the_older() {
    let witness = signer("witness.example/w1", NoteKeyType::Cosigner, 2);
    let first = witness.cosign("text\n", 1_000).unwrap();
    let mut note = SignedNote::new("text\n".to_owned(), first).unwrap();
    note.add(witness.cosign("text\n", 1_120).unwrap());
    assert_eq!(note.signatures().len(), 1);
    assert_eq!(note.cosigned_at(witness.verifier()), Ok(Some(1_120)));
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic_and_what_parses_is_canonical(
        note in "[a-c\u{2014} \n+=]{0,80}",
        key in "[a-c+=/0-9]{0,60}",
    ) {
        if let Ok(parsed) = note.parse::<SignedNote>() {
            prop_assert_eq!(parsed.to_string(), note);
        }
        if let Ok(parsed) = key.parse::<VerifierKey>() {
            prop_assert_eq!(parsed.to_string(), key);
        }
    }
}
