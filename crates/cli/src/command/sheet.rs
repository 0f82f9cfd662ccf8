use std::path::PathBuf;

use obhut_client::{Existing, WholeFile};

use crate::context::Context;
use crate::stop::Stop;

/// Your recovery sheet: 24 words for the day all your devices are lost
#[derive(clap::Subcommand)]
pub(crate) enum Command {
    Print(PrintArgs),
}

/// Write your recovery sheet as a page to print, or as plain text
#[derive(clap::Args)]
#[command(
    after_help = "Whoever has the sheet can read and act as you: print it, keep it like a passport, remove the file.\n\n\
                  Example:\n  obhut sheet print --output sheet.html"
)]
pub(crate) struct PrintArgs {
    /// Where to write it, readable for you only; plain text for names that end in .txt
    #[arg(long, short, value_name = "FILE", default_value = "obhut-sheet.html")]
    output: PathBuf,
}

pub(crate) async fn run(context: &Context<'_>, command: Command) -> Result<(), Stop> {
    let Command::Print(args) = command;
    let vault = context.connected_vault().await?;
    let sheet = vault.sheet();
    let plain = args.output.extension().is_some_and(|end| end == "txt");
    let text = if plain {
        sheet.text()?
    } else {
        sheet.html(&vault.card().name)?
    };
    WholeFile::write(&args.output, 0o600, Existing::Keep, text.as_bytes())?;
    context.output.note(&format!(
        "{} holds your recovery sheet. Print it, keep it like a passport, then remove the file.",
        args.output.display()
    ));
    Ok(())
}
