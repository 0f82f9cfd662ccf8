//! Problems (RFC 9457): one closed set, each with a stable type, titles in English and German, and a next step.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// What goes before a problem's code in its `type`.
pub(crate) const TYPE_PREFIX: &str = "urn:obhut:problem:";

/// Declares the closed set with its texts.
macro_rules! problems {
    ($($(#[$meta:meta])* $name:ident = $code:literal, $status:ident,
        $en:literal / $de:literal, $next_en:literal / $next_de:literal;)*) => {
        /// The closed set of problems, in alphabetical order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind { $($(#[$meta])* $name),* }

        impl Kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// The texts and the status.
            pub fn facts(self) -> Facts {
                match self {
                    $(Self::$name => Facts {
                        code: $code,
                        status: StatusCode::$status,
                        title: $en,
                        title_de: $de,
                        next: $next_en,
                        next_de: $next_de,
                    }),*
                }
            }
        }
    };
}

impl Kind {
    /// Whether it speaks about the records of a mutation: then the act is logged as refused.
    pub fn is_about_records(self) -> bool {
        matches!(self, Self::ObjectMissing | Self::RecordRefused)
    }
}

/// What is fixed about a problem.
pub struct Facts {
    /// Stable code, the end of `type`.
    pub code: &'static str,
    /// HTTP status.
    pub status: StatusCode,
    /// What happened, in English.
    pub title: &'static str,
    /// What happened, in German.
    pub title_de: &'static str,
    /// What to do next, in English.
    pub next: &'static str,
    /// What to do next, in German.
    pub next_de: &'static str,
}

