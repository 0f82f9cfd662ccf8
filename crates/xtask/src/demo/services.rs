//! What a stack needs beside the programs, and how they are told where it is.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::postgres::Server;
use crate::run::{Result, output};

/// The components of a demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// SQLite and folders: nothing else is needed.
    Embedded,
    /// The tables of vault and gatekeeper in PostgreSQL.
    Full,
}

/// The services of a stack; dropped, they are gone.
pub(crate) struct Services {
    databases: Option<Databases>,
}

struct Databases {
    server: Server,
    /// Name and URL; for the vault, the gatekeeper's first store and its second.
    made: Vec<(String, String)>,
}

impl Services {
    pub(crate) fn start(kind: Kind) -> Result<Self> {
        let databases = match kind {
            Kind::Embedded => None,
            Kind::Full => Some(Databases::make()?),
        };
        Ok(Self { databases })
    }

    /// One line for people.
    pub(crate) fn describe(&self) -> &'static str {
        match self.databases {
            None => "SQLite and folders",
            Some(_) => {
                "vault and gatekeeper in databases of PostgreSQL, capsules and tiles in folders"
            }
        }
    }

    /// What the server finds in its environment.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        const NAMES: [&str; 3] = [
            "OBHUT_DATABASE_URL",
            "OBHUT_GATE_DATABASE_URL",
            "OBHUT_GATE_MIRROR_URL",
        ];
        let made = self.databases.iter().flat_map(|databases| &databases.made);
        let urls = made.map(|(_, url)| url.clone());
        NAMES.into_iter().zip(urls).collect()
    }

    /// Writes what the services hold into files of this folder, to be searched like the server's own.
    pub(crate) fn dump(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let made = self.databases.iter().flat_map(|databases| &databases.made);
        let mut files = Vec::new();
        for (name, url) in made {
            let file = folder.join(format!("{name}.dump.sql"));
            let mut dump = Command::new("pg_dump");
            output(dump.arg("--file").arg(&file).arg(url))?;
            files.push(file);
        }
        Ok(files)
    }
}

impl Databases {
    fn make() -> Result<Self> {
        let server = Server::start()?;
        let mut made = Vec::new();
        for part in ["vault", "gate", "mirror"] {
            let name = format!("obhut_demo_{}_{part}", std::process::id());
            psql(&server, &format!("CREATE DATABASE {name}"))?;
            let (address, _) = server
                .url()
                .rsplit_once('/')
                .ok_or("a URL without a database")?;
            let url = format!("{address}/{name}");
            made.push((name, url));
        }
        Ok(Self { server, made })
    }
}

impl Drop for Databases {
    fn drop(&mut self) {
        for (name, _) in &self.made {
            if let Err(error) = psql(&self.server, &format!("DROP DATABASE {name} WITH (FORCE)")) {
                eprintln!("a database of the demo stays behind: {error}");
            }
        }
    }
}

fn psql(server: &Server, statement: &str) -> Result<()> {
    let mut command = Command::new("psql");
    command.args([
        "--quiet",
        "--no-psqlrc",
        "--command",
        statement,
        server.url(),
    ]);
    output(&mut command).map(drop)
}
