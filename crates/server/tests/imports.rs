//! The server holds no code that opens a document.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::Command;

#[test]
fn the_server_imports_nothing_that_opens_documents() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--package",
            "obhut-server",
            "--edges",
            "normal",
            "--prefix",
            "none",
            "--offline",
        ])
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.contains("obhut-format"), "cargo tree printed nothing");
    assert!(!tree.contains("obhut-crypto"), "{tree}");
}
