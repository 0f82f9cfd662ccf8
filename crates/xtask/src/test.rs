//! `cargo xtask test`

use crate::postgres;
use crate::run::{Result, cargo, must};
use crate::seaweed;
use crate::tools::{find_program, install_package, may_install_packages, test_runner};

/// How to run the tests.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Without services: what needs PostgreSQL or S3 is skipped with a printed line.
    #[arg(long)]
    fast: bool,
    /// What the test runner gets besides, such as `-p obhut-store` or a test's name.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    // End-to-end tests run the built programs.
    must(cargo().args(["build", "--quiet", "--workspace", "--bins"]))?;
    provide_gcore();
    let services = if arguments.fast {
        None
    } else {
        Some((postgres::Server::start()?, seaweed::Store::start()?))
    };
    let mut tests = test_runner();
    tests.arg("--no-fail-fast").args(scope(&arguments.rest));
    let mut documentation = cargo();
    documentation.args(["test", "--quiet", "--workspace", "--doc"]);
    for command in [&mut tests, &mut documentation] {
        match &services {
            Some((server, store)) => command
                .env(postgres::VARIABLE, server.url())
                .env(seaweed::VARIABLE, store.url()),
            None => command
                .env_remove(postgres::VARIABLE)
                .env_remove(seaweed::VARIABLE),
        };
    }
    must(&mut tests)?;
    if arguments.rest.is_empty() {
        must(&mut documentation)?;
    }
    println!(
        "tests passed{}",
        if arguments.fast {
            ", without PostgreSQL and S3"
        } else {
            ""
        }
    );
    Ok(())
}

/// One test searches a core dump of the server.
fn provide_gcore() {
    if find_program("gcore").is_some() || !may_install_packages() {
        return;
    }
    println!("gcore is missing; installing Debian's package gdb");
    if let Err(error) = install_package("gdb") {
        println!("{error}; the test that needs it will say so");
    }
}

/// The whole workspace unless packages are named.
fn scope(rest: &[String]) -> Vec<&str> {
    let named = rest
        .iter()
        .any(|word| word.starts_with("-p") || word.starts_with("--package"));
    let whole = (!named).then_some("--workspace");
    whole
        .into_iter()
        .chain(rest.iter().map(String::as_str))
        .collect()
}