problems! {
    /// Signature, lifetime or commitments of an act do not hold.
    ActInvalid = "act-invalid", UNPROCESSABLE_ENTITY,
        "The signed act is not valid" / "Die signierte Handlung ist nicht gültig",
        "Check this computer's clock, then repeat the command" / "Uhr dieses Rechners prüfen, dann den Befehl wiederholen";
    /// The vault was founded before.
    AlreadyFounded = "already-founded", CONFLICT,
        "The vault is founded already" / "Der Tresor ist bereits gegründet",
        "Ask a registrar for an invitation; if nobody here founded it, stop and call the operator" / "Bei der Registratur eine Einladung anfordern; hat ihn hier niemand gegründet, nicht weiterarbeiten und den Betrieb rufen";
    /// The request cannot be read.
    BadRequest = "bad-request", BAD_REQUEST,
        "The request cannot be read" / "Die Anfrage ist nicht lesbar",
        "Use a client of the server's version" / "Einen Client in der Version des Servers benutzen";
    /// Two writers, or the same id with other bytes.
    Conflict = "conflict", CONFLICT,
        "Something else stands there already" / "Dort steht bereits etwas anderes",
        "Synchronise and try again; a new document gets a new id" / "Synchronisieren und noch einmal versuchen; ein neues Dokument bekommt eine neue Kennung";
    /// The gatekeeper refused.
    GateRefused = "gate-refused", FORBIDDEN,
        "The gatekeeper refused" / "Die Schlüsselwache hat abgelehnt",
        "The reason names the rule; the refusal is in the access log" / "Der Grund nennt die Regel; die Ablehnung steht im Zugriffsprotokoll";
    /// The gatekeeper does not answer.
    GateUnavailable = "gate-unavailable", SERVICE_UNAVAILABLE,
        "The gatekeeper does not answer" / "Die Schlüsselwache antwortet nicht",
        "Try again in a minute; then tell the operator" / "In einer Minute noch einmal versuchen, dann den Betrieb benachrichtigen";
    /// A defect or a broken disk; the text is constant.
    Internal = "internal", INTERNAL_SERVER_ERROR,
        "The server failed" / "Der Server hat versagt",
        "Tell the operator the request id" / "Dem Betrieb die Anfragekennung nennen";
    /// An upload without a Content-Length.
    LengthRequired = "length-required", LENGTH_REQUIRED,
        "The upload does not say how long it is" / "Das Hochladen nennt keine Länge",
        "Send Content-Length" / "Content-Length mitsenden";
    /// Login answer refused; why stays untold.
    LoginRefused = "login-refused", UNAUTHORIZED,
        "The login was refused" / "Die Anmeldung wurde abgelehnt",
        "Log in again; if it stays so, ask a registrar whether this device is revoked" / "Neu anmelden; bleibt es dabei, die Registratur fragen, ob dieses Gerät gesperrt ist";
    /// The path knows other methods.
    MethodNotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED,
        "This address does not take this method" / "Diese Adresse kennt diese Methode nicht",
        "See /openapi.json" / "Siehe /openapi.json";
    /// No server writes the logs at the moment; nothing was done.
    NoLeader = "no-leader", SERVICE_UNAVAILABLE,
        "No server takes changes at the moment" / "Gerade nimmt kein Server Änderungen an",
        "Try again in some seconds; if it stays so, tell the operator" / "In einigen Sekunden noch einmal versuchen, bleibt es dabei, den Betrieb benachrichtigen";
    /// Does not exist, or the caller may not know whether it does.
    NotFound = "not-found", NOT_FOUND,
        "There is no such thing for you" / "Das gibt es für Sie nicht",
        "Check the address and the id, and whether you may see it" / "Adresse und Kennung prüfen, und ob Sie es sehen dürfen";
    /// The vault has no card yet.
    NotFounded = "not-founded", CONFLICT,
        "The vault is not founded yet" / "Der Tresor ist noch nicht gegründet",
        "Run `obhut found` with the code that `obhut-server init` printed" / "`obhut found` mit dem Code ausführen, den `obhut-server init` gezeigt hat";
    /// The capsule breaks a rule of its header, or its length is another.
    ObjectInvalid = "object-invalid", UNPROCESSABLE_ENTITY,
        "The capsule is not valid" / "Der Umschlag ist nicht gültig",
        "Seal the file again and repeat the upload" / "Die Datei neu versiegeln und noch einmal hochladen";
    /// A registration names a capsule that is not stored, or not so.
    ObjectMissing = "object-missing", CONFLICT,
        "A capsule of the batch is not stored as its manifest says" / "Ein Umschlag des Stapels ist nicht so abgelegt, wie sein Manifest sagt",
        "Upload the capsule again, then register" / "Den Umschlag noch einmal hochladen, dann registrieren";
    /// The object store does not answer or refuses; the operational log says why.
    ObjectsUnavailable = "objects-unavailable", SERVICE_UNAVAILABLE,
        "The store of the documents does not answer" / "Der Ablagespeicher der Dokumente antwortet nicht",
        "Try again in a minute; then tell the operator" / "In einer Minute noch einmal versuchen, dann den Betrieb benachrichtigen";
    /// A body over its limit.
    PayloadTooLarge = "payload-too-large", PAYLOAD_TOO_LARGE,
        "The body is too large" / "Der Inhalt ist zu groß",
        "Send smaller batches; the limit is in the detail" / "Kleinere Stapel senden; die Grenze steht im Detail";
    /// A range outside the object.
    RangeNotSatisfiable = "range-not-satisfiable", RANGE_NOT_SATISFIABLE,
        "The range lies outside the object" / "Der Bereich liegt außerhalb des Objekts",
        "Ask for bytes below the object's length" / "Bytes unterhalb der Objektlänge anfordern";
    /// A record breaks a rule of the records log.
    RecordRefused = "record-refused", CONFLICT,
        "A record breaks a rule of the vault" / "Ein Eintrag verletzt eine Regel des Tresors",
        "The detail names the rule; try again only if somebody else changed the same thing meanwhile" / "Das Detail nennt die Regel; nur dann noch einmal versuchen, wenn jemand anderes inzwischen dasselbe geändert hat";
    /// The policy says no; the refusal is an entry.
    Refused = "refused", FORBIDDEN,
        "You may not do this" / "Das dürfen Sie nicht",
        "Ask a registrar if you should have this right; refused acts stand in the access log" / "Die Registratur fragen, wenn Sie dieses Recht haben sollten; abgelehnte Handlungen stehen im Zugriffsprotokoll";
    /// No room left on the disk.
    StorageFull = "storage-full", INSUFFICIENT_STORAGE,
        "The server has no room left" / "Der Server hat keinen Platz mehr",
        "Tell the operator; the same command works when there is room again" / "Den Betrieb benachrichtigen; derselbe Befehl geht, sobald wieder Platz ist";
    /// Plain HTTP where TLS is spoken; answered before there is a request.
    TlsRequired = "tls-required", BAD_REQUEST,
        "This port speaks TLS, not plain HTTP" / "Dieser Port spricht TLS, nicht reines HTTP",
        "Use an address that begins with https://" / "Eine Adresse verwenden, die mit https:// beginnt";
    /// Over a rate limit.
    TooManyRequests = "too-many-requests", TOO_MANY_REQUESTS,
        "Too many requests" / "Zu viele Anfragen",
        "Wait a minute" / "Eine Minute warten";
    /// No session, a session that ended, or a revoked device.
    Unauthenticated = "unauthenticated", UNAUTHORIZED,
        "You are not logged in" / "Sie sind nicht angemeldet",
        "Log in again" / "Neu anmelden";
    /// Stopping, or over the time limit.
    Unavailable = "unavailable", SERVICE_UNAVAILABLE,
        "The server is busy or stopping" / "Der Server ist überlastet oder hält gerade an",
        "Try again; nothing acknowledged is lost" / "Noch einmal versuchen; nichts Bestätigtes ist verloren";
    /// No quorum of cosignatures for the checkpoint.
    Unconfirmed = "unconfirmed", SERVICE_UNAVAILABLE,
        "The log entry is not confirmed yet" / "Der Protokolleintrag ist noch nicht bestätigt",
        "Try again in a moment; releases wait until the witnesses answer" / "Gleich noch einmal versuchen; Freigaben warten, bis die Zeugen antworten";
    /// Another media type is needed.
    UnsupportedMediaType = "unsupported-media-type", UNSUPPORTED_MEDIA_TYPE,
        "The body has another media type than this address takes" / "Der Inhalt hat einen anderen Medientyp, als diese Adresse nimmt",
        "Send application/json, capsules as application/octet-stream" / "application/json senden, Umschläge als application/octet-stream";
}

