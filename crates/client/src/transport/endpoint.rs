use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use futures_util::StreamExt;
use obhut_format::VaultId;
use obhut_format::session::InvitationLogin;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue, LOCATION, RANGE};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::trust::parse_server;
use super::{Problem, TlsFault, Trust, to_b64};
use crate::ClientError;

/// The largest JSON answer that is read; a records page of 1,024 entries is far below.
const MAX_JSON_BYTES: usize = 64 << 20;
/// How long the vault may be silent in the middle of an answer.
const READ_TIMEOUT: Duration = Duration::from_mins(1);
const ATTEMPTS: u32 = 4;
/// How long a vault may be without a server that writes: one that hangs is replaced after ten seconds.
const LEADERLESS: Duration = Duration::from_secs(30);
const INVITATION_HEADER: HeaderName = HeaderName::from_static("x-obhut-invitation");

/// On what ground the client asks.
pub enum Authorization {
    /// A session token.
    Session(Zeroizing<String>),
    /// The secret of the bootstrap code, at founding only.
    Bootstrap(Zeroizing<String>),
    /// A live invitation, shown by a login that its bundle signed: enough to replay the records.
    Invitation(Box<InvitationLogin>),
}

/// One vault at one server. Clones share connections and authorization.
#[derive(Clone)]
pub struct Endpoint {
    http: reqwest::Client,
    /// For uploads: the time an answer may take must not count while a long body is still on its way.
    uploads: reqwest::Client,
    /// For what the server sends its callers elsewhere for; made when it is needed.
    elsewhere: Arc<OnceLock<reqwest::Client>>,
    trust: Trust,
    server: Url,
    base: String,
    authorization: Arc<Mutex<Option<Arc<Authorization>>>>,
}

/// When a request may be sent again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    /// The same bytes have the same effect as often as they come.
    Idempotent,
    /// A release: sent again when the connection broke before its answer was here, the act gets the answer it has.
    /// Whatever the vault answers stands.
    Release,
    /// Only while the vault has certainly not seen it.
    Unsent,
}

impl Endpoint {
    /// An endpoint below `server`, such as `https://vault.agency.example`. Plain http is for loopback only.
    pub fn new(server: &str, vault: VaultId, trust: &Trust) -> Result<Self, ClientError> {
        let server = parse_server(server, trust)?;
        let base = format!("{}v1/vaults/{vault}", server.as_str());
        Ok(Self {
            http: trust.client(&server, Some(READ_TIMEOUT))?,
            uploads: trust.client(&server, None)?,
            elsewhere: Arc::default(),
            trust: trust.clone(),
            server,
            base,
            authorization: Arc::default(),
        })
    }

    /// Where the server is, as given.
    pub fn server(&self) -> &str {
        self.server.as_str().trim_end_matches('/')
    }

    /// Whether the server is known by nothing: TLS whose certificate is not looked at.
    pub fn is_unverified(&self) -> bool {
        self.server.scheme() == "https" && self.trust.is_unverified()
    }

    /// Uses this ground for all requests from now on.
    pub fn authorize(&self, authorization: Option<Authorization>) {
        let mut slot = self
            .authorization
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        *slot = authorization.map(Arc::new);
    }

    /// True when a session token is in use.
    pub fn has_session(&self) -> bool {
        matches!(
            self.current_authorization().as_deref(),
            Some(Authorization::Session(_))
        )
    }

    fn current_authorization(&self) -> Option<Arc<Authorization>> {
        self.authorization
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// A request below `/v1/vaults/{vault}`; `path` starts with a slash or is empty.
    pub(super) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.authorized(self.http.request(method, format!("{}{path}", self.base)))
    }

    /// A PUT below `/v1/vaults/{vault}` whose sender watches over its progress.
    pub(super) fn upload_request(&self, path: &str) -> RequestBuilder {
        self.authorized(self.uploads.put(format!("{}{path}", self.base)))
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        let Some(authorization) = self.current_authorization() else {
            return request;
        };
        let (name, value) = match &*authorization {
            Authorization::Session(token) => (AUTHORIZATION, format!("Bearer {}", **token)),
            Authorization::Bootstrap(code) => (AUTHORIZATION, format!("Bootstrap {}", **code)),
            Authorization::Invitation(login) => (INVITATION_HEADER, to_b64(&**login)),
        };
        let value = Zeroizing::new(value);
        match HeaderValue::from_str(&value) {
            Ok(mut header) => {
                header.set_sensitive(true);
                request.header(name, header)
            }
            Err(_) => request,
        }
    }

    /// A request below the server's root.
    pub(super) fn root_request(&self, path: &str) -> RequestBuilder {
        self.http
            .request(Method::GET, format!("{}{path}", self.server()))
    }

