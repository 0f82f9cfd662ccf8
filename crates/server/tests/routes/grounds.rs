//! Who gets in at all: every route of the description is asked without a ground and with a wrong one.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::people::{Agency, bytes, random};
use crate::world::{Ground, Server, answer, b64};

/// Every route with its method; parameters filled in with well-formed ids of nothing.
fn routes(vault: &str) -> Vec<(Method, String, bool)> {
    let document: Value = serde_json::from_str(&obhut_server::openapi_json()).unwrap();
    let mut routes = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let path = path
                .replace("{vault}", vault)
                .replace("{case}", &obhut_format::CaseId([7; 16]).to_string())
                .replace("{object}", &obhut_format::ObjectId([7; 16]).to_string())
                .replace("{leaf}", "0");
            let needs_ground = operation["security"].is_array();
            let method = method.to_uppercase().parse().unwrap();
            routes.push((method, path, needs_ground));
        }
    }
    assert!(routes.len() > 30);
    routes
}

#[tokio::test]
async fn every_route_but_the_public_ones_refuses_strangers() {
    let server = Server::start(1).await;
    let vault = server.vaults[0].0.to_string();
    let wrong = [
        Ground::None,
        Ground::Session(b64([9; 32])),
        Ground::Session("short".into()),
        Ground::Invitation(obhut_format::Kid([9; 32]).to_string()),
        Ground::Invitation(b64([9; 200])),
        Ground::Bootstrap(obhut_format::id::base32(&[9; 16])),
    ];
    let mut asked = 0;
    for (method, path, needs_ground) in routes(&vault) {
        if !needs_ground {
            continue;
        }
        for ground in &wrong {
            let answer = server
                .json(method.clone(), &path, ground, Value::Null)
                .await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
            assert_eq!(answer.problem().0, "unauthenticated");
            asked += 1;
        }
    }
    assert!(asked >= 20 * wrong.len(), "{asked}");
}

#[tokio::test]
async fn unknown_vaults_paths_and_methods_are_problems_with_a_request_id() {
    let server = Server::start(1).await;
    let nowhere = obhut_format::VaultId([9; 16]);
    for path in [
        "/nowhere".to_owned(),
        "/v1/vaults/vault_x".to_owned(),
        format!("/v1/vaults/{nowhere}"),
        format!("/v1/vaults/{nowhere}/keys"),
        "/tiles/../obhut.toml".to_owned(),
        "/tiles/a/%2e%2e/obhut.toml".to_owned(),
    ] {
        let answer = server
            .json(Method::GET, &path, &Ground::None, Value::Null)
            .await;
        assert_eq!(answer.problem().0, "not-found", "{path}");
    }
    let answer = server
        .json(Method::DELETE, "/v1/vaults", &Ground::None, Value::Null)
        .await;
    assert_eq!(answer.problem().0, "method-not-allowed");
}

#[tokio::test]
async fn bodies_that_are_no_json_unknown_fields_and_huge_ones_are_refused_without_quoting_them() {
    let server = Server::start(1).await;
    let path = format!("/v1/vaults/{}/sessions/challenges", server.vaults[0].0);
    let bodies = [
        (
            "application/json",
            "{\"secret-word\": 1}".to_owned(),
            "bad-request",
        ),
        ("application/json", "secret-word".to_owned(), "bad-request"),
        ("text/plain", "{}".to_owned(), "unsupported-media-type"),
        (
            "application/json",
            " ".repeat(33 << 20),
            "payload-too-large",
        ),
    ];
    for (kind, body, code) in bodies {
        let request = Request::post(&path)
            .header("content-type", kind)
            .body(Body::from(body));
        let answer = answer(server.send(request.unwrap()).await).await;
        assert_eq!(answer.problem().0, code);
        assert!(!String::from_utf8_lossy(&answer.bytes).contains("secret-word"));
    }
}

