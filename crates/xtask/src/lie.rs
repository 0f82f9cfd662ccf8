//! `cargo xtask lie`

use std::ffi::OsString;

use crate::run::{Result, cargo, must};

/// What the program of the end-to-end tests takes; `--help` prints it.
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Arguments {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let mut lie = cargo();
    lie.args([
        "run",
        "--quiet",
        "--package",
        "obhut-e2e",
        "--bin",
        "lie",
        "--",
    ]);
    must(lie.args(&arguments.arguments))
}
