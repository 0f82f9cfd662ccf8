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
use crate::randomness::random_bytes;

/// Carries the request id in every answer.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The outermost layer.
pub(crate) async fn observe(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let request_id = random_bytes::<10>().map_or_else(|_| "unknown".to_owned(), |id| base32(&id));
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
fn with_body(mut response: Response, request_id: &str) -> Response {
    let status = response.status();
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
    told
}