#[tokio::test]
async fn founding_takes_only_the_right_code() {
    let server = Server::start(1).await;
    let path = format!("/v1/vaults/{}/founding", server.vaults[0].0);
    for code in ["", "x", &obhut_format::id::base32(&random::<16>())] {
        let body = json!({"code": code, "request": "", "mutation": ""});
        let answer = server.json(Method::POST, &path, &Ground::None, body).await;
        assert_eq!(answer.problem().0, "unauthenticated");
    }
}

#[tokio::test]
async fn f30_the_code_commits_to_the_keys_the_server_shows() {
    let server = Server::start(2).await;
    let about = async |number: usize| {
        let path = format!("/v1/vaults/{}", server.vaults[number].0);
        server
            .json(Method::GET, &path, &Ground::None, Value::Null)
            .await
            .ok()
    };
    let hash = |vault: usize, keys: &Value| {
        obhut_format::card::bootstrap_hash(
            server.vaults[vault].0,
            keys["origin"].as_str().unwrap(),
            &bytes(&keys["records_key"]),
            &bytes(&keys["access_key"]),
            &bytes(&keys["gate_key"]),
        )
    };
    let (ours, theirs) = (about(0).await, about(1).await);
    assert!(server.vaults[0].1.matches(&hash(0, &ours)));
    assert!(!server.vaults[0].1.matches(&hash(0, &theirs)));
    let mut fake_gate = ours.clone();
    fake_gate["gate_key"] = b64([9; 32]).into();
    assert!(!server.vaults[0].1.matches(&hash(0, &fake_gate)));
}

#[tokio::test(flavor = "multi_thread")]
async fn e13_hostile_records_are_refused_and_never_fail_the_server() {
    let server = Server::start(1).await;
    let agency = Agency::found(&server, 0).await;
    let nested = [vec![0x81; 60_000], vec![0]].concat();
    let huge_count = vec![0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let twice = vec![0xa2, 0x01, 0x00, 0x01, 0x00];
    let not_shortest = vec![0xa1, 0x18, 0x01, 0x00];
    for bytes in [
        Vec::new(),
        nested,
        huge_count,
        twice,
        not_shortest,
        random::<500>().to_vec(),
    ] {
        let body = json!({"request": b64(&bytes), "mutation": b64(&bytes)});
        for route in ["/people", "/documents", "/activations", "/grants"] {
            let answer = agency
                .post(route, &agency.registrar.ground, body.clone())
                .await;
            assert!(answer.status.is_client_error(), "{route} {}", answer.status);
            answer.problem();
        }
        let body = json!({"request": b64(&bytes)});
        for route in ["/releases", "/log/entries"] {
            let answer = agency
                .post(route, &agency.registrar.ground, body.clone())
                .await;
            assert_eq!(answer.problem().0, "bad-request");
        }
        let body = json!({"deposit": b64(&bytes)});
        let answer = agency
            .post("/deposits", &agency.registrar.ground, body)
            .await;
        assert_eq!(answer.problem().0, "bad-request");
        let body = json!({"login": b64(&bytes), "signature": b64(&bytes)});
        let answer = agency.post("/sessions", &Ground::None, body).await;
        assert_eq!(answer.problem().0, "bad-request");
    }
}

#[tokio::test]
async fn floods_of_challenges_are_held_back() {
    let server = Server::start(1).await;
    let path = format!("/v1/vaults/{}/sessions/challenges", server.vaults[0].0);
    let person = obhut_format::PersonId([1; 16]).to_string();
    let device = obhut_format::DeviceKid([1; 32]).to_string();
    let body = json!({"person": person, "device": device});
    let mut held_back = false;
    for _ in 0..700 {
        let answer = server
            .json(Method::POST, &path, &Ground::None, body.clone())
            .await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            assert_eq!(answer.problem().0, "too-many-requests");
            held_back = true;
            break;
        }
    }
    assert!(held_back);
}
