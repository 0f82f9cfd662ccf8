//! Those that send the folder to an S3 store, as the full stack does.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::peers;
use crate::bench::programs::Programs;
use crate::run::{Result, output};
use crate::seaweed::Store;

/// Uploads at once of the bare loop: as many as a server of ours takes.
const WAYS: &str = "32";

/// A store that is empty at first; dropped, it is gone.
pub(crate) struct Bucket {
    store: Store,
    endpoint: String,
}

/// Who sends.
pub(crate) enum Peer {
    /// `rclone copy` through its `crypt`.
    Rclone(PathBuf),
    /// `restic backup`.
    Restic(PathBuf),
    /// Our own loop of puts through the SDK: the limit.
    Puts(PathBuf),
}

impl Bucket {
    pub(crate) fn make(programs: &Programs) -> Result<Self> {
        let store = Store::start()?;
        let [host, ..] = store.parts().ok_or("an S3 store without an account")?;
        let endpoint = format!("http://{host}");
        let bucket = Self { store, endpoint };
        bucket.warm_up(programs)?;
        Ok(bucket)
    }

    /// The first object makes a store reserve room, which takes it seconds.
    fn warm_up(&self, programs: &Programs) -> Result<()> {
        let place = tempfile::tempdir().map_err(|error| error.to_string())?;
        let file = place.path().join("first");
        std::fs::write(&file, b"first").map_err(|error| error.to_string())?;
        let puts = Peer::Puts(programs.s3_put.clone());
        output(&mut puts.prepare(self, place.path(), place.path())?).map(drop)
    }

    fn parts(&self) -> Result<[&str; 4]> {
        let parts = self.store.parts();
        parts.ok_or_else(|| "an S3 store without an account".to_owned())
    }
}

impl Peer {
    pub(crate) const RCLONE: &'static str = "rclone copy through crypt to S3";

    /// All that can be had on this machine.
    pub(crate) fn all(programs: &Programs) -> Vec<Self> {
        let mut all = vec![Self::Puts(programs.s3_put.clone())];
        all.extend(peers::find("restic").map(Self::Restic));
        all.extend(peers::find("rclone").map(Self::Rclone));
        all
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Rclone(_) => Self::RCLONE,
            Self::Restic(_) => "restic backup to S3",
            Self::Puts(_) => "bare loop of puts to S3",
        }
    }

    /// Everything up to the command that sends `source`; `place` is for what it must keep meanwhile.
    pub(crate) fn prepare(&self, bucket: &Bucket, place: &Path, source: &Path) -> Result<Command> {
        let [_, name, access, secret] = bucket.parts()?;
        let endpoint = &bucket.endpoint;
        let mut command = Command::new(self.program());
        command
            .env("AWS_ACCESS_KEY_ID", access)
            .env("AWS_SECRET_ACCESS_KEY", secret)
            // The store speaks no TLS; rclone does not start with this set.
            .env_remove("AWS_CA_BUNDLE");
        match self {
            Self::Puts(_) => {
                command
                    .args([endpoint, name, "bare/"])
                    .arg(source)
                    .arg(WAYS);
            }
            Self::Rclone(program) => {
                let hidden = output(Command::new(program).args(["obscure", "measuring"]))?;
                command
                    .env("RCLONE_CONFIG", place.join("rclone.conf"))
                    .env("RCLONE_CONFIG_STORE_TYPE", "s3")
                    .env("RCLONE_CONFIG_STORE_PROVIDER", "Other")
                    .env("RCLONE_CONFIG_STORE_ENV_AUTH", "true")
                    .env("RCLONE_CONFIG_STORE_ENDPOINT", endpoint)
                    .env("RCLONE_CONFIG_SEALED_TYPE", "crypt")
                    .env(
                        "RCLONE_CONFIG_SEALED_REMOTE",
                        format!("store:{name}/sealed"),
                    )
                    .env("RCLONE_CONFIG_SEALED_PASSWORD", hidden.trim())
                    .args(["copy", "--transfers", WAYS])
                    .arg(source)
                    .arg("sealed:");
            }
            Self::Restic(program) => {
                let settings = [
                    ("RESTIC_PASSWORD", "measuring".to_owned()),
                    ("RESTIC_REPOSITORY", format!("s3:{endpoint}/{name}/restic")),
                    (
                        "RESTIC_CACHE_DIR",
                        place.join("cache").display().to_string(),
                    ),
                ];
                let mut init = Command::new(program);
                init.env("AWS_ACCESS_KEY_ID", access)
                    .env("AWS_SECRET_ACCESS_KEY", secret)
                    .envs(settings.clone());
                output(init.args(["--quiet", "init"]))?;
                command
                    .envs(settings)
                    .args(["--quiet", "backup"])
                    .arg(source);
            }
        }
        Ok(command)
    }

    fn program(&self) -> &Path {
        match self {
            Self::Rclone(program) | Self::Restic(program) | Self::Puts(program) => program,
        }
    }
}
