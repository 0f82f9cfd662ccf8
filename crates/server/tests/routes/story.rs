//! The thin line: founding, people, unit, case, document, release, own log.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use obhut_crypto::{DocumentShare, Identity, RevisionReader, open_release};
use obhut_format::VaultId;
use obhut_format::act::{ActKind, ObjectRef, SignedAct};
use obhut_format::mutation::Committed;
use obhut_format::reading::RecordsPage;
use obhut_format::release::ReleaseAnswer;
use obhut_format::session::InvitationLogin;
use obhut_format::statement::Role;
use obhut_suite::DevicePublic;
use serde_json::Value;

use crate::people::{Agency, Draft, sign_invitation};
use crate::world::{Ground, Server, answer, record};

#[tokio::test(flavor = "multi_thread")]
async fn a_document_is_filed_released_fetched_and_opened() {
    let server = Server::start(1).await;
    let agency = Agency::found(&server, 0).await;
    let worker = agency.join(false, &agency.registrar, None).await;
    let unit = agency.unit_with(&worker).await;
    let (subject, _) = agency.invite(true, &worker, Some(unit.id)).await;
    let case = agency.case(&worker, &unit, subject.id).await;
    let content = b"The content of a test document.".repeat(20_000);
    let made = agency.file(&worker, &unit, &case, &content).await;

    let (answer, ephemeral) = agency
        .release(&worker, Agency::opening(&unit, &case, made.document))
        .await;
    let released: ReleaseAnswer = record(&answer.ok()["answer"]);
    let gate = DevicePublic::parse(&agency.card.gate_key).unwrap();
    let act = released.leaves[0].r.body.0.clone();
    let act = <obhut_format::entry::GroupR as obhut_format::Cbor>::from_bytes(&act)
        .unwrap()
        .signed;
    let secrets = open_shares(&released, &gate, &act, &ephemeral, &agency);
    let share = DocumentShare::parse(&secrets, made.sealer.at(), &made.manifest.share_id).unwrap();
    let reader =
        RevisionReader::new(&made.manifest, &made.sealer.secrets().access, &share).unwrap();
    assert_eq!(released.documents[0].object, made.object);
    assert_eq!(
        reader
            .open_info(&released.documents[0].info.0)
            .unwrap()
            .true_bytes,
        content.len() as u64
    );

    let whole = fetch(&agency, &worker.ground, &made.object.to_string(), None).await;
    assert_eq!((whole.0, &whole.1), (StatusCode::OK, &made.capsule));
    let part = fetch(
        &agency,
        &worker.ground,
        &made.object.to_string(),
        Some("bytes=100-300000"),
    )
    .await;
    assert_eq!(
        (part.0, part.1.as_slice()),
        (StatusCode::PARTIAL_CONTENT, &made.capsule[100..=300_000])
    );
    let leaves = fetch(
        &agency,
        &worker.ground,
        &format!("{}/leaves", made.object),
        None,
    )
    .await
    .1;
    let leaves: Vec<_> = leaves.as_chunks::<32>().0.to_vec();
    assert_eq!(
        obhut_format::tree::root(&leaves),
        made.manifest.content_root
    );
}

fn open_shares(
    released: &ReleaseAnswer,
    gate: &DevicePublic,
    act: &SignedAct,
    ephemeral: &obhut_suite::XwingSeed,
    agency: &Agency<'_>,
) -> Vec<u8> {
    let (_, secrets) = open_release(
        &released.release,
        gate,
        agency.vault,
        &act.hash(),
        ephemeral,
    )
    .unwrap();
    // EXPOSE: test secrets.
    secrets[0].secret.expose().to_vec()
}

