//! `obhut-server migrate-to`.

use std::fmt::Write;

use super::backup::{json, show_vaults};
use crate::ServerError;
use crate::args::MigrateArgs;
use crate::backup::{MoveOptions, Moved, move_to};

/// Moves all vaults of a data folder to another database and object store.
pub async fn migrate_to(args: MigrateArgs) -> Result<String, ServerError> {
    let options = MoveOptions {
        dry_run: args.dry_run,
        read_objects: args.read_objects,
    };
    let moved = move_to(&args.data, &args.config, options).await?;
    if args.json {
        return Ok(json(&moved));
    }
    Ok(told(&moved, &args))
}

fn told(moved: &Moved, args: &MigrateArgs) -> String {
    let mut text = if moved.dry_run {
        format!("To be moved to {}:\n", moved.database)
    } else {
        format!("Moved to {} and compared:\n", moved.database)
    };
    show_vaults(&mut text, &moved.vaults);
    for (table, rows) in moved.rows.iter().filter(|(_, rows)| *rows > 0) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {rows:>10} rows of {table}");
    }
    let _ = writeln!(
        text,
        "  {:>10} capsules, {} MiB",
        moved.objects,
        moved.object_bytes >> 20
    );
    if moved.dry_run {
        text.push_str(
            "The old side is whole and nothing was changed. Without --dry-run it is moved.\n",
        );
        return text;
    }
    let _ = writeln!(
        text,
        "{} capsules were copied by this run.\n\n\
         Start the server now:  obhut-server serve --data {}\n\
         {} is unchanged and marked: no server starts on it. Going back is right only before the first start of the new\n\
         side; then remove moved.toml there. Keep it until the first backup of the new side was proved.",
        moved.objects_copied,
        moved.data.display(),
        args.data.display(),
    );
    text
}
