//! Handing a request on to the leader, as it came, and its answer back.

use axum::body::Body;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::Limited;
use obhut_sql::Engine;

use crate::app::App;
use crate::http::{Forwarded, Kind, Problem, REQUEST_ID};

/// Marks a request that was handed on once; it is not handed on again.
const HANDED_ON: HeaderName = HeaderName::from_static("x-obhut-handed-on");

/// Length of a request id, base32 of ten bytes.
pub(crate) const REQUEST_ID_FORM: usize = 16;

/// Writing requests that every server can answer: they touch rows, not logs.
const HERE: &[&str] = &[
    "/v1/vaults/{vault}/objects/{object}",
    "/v1/vaults/{vault}/objects/{object}/completion",
    "/v1/vaults/{vault}/objects/{object}/parts/{number}",
    "/v1/vaults/{vault}/sessions",
    "/v1/vaults/{vault}/sessions/challenges",
    "/v1/vaults/{vault}/sessions/current",
];

/// Needs the gatekeeper, which is in the leader's process unless another operator runs it.
const AT_THE_GATEKEEPER: &[&str] = &[
    "/v1/vaults/{vault}/deposit-key",
    "/v1/vaults/{vault}/deposits",
];

/// Waits for a checkpoint; the leader knows first.
const RECEIPTS: &str = "/v1/vaults/{vault}/receipts/{leaf}";

/// Answers here what can be answered here, and hands the rest on to the server that leads.
pub(crate) async fn hand_on(State(app): State<App>, request: Request, next: Next) -> Response {
    let shared = app.engine() == Engine::Postgres;
    if !shared || !needs_leader(&app, &request) || app.cluster().lease().is_some() {
        return next.run(request).await;
    }
    match app.cluster().leader() {
        Some(leader) if !request.headers().contains_key(HANDED_ON) => {
            send(&app, &leader, request).await
        }
        _ => Problem::from(Kind::NoLeader).into_response(),
    }
}

fn needs_leader(app: &App, request: &Request) -> bool {
    let route = request.extensions().get::<MatchedPath>();
    let Some(route) = route.map(MatchedPath::as_str) else {
        return false;
    };
    if AT_THE_GATEKEEPER.contains(&route) {
        return !app.gatekeeper().is_elsewhere();
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    if reads {
        route == RECEIPTS
    } else {
        !HERE.contains(&route)
    }
}

async fn send(app: &App, leader: &str, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let url = format!("{}{path}", leader.trim_end_matches('/'));
    let mut headers = end_to_end(&parts.headers);
    headers.remove(header::HOST);
    headers.insert(HANDED_ON, HeaderValue::from_static("1"));
    let body = Limited::new(body, app.config().limits.json_bytes);
    let body = Body::new(body).into_data_stream();
    let sending = app
        .cluster()
        .client
        .request(parts.method, url)
        .headers(headers)
        .body(reqwest::Body::wrap_stream(body))
        .send();
    // A leader that hangs is replaced in time; whoever waits for it must not wait longer.
    let sent = tokio::select! {
        sent = sending => sent,
        () = app.cluster().deposed(leader) => {
            return Problem::reason(Kind::Unavailable, "leader-lost").into_response();
        }
    };
    match sent {
        Ok(answer) => hand_back(answer),
        Err(error) if error.is_connect() => Problem::from(Kind::NoLeader).into_response(),
        // It may have arrived: only what may be repeated is tried again.
        Err(_) => Problem::reason(Kind::Unavailable, "leader-lost").into_response(),
    }
}

fn hand_back(answer: reqwest::Response) -> Response {
    let status = answer.status();
    let mut headers = end_to_end(answer.headers());
    headers.remove(REQUEST_ID);
    let mut response = Response::new(Body::from_stream(answer.bytes_stream()));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response.extensions_mut().insert(Forwarded);
    response
}

/// Without the headers that speak about one connection (RFC 9110, section 7.6.1).
fn end_to_end(headers: &HeaderMap) -> HeaderMap {
    const CONNECTION: [&str; 8] = [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    let named: Vec<String> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|name| name.trim().to_ascii_lowercase())
        .collect();
    let kept = headers.iter().filter(|(name, _)| {
        !CONNECTION.contains(&name.as_str()) && !named.iter().any(|other| other == name.as_str())
    });
    kept.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn leaves_out_what_speaks_about_the_connection() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("authorization", "Bearer x"),
            ("connection", "close, X-Hop"),
            ("transfer-encoding", "chunked"),
            ("x-hop", "1"),
        ] {
            let name: HeaderName = name.parse().unwrap();
            headers.insert(name, HeaderValue::from_static(value));
        }
        let kept = end_to_end(&headers);
        assert_eq!(kept.len(), 1);
        assert!(kept.contains_key("authorization"));
    }
}
