//! The gatekeeper's side: one route, one message in, one out.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use tower_http::timeout::TimeoutLayer;

use super::{ANSWER_TIMEOUT, MAX_MESSAGE_BYTES, PATH, Peer, TlsListener};
use crate::{Gate, GateError};

/// Answers whoever calls, until `stopping` ends; then requests under way finish.
pub async fn serve(
    gate: Arc<Gate>,
    listener: TlsListener,
    stopping: impl Future<Output = ()> + Send + 'static,
) -> Result<(), GateError> {
    let router = Router::new()
        .route(PATH, post(answer))
        .route("/livez", get(async || "alive\n"))
        .layer(DefaultBodyLimit::max(MAX_MESSAGE_BYTES))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            ANSWER_TIMEOUT,
        ))
        .with_state(gate);
    let service = router.into_make_service_with_connect_info::<Peer>();
    axum::serve(listener, service)
        .with_graceful_shutdown(stopping)
        .await
        .map_err(GateError::Listen)
}

async fn answer(
    State(gate): State<Arc<Gate>>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    body: Bytes,
) -> Vec<u8> {
    gate.handle_from(peer.key.0, &body).await
}
