//! `POST …/sessions`: the second half of a login.

use obhut_format::session::Login;
use obhut_store::StoreError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::{Anonymous, B64, Json, Kind, Problem};

/// A challenge, signed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginRequest {
    /// Canonical bytes of a `Login`.
    pub login: B64,
    /// The device's signature over the login's message.
    pub signature: B64,
}

/// A session.
#[derive(Serialize, ToSchema)]
pub(super) struct LoginAnswer {
    /// Bearer token of 256 bits. The server keeps only its hash.
    pub token: B64,
    /// When it ends at the latest, microseconds UTC.
    pub expires_us: u64,
}

/// Opens a session. Each challenge works once, for the vault and origin it names.
#[utoipa::path(post, path = "/v1/vaults/{vault}/sessions", params(("vault" = String, Path)), request_body = LoginRequest,
    responses((status = 200, body = LoginAnswer)))]
pub(super) async fn log_in(
    Anonymous(vault): Anonymous,
    Json(body): Json<LoginRequest>,
) -> Result<Json<LoginAnswer>, Problem> {
    let login: Login = body.login.record()?;
    let session = vault.log_in(&login, &body.signature.array()?).await;
    let session = session.map_err(|error| match error {
        // A login is no act: no entry tells of it.
        StoreError::Refused(refusal) => Problem::reason(Kind::LoginRefused, refusal.as_str()),
        other => other.into(),
    })?;
    Ok(Json(LoginAnswer {
        token: B64(session.token.to_vec()),
        expires_us: session.expires_us,
    }))
}
