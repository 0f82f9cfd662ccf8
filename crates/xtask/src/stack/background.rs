//! A program that runs beside the story.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::run::Result;

/// A program that listens. Asked to end when dropped.
pub(crate) struct Background {
    process: Child,
    /// Where it says that it listens.
    pub(crate) url: String,
}

impl Background {
    /// Starts it, shows what it prints and waits until it says where it listens; what it logs goes into a file.
    pub(crate) fn start(command: &mut Command, log: &Path, show: impl Fn(&str)) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log);
        let file = file.map_err(|error| format!("{}: {error}", log.display()))?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file);
        let mut process = command.spawn().map_err(|error| error.to_string())?;
        let lines = process.stdout.take().map(|out| BufReader::new(out).lines());
        let mut lines = lines
            .into_iter()
            .flatten()
            .map_while(std::result::Result::ok);
        let url = lines.by_ref().find_map(|line| {
            show(&line);
            let word = line.get(line.find("http")?..)?.split_whitespace().next()?;
            let word = word.trim_end_matches(['/', ',', '.']);
            word.contains("://").then(|| word.to_owned())
        });
        let mut started = Self {
            process,
            url: String::new(),
        };
        started.url = url.ok_or_else(|| format!("it ended; see {}", log.display()))?;
        // Keeps the pipe empty for as long as the program lives.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(started)
    }

    /// Its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.process.kill().map_err(|error| error.to_string())?;
        self.wait()
    }

    /// Waits until it ends.
    pub(crate) fn wait(&mut self) -> Result<()> {
        let ended = self.process.wait();
        ended.map(drop).map_err(|error| error.to_string())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if !matches!(self.process.try_wait(), Ok(None)) {
            return;
        }
        if let Some(process) = rustix::process::Pid::from_raw(self.process.id().cast_signed()) {
            let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        }
        let _ = self.process.wait();
    }
}
