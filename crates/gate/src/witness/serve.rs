//! `POST /add-checkpoint`.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use obhut_log::{AddCheckpoint, WitnessRefusal};
use tokio::net::TcpListener;
use tower_http::timeout::TimeoutLayer;

use super::Witness;

/// A checkpoint with its proof is below 8 KiB.
const MAX_REQUEST_BYTES: usize = 64 << 10;
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Answers until `stopping` ends; then requests under way finish.
pub async fn serve(
    witness: Arc<Witness>,
    listener: TcpListener,
    stopping: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let router = Router::new()
        .route("/add-checkpoint", post(add_checkpoint))
        .route("/livez", get(async || "alive\n"))
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::SERVICE_UNAVAILABLE,
            ANSWER_TIMEOUT,
        ))
        .with_state(witness);
    axum::serve(listener, router)
        .with_graceful_shutdown(stopping)
        .await
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: String) -> Response {
    let Ok(request) = body.parse::<AddCheckpoint>() else {
        return refuse(WitnessRefusal::Malformed);
    };
    match witness.add_checkpoint(&request).await {
        Ok(Ok(line)) => format!("{line}\n").into_response(),
        Ok(Err(refusal)) => refuse(refusal),
        Err(error) => {
            tracing::error!(%error, "a checkpoint could not be kept");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

fn refuse(refusal: WitnessRefusal) -> Response {
    let status = StatusCode::from_u16(refusal.status());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    match refusal {
        WitnessRefusal::Conflict(size) => {
            let size_type = [(header::CONTENT_TYPE, "text/x.tlog.size")];
            (status, size_type, format!("{size}\n")).into_response()
        }
        _ => status.into_response(),
    }
}
