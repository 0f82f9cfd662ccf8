//! `POST …/sessions/challenges`: the first half of a login.

use obhut_format::{DeviceKid, PersonId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::http::{Anonymous, B64, Json, Kind, Problem};

/// Who wants to log in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChallengeRequest {
    /// The person.
    pub person: String,
    /// The device that will sign.
    pub device: String,
}

/// What the device signs, with vault, origin, person and device.
#[derive(Serialize, ToSchema)]
pub(super) struct ChallengeAnswer {
    /// 32 random bytes.
    pub challenge: B64,
    /// When it ends, microseconds UTC.
    pub expires_us: u64,
}

/// Gives a login challenge; whether the person exists shows nowhere.
#[utoipa::path(post, path = "/v1/vaults/{vault}/sessions/challenges", params(("vault" = String, Path)), request_body = ChallengeRequest,
    responses((status = 200, body = ChallengeAnswer)))]
pub(super) async fn make_challenge(
    Anonymous(vault): Anonymous,
    Json(body): Json<ChallengeRequest>,
) -> Result<Json<ChallengeAnswer>, Problem> {
    let person: PersonId = body.person.parse().map_err(|_| Kind::BadRequest)?;
    let device: DeviceKid = body.device.parse().map_err(|_| Kind::BadRequest)?;
    let challenge = vault.new_challenge(person, device).await?;
    Ok(Json(ChallengeAnswer {
        challenge: B64(challenge.challenge.to_vec()),
        expires_us: challenge.expires_us,
    }))
}
