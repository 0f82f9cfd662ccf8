//! Sessions: bound to vault and origin, ended at once by a revocation.

use obhut_format::VaultId;

use crate::people::Agency;
use crate::world::{Ground, Server};
use axum::http::Method;
use obhut_sql::{SqlError, Value, sql};

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
    agency.revoke_device(&worker).await;
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
        .json(
            Method::DELETE,
            &path,
            &agency.registrar.ground,
            serde_json::Value::Null,
        )
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

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_it_is_idle_or_old() {
    let server = Server::start(1).await;
    let agency = Agency::found(&server, 0).await;
    let limits = server.data.config.sessions.limits();
    agency.get("/keys", &agency.registrar.ground).await.ok();
    age(
        &server,
        "UPDATE sessions SET used_us = used_us - $1",
        limits.idle_us,
    )
    .await;
    let idle = agency.get("/keys", &agency.registrar.ground).await;
    assert_eq!(idle.problem().0, "unauthenticated");
    let fresh = agency.log_in(&agency.registrar).await;
    agency.get("/keys", &fresh).await.ok();
    age(
        &server,
        "UPDATE sessions SET expires_us = expires_us - $1",
        limits.longest_us,
    )
    .await;
    let old = agency.get("/keys", &fresh).await;
    assert_eq!(old.problem().0, "unauthenticated");
}

async fn age(server: &Server, text: &'static str, by_us: u64) {
    let by_us = i64::try_from(by_us).unwrap();
    let changed: Result<u64, SqlError> = server
        .data
        .db
        .write("age_sessions", move |mut tx| async move {
            sql(text).bind(Value::Int(by_us)).execute(&mut tx).await
        })
        .await;
    assert!(changed.unwrap() > 0);
    // What was read of a session a moment ago serves for a second.
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
}
