//! While a server has no database to go on with: whoever asks is told so, and does not wait for nothing.

use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::Response;
use axum::routing::get;
use axum::serve::Listener;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::ServerError;
use crate::config::Limits;
use crate::http::{Kind, Problem, make_id, with_body};
use crate::tls::{Doors, Identity, TlsListener};

/// Shorter troubles pass without notice: connections wait at the door.
const PATIENCE: Duration = Duration::from_secs(2);
/// Answers under way get this long.
const GRACE: Duration = Duration::from_secs(1);

/// Answers 503 `no-leader` to everything: nothing was done, anything may be repeated. Ends when dropped.
pub(crate) struct Declining {
    stopping: CancellationToken,
    answering: JoinSet<()>,
}

impl Declining {
    /// Begins on this listener after two seconds.
    pub(crate) fn start(
        listener: TcpListener,
        identity: Option<&Identity>,
    ) -> Result<Self, ServerError> {
        let stopping = CancellationToken::new();
        let mut answering = JoinSet::new();
        let stop = stopping.clone();
        if let Some(identity) = identity {
            let doors = Doors::of(&Limits::default());
            let listener = TlsListener::new(listener, identity.acceptor()?, doors);
            answering.spawn(decline(listener, stop));
        } else {
            answering.spawn(decline(listener, stop));
        }
        Ok(Self {
            stopping,
            answering,
        })
    }

    /// Takes no further connections and lets go of those that stand.
    pub(crate) async fn stop(mut self) {
        self.stopping.cancel();
        let answered = async { while self.answering.join_next().await.is_some() {} };
        // Who is cut off asks again.
        let _ = tokio::time::timeout(GRACE, answered).await;
    }
}

async fn decline<L>(listener: L, stopping: CancellationToken)
where
    L: Listener<Addr: std::fmt::Debug>,
{
    let waited = stopping.run_until_cancelled(tokio::time::sleep(PATIENCE));
    if waited.await.is_none() {
        return;
    }
    let router = Router::new()
        .route("/livez", get("alive\n"))
        .fallback(no_leader);
    let serve = axum::serve(listener, router)
        .with_graceful_shutdown(async move { stopping.cancelled().await });
    if let Err(error) = serve.await {
        tracing::error!(error = %error, "the listener failed");
    }
}

async fn no_leader() -> Response {
    let problem = axum::response::IntoResponse::into_response(Problem::from(Kind::NoLeader));
    let mut response = with_body(problem, &make_id());
    // The next request goes to the server that has begun again.
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}
