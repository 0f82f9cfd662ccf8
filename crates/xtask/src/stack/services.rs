//! What a stack needs beside the programs, and how they are told where it is.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::stage::Stage;
use crate::postgres::Server;
use crate::run::{Result, output};
use crate::seaweed::Store;

/// The components of a demo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// SQLite and folders: nothing else is needed.
    Embedded,
    /// What an agency runs: PostgreSQL, an S3 store, servers behind one address, gatekeeper and witness elsewhere.
    Full,
}

/// The services of a stack; dropped, they are gone.
pub(crate) enum Services {
    /// None.
    Embedded,
    /// A database server, an object store, and for how many servers of the vault.
    Full(Databases, Store, usize),
}

/// Databases made for this demo; dropped, they are gone.
pub(crate) struct Databases {
    server: Server,
    /// Name and URL; for the vault, the gatekeeper's first store and its second.
    made: Vec<(String, String)>,
}

impl Services {
    /// What this stack needs; `servers` of the vault will share it, if it can be shared.
    pub(crate) fn start(kind: Kind, servers: usize) -> Result<Self> {
        Ok(match kind {
            Kind::Embedded => Self::Embedded,
            Kind::Full => Self::Full(Databases::make()?, Store::start()?, servers),
        })
    }

    /// How many servers the vault gets.
    pub(crate) fn servers(&self) -> usize {
        match self {
            Self::Embedded => 1,
            Self::Full(_, _, servers) => *servers,
        }
    }

    /// One line for people.
    pub(crate) fn describe(&self) -> &'static str {
        match self {
            Self::Embedded => "SQLite and folders, gatekeeper in the server's process",
            Self::Full(..) => {
                "PostgreSQL, an S3 store, two servers behind one address, gatekeeper and witness of other operators"
            }
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        matches!(self, Self::Full(..))
    }

    /// What a server finds in its environment.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let url = self.urls().next();
        url.map(|url| ("OBHUT_DATABASE_URL", url))
            .into_iter()
            .collect()
    }

    /// What the gatekeeper's operator says about its two stores.
    pub(crate) fn gate_arguments(&self) -> Vec<String> {
        let options = ["--database", "--mirror"].into_iter();
        let pairs = options.zip(self.urls().skip(1));
        pairs
            .flat_map(|(option, url)| [option.to_owned(), url])
            .collect()
    }

    fn urls(&self) -> impl Iterator<Item = String> {
        self.databases().into_iter().map(|(_, url)| url)
    }

    fn databases(&self) -> Vec<(String, String)> {
        match self {
            Self::Embedded => Vec::new(),
            Self::Full(databases, ..) => databases.made.clone(),
        }
    }

    /// Writes what the services hold into files of this folder, to be searched like the server's own.
    pub(crate) fn dump(&self, folder: &Path) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for (name, url) in self.databases() {
            let file = folder.join(format!("{name}.dump.sql"));
            let mut dump = Command::new("pg_dump");
            output(dump.arg("--file").arg(&file).arg(url))?;
            files.push(file);
        }
        Ok(files)
    }

    /// The section of a server's configuration that names the bucket; the account's secrets go into files.
    pub(crate) fn bucket_section(&self, stage: &Stage) -> Result<String> {
        let Self::Full(_, store, _) = self else {
            return Ok(String::new());
        };
        let [host, bucket, access, secret] = store
            .parts()
            .ok_or("the S3 store has another address than http://ACCESS:SECRET@HOST:PORT/BUCKET")?;
        let access = stage.write("server/s3-access", access.as_bytes())?;
        let secret = stage.write("server/s3-secret", secret.as_bytes())?;
        Ok(format!(
            "\n[objects.s3]\nendpoint = \"http://{host}\"\nbucket = \"{bucket}\"\nprefix = \"demo-{}/\"\n\
             access_key_file = \"{}\"\nsecret_key_file = \"{}\"\n",
            std::process::id(),
            access.display(),
            secret.display()
        ))
    }

    /// Where the object store keeps what it is given, if that is on this machine.
    pub(crate) fn store_folder(&self) -> Option<&Path> {
        match self {
            Self::Embedded => None,
            Self::Full(_, store, _) => store.folder(),
        }
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
