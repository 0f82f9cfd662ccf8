//! The routes: one file per endpoint.

mod about;
mod access_checkpoint;
mod activations;
mod appointments;
mod case_changes;
mod case_keys;
mod cases;
mod challenges;
mod deposit_key;
mod deposits;
mod describe;
mod documents;
mod founding;
mod front;
mod gate_enrolments;
mod grant_revocations;
mod grants;
mod health;
mod identity;
mod keys;
mod leaves;
mod log_entries;
mod log_out;
mod lookups;
mod mutation;
mod object_parts;
mod object_range;
mod object_read;
mod object_store;
mod people;
mod receipts;
mod records;
mod records_checkpoint;
mod recovery;
mod releases;
mod sessions;
mod tiles;
mod units;
mod vaults;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::get;
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::app::App;
use crate::cluster::hand_on;
use crate::http::{Kind, Problem, observe, problem::ProblemBody};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Obhut vault server",
        description = "A vault for documents that are sealed on the user's own machine. Binary fields are base64url without padding; records are canonical \
                       CBOR as described in docs/format.md; ids are printed with their prefix; times are microseconds UTC.",
        license(name = "EUPL-1.2", identifier = "EUPL-1.2"),
    ),
    paths(tiles::read_tile),
    components(schemas(ProblemBody))
)]
struct Document;

/// All routes with their description.
fn described() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(vaults::list_vaults))
        .routes(routes!(about::show_vault))
        .routes(routes!(founding::found))
        .routes(routes!(gate_enrolments::enrol_at_gate))
        .routes(routes!(challenges::make_challenge))
        .routes(routes!(sessions::log_in))
        .routes(routes!(log_out::log_out))
        .routes(routes!(deposit_key::show_deposit_key))
        .routes(routes!(deposits::deposit))
        .routes(routes!(people::enrol))
        .routes(routes!(identity::change_identity))
        .routes(routes!(activations::activate))
        .routes(routes!(appointments::appoint))
        .routes(routes!(units::change_unit))
        .routes(routes!(recovery::recover))
        .routes(routes!(cases::create_case))
        .routes(routes!(case_changes::change_case))
        .routes(routes!(documents::register))
        .routes(routes!(grants::grant))
        .routes(routes!(grant_revocations::revoke_grant))
        .routes(routes!(releases::release))
        .routes(routes!(lookups::look_up))
        .routes(routes!(
            object_store::store_object,
            object_read::read_object
        ))
        .routes(routes!(object_parts::list_parts))
        .routes(routes!(object_parts::store_part))
        .routes(routes!(object_parts::complete))
        .routes(routes!(leaves::read_leaves))
        .routes(routes!(records::read_records))
        .routes(routes!(receipts::prove))
        .routes(routes!(keys::own_keys))
        .routes(routes!(case_keys::case_keys))
        .routes(routes!(log_entries::read_own_log))
        .routes(routes!(records_checkpoint::records_checkpoint))
        .routes(routes!(access_checkpoint::access_checkpoint))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
}

/// The server's router.
pub fn router(app: App) -> Router {
    let (router, _) = described().split_for_parts();
    router
        .route("/", get(front::front))
        .route("/openapi.json", get(openapi))
        .route("/tiles/{*path}", get(tiles::read_tile))
        .fallback(nowhere)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(app.config().limits.json_bytes))
        .layer(from_fn_with_state(app.clone(), hand_on))
        .layer(from_fn_with_state(app.clone(), observe))
        .with_state(app)
}

/// The description of all routes (OpenAPI 3.1), as it is committed in `docs/api/openapi.json`.
pub fn openapi_json() -> String {
    let (_, mut document) = described().split_for_parts();
    describe::add_problems(&mut document);
    describe::add_grounds(&mut document);
    let mut text = document.to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

async fn openapi() -> impl IntoResponse {
    let json = [(axum::http::header::CONTENT_TYPE, "application/json")];
    (json, openapi_json())
}

async fn nowhere() -> Problem {
    Kind::NotFound.into()
}

async fn wrong_method() -> Problem {
    Kind::MethodNotAllowed.into()
}
