//! A server in this process with real stores and the real gatekeeper, and people who make real records for it.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{Method, Request, Response, StatusCode};
use clap::Parser;
use data_encoding::BASE64URL_NOPAD;
use http_body_util::BodyExt;
use obhut_format::bootstrap::BootstrapCode;
use obhut_format::{Cbor, VaultId};
use obhut_server::args::{Args, Command};
use obhut_server::{App, Data, command, open_app, router};
use serde_json::Value;
use tower::ServiceExt;

/// A server and its folder.
pub struct Server {
    pub folder: tempfile::TempDir,
    pub router: Router,
    pub app: App,
    pub vaults: Vec<(VaultId, BootstrapCode)>,
    pub data: Data,
}

impl Server {
    /// A server with this many vaults that wait for their founding.
    pub async fn start(vaults: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let data = path.to_str().unwrap();
        let args = [
            "obhut-server",
            "init",
            "--name",
            "Test Agency",
            "--data",
            data,
        ];
        let Command::Init(args) = Args::parse_from(args).command else {
            panic!("init parses");
        };
        let mut texts = vec![command::init(args).await.unwrap()];
        for _ in 1..vaults {
            texts.push(
                command::add_vault(&path, "Other Agency", None)
                    .await
                    .unwrap(),
            );
        }
        let vaults = texts.iter().map(|text| announced(text)).collect();
        let data = Data::open(&path).await.unwrap();
        let app = open_app(&data).await.unwrap();
        Self {
            router: router(app.clone()),
            folder,
            app,
            vaults,
            data,
        }
    }

    /// Stops as at SIGTERM and starts on the same folder.
    pub async fn restart(self) -> Self {
        let Self {
            folder,
            app,
            vaults,
            data,
            ..
        } = self;
        app.shut_down().await;
        data.close().await;
        let data = Data::open(&folder.path().join("data")).await.unwrap();
        let app = open_app(&data).await.unwrap();
        Self {
            router: router(app.clone()),
            folder,
            app,
            vaults,
            data,
        }
    }

    pub async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// Sends JSON below a vault and reads JSON.
    pub async fn json(&self, method: Method, path: &str, ground: &Ground, body: Value) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        request = match ground {
            Ground::None => request,
            Ground::Session(token) => request.header("authorization", format!("Bearer {token}")),
            Ground::Bootstrap(text) => request.header("authorization", format!("Bootstrap {text}")),
            Ground::Invitation(shown) => request.header("x-obhut-invitation", shown),
        };
        let body = if body.is_null() {
            Body::empty()
        } else {
            request = request.header("content-type", "application/json");
            Body::from(body.to_string())
        };
        Answer::of(self.send(request.body(body).unwrap()).await).await
    }
}

/// On what ground a caller asks.
#[derive(Clone)]
pub enum Ground {
    None,
    Session(String),
    Bootstrap(String),
    /// What the header says.
    Invitation(String),
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: axum::http::HeaderMap,
    pub bytes: Bytes,
}

impl Answer {
    async fn of(response: Response<Body>) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        Self {
            status: parts.status,
            headers: parts.headers,
            bytes,
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    #[track_caller]
    pub fn ok(self) -> Value {
        assert!(
            self.status.is_success(),
            "{}",
            String::from_utf8_lossy(&self.bytes)
        );
        self.json()
    }

    /// The stable code of the problem, checked to be well formed, with its reason.
    #[track_caller]
    pub fn problem(&self) -> (String, String) {
        let body = self.json();
        let kind = body["type"].as_str().unwrap_or_default();
        assert_eq!(
            self.headers["content-type"], "application/problem+json",
            "{body}"
        );
        assert_eq!(body["status"], self.status.as_u16());
        assert_eq!(
            self.headers["x-request-id"],
            body["request_id"].as_str().unwrap()
        );
        let code = kind.strip_prefix("urn:obhut:problem:").unwrap().to_owned();
        (code, body["reason"].as_str().unwrap_or_default().to_owned())
    }
}

pub async fn answer(response: Response<Body>) -> Answer {
    Answer::of(response).await
}

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    BASE64URL_NOPAD.encode(bytes.as_ref())
}

pub fn record<T: Cbor>(value: &Value) -> T {
    let bytes = BASE64URL_NOPAD.decode(value.as_str().unwrap().as_bytes());
    T::from_bytes(&bytes.unwrap()).unwrap()
}

fn announced(text: &str) -> (VaultId, BootstrapCode) {
    let words: Vec<_> = text.split_whitespace().collect();
    let vault = words.iter().find_map(|word| word.parse().ok()).unwrap();
    let code = words.iter().find(|word| word.matches('-').count() == 12);
    (vault, BootstrapCode::parse_text(code.unwrap()).unwrap())
}
