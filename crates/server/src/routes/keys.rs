//! `GET …/keys`: key rows of the caller, all sealed to the caller.

use obhut_store::Vault;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::{Admitted, B64, Json, Kind, Problem};

/// Key rows.
#[derive(Serialize, ToSchema)]
pub(super) struct KeysAnswer {
    /// Canonical bytes of an `OwnKeys`.
    pub keys: B64,
}

/// Reads memberships, links, λ, log keys and grants of the caller; with an invitation, those of its first bundle.
#[utoipa::path(get, path = "/v1/vaults/{vault}/keys", params(("vault" = String, Path)), responses((status = 200, body = KeysAnswer)))]
pub(super) async fn own_keys(
    vault: Vault,
    admitted: Admitted,
) -> Result<Json<KeysAnswer>, Problem> {
    let keys = match &admitted {
        Admitted::Caller(caller) => vault.own_keys(caller).await?,
        Admitted::Invited(kid) => vault.keys_of_kid(*kid).await?,
        Admitted::Founder => return Err(Kind::NotFounded.into()),
    };
    Ok(Json(KeysAnswer {
        keys: B64::of(&keys),
    }))
}
