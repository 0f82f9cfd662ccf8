//! Who calls, and for which vault: extractors. No handler reads a header itself.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use data_encoding::BASE64URL_NOPAD;
use obhut_format::bootstrap::BootstrapCode;
use obhut_format::session::InvitationLogin;
use obhut_format::{Cbor, Kid, VaultId};
use obhut_model::Caller;
use obhut_store::{StoreError, Vault};

use super::problem::{Kind, Problem};
use super::segment::parameter;
use crate::app::{App, Tenant};

const INVITATION: &str = "x-obhut-invitation";

impl FromRequestParts<App> for Vault {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        Ok(tenant(parts, app).await?.vault.clone())
    }
}

/// A session of this vault; the device is checked on every request.
impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let tenant = tenant(parts, app).await?;
        let vault = &tenant.vault;
        let token = bearer(parts).ok_or(Kind::Unauthenticated)?;
        vault
            .authenticate(&token)
            .await
            .map_err(|error| match error {
                // Nothing was asked for yet: no entry tells of it.
                StoreError::Refused(refusal) => {
                    Problem::reason(Kind::LoginRefused, refusal.as_str())
                }
                other => other.into(),
            })
    }
}

/// The session token of a request, for logging out.
pub(crate) struct Token(pub [u8; 32]);

impl FromRequestParts<App> for Token {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        Ok(bearer(parts).map(Self).ok_or(Kind::Unauthenticated)?)
    }
}

/// Whoever may replay the records of a vault or deposit shares: a session, a living invitation, or the founding code.
pub(crate) enum Admitted {
    /// A session.
    Caller(Box<Caller>),
    /// The holder of an invitation with this bundle, who has no session yet.
    Invited(Kid),
    /// The founder.
    Founder,
}

impl Admitted {
    /// The session's caller, if it is one.
    pub(crate) fn caller(&self) -> Option<&Caller> {
        match self {
            Self::Caller(caller) => Some(caller),
            Self::Invited(_) | Self::Founder => None,
        }
    }
}

impl FromRequestParts<App> for Admitted {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        if bearer(parts).is_some() {
            let caller = Caller::from_request_parts(parts, app).await?;
            return Ok(Self::Caller(Box::new(caller)));
        }
        let tenant = tenant(parts, app).await?;
        admit_anonymous(&tenant)?;
        if let Some(secret) = bootstrap(parts) {
            tenant.vault.check_bootstrap(&secret).await?;
            return Ok(Self::Founder);
        }
        let login = invitation(parts).ok_or(Kind::Unauthenticated)?;
        match tenant.vault.admit_invited(&login) {
            Some(_) => Ok(Self::Invited(login.kid)),
            None => Err(Kind::Unauthenticated.into()),
        }
    }
}

/// The vault, for a caller nobody knows yet: floods are held back.
pub(crate) struct Anonymous(pub Vault);

impl FromRequestParts<App> for Anonymous {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let tenant = tenant(parts, app).await?;
        admit_anonymous(&tenant)?;
        Ok(Self(tenant.vault.clone()))
    }
}

/// Takes a token from the vault's bucket for callers nobody knows yet.
fn admit_anonymous(tenant: &Tenant) -> Result<(), Problem> {
    if tenant.throttle.admits() {
        Ok(())
    } else {
        Err(Kind::TooManyRequests.into())
    }
}

/// The vault of a request. What it says is as new as the request: a follower asks the database, once a request.
async fn tenant(parts: &mut Parts, app: &App) -> Result<Arc<Tenant>, Problem> {
    if let Some(Refreshed(tenant)) = parts.extensions.get() {
        return Ok(Arc::clone(tenant));
    }
    let vault = parameter(parts, app, "vault").await;
    let vault = vault.and_then(|text| text.parse::<VaultId>().ok());
    if vault.is_some_and(|vault| app.find_held(vault).is_some()) {
        return Err(Problem::reason(Kind::Unavailable, "vault-held"));
    }
    let tenant = vault.and_then(|vault| app.find_tenant(vault));
    let tenant = tenant.ok_or(Kind::NotFound)?;
    tenant.vault.refresh().await?;
    parts.extensions.insert(Refreshed(Arc::clone(&tenant)));
    Ok(tenant)
}

/// The vault of a request, as new as the request.
#[derive(Clone)]
struct Refreshed(Arc<Tenant>);

fn bearer(parts: &Parts) -> Option<[u8; 32]> {
    let token = authorization(parts, "Bearer ")?;
    let bytes = BASE64URL_NOPAD.decode(token.as_bytes()).ok()?;
    bytes.try_into().ok()
}

fn bootstrap(parts: &Parts) -> Option<[u8; 16]> {
    BootstrapCode::parse_secret(authorization(parts, "Bootstrap ")?).ok()
}

fn authorization<'a>(parts: &'a Parts, scheme: &str) -> Option<&'a str> {
    let value = parts.headers.get(AUTHORIZATION)?.to_str().ok()?;
    value.strip_prefix(scheme)
}

fn invitation(parts: &Parts) -> Option<InvitationLogin> {
    let value = parts.headers.get(INVITATION)?.as_bytes();
    InvitationLogin::from_bytes(&BASE64URL_NOPAD.decode(value).ok()?).ok()
}
