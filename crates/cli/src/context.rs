use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;
use obhut_client::profile::{Passphrase, Profile, ProfileHome};
use obhut_client::transport::Trust;
use obhut_client::{ClientError, Vault};

use crate::output::{Output, harmless, shown};
use crate::stop::Stop;

/// What every command understands.
#[derive(Args)]
pub(crate) struct GlobalArgs {
    /// Which profile to use, when there are several on this machine
    #[arg(
        long,
        global = true,
        env = "OBHUT_PROFILE",
        default_value = "default",
        value_name = "NAME"
    )]
    pub(crate) profile: String,
    /// Print JSON, one object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Answer every question with yes
    #[arg(long, short = 'y', global = true)]
    pub(crate) yes: bool,
    /// Read the passphrase from the first line of this file
    #[arg(
        long,
        global = true,
        env = "OBHUT_PASSPHRASE_FILE",
        value_name = "FILE"
    )]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Do not look at the server's certificate; for a server on this machine only
    #[arg(long, global = true)]
    pub(crate) insecure: bool,
    /// Read the passphrase from this open descriptor
    #[arg(
        long,
        global = true,
        value_name = "NUMBER",
        conflicts_with = "passphrase_file"
    )]
    pub(crate) passphrase_fd: Option<u32>,
}

/// What the server is recognised by, for commands that make a profile.
#[derive(Args)]
pub(crate) struct ServerArgs {
    /// Certificates (PEM) of the agency's own authority; kept in the profile, and no other authority is believed [default: the
    /// authorities that this machine trusts]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// What a command works with.
pub(crate) struct Context<'a> {
    pub(crate) output: &'a Output,
    home: ProfileHome,
    args: GlobalArgs,
}

impl<'a> Context<'a> {
    pub(crate) fn new(args: GlobalArgs, output: &'a Output) -> Result<Self, Stop> {
        let trust = Trust::default().unverified(args.insecure);
        Ok(Self {
            output,
            home: ProfileHome::from_environment()?.trusting(trust),
            args,
        })
    }

    /// The folder of all profiles, for a new one that recognises its server so.
    pub(crate) fn home(&self, server: &ServerArgs) -> Result<ProfileHome, Stop> {
        let Some(file) = &server.ca else {
            return Ok(self.home.clone());
        };
        let trust = Trust::read(file)?.unverified(self.args.insecure);
        Ok(self.home.clone().trusting(trust))
    }

    /// The chosen profile's name.
    pub(crate) fn profile_name(&self) -> &str {
        &self.args.profile
    }

    /// The chosen profile, which must exist.
    pub(crate) fn profile(&self) -> Result<Profile, Stop> {
        Ok(self.home.open(&self.args.profile)?)
    }

    /// The chosen profile, unlocked, before anything is sent.
    pub(crate) fn unlocked_vault(&self) -> Result<Vault, Stop> {
        let profile = self.profile()?;
        Ok(Vault::open(profile, &self.passphrase()?)?)
    }

    /// The chosen profile, logged in, with the records log replayed.
    pub(crate) async fn connected_vault(&self) -> Result<Vault, Stop> {
        let mut vault = self.unlocked_vault()?;
        vault.connect().await?;
        for notice in vault.take_notices()? {
            self.output.note(&notice);
        }
        Ok(vault)
    }

    /// The passphrase of an existing profile.
    pub(crate) fn passphrase(&self) -> Result<Passphrase, Stop> {
        match self.given_passphrase()? {
            Some(passphrase) => Ok(passphrase),
            None => ask_passphrase(&format!("Passphrase of profile {}: ", self.args.profile)),
        }
    }

    /// The passphrase of a profile that is being made; typed twice.
    pub(crate) fn new_passphrase(&self) -> Result<Passphrase, Stop> {
        if let Some(passphrase) = self.given_passphrase()? {
            passphrase.check_new()?;
            return Ok(passphrase);
        }
        let typed = prompt_hidden("New passphrase: ")?;
        let passphrase = Passphrase::new(typed.clone())?;
        passphrase.check_new()?;
        if *typed != *prompt_hidden("Once more: ")? {
            return Err(ClientError::Usage("the two passphrases differ".into()).into());
        }
        Ok(passphrase)
    }

    fn given_passphrase(&self) -> Result<Option<Passphrase>, Stop> {
        if let Some(number) = self.args.passphrase_fd {
            let file = std::fs::File::open(format!("/proc/self/fd/{number}"));
            let file = file.map_err(Stop::Terminal)?;
            return Ok(Some(Passphrase::read_descriptor(file)?));
        }
        let file = self.args.passphrase_file.as_deref();
        Ok(file.map(Passphrase::read_file).transpose()?)
    }

    /// Asks before a second thing of the same name is made, when there is one.
    pub(crate) fn confirm_another(
        &self,
        what: &str,
        name: &str,
        same: &[impl ToString],
    ) -> Result<(), Stop> {
        if same.is_empty() {
            return Ok(());
        }
        let ids: Vec<_> = same.iter().map(ToString::to_string).collect();
        let (name, ids) = (shown(name), ids.join(", "));
        self.confirm(&format!(
            "A {what} {name} is there already: {ids}. Make another one?"
        ))
    }

    /// Asks before something that cannot be undone.
    pub(crate) fn confirm(&self, question: &str) -> Result<(), Stop> {
        if self.args.yes {
            return Ok(());
        }
        if !std::io::stdin().is_terminal() {
            let text = format!("{question} Answer with --yes where nobody can be asked");
            return Err(ClientError::Usage(text).into());
        }
        let mut out = std::io::stderr();
        write!(out, "{} [y/N] ", harmless(question))
            .and_then(|()| out.flush())
            .map_err(Stop::Terminal)?;
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        read.map_err(Stop::Terminal)?;
        if matches!(answer.trim(), "y" | "Y" | "yes" | "j" | "J" | "ja") {
            Ok(())
        } else {
            Err(Stop::Declined)
        }
    }
}

fn ask_passphrase(prompt: &str) -> Result<Passphrase, Stop> {
    Ok(Passphrase::new(prompt_hidden(prompt)?)?)
}

fn prompt_hidden(prompt: &str) -> Result<String, Stop> {
    rpassword::prompt_password(prompt).map_err(Stop::Terminal)
}
