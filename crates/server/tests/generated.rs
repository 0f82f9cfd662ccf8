//! Generated files are committed as they are generated; `OBHUT_BLESS` writes them.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

fn assert_committed(name: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs/api")
        .join(name);
    if std::env::var_os("OBHUT_BLESS").is_some() {
        std::fs::write(&path, generated).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap() == generated,
        "run `cargo xtask bless`"
    );
}

#[test]
fn the_committed_openapi_document_is_the_one_the_server_gives() {
    assert_committed("openapi.json", &obhut_server::openapi_json());
}

#[test]
fn the_committed_list_of_problems_is_complete() {
    assert_committed("problems.md", &obhut_server::problems_markdown());
}
