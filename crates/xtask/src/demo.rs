//! `cargo xtask demo`

use std::path::PathBuf;

use crate::run::Result;

/// What to show.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// A folder of your own files, one case file a folder, instead of synthetic ones.
    folder: Option<PathBuf>,
    /// End after the story instead of keeping the server running.
    #[arg(long)]
    once: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let _ = (&arguments.folder, arguments.once);
    Err(
        "the demo is not built yet: the programs it would play with are unfinished; \
         see the status line of README.md"
            .to_owned(),
    )
}
