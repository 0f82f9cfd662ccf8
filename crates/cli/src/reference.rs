//! `docs/cli.md` is written from the arguments themselves.

use std::fmt::Write as _;

use clap::{Command, CommandFactory as _};

const INTRO: &str = "# Commands of `obhut`

Written by `cargo xtask bless` from the program. Every command also takes `--profile NAME`, `--json` (one object a line), `--yes`,
`--passphrase-file FILE` and `--passphrase-fd NUMBER`. Exit codes: 0 ok, 1 failed, 2 usage, 3 authentication or device, 4 not found or refused,
5 partial with report, 6 integrity, 7 vault unreachable.
";

#[test]
fn the_committed_reference_is_current() {
    let mut command = crate::Cli::command().term_width(100);
    command.build();
    let mut page = INTRO.to_owned();
    describe(&mut command, "obhut", &mut page);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
    if std::env::var_os("OBHUT_BLESS").is_some() {
        assert!(std::fs::write(path, page).is_ok());
    } else {
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == page, "run `cargo xtask bless`");
    }
}

/// Depth first: a section for each command that does something.
fn describe(command: &mut Command, name: &str, page: &mut String) {
    let children: Vec<_> = command
        .get_subcommands_mut()
        .filter(|child| child.get_name() != "help")
        .collect();
    if children.is_empty() {
        let about = command.get_about().map(ToString::to_string);
        let _ = writeln!(page, "\n## {name}\n\n{}.\n", about.unwrap_or_default());
        let _ = writeln!(page, "```\n{}", usage(command, name));
        for argument in command
            .get_arguments()
            .filter(|argument| !argument.is_global_set())
        {
            let shown = argument.to_string();
            let help = argument
                .get_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            if shown != "--help" && shown != "--version" {
                let _ = writeln!(page, "  {shown:<26} {help}");
            }
        }
        page.push_str("```\n");
        if let Some(after) = command.get_after_help() {
            let _ = writeln!(page, "\n{}", paragraphs(&after.to_string()));
        }
    } else {
        for child in children {
            let name = format!("{name} {}", child.get_name());
            describe(child, &name, page);
        }
    }
}

fn usage(command: &mut Command, name: &str) -> String {
    let usage = command.render_usage().to_string();
    let rest = usage
        .split_once(command.get_name())
        .map_or("", |(_, rest)| rest);
    format!("{name}{rest}")
}

/// Indented lines are examples.
fn paragraphs(text: &str) -> String {
    let lines = text.lines().map(|line| match line.strip_prefix("  ") {
        Some(example) => format!("    {example}"),
        None => line.to_owned(),
    });
    lines
        .collect::<Vec<_>>()
        .join("\n")
        .replace(":\n    ", ":\n\n    ")
}
