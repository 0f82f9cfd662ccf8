use std::path::PathBuf;

use obhut_client::{join_root, split_root};
use serde::Serialize;

use crate::context::Context;
use crate::output::Report;
use crate::stop::Stop;

/// The agency root: split its sheet among people, or put it together again; offline
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Split(SplitArgs),
    Join(JoinArgs),
}

/// Split the sheet of the agency root into shares
#[derive(clap::Args)]
#[command(
    after_help = "Do this on a machine that is offline. Give each share to another person, then remove the sheet.\n\n\
                  Example:\n  obhut root split obhut-agency-root.txt --threshold 3 --shares 5 --folder shares"
)]
pub(crate) struct SplitArgs {
    /// The sheet that `obhut found` wrote
    #[arg(value_name = "FILE")]
    sheet: PathBuf,
    /// How many shares give the root
    #[arg(long, value_name = "NUMBER", default_value_t = 3)]
    threshold: u8,
    /// How many shares to make
    #[arg(long, value_name = "NUMBER", default_value_t = 5)]
    shares: u8,
    /// Where to write them
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
}

/// Put the sheet of the agency root together from shares
#[derive(clap::Args)]
pub(crate) struct JoinArgs {
    /// The shares
    #[arg(value_name = "SHARE", required = true)]
    shares: Vec<PathBuf>,
    /// Where to write the sheet; must not exist yet
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,
}

#[derive(Serialize)]
struct Written {
    files: Vec<String>,
}

impl Report for Written {
    fn text(&self) -> String {
        self.files.join("\n")
    }
}

pub(crate) fn run(context: &Context<'_>, command: Command) -> Result<(), Stop> {
    let files = match command {
        Command::Split(args) => split_root(&args.sheet, args.threshold, args.shares, &args.folder)?,
        Command::Join(args) => {
            join_root(&args.shares, &args.output)?;
            vec![args.output]
        }
    };
    let files = files.iter().map(|file| file.display().to_string());
    context.output.report(&Written {
        files: files.collect(),
    })
}
