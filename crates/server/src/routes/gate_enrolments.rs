//! `POST …/gate-enrolments`: the founder makes the vault known to another operator's gatekeeper.

use axum::extract::State;
use obhut_format::gate_link::CodedEnrolment;
use obhut_format::release::{GateRequest, GateResponse};
use obhut_store::{StoreError, Vault};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;
use crate::http::{Admitted, B64, Json, Kind, Problem};

/// An enrolment, proved with the code of the gatekeeper's operator, which this server never sees.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GateEnrolmentRequest {
    /// Canonical bytes of a `CodedEnrolment`.
    pub enrolment: B64,
}

/// The vault is known to the gatekeeper.
#[derive(Serialize, ToSchema)]
pub(super) struct GateEnrolmentAnswer {
    /// The gatekeeper's Ed25519 key.
    pub gate_key: B64,
}

/// Enrols the vault at a gatekeeper of another operator. A repeat of the same enrolment answers the same.
#[utoipa::path(post, path = "/v1/vaults/{vault}/gate-enrolments", params(("vault" = String, Path)), request_body = GateEnrolmentRequest,
    responses((status = 200, body = GateEnrolmentAnswer)))]
pub(super) async fn enrol_at_gate(
    State(app): State<App>,
    vault: Vault,
    admitted: Admitted,
    Json(body): Json<GateEnrolmentRequest>,
) -> Result<Json<GateEnrolmentAnswer>, Problem> {
    let coded: CodedEnrolment = body.enrolment.record()?;
    if !matches!(admitted, Admitted::Founder) || coded.enrol.vault != vault.id() {
        return Err(Problem::reason(Kind::Refused, "enrolment-of-another"));
    }
    if !app.gatekeeper().is_elsewhere() {
        return Err(Problem::reason(Kind::Conflict, "gatekeeper-in-process"));
    }
    match app
        .gatekeeper()
        .ask(&GateRequest::EnrolByCode(coded))
        .await?
    {
        GateResponse::Enrolled(key) => Ok(Json(GateEnrolmentAnswer {
            gate_key: B64(key.to_vec()),
        })),
        _ => Err(StoreError::GateUnavailable.into()),
    }
}
