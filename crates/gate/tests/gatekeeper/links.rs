//! A gatekeeper of another operator: who may call, for which vault, and how a vault gets in.

use std::sync::Arc;

use obhut_format::gate_link::{CodedEnrolment, EnrolmentCode, PartyKey, enrolment_message};
use obhut_format::release::{EnrolVault, GateRequest, GateResponse, VaultOnly};
use obhut_format::{Cbor, Kid, VaultId};
use obhut_gate::Gate;
use obhut_gate::link::{GateLink, LinkKey, LinkState, TlsListener, serve};
use obhut_suite::{NoteKey, Secret, hmac_sha256};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::world::{DAY, World, refused};

const SERVER: PartyKey = PartyKey([0x51; 32]);
const OTHER_SERVER: PartyKey = PartyKey([0x52; 32]);

fn link_key(seed: u8) -> LinkKey {
    LinkKey::from_seed(&Secret::new([seed; 32])).unwrap()
}

/// A vault that is not enrolled yet, with the root its founder made.
fn vault(number: u8) -> EnrolVault {
    let key = |seed| {
        let key = NoteKey::generate(&mut ChaCha20Rng::from_seed([seed; 32]));
        *key.public().as_bytes()
    };
    EnrolVault {
        vault: VaultId([number; 16]),
        origin: format!("elsewhere.example/{number}"),
        records_key: key(number),
        access_key: key(number + 100),
        root: Some(Kid([number; 32])),
    }
}

fn coded(code: &EnrolmentCode, gate: PartyKey, enrol: EnrolVault) -> CodedEnrolment {
    let message = enrolment_message(&enrol, gate);
    CodedEnrolment {
        proof: hmac_sha256(code.secret(), &[message.as_bytes()]),
        code: EnrolmentCode::id_of(code.secret()),
        enrol,
    }
}

async fn ask(gate: &Gate, server: PartyKey, request: GateRequest) -> GateResponse {
    let answer = gate.handle_from(server.0, &request.to_bytes()).await;
    GateResponse::from_bytes(&answer).unwrap()
}

async fn enrol(gate: &Gate, server: PartyKey, coded: CodedEnrolment) -> GateResponse {
    ask(gate, server, GateRequest::EnrolByCode(coded)).await
}

fn status_of(vault: VaultId) -> GateRequest {
    GateRequest::Status(VaultOnly { vault })
}

#[tokio::test]
async fn f30_a_vault_comes_in_with_a_code_of_this_operator_only() {
    let world = World::enrolled().await;
    let gate = &world.gate;
    let plain = GateRequest::Enrol(vault(8));
    assert_eq!(refused(ask(gate, SERVER, plain).await), "enrol-needs-code");
    let guessed = EnrolmentCode::new([9; 16], gate.party_key());
    let guessed = coded(&guessed, gate.party_key(), vault(8));
    assert_eq!(
        refused(enrol(gate, SERVER, guessed).await),
        "enrolment-code"
    );
    let code = gate.make_enrolment_code(SERVER, 7 * DAY).await.unwrap();
    assert!(code.is_of(gate.party_key()) && !code.is_of(SERVER));
    let honest = coded(&code, gate.party_key(), vault(8));
    let stolen = enrol(gate, OTHER_SERVER, honest.clone()).await;
    assert_eq!(refused(stolen), "enrolment-code");
    let answer = enrol(gate, SERVER, honest.clone()).await;
    assert_eq!(answer, GateResponse::Enrolled(gate.public_key()));
    // The answer got lost: the same enrolment again, but no other one with the used code.
    assert_eq!(enrol(gate, SERVER, honest).await, answer);
    let second = coded(&code, gate.party_key(), vault(9));
    assert_eq!(refused(enrol(gate, SERVER, second).await), "enrolment-code");
}

#[tokio::test]
async fn f30_a_server_cannot_put_another_root_into_the_founders_enrolment() {
    let world = World::enrolled().await;
    let gate = &world.gate;
    let code = gate.make_enrolment_code(SERVER, 7 * DAY).await.unwrap();
    let honest = coded(&code, gate.party_key(), vault(8));
    let mut changed = honest.clone();
    changed.enrol.root = Some(Kid([0x66; 32]));
    assert_eq!(
        refused(enrol(gate, SERVER, changed).await),
        "enrolment-code"
    );
    let mut rootless = honest.clone();
    rootless.enrol.root = None;
    assert_eq!(refused(enrol(gate, SERVER, rootless).await), "bad-bytes");
    let relayed = coded(&code, OTHER_SERVER, vault(8));
    assert_eq!(
        refused(enrol(gate, SERVER, relayed).await),
        "enrolment-code"
    );
    let answer = enrol(gate, SERVER, honest).await;
    assert_eq!(answer, GateResponse::Enrolled(gate.public_key()));
}

