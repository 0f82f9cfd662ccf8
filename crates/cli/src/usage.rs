//! Arguments that cannot be understood: said like every other error, in JSON where JSON was asked for.

use std::io::Write;
use std::process::ExitCode;

use clap::error::ErrorKind;
use obhut_client::Failure;
use serde_json::json;

/// Prints why the arguments were refused, or the help that was asked for.
pub(crate) fn refuse(refused: &clap::Error) -> ExitCode {
    let asked = matches!(
        refused.kind(),
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion
    );
    let in_json = std::env::args_os()
        .skip(1)
        .take_while(|argument| argument != "--")
        .any(|argument| argument == "--json");
    if in_json && !asked {
        let _ = writeln!(std::io::stderr(), "{}", error_object(refused));
        return ExitCode::from(Failure::Usage.exit_code());
    }
    let _ = refused.print();
    if refused.kind() == ErrorKind::ValueValidation {
        let _ = writeln!(std::io::stderr(), "{VALUE_NEXT}");
    }
    ExitCode::from(if asked { 0 } else { Failure::Usage.exit_code() })
}

const VALUE_NEXT: &str = "Correct that value; an id is copied whole, as `obhut` printed it.";

fn error_object(refused: &clap::Error) -> serde_json::Value {
    let rendered = refused.render().to_string();
    let (message, _) = rendered.split_once("\n\nUsage").unwrap_or((&rendered, ""));
    let (message, _) = message.split_once("\n\nFor more").unwrap_or((message, ""));
    let words: Vec<_> = message.split_whitespace().collect();
    let message = words.join(" ");
    let next = if refused.kind() == ErrorKind::ValueValidation {
        VALUE_NEXT
    } else {
        "See the command's --help."
    };
    json!({
        "error": Failure::Usage.name(),
        "exit_code": Failure::Usage.exit_code(),
        "message": message.strip_prefix("error: ").unwrap_or(&message),
        "next_step": next,
        "problem": null,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn a_refused_argument_is_one_object_with_a_next_step() {
        for (arguments, says) in [
            (&["obhut", "foo"][..], "unrecognized subcommand 'foo'"),
            (
                &[
                    "obhut",
                    "get",
                    "doc_x",
                    "--purpose",
                    "a",
                    "--legal-basis",
                    "b",
                ],
                "doc_x",
            ),
            (&["obhut", "get"], "<DOCUMENT>"),
        ] {
            let refused = crate::Cli::command()
                .try_get_matches_from(arguments)
                .unwrap_err();
            let object = error_object(&refused);
            let message = object["message"].as_str().unwrap();
            assert!(
                message.contains(says) && !message.contains('\n'),
                "{message}"
            );
            assert!(!message.starts_with("error") && object["exit_code"] == 2);
            assert!(object["next_step"].as_str().unwrap().len() > 10);
        }
    }
}
