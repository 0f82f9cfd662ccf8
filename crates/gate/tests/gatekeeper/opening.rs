//! Opening and closing: folders, keys, bytes that are no message.

use std::future::Future;
use std::path::Path;

use obhut_format::Cbor as _;
use obhut_format::release::GateResponse;
use obhut_gate::{Edge, Gate, GateConfig, GateError};

fn edge() -> Edge {
    Edge::new(|| 1_800_000_000_000_000, || [7; 32])
}

fn config(folder: &Path) -> GateConfig {
    GateConfig::new(
        folder.join("data/gate"),
        folder.join("data"),
        folder.join("gate-key"),
    )
}

fn send<F: Future + Send>(future: F) -> F {
    future
}

#[tokio::test]
async fn bytes_that_are_no_message_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Gate::open(config(folder.path()), edge()).await.unwrap();
    for bytes in [&b""[..], b"\xff\xff\xff", &[0x82; 300], &vec![0; 65_536]] {
        let answer = send(gate.handle(bytes)).await;
        let GateResponse::Refused(refusal) = GateResponse::from_bytes(&answer).unwrap() else {
            panic!("not refused");
        };
        assert_eq!(refusal.code, "bad-bytes");
    }
}

#[tokio::test]
async fn refuses_a_storage_key_inside_the_data_folder() {
    let folder = tempfile::tempdir().unwrap();
    for inside in ["data/keys", "data/gate/keys", "data/gate", "data"] {
        let mut config = config(folder.path());
        config.key_folder = folder.path().join(inside);
        let opened = Gate::open(config, edge()).await;
        assert!(matches!(opened.err(), Some(GateError::KeyInsideData(_))));
    }
}

#[tokio::test]
async fn refuses_to_start_without_the_storage_key_of_its_shares() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Gate::open(config(folder.path()), edge()).await.unwrap();
    gate.close().await;
    let key = folder.path().join("gate-key/storage-1.key");
    std::fs::rename(&key, folder.path().join("elsewhere")).unwrap();
    let opened = Gate::open(config(folder.path()), edge()).await;
    assert!(matches!(
        opened.err(),
        Some(GateError::KeyMissing { number: 1, .. })
    ));
    std::fs::write(&key, [9; 32]).unwrap();
    let opened = Gate::open(config(folder.path()), edge()).await;
    assert!(matches!(opened.err(), Some(GateError::KeyMissing { .. })));
    std::fs::write(&key, [9; 31]).unwrap();
    let opened = Gate::open(config(folder.path()), edge()).await;
    assert!(matches!(opened.err(), Some(GateError::KeyDamaged(_))));
}
