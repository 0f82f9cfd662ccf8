//! A proxy between client and server that changes answers: what a malicious vault would send.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use obhut_format::Cbor;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One answer on its way to the client; a lie changes it in place.
pub struct Seen {
    /// Method of the request.
    pub method: Method,
    /// Path and query of the request.
    pub path: String,
    /// Body of the request.
    pub request: bytes::Bytes,
    /// Status of the answer.
    pub status: StatusCode,
    /// Headers of the answer.
    pub headers: HeaderMap,
    /// Body of the answer.
    pub body: Vec<u8>,
}

impl Seen {
    /// Whether this answers a request for bytes of an object.
    pub fn is_object(&self) -> bool {
        self.method == Method::GET
            && self.path.contains("/objects/")
            && !self.path.ends_with("/leaves")
    }

    /// Whether this answers a request of this method whose path, without the query, ends like this.
    pub fn is(&self, method: &Method, end: &str) -> bool {
        let path = self.path.split('?').next().unwrap_or_default();
        self.status.is_success() && self.method == method && path.ends_with(end)
    }

    /// Parses the canonical CBOR in the JSON field `name`, lets `change` edit it, and puts it back.
    pub fn edit<T: Cbor>(&mut self, name: &str, change: impl FnOnce(&mut T)) {
        self.edit_field(name, |bytes| {
            let mut value = T::from_bytes(bytes).unwrap();
            change(&mut value);
            *bytes = value.to_bytes();
        });
    }

    /// As [`Seen::edit`] for a list of texts that are canonical CBOR each.
    pub fn edit_list<T: Cbor>(&mut self, name: &str, change: impl FnOnce(&mut Vec<T>)) {
        let mut json: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        let base64 = data_encoding::BASE64URL_NOPAD;
        let read = |text: &serde_json::Value| {
            let bytes = base64.decode(text.as_str().unwrap().as_bytes());
            T::from_bytes(&bytes.unwrap()).unwrap()
        };
        let mut items: Vec<T> = json[name].as_array().unwrap().iter().map(read).collect();
        change(&mut items);
        let texts = items.iter().map(|item| base64.encode(&item.to_bytes()));
        json[name] = texts.collect::<Vec<_>>().into();
        self.body = serde_json::to_vec(&json).unwrap();
    }

    /// Decodes the base64url field `name` of the JSON answer, lets `change` edit it, and puts it back.
    pub fn edit_field(&mut self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut json: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        let text = json[name]
            .as_str()
            .unwrap_or_else(|| panic!("no field {name} in {}", self.path));
        let mut bytes = data_encoding::BASE64URL_NOPAD
            .decode(text.as_bytes())
            .unwrap();
        change(&mut bytes);
        json[name] = data_encoding::BASE64URL_NOPAD.encode(&bytes).into();
        self.body = serde_json::to_vec(&json).unwrap();
    }
}

type Lie = dyn Fn(&mut Seen) -> bool + Send + Sync;

/// A running proxy; stops when dropped.
pub struct LyingProxy {
    /// Address for clients, `http://127.0.0.1:port`.
    pub url: String,
    told: Arc<AtomicUsize>,
    _runtime: tokio::runtime::Runtime,
}

struct Proxy {
    upstream: String,
    http: reqwest::Client,
    lie: Box<Lie>,
    told: Arc<AtomicUsize>,
}

impl LyingProxy {
    /// Forwards to `upstream`; `lie` returns whether it changed the answer.
    pub fn start(upstream: &str, lie: impl Fn(&mut Seen) -> bool + Send + Sync + 'static) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let told = Arc::new(AtomicUsize::new(0));
        let listener = runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let http = reqwest::Client::new();
        let proxy = Proxy {
            upstream: upstream.to_owned(),
            http,
            lie: Box::new(lie),
            told: Arc::clone(&told),
        };
        let app = axum::Router::new()
            .fallback(forward)
            .with_state(Arc::new(proxy));
        runtime.spawn(async move { axum::serve(listener, app).await });
        Self {
            url,
            told,
            _runtime: runtime,
        }
    }

    /// How many answers were changed so far: a lie that was never told tests nothing.
    pub fn lies_told(&self) -> usize {
        self.told.load(Ordering::SeqCst)
    }
}

async fn forward(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts
        .uri
        .path_and_query()
        .map_or("/", |path| path.as_str())
        .to_owned();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let mut headers = parts.headers;
    headers.remove("host");
    let upstream = proxy
        .http
        .request(parts.method.clone(), format!("{}{path}", proxy.upstream));
    let answer = upstream
        .headers(headers)
        .body(body.clone())
        .send()
        .await
        .unwrap();
    let mut seen = Seen {
        method: parts.method,
        path,
        request: body,
        status: answer.status(),
        headers: answer.headers().clone(),
        body: answer.bytes().await.unwrap().to_vec(),
    };
    if (proxy.lie)(&mut seen) {
        proxy.told.fetch_add(1, Ordering::SeqCst);
    }
    // A lie states the length of what it sends; other lengths no server could send.
    seen.headers.remove("content-length");
    let mut response = Response::new(Body::from(seen.body));
    *response.status_mut() = seen.status;
    seen.headers.remove("transfer-encoding");
    *response.headers_mut() = seen.headers;
    response
}