    pub(super) async fn json<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        retry: Retry,
    ) -> Result<T, ClientError> {
        let body = self.repeat(request, retry, |request| self.fetch(request));
        serde_json::from_slice(&body.await?)
            .map_err(|_| ClientError::integrity("the vault's answer is not the expected JSON"))
    }

    pub(super) async fn text(&self, request: RequestBuilder) -> Result<String, ClientError> {
        let response = self.send(request, Retry::Idempotent).await?;
        let body = self.read_body(response, MAX_JSON_BYTES).await?;
        String::from_utf8(body.into())
            .map_err(|_| ClientError::Format(obhut_format::FormatError::NotUtf8))
    }

    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
        retry: Retry,
    ) -> Result<T, ClientError> {
        self.json(self.request(Method::POST, path).json(body), retry)
            .await
    }

    /// Sends, repeats where that is safe, and turns every status but 2xx into an error.
    pub(super) async fn send(
        &self,
        request: RequestBuilder,
        retry: Retry,
    ) -> Result<Response, ClientError> {
        self.repeat(request, retry, |request| self.send_once(request))
            .await
    }

    /// A whole JSON body: an answer that breaks off has not arrived.
    async fn fetch(&self, request: RequestBuilder) -> Result<BytesMut, ClientError> {
        let response = self.send_once(request).await?;
        self.read_body(response, MAX_JSON_BYTES).await
    }

    async fn repeat<T, F: Future<Output = Result<T, ClientError>>>(
        &self,
        request: RequestBuilder,
        retry: Retry,
        once: impl Fn(RequestBuilder) -> F,
    ) -> Result<T, ClientError> {
        let mut attempt = 1;
        let started = Instant::now();
        loop {
            let Some(copy) = request.try_clone() else {
                return once(request).await;
            };
            let failed = match once(copy).await {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            };
            if is_leaderless(&failed) && started.elapsed() < LEADERLESS {
                tokio::time::sleep(pause(2)).await;
                continue;
            }
            if attempt == ATTEMPTS || !may_repeat(&failed, retry) {
                return Err(failed);
            }
            tokio::time::sleep(pause(attempt)).await;
            attempt += 1;
        }
    }

    pub(super) async fn send_once(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = request
            .send()
            .await
            .map_err(|source| self.unreachable(source))?;
        let status = response.status();
        // A redirect is followed by who expects one, without the authorization.
        if status.is_success() || status == StatusCode::TEMPORARY_REDIRECT {
            return Ok(response);
        }
        let body = self.read_body(response, 1 << 20).await.unwrap_or_default();
        Err(ClientError::Problem(Box::new(parse_problem(status, &body))))
    }

    /// A range of what a redirect names, asked for without any authorization: https, or this machine.
    pub(super) async fn follow(
        &self,
        redirect: &Response,
        range: &str,
    ) -> Result<Response, ClientError> {
        let stated = redirect.headers().get(LOCATION);
        let stated = stated.and_then(|value| value.to_str().ok());
        let url = stated.and_then(|text| parse_server(text, &Trust::default()).ok());
        let url = url.ok_or_else(|| {
            ClientError::integrity("the vault points to an address that is not safe to ask")
        })?;
        let asked = self
            .client_for(&url)?
            .get(url)
            .header(RANGE, range)
            .send()
            .await;
        let response = asked.map_err(|source| self.unreachable(source))?;
        let status = response.status();
        if status.is_success() {
            Ok(response)
        } else {
            let problem = Problem::unexplained(status.as_u16());
            Err(ClientError::Problem(Box::new(problem)))
        }
    }

    fn client_for(&self, url: &Url) -> Result<reqwest::Client, ClientError> {
        let same = url.origin() == self.server.origin();
        if same || (url.scheme() == self.server.scheme() && self.trust.is_default()) {
            return Ok(self.http.clone());
        }
        if url.scheme() == "http" {
            return self.trust.client_for_elsewhere(url, READ_TIMEOUT);
        }
        if let Some(made) = self.elsewhere.get() {
            return Ok(made.clone());
        }
        let made = self.trust.client_for_elsewhere(url, READ_TIMEOUT)?;
        Ok(self.elsewhere.get_or_init(|| made).clone())
    }

    /// A whole body of at most `limit` bytes.
    pub(super) async fn read_body(
        &self,
        response: Response,
        limit: usize,
    ) -> Result<BytesMut, ClientError> {
        let mut body = BytesMut::new();
        let mut stream = response.bytes_stream();
        while let Some(part) = stream.next().await {
            let part = part.map_err(|source| self.unreachable(source))?;
            if body.len() + part.len() > limit {
                return Err(ClientError::integrity(
                    "the vault's answer is longer than any honest one",
                ));
            }
            body.extend_from_slice(&part);
        }
        Ok(body)
    }

    pub(super) fn unreachable(&self, source: reqwest::Error) -> ClientError {
        TlsFault::or_unreachable(self.server(), source)
    }
}

fn parse_problem(status: StatusCode, body: &[u8]) -> Problem {
    match serde_json::from_slice::<Problem>(body) {
        Ok(mut problem) if !problem.title.is_empty() => {
            problem.status = status.as_u16();
            problem
        }
        _ => Problem::unexplained(status.as_u16()),
    }
}

/// The vault is between two leaders and has done nothing: any request may be sent again.
fn is_leaderless(failed: &ClientError) -> bool {
    matches!(failed, ClientError::Problem(problem) if problem.code() == "no-leader")
}

fn may_repeat(failed: &ClientError, retry: Retry) -> bool {
    match failed {
        ClientError::Unreachable { source, .. } => {
            source.is_connect()
                || retry == Retry::Idempotent
                || (retry == Retry::Release && !source.is_timeout())
        }
        ClientError::Problem(problem) => {
            retry == Retry::Idempotent && matches!(problem.status, 429 | 502..=504)
        }
        _ => false,
    }
}

/// 0.25 s, 0.5 s, 1 s.
pub(super) fn pause(attempt: u32) -> Duration {
    Duration::from_millis(250) * 2_u32.saturating_pow(attempt.saturating_sub(1).min(5))
}
