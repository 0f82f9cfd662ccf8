//! Sessions: bound to vault and origin, ended at once by a revocation.

use obhut_format::VaultId;
use obhut_format::act::ActKind;
use obhut_format::mutation::Mutation;
use obhut_format::statement::{DeviceRevoked, Event, RevocationReason, Role};

use crate::people::{Agency, Draft};
use crate::world::{Ground, Server};
use axum::http::Method;
use serde_json::Value;

#[tokio::test(flavor = "multi_thread")]
async fn f20_a_challenge_relayed_from_another_vault_or_origin_is_refused() {
    let server = Server::start(1).await;
    let agency = Agency::found(&server, 0).await;
    let origin = &agency.card.origin;
    let own = agency
        .try_log_in(&agency.registrar, agency.vault, origin)
        .await;
    assert!(own.status.is_success());
    let other = agency
        .try_log_in(&agency.registrar, VaultId([9; 16]), origin)
        .await;
    assert_eq!(other.problem().0, "login-refused");
    let other = agency
        .try_log_in(&agency.registrar, agency.vault, "elsewhere.example/x")
        .await;
    assert_eq!(other.problem().0, "login-refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_device_is_refused_at_once() {
    let server = Server::start(1).await;
    let agency = Agency::found(&server, 0).await;
    let worker = agency.join(false, &agency.registrar, None).await;
    agency.get("/keys", &worker.ground).await.ok();
    let revoked = DeviceRevoked {
        person: worker.id,
        device: worker.device_kid(),
        reason: RevocationReason::Lost,
    };
    let registrar = &agency.registrar;
    let mutation = Mutation::of(vec![agency.by(
        registrar,
        Event::DeviceRevoked(revoked),
        None,
    )]);
    let mut draft = Draft::new(ActKind::ManageIdentity, Role::Registrar);
    draft.persons = vec![worker.id];
    agency
        .mutate("/identity", registrar, draft, &mutation)
        .await
        .ok();
    let refused = agency.get("/keys", &worker.ground).await;
    assert!(
        matches!(refused.status.as_u16(), 401 | 403),
        "{}",
        refused.status
    );
    let login = agency
        .try_log_in(&worker, agency.vault, &agency.card.origin)
        .await;
    assert!(matches!(
        login.problem().0.as_str(),
        "login-refused" | "refused"
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_ends_the_session_and_no_other() {
    let server = Server::start(1).await;
    let agency = Agency::found(&server, 0).await;
    let second = agency.log_in(&agency.registrar).await;
    let path = format!("/v1/vaults/{}/sessions/current", agency.vault);
    let gone = server
        .json(Method::DELETE, &path, &agency.registrar.ground, Value::Null)
        .await;
    assert_eq!(gone.status.as_u16(), 204);
    let refused = agency.get("/keys", &agency.registrar.ground).await;
    assert_eq!(refused.problem().0, "unauthenticated");
    agency.get("/keys", &second).await.ok();
    let Ground::Session(token) = &second else {
        panic!()
    };
    assert_eq!(token.len(), 43);
}