async fn fetch(
    agency: &Agency<'_>,
    ground: &Ground,
    path: &str,
    range: Option<&str>,
) -> (StatusCode, Vec<u8>) {
    let Ground::Session(token) = ground else {
        panic!("a session");
    };
    let mut request = Request::get(format!("/v1/vaults/{}/objects/{path}", agency.vault))
        .header("authorization", format!("Bearer {token}"));
    if let Some(range) = range {
        request = request.header("range", range);
    }
    let answer = answer(
        agency
            .server
            .send(request.body(Body::empty()).unwrap())
            .await,
    )
    .await;
    (answer.status, answer.bytes.to_vec())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_without_a_release_is_not_there() {
    let server = Server::start(1).await;
    let agency = Agency::found(&server, 0).await;
    let worker = agency.join(false, &agency.registrar, None).await;
    let unit = agency.unit_with(&worker).await;
    let (subject, _) = agency.invite(true, &worker, Some(unit.id)).await;
    let case = agency.case(&worker, &unit, subject.id).await;
    let made = agency.file(&worker, &unit, &case, b"x").await;
    for path in [made.object.to_string(), format!("{}/leaves", made.object)] {
        let (status, _) = fetch(&agency, &worker.ground, &path, None).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
    let stranger = agency.join(false, &agency.registrar, None).await;
    let other = agency.unit_with(&stranger).await;
    let mut draft = Agency::opening(&unit, &case, made.document);
    draft.unit = Some(other.id);
    let (refused, _) = agency.release(&stranger, draft).await;
    assert!(matches!(
        refused.problem().0.as_str(),
        "not-found" | "refused"
    ));
    let (status, _) = fetch(&agency, &stranger.ground, &made.object.to_string(), None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_come_in_pages_and_sealed_parts_only_to_their_readers() {
    let server = Server::start(1).await;
    let agency = Agency::found(&server, 0).await;
    let (person, first) = agency.invite(false, &agency.registrar, None).await;
    let page = |ground: Ground| {
        let agency = &agency;
        async move {
            let answer = agency.get("/records?from=0", &ground).await.ok();
            record::<RecordsPage>(&answer["page"])
        }
    };
    let own = page(agency.registrar.ground.clone()).await;
    let invited = page(agency.invited_ground(&first)).await;
    assert_eq!(own.entries, invited.entries);
    assert!(own.sealed.iter().any(|sealed| !sealed.0.is_empty()));
    assert!(invited.sealed.iter().all(|sealed| sealed.0.is_empty()));
    agency.activate(person, &first).await;
    let used = agency.get("/records", &agency.invited_ground(&first)).await;
    assert_eq!(used.problem().0, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread")]
async fn f18_the_public_name_of_an_invitation_lets_nobody_in() {
    let server = Server::start(1).await;
    let agency = Agency::found(&server, 0).await;
    let (_, first) = agency.invite(false, &agency.registrar, None).await;
    let (_, other) = agency.invite(false, &agency.registrar, None).await;
    let login = |change: fn(&mut InvitationLogin), by: &Identity| {
        let mut login = agency.invitation_login(first.kid());
        change(&mut login);
        sign_invitation(login, by)
    };
    assert!(
        agency
            .get("/keys", &login(|_| (), &first))
            .await
            .status
            .is_success()
    );
    let wrong = [
        Ground::Invitation(first.kid().to_string()),
        login(|_| (), &other),
        login(|login| login.vault = VaultId([9; 16]), &first),
        login(|login| login.origin.push('x'), &first),
        login(|login| login.expires_us = 1, &first),
        login(|login| login.expires_us *= 2, &first),
    ];
    for (number, ground) in wrong.iter().enumerate() {
        for path in ["/keys", "/records"] {
            let refused = agency.get(path, ground).await;
            assert_eq!(refused.problem().0, "unauthenticated", "{number} {path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f18_an_invitation_works_once() {
    let server = Server::start(1).await;
    let agency = Agency::found(&server, 0).await;
    let (person, first) = agency.invite(false, &agency.registrar, None).await;
    let person = agency.activate(person, &first).await;
    let thief = crate::people::Person {
        id: person.id,
        identity: Identity::generate(&mut crate::people::rng()).unwrap(),
        device: obhut_suite::DeviceKey::generate(&mut crate::people::rng()),
        ground: Ground::None,
    };
    let refused = agency.try_activate(&thief, &first).await;
    assert!(!refused.status.is_success());
    assert!(
        agency
            .get("/keys", &agency.log_in(&person).await)
            .await
            .status
            .is_success()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_prove_records_and_checkpoints_and_tiles_are_public() {
    let server = Server::start(1).await;
    let agency = Agency::found(&server, 0).await;
    let proof = agency
        .get("/receipts/0?wait_ms=10000", &agency.registrar.ground)
        .await
        .ok();
    assert!(
        proof["proof"]
            .as_str()
            .unwrap()
            .contains(&agency.card.records_origin())
    );
    let far = agency
        .get("/receipts/100000?wait_ms=10", &agency.registrar.ground)
        .await;
    assert!(matches!(
        far.problem().0.as_str(),
        "unconfirmed" | "not-found"
    ));
    let checkpoint = agency.get("/checkpoints/records", &Ground::None).await;
    assert!(String::from_utf8_lossy(&checkpoint.bytes).starts_with(&agency.card.records_origin()));
    let path = format!("/tiles/{}/checkpoint", agency.card.records_origin());
    let tile = server
        .json(Method::GET, &path, &Ground::None, Value::Null)
        .await;
    assert_eq!(tile.status, StatusCode::OK, "{path}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_of_the_same_records_gets_the_same_answer_also_after_a_restart() {
    let server = Server::start(1).await;
    let (vault, before) = {
        let agency = Agency::found(&server, 0).await;
        let worker = agency.join(false, &agency.registrar, None).await;
        let unit = agency.unit_with(&worker).await;
        let (subject, _) = agency.invite(true, &worker, Some(unit.id)).await;
        let (_, mutation, draft) = agency.case_mutation(&worker, &unit, subject.id).await;
        let first = agency
            .mutate("/cases", &worker, draft.clone(), &mutation)
            .await
            .ok();
        let again = agency
            .mutate("/cases", &worker, draft, &mutation)
            .await
            .ok();
        assert_eq!(first, again);
        let committed: Committed = record(&first["committed"]);
        let last = committed.records_size - 1;
        let path = format!("/receipts/{last}?wait_ms=10000");
        agency.get(&path, &agency.registrar.ground).await.ok();
        let size = agency
            .get("/checkpoints/records", &Ground::None)
            .await
            .bytes;
        (agency.vault, size)
    };
    let server = server.restart().await;
    while !server
        .json(Method::GET, "/readyz", &Ground::None, Value::Null)
        .await
        .status
        .is_success()
    {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let path = format!("/v1/vaults/{vault}/checkpoints/records");
    let after = server
        .json(Method::GET, &path, &Ground::None, Value::Null)
        .await
        .bytes;
    let line = |text: &[u8], n: usize| {
        String::from_utf8_lossy(text)
            .lines()
            .nth(n)
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        (line(&before, 1), line(&before, 2)),
        (line(&after, 1), line(&after, 2))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lookups_give_ids_to_the_unit_alone() {
    let server = Server::start(1).await;
    let agency = Agency::found(&server, 0).await;
    let worker = agency.join(false, &agency.registrar, None).await;
    let unit = agency.unit_with(&worker).await;
    let (subject, _) = agency.invite(true, &worker, Some(unit.id)).await;
    let case = agency.case(&worker, &unit, subject.id).await;
    let tags = [unit.key.blind_index("az 1/26")];
    let found = agency.look_up(&worker, unit.id, &tags).await.ok();
    assert_eq!(found["cases"][0], case.id.to_string());
    let stranger = agency.join(false, &agency.registrar, None).await;
    let refused = agency.look_up(&stranger, unit.id, &tags).await;
    assert!(matches!(
        refused.problem().0.as_str(),
        "not-found" | "refused"
    ));
    let keys = agency
        .get(&format!("/keys/cases/{}", case.id), &worker.ground)
        .await;
    assert!(keys.status.is_success());
    let keys = agency
        .get(&format!("/keys/cases/{}", case.id), &stranger.ground)
        .await;
    assert!(matches!(keys.problem().0.as_str(), "not-found" | "refused"));
    let mut list = Draft::new(ActKind::ListCases, Role::CaseWorker);
    list.unit = Some(unit.id);
    list.objects = vec![ObjectRef {
        case: case.id,
        document: None,
        revision: 0,
    }];
    let (listed, _) = agency.release(&worker, list).await;
    let listed: ReleaseAnswer = record(&listed.ok()["answer"]);
    assert_eq!(listed.cases[0].case, case.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vault_that_stopped_is_not_ready_and_takes_nothing() {
    let server = Server::start(1).await;
    let agency = Agency::found(&server, 0).await;
    let ready = async || {
        server
            .json(Method::GET, "/readyz", &Ground::None, Value::Null)
            .await
    };
    while !ready().await.status.is_success() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    for tenant in server.app.tenants() {
        tenant.vault.shut_down().await;
    }
    assert_eq!(ready().await.problem().0, "unconfirmed");
    let answer = agency
        .try_appoint(&agency.registrar, &agency.registrar, Role::Dpo, None)
        .await;
    assert_eq!(answer.problem().0, "unavailable");
}
