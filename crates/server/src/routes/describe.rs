//! What the description says about every route alike: problems, and on what ground a caller asks.

use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Content, OpenApi, Ref, RefOr, ResponseBuilder};

/// Routes anybody may ask; all others need a ground.
pub(super) const PUBLIC: &[&str] = &[
    "/livez",
    "/readyz",
    "/tiles/{path}",
    "/v1/vaults",
    "/v1/vaults/{vault}",
    "/v1/vaults/{vault}/activations",
    "/v1/vaults/{vault}/checkpoints/access",
    "/v1/vaults/{vault}/checkpoints/records",
    "/v1/vaults/{vault}/deposit-key",
    "/v1/vaults/{vault}/founding",
    "/v1/vaults/{vault}/sessions",
    "/v1/vaults/{vault}/sessions/challenges",
];

/// Every route may answer with a problem.
pub(super) fn add_problems(document: &mut OpenApi) {
    let content = Content::new(Some(Ref::from_schema_name("ProblemBody")));
    let response = ResponseBuilder::new()
        .description("A problem (RFC 9457); all of them are listed in docs/api/problems.md")
        .content("application/problem+json", content)
        .build();
    for operation in operations(document) {
        let responses = &mut operation.responses.responses;
        responses.insert("default".to_owned(), RefOr::T(response.clone()));
    }
}

/// Sessions; in three places invitations and the founding code.
pub(super) fn add_grounds(document: &mut OpenApi) {
    let grounds = [
        (
            "session",
            SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)),
        ),
        ("invitation", header("X-Obhut-Invitation")),
        ("bootstrap", header("Authorization")),
    ];
    let components = document.components.get_or_insert_default();
    for (name, scheme) in grounds {
        components.add_security_scheme(name, scheme);
    }
    for (path, item) in &mut document.paths.paths {
        if PUBLIC.contains(&path.as_str()) {
            continue;
        }
        let also: &[&str] = match path.rsplit('/').next() {
            Some("records" | "keys") => &["invitation", "bootstrap"],
            Some("deposits") => &["bootstrap"],
            _ => &[],
        };
        let grounds = ["session"].iter().chain(also);
        let grounds: Vec<_> = grounds
            .map(|name| SecurityRequirement::new(*name, Vec::<String>::new()))
            .collect();
        for operation in operations_of(item) {
            operation.security = Some(grounds.clone());
        }
    }
}

fn header(name: &str) -> SecurityScheme {
    SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::new(name)))
}

fn operations(document: &mut OpenApi) -> impl Iterator<Item = &mut Operation> {
    document.paths.paths.values_mut().flat_map(operations_of)
}

fn operations_of(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let all = [
        &mut item.get,
        &mut item.put,
        &mut item.post,
        &mut item.delete,
    ];
    all.into_iter().flatten()
}
