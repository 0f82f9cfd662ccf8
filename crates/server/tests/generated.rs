//! Generated files are committed as they are generated.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

fn committed(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn the_committed_openapi_document_is_the_one_the_server_gives() {
    let hint = "run `cargo run -p obhut-server -- openapi > docs/api/openapi.json`";
    assert!(
        committed("openapi.json") == obhut_server::openapi_json(),
        "{hint}"
    );
}

#[test]
fn the_committed_list_of_problems_is_complete() {
    let hint = "run `cargo run -p obhut-server -- problems > docs/api/problems.md`";
    assert!(
        committed("problems.md") == obhut_server::problems_markdown(),
        "{hint}"
    );
}
