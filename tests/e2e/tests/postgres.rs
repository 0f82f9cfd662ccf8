//! The vault on PostgreSQL: the tables of the vault and of the gatekeeper in databases of a server.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use obhut_e2e::{Agency, Stack, random_bytes};

#[test]
fn what_was_filed_on_postgresql_is_there_after_a_kill() {
    let Some(stack) = Stack::start_on_postgres() else {
        return;
    };
    let mut agency = Agency::in_stack(stack, 2);
    let content = random_bytes(2, 70_000);
    let document = agency.put("Größe.pdf", &content);
    assert_eq!(agency.stack.content("cw2", &document), content);
    agency.stack.kill_and_restart();
    assert_eq!(agency.stack.content("cw2", &document), content);
    agency.verify_case();
    let _ = agency.stack.verify_logs().ok();
    // Nothing lies in files but capsules, tiles and keys.
    let files = obhut_e2e::files_below(&agency.stack.data());
    let sqlite = |path: &std::path::PathBuf| path.to_string_lossy().contains("sqlite");
    assert!(!files.iter().any(sqlite), "{files:?}");
    assert_eq!(agency.stack.stop().code, 0);
}

#[test]
fn config_check_tries_the_database_and_shows_no_password() {
    let Some(stack) = Stack::start_on_postgres() else {
        return;
    };
    let said = stack.server(&["config", "check"]).ok();
    assert!(said.contains("answers: PostgreSQL"), "{said}");
    assert!(said.contains("schema: up to date"), "{said}");
    let file = stack.folder().join("database-url");
    let url = std::fs::read_to_string(&file).unwrap();
    let (server, _) = url.rsplit_once('/').unwrap();
    let missing = format!(
        "{}/nowhere",
        server.replace("postgres@", "postgres:geheim@")
    );
    std::fs::write(&file, missing).unwrap();
    let said = stack.server(&["config", "check"]).fails_with(1);
    assert!(
        said.contains("nowhere") && said.contains("cannot be used"),
        "{said}"
    );
    assert!(!said.contains("geheim"), "{said}");
}

#[test]
fn init_refuses_a_database_that_holds_vaults_and_a_password_in_an_argument() {
    let Some(stack) = Stack::start_on_postgres() else {
        return;
    };
    let url = std::fs::read_to_string(stack.folder().join("database-url")).unwrap();
    let second = stack.folder().join("second");
    let init = [
        "init",
        "--name",
        "Second",
        "--data",
        second.to_str().unwrap(),
    ];
    let said = stack.bare_server(&[&init[..], &["--database", &url]].concat());
    let said = said.fails_with(1);
    assert!(said.contains("holds vaults already"), "{said}");
    let secret = url.replace("postgres@", "postgres:geheim@");
    let said = stack.bare_server(&[&init[..], &["--database", &secret]].concat());
    let said = said.fails_with(1);
    assert!(
        said.contains("--database-file") && !said.contains("geheim"),
        "{said}"
    );
    assert!(!second.exists());
}