#[tokio::test]
async fn an_enrolment_code_ends_with_its_time() {
    let world = World::enrolled().await;
    let code = world.gate.make_enrolment_code(SERVER, DAY).await.unwrap();
    world.advance(DAY + 1_000_000);
    let late = coded(&code, world.gate.party_key(), vault(8));
    assert_eq!(
        refused(enrol(&world.gate, SERVER, late).await),
        "enrolment-code"
    );
}

#[tokio::test]
async fn f06_a_server_learns_nothing_of_vaults_that_came_with_another() {
    let world = World::new().await;
    let gate = &world.gate;
    for (server, number) in [(SERVER, 8), (OTHER_SERVER, 9)] {
        let code = gate.make_enrolment_code(server, DAY).await.unwrap();
        let coded = coded(&code, gate.party_key(), vault(number));
        let answer = enrol(gate, server, coded).await;
        assert!(matches!(answer, GateResponse::Enrolled(_)), "{answer:?}");
    }
    let own = ask(gate, SERVER, status_of(VaultId([8; 16]))).await;
    assert!(matches!(own, GateResponse::Status(_)), "{own:?}");
    // Another server's vault, one of this process, and one that does not exist: the same answer.
    for vault in [VaultId([9; 16]), world.vault, VaultId([77; 16])] {
        for request in [
            status_of(vault),
            GateRequest::DepositKey(VaultOnly { vault }),
        ] {
            assert_eq!(refused(ask(gate, SERVER, request).await), "vault-unknown");
        }
    }
}

/// A gatekeeper on a port of its own.
struct Served {
    url: String,
    stopping: CancellationToken,
    tasks: JoinSet<()>,
}

impl Served {
    async fn start(gate: &Arc<Gate>, listen: &str) -> Self {
        let tcp = TcpListener::bind(listen).await.unwrap();
        let url = format!("https://{}", tcp.local_addr().unwrap());
        let listener = TlsListener::new(tcp, &gate.link_key().unwrap()).unwrap();
        let stopping = CancellationToken::new();
        let stop = stopping.clone().cancelled_owned();
        let (gate, mut tasks) = (Arc::clone(gate), JoinSet::new());
        tasks.spawn(async move { serve(gate, listener, stop).await.unwrap() });
        Self {
            url,
            stopping,
            tasks,
        }
    }

    async fn stop(mut self) {
        self.stopping.cancel();
        self.tasks.shutdown().await;
    }
}

#[tokio::test]
async fn both_ends_prove_their_keys_and_an_outage_is_named() {
    let world = World::enrolled().await;
    let gate = &world.gate;
    let served = Served::start(gate, "127.0.0.1:0").await;
    let address = served.url.trim_start_matches("https://").to_owned();
    let own = link_key(1);
    let link = GateLink::new(&served.url, gate.party_key(), &own).unwrap();
    let code = gate.make_enrolment_code(own.public(), DAY).await.unwrap();
    let request = GateRequest::EnrolByCode(coded(&code, gate.party_key(), vault(8)));
    let answer = link.ask(request.to_bytes()).await.unwrap();
    let answer = GateResponse::from_bytes(&answer).unwrap();
    assert_eq!(answer, GateResponse::Enrolled(gate.public_key()));
    assert_eq!(link.state(), LinkState::Reached);

    // The key in the handshake decides who speaks, nothing in the message.
    let stranger = GateLink::new(&served.url, gate.party_key(), &link_key(2)).unwrap();
    let answer = stranger.ask(status_of(VaultId([8; 16])).to_bytes()).await;
    let answer = GateResponse::from_bytes(&answer.unwrap()).unwrap();
    assert_eq!(refused(answer), "vault-unknown");

    // A gatekeeper with another key gets no byte of a message.
    let fooled = GateLink::new(&served.url, link_key(3).public(), &own).unwrap();
    assert_eq!(fooled.ask(Vec::new()).await, None);
    let LinkState::Unreachable(why) = fooled.state() else {
        panic!("{:?}", fooled.state());
    };
    assert!(why.contains("key"), "{why}");

    served.stop().await;
    let status = || link.ask(status_of(VaultId([8; 16])).to_bytes());
    assert_eq!(status().await, None);
    assert!(matches!(link.state(), LinkState::Unreachable(_)));
    let served = Served::start(gate, &address).await;
    let begun = tokio::time::Instant::now();
    while status().await.is_none() {
        assert!(begun.elapsed().as_secs() < 10, "{:?}", link.state());
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(link.state(), LinkState::Reached);
    served.stop().await;
}
