use serde::{Deserialize, Serialize};

use crate::error::Failure;

/// Why the vault said no (RFC 9457).
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Problem {
    /// Stable name of the problem; a URI or its last part.
    #[serde(rename = "type", default)]
    pub kind: String,
    /// One line in English.
    #[serde(default)]
    pub title: String,
    /// One line in German.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title_de: Option<String>,
    /// HTTP status.
    #[serde(default)]
    pub status: u16,
    /// More about this case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What to do next, as the vault sees it.
    #[serde(default, alias = "next", skip_serializing_if = "Option::is_none")]
    pub next_step: Option<String>,
    /// Names the request in the vault's operational log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Stable name of the rule: of the policy, the gatekeeper or the replay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Code of the answer to plain HTTP where TLS is spoken.
pub(super) const TLS_REQUIRED: &str = "tls-required";

impl Problem {
    /// A problem for an answer that is none: a proxy's page, an empty body.
    pub(crate) fn unexplained(status: u16) -> Self {
        Self {
            kind: "about:blank".into(),
            title: format!("the vault answered with status {status}"),
            title_de: None,
            status,
            detail: None,
            next_step: None,
            request_id: None,
            reason: None,
        }
    }

    /// The last part of the problem's type, such as `not-found`.
    pub fn code(&self) -> &str {
        self.kind.rsplit(['/', ':', '#']).next().unwrap_or_default()
    }

    /// Sorts the problem.
    pub fn failure(&self) -> Failure {
        match self.status {
            401 => Failure::Authentication,
            403 if self.is_about_the_caller() => Failure::Authentication,
            403 | 404 | 409 | 410 => Failure::Refused,
            502..=504 => Failure::Unreachable,
            _ => Failure::Failed,
        }
    }

    /// Refused because of who or what asks, not because of what is asked for.
    fn is_about_the_caller(&self) -> bool {
        let reason = self.reason.as_deref().unwrap_or_default();
        matches!(
            reason,
            "device-revoked" | "device-unknown" | "person-unknown" | "invitation-only"
        )
    }

    /// What to do next: the vault's own words if it has any.
    pub fn next_step(&self) -> String {
        if self.code() == TLS_REQUIRED {
            return "Use an address that begins with https://; `obhut connection --url URL` changes that of a profile.".into();
        }
        if let Some(next) = &self.next_step {
            return next.clone();
        }
        match self.failure() {
            Failure::Authentication => {
                "Check with `obhut status` that this device and person are not revoked."
            }
            Failure::Refused => {
                "Check the id, the vault's address and your appointment with `obhut status`."
            }
            Failure::Unreachable => "The vault is busy or restarting: repeat the command.",
            _ => "Repeat the command; if it fails again, give the request id to the operator.",
        }
        .into()
    }
}

impl core::fmt::Display for Problem {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}", self.title)?;
        if let Some(detail) = &self.detail {
            write!(f, ": {detail}")?;
        }
        if let Some(reason) = &self.reason {
            write!(f, " [{reason}]")?;
        }
        if let Some(id) = &self.request_id {
            write!(f, " (request {id})")?;
        }
        Ok(())
    }
}
