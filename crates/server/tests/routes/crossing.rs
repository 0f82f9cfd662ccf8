//! Many vaults on one server: nothing crosses.

use axum::http::Method;
use obhut_format::ObjectId;
use obhut_format::act::{ActKind, ObjectRef};
use obhut_format::statement::Role;
use serde_json::Value;

use crate::people::{Agency, Draft};
use crate::world::{Ground, Server};

#[tokio::test(flavor = "multi_thread")]
async fn f06_nothing_of_one_vault_is_reached_through_another() {
    let server = Server::start(2).await;
    let ours = Agency::found(&server, 0).await;
    let theirs = Agency::found(&server, 1).await;
    let worker = ours.join(false, &ours.registrar, None).await;
    let unit = ours.unit_with(&worker).await;
    let (subject, first) = ours.invite(true, &worker, Some(unit.id)).await;
    let case = ours.case(&worker, &unit, subject.id).await;
    let made = ours.file(&worker, &unit, &case, b"ours").await;
    let (answer, _) = ours
        .release(&worker, Agency::opening(&unit, &case, made.document))
        .await;
    answer.ok();

    // A session, an invitation and a code of one vault are nothing in the other.
    for ground in [
        worker.ground.clone(),
        ours.invited_ground(&first),
        Ground::Bootstrap(server.vaults[0].1.secret_text()),
    ] {
        let refused = theirs.get("/records", &ground).await;
        assert_eq!(refused.problem().0, "unauthenticated");
    }
    let stranger = theirs.join(false, &theirs.registrar, None).await;
    let other = theirs.unit_with(&stranger).await;
    let object = format!("/objects/{}", made.object);
    assert_eq!(
        theirs.get(&object, &stranger.ground).await.problem().0,
        "not-found"
    );
    let case_keys = theirs
        .get(&format!("/keys/cases/{}", case.id), &stranger.ground)
        .await;
    assert_eq!(case_keys.problem().0, "not-found");
    let mut draft = Draft::new(ActKind::OpenDocument, Role::CaseWorker);
    draft.unit = Some(other.id);
    draft.case = Some(case.id);
    draft.objects = vec![ObjectRef {
        case: case.id,
        document: Some(made.document),
        revision: 0,
    }];
    let (refused, _) = theirs.release(&stranger, draft.clone()).await;
    assert!(matches!(
        refused.problem().0.as_str(),
        "not-found" | "refused"
    ));

    // An act of one vault sent to the other.
    let ephemeral = obhut_suite::XwingSeed::generate(&mut crate::people::rng());
    let request = ours.sign(
        &worker,
        Agency::opening(&unit, &case, made.document),
        Some(ephemeral.public().as_bytes()),
    );
    let body =
        serde_json::json!({"request": crate::world::b64(obhut_format::Cbor::to_bytes(&request))});
    let refused = theirs.post("/releases", &stranger.ground, body).await;
    assert_eq!(refused.problem().0, "act-invalid");

    // The same object id in both vaults is two objects.
    assert_eq!(
        server
            .app
            .objects()
            .head(theirs.vault, made.object)
            .await
            .unwrap(),
        None
    );
    assert!(
        server
            .app
            .objects()
            .list(theirs.vault, None, 10)
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        server
            .app
            .objects()
            .list(ours.vault, None, 10)
            .await
            .unwrap(),
        vec![ObjectId(made.object.0)]
    );
    let list = server
        .json(Method::GET, "/v1/vaults", &Ground::None, Value::Null)
        .await
        .ok();
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert_ne!(list[0]["origin"], list[1]["origin"]);
}
