//! Tells one lie of the catalogue in front of a running vault or store, for whoever wants to see what is noticed.
#![allow(clippy::print_stdout, reason = "a command for people")]

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use obhut_e2e::LyingProxy;
use obhut_e2e::lies::{self, Front, Lie, Outcome};

/// Tell a lie in front of a running vault or store.
///
/// For the vault: put the printed address in place of `url` into the `profile.json` of the profile that is to be lied to, and
/// run the command that the list names. For the store: put it in place of `endpoint` into `[objects.s3]` of `obhut.toml`, and
/// start the server again.
#[derive(Parser)]
#[command(name = "cargo xtask lie", bin_name = "cargo xtask lie")]
struct Arguments {
    /// Print all lies: who tells what, which command notices, and in which words
    #[arg(long)]
    list: bool,
    /// The lie
    #[arg(long, required_unless_present = "list", requires = "to")]
    id: Option<String>,
    /// Address of the vault or store, http://HOST:PORT
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Port on loopback [default: a free one]
    #[arg(
        long,
        value_name = "PORT",
        default_value_t = 0,
        hide_default_value = true
    )]
    listen: u16,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), String> {
    let (Some(id), Some(to)) = (&arguments.id, &arguments.to) else {
        lies::all().for_each(print);
        return Ok(());
    };
    let lie = match lies::find(id).as_slice() {
        [lie] => *lie,
        [] => return Err(format!("there is no lie {id}; --list prints all")),
        several => {
            let names: Vec<_> = several.iter().map(|lie| lie.name).collect();
            return Err(format!("{id} has several lies: {}", names.join(", ")));
        }
    };
    let proxy = LyingProxy::start_on(to, arguments.listen)
        .map_err(|error| format!("cannot listen on port {}: {error}", arguments.listen))?;
    let mut teller = lie.teller();
    proxy.tell(Box::new(move |seen| {
        let told = teller(seen);
        if told.is_some() {
            println!("told in the answer to {} {}", seen.method, seen.path);
        }
        told
    }));
    print(lie);
    println!("\n{} is {to}, but for this. Ctrl-C ends it.", proxy.url);
    loop {
        std::thread::sleep(Duration::from_hours(1));
    }
}

fn print(lie: &Lie) {
    for (front, outcome) in lie.on {
        let who = match front {
            Front::Vault => "the vault",
            Front::Store => "the store",
        };
        println!("{:16} {who} {}.", lie.name, lie.says);
        let noticed = match outcome {
            Outcome::Refused(words) => format!("exit 6, \"{words}\""),
            Outcome::Ends(code, words) => format!("exit {code}, \"{words}\""),
            Outcome::Harmless => "succeeds: nobody believes it".to_owned(),
        };
        println!("{:16}   {}: {noticed}", "", lie.deed.command());
    }
}
