//! A proxy in front of a vault or of a store that changes answers: what a malicious one would send.

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::once;
use obhut_format::Cbor;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// One answer on its way to who asked; a lie changes it in place.
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
    /// Whether the connection breaks before the body.
    pub lost: bool,
}

impl Seen {
    /// Whether this answers a request for bytes of an object, of the vault or of a store.
    pub fn is_object(&self) -> bool {
        let path = self.path.split('?').next().unwrap_or_default();
        let of_vault =
            path.contains("/objects/") && !path.ends_with("/leaves") && !path.ends_with("/parts");
        self.method == Method::GET
            && self.status.is_success()
            && (of_vault || path.contains("/capsules/"))
    }

    /// Whether this answers a request of this method whose path, without the query, ends like this.
    pub fn is(&self, method: &Method, end: &str) -> bool {
        let path = self.path.split('?').next().unwrap_or_default();
        self.status.is_success() && self.method == method && path.ends_with(end)
    }

    /// Parses the canonical CBOR in the JSON field `name`, lets `change` edit it, and puts it back.
    pub fn edit<T: Cbor, R>(&mut self, name: &str, change: impl FnOnce(&mut T) -> R) -> R {
        self.edit_field(name, |bytes| {
            let mut value = T::from_bytes(bytes).unwrap();
            let said = change(&mut value);
            *bytes = value.to_bytes();
            said
        })
    }

    /// As [`Seen::edit`] for a list of texts that are canonical CBOR each.
    pub fn edit_list<T: Cbor, R>(
        &mut self,
        name: &str,
        change: impl FnOnce(&mut Vec<T>) -> R,
    ) -> R {
        let mut json: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        let base64 = data_encoding::BASE64URL_NOPAD;
        let read = |text: &serde_json::Value| {
            let bytes = base64.decode(text.as_str().unwrap().as_bytes());
            T::from_bytes(&bytes.unwrap()).unwrap()
        };
        let mut items: Vec<T> = json[name].as_array().unwrap().iter().map(read).collect();
        let said = change(&mut items);
        let texts = items.iter().map(|item| base64.encode(&item.to_bytes()));
        json[name] = texts.collect::<Vec<_>>().into();
        self.body = serde_json::to_vec(&json).unwrap();
        said
    }

    /// Decodes the base64url field `name` of the JSON answer, lets `change` edit it, and puts it back.
    pub fn edit_field<R>(&mut self, name: &str, change: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        let mut json: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        let text = json[name]
            .as_str()
            .unwrap_or_else(|| panic!("no field {name} in {}", self.path));
        let mut bytes = data_encoding::BASE64URL_NOPAD
            .decode(text.as_bytes())
            .unwrap();
        let said = change(&mut bytes);
        json[name] = data_encoding::BASE64URL_NOPAD.encode(&bytes).into();
        self.body = serde_json::to_vec(&json).unwrap();
        said
    }
}

/// Changes an answer in place, and says whether it did; one that remembers what it saw lies later.
pub type Teller = Box<dyn FnMut(&mut Seen) -> Option<()> + Send>;

/// A running proxy, honest until it is told what to lie; stops when dropped.
pub struct LyingProxy {
    /// Where it listens, `http://127.0.0.1:port`.
    pub url: String,
    lie: Arc<Lie>,
    _runtime: tokio::runtime::Runtime,
}

#[derive(Default)]
struct Lie {
    teller: Mutex<Option<Teller>>,
    told: AtomicUsize,
}

struct Proxy {
    upstream: String,
    http: reqwest::Client,
    lie: Arc<Lie>,
}

impl LyingProxy {
    /// Forwards to `upstream`, a URL without a path; listens on loopback, on a free port where `port` is 0.
    pub fn start_on(upstream: &str, port: u16) -> std::io::Result<Self> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", port)))?;
        let url = format!("http://{}", listener.local_addr()?);
        let lie = Arc::new(Lie::default());
        let proxy = Proxy {
            upstream: upstream.trim_end_matches('/').to_owned(),
            http: reqwest::Client::new(),
            lie: Arc::clone(&lie),
        };
        let app = axum::Router::new()
            .fallback(forward)
            .with_state(Arc::new(proxy));
        runtime.spawn(async move { axum::serve(listener, app).await });
        Ok(Self {
            url,
            lie,
            _runtime: runtime,
        })
    }

    /// Forwards to `upstream`; `lie` returns whether it changed the answer.
    pub fn start(upstream: &str, mut lie: impl FnMut(&mut Seen) -> bool + Send + 'static) -> Self {
        let proxy = Self::start_on(upstream, 0).unwrap();
        proxy.tell(Box::new(move |seen| lie(seen).then_some(())));
        proxy
    }

    /// From now on it tells this lie and no other; the count of lies begins anew.
    pub fn tell(&self, teller: Teller) {
        *self.lie.teller.lock().unwrap() = Some(teller);
        self.lie.told.store(0, Ordering::SeqCst);
    }

    /// From now on it hands on what it gets.
    pub fn be_honest(&self) {
        *self.lie.teller.lock().unwrap() = None;
    }

    /// How many answers this lie changed so far: a lie that was never told tests nothing.
    pub fn lies_told(&self) -> usize {
        self.lie.told.load(Ordering::SeqCst)
    }
}

async fn forward(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path_and_query();
    let path = path.map_or("/", |path| path.as_str()).to_owned();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let upstream = proxy
        .http
        .request(parts.method.clone(), format!("{}{path}", proxy.upstream));
    // The name it was asked for goes on with the rest: what is sent to a store is signed with it.
    let sent = upstream.headers(parts.headers).body(body.clone()).send();
    let Ok(answer) = sent.await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let mut seen = Seen {
        method: parts.method,
        path,
        request: body,
        status: answer.status(),
        headers: answer.headers().clone(),
        body: answer.bytes().await.unwrap_or_default().to_vec(),
        lost: false,
    };
    let length = seen.body.len();
    let told = proxy
        .lie
        .teller
        .lock()
        .unwrap()
        .as_mut()
        .and_then(|lie| lie(&mut seen));
    if told.is_some() {
        proxy.lie.told.fetch_add(1, Ordering::SeqCst);
    }
    // A lie states the length of what it sends; other lengths no server could send. What a HEAD says stays.
    if seen.body.len() != length || seen.method != Method::HEAD {
        seen.headers.remove("content-length");
    }
    seen.headers.remove("transfer-encoding");
    let body = if seen.lost {
        Body::from_stream(once(async { Err::<Vec<u8>, _>("the connection breaks") }))
    } else {
        Body::from(seen.body)
    };
    let mut response = Response::new(body);
    *response.status_mut() = seen.status;
    *response.headers_mut() = seen.headers;
    response
}
