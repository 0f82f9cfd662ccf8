//! Around every request: its id, its place among the others, its time limit, its line in the log, the body of its problem.

use std::time::{Duration, Instant};

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use obhut_format::id::base32;
use tracing::{error, info};

use super::problem::{Kind, Problem};
use crate::app::App;
use crate::clock::now_us;
use crate::cluster::REQUEST_ID_FORM;
use crate::randomness::random_bytes;

/// Carries the request id in every answer.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The outermost layer.
pub(crate) async fn observe(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let request_id = find_id(&request).unwrap_or_else(make_id);
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        // The leader, if it is handed on to it, calls the request the same.
        request.headers_mut().insert(REQUEST_ID, value);
    }
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("none", |path| path.as_str())
        .to_owned();
    let response = admitted(&app, &route, request, next).await;
    let mut response = with_body(response, &request_id);
    if let Ok(value) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    info!(
        request_id,
        method = method.as_str(),
        route,
        status = response.status().as_u16(),
        duration_us = started.elapsed().as_micros() as u64,
        "request handled"
    );
    response
}

/// The answer was another server's; its body is what it is.
#[derive(Clone)]
pub(crate) struct Forwarded;

/// A new request id.
pub(crate) fn make_id() -> String {
    random_bytes::<10>().map_or_else(|_| "unknown".to_owned(), |id| base32(&id))
}

/// The id that another server, or a proxy in front, gave in the same form.
fn find_id(request: &Request) -> Option<String> {
    let id = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let fits = |byte: u8| byte.is_ascii_lowercase() || (b'2'..=b'7').contains(&byte);
    (id.len() == REQUEST_ID_FORM && id.bytes().all(fits)).then(|| id.to_owned())
}

async fn admitted(app: &App, route: &str, request: Request, next: Next) -> Response {
    let Ok(_place) = app.request_places().acquire().await else {
        return Problem::from(Kind::Unavailable).into_response();
    };
    if streams(route) {
        return next.run(request).await;
    }
    let limit = Duration::from_secs(app.config().limits.request_seconds);
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::detail(Kind::Unavailable, "the time limit was reached").into_response(),
    }
}

/// Capsules take as long as their size and the line need.
fn streams(route: &str) -> bool {
    ["/objects/{object}", "/parts/{number}", "/completion"]
        .iter()
        .any(|end| route.ends_with(end))
}

/// Writes the problem's body; framework answers outside 2xx and 3xx that carry none become problems too.
pub(crate) fn with_body(mut response: Response, request_id: &str) -> Response {
    let status = response.status();
    if response.extensions().get::<Forwarded>().is_some() {
        return response;
    }
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None if status.is_server_error() => Kind::Internal.into(),
        None if status == axum::http::StatusCode::PAYLOAD_TOO_LARGE => Kind::PayloadTooLarge.into(),
        None if status == axum::http::StatusCode::METHOD_NOT_ALLOWED => {
            Kind::MethodNotAllowed.into()
        }
        None if status.is_client_error()
            && !response.headers().contains_key(header::CONTENT_TYPE) =>
        {
            Kind::BadRequest.into()
        }
        None => return response,
    };
    if problem.kind == Kind::Internal {
        let error = problem.detail.as_deref().unwrap_or("no detail");
        error!(request_id, error, "request failed");
    }
    let mut told = (
        problem.kind.facts().status,
        axum::Json(problem.body(request_id, now_us())),
    )
        .into_response();
    let json = HeaderValue::from_static("application/problem+json");
    told.headers_mut().insert(header::CONTENT_TYPE, json);
    if matches!(problem.kind, Kind::NoLeader | Kind::Unavailable) {
        let soon = HeaderValue::from_static("1");
        told.headers_mut().insert(header::RETRY_AFTER, soon);
    }
    told
}
