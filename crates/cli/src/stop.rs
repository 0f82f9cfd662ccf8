use obhut_client::{ClientError, CryptoError, Failure};

/// Why a command ended early.
pub(crate) enum Stop {
    /// The client's reason.
    Client(ClientError),
    /// The user said no.
    Declined,
    /// The user pressed Ctrl-C where that loses nothing.
    Interrupted,
    /// Standard output cannot be written to.
    Output(std::io::Error),
    /// The terminal, or standard input.
    Terminal(std::io::Error),
}

impl Stop {
    pub(crate) fn failure(&self) -> Failure {
        match self {
            Self::Client(error) => error.failure(),
            Self::Declined | Self::Interrupted | Self::Output(_) | Self::Terminal(_) => {
                Failure::Failed
            }
        }
    }

    /// Why content on its way to standard output stopped.
    pub(crate) fn of_output(failed: ClientError) -> Self {
        match failed {
            ClientError::Crypto(CryptoError::Io(source)) => Self::Output(source),
            other => Self::Client(other),
        }
    }

    /// Whoever read standard output has read enough.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Output(source) if source.kind() == std::io::ErrorKind::BrokenPipe)
    }

    pub(crate) fn message(&self) -> String {
        match self {
            Self::Client(error) => with_causes(error),
            Self::Declined => "stopped, nothing was changed".into(),
            Self::Interrupted => "interrupted".into(),
            Self::Output(error) => format!("cannot write to standard output: {error}"),
            Self::Terminal(error) => format!("the terminal does not work: {error}"),
        }
    }

    /// The stable name of the vault's problem, if it was one.
    pub(crate) fn problem(&self) -> Option<&str> {
        match self {
            Self::Client(ClientError::Problem(problem)) => Some(problem.code()),
            _ => None,
        }
    }

    pub(crate) fn next_step(&self) -> String {
        match self {
            Self::Client(error) => error.next_step(),
            Self::Interrupted => "Run the same command again: it goes on where it was.".into(),
            Self::Declined => "Run the command again and answer yes, or add --yes.".into(),
            Self::Output(_) => {
                "What was written so far is not complete. Write to a place that has room, then repeat the command."
                    .into()
            }
            Self::Terminal(_) => {
                "Run the command in a terminal, or give --yes and --passphrase-file.".into()
            }
        }
    }
}

impl From<ClientError> for Stop {
    fn from(error: ClientError) -> Self {
        Self::Client(error)
    }
}

fn with_causes(error: &ClientError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}