/// A problem on its way to the caller. Its body is written by [`super::observe()`], which knows the request id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Which.
    pub kind: Kind,
    /// Stable name of the rule, where there is one.
    pub reason: Option<String>,
    /// One sentence without names, purposes or other content.
    pub detail: Option<String>,
}

impl Problem {
    /// A problem with a stable name of the rule that was broken.
    pub fn reason(kind: Kind, reason: impl Into<String>) -> Self {
        Self {
            reason: Some(reason.into()),
            ..Self::from(kind)
        }
    }

    /// A problem with a sentence of detail.
    pub fn detail(kind: Kind, detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..Self::from(kind)
        }
    }

    /// The body. Server errors say nothing but their kind and the request id; refused acts tell the server's time.
    pub fn body(&self, request_id: &str, now_us: u64) -> ProblemBody {
        let facts = self.kind.facts();
        let told = self.kind != Kind::Internal;
        ProblemBody {
            r#type: format!("{TYPE_PREFIX}{}", facts.code),
            title: facts.title.to_owned(),
            title_de: facts.title_de.to_owned(),
            status: facts.status.as_u16(),
            detail: self.detail.clone().filter(|_| told),
            reason: self.reason.clone().filter(|_| told),
            next: facts.next.to_owned(),
            next_de: facts.next_de.to_owned(),
            request_id: request_id.to_owned(),
            server_time_us: (self.kind == Kind::ActInvalid).then_some(now_us),
        }
    }
}

impl From<Kind> for Problem {
    fn from(kind: Kind) -> Self {
        Self {
            kind,
            reason: None,
            detail: None,
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.kind.facts().status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// A problem as it travels (`application/problem+json`).
#[derive(Debug, Serialize, ToSchema)]
#[schema(title = "Problem")]
pub struct ProblemBody {
    /// `urn:obhut:problem:` and a stable code.
    pub r#type: String,
    /// What happened, in English.
    pub title: String,
    /// What happened, in German.
    pub title_de: String,
    /// HTTP status.
    pub status: u16,
    /// One sentence of detail.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Stable name of the rule that was broken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What to do next, in English.
    pub next: String,
    /// What to do next, in German.
    pub next_de: String,
    /// Names the request in the server's log.
    pub request_id: String,
    /// The server's clock, microseconds UTC, where an act's time may be the matter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_time_us: Option<u64>,
}

/// `docs/api/problems.md`.
pub fn problems_markdown() -> String {
    let mut text = String::from(
        "# Problems\n\nGenerated by `obhut-server problems`; do not edit.\n\nEvery error answer is `application/problem+json` (RFC 9457) with `type`, \
         `title`, `title_de`, `status`, `next`, `next_de`, `request_id`, and `reason` and `detail` where they help. `reason` is a stable name of the \
         rule that was broken. Where existence is secret the answer is `not-found`. Server errors carry nothing but the request id.\n\n\
         | type | Status | Title | Titel | Next step | Nächster Schritt |\n|---|---|---|---|---|---|\n",
    );
    for kind in Kind::ALL {
        let facts = kind.facts();
        let row = format!(
            "| `{TYPE_PREFIX}{}` | {} | {} | {} | {} | {} |\n",
            facts.code,
            facts.status.as_u16(),
            facts.title,
            facts.title_de,
            facts.next,
            facts.next_de
        );
        text.push_str(&row);
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn codes_are_unique_sorted_and_every_text_is_there() {
        let codes: Vec<_> = Kind::ALL.iter().map(|kind| kind.facts().code).collect();
        assert!(codes.is_sorted_by(|a, b| a < b), "{codes:?}");
        for facts in Kind::ALL.iter().map(|kind| kind.facts()) {
            let texts = [facts.title, facts.title_de, facts.next, facts.next_de];
            assert!(
                texts
                    .iter()
                    .all(|text| text.len() > 10 && !text.ends_with('.'))
            );
            assert!(facts.status.is_client_error() || facts.status.is_server_error());
        }
    }

    #[test]
    fn a_server_failure_tells_only_the_request_id() {
        let problem = Problem::detail(Kind::Internal, "disk /dev/x");
        let text = serde_json::to_string(&problem.body("r1", 7)).unwrap();
        assert!(
            !text.contains("/dev/x") && text.contains("\"r1\"") && !text.contains("server_time")
        );
    }
}
