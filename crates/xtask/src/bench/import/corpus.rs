//! The folder to import: small files of random bytes, so that nobody gains by packing them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

use crate::run::Result;

pub(crate) const FILE_BYTES: usize = 50 * 1024;

/// Files of one case.
const CASE_FILES: usize = 100;

pub(crate) struct Corpus {
    pub(crate) folder: PathBuf,
    pub(crate) files: usize,
}

impl Corpus {
    /// Writes it anew, alike on every machine.
    pub(crate) fn write(folder: &Path, files: usize) -> Result<Self> {
        let corpus = Self {
            folder: folder.to_owned(),
            files,
        };
        corpus.remove()?;
        corpus
            .fill()
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(corpus)
    }

    fn fill(&self) -> io::Result<()> {
        let mut rng = ChaCha20Rng::seed_from_u64(50);
        let mut content = vec![0; FILE_BYTES];
        for number in 0..self.files {
            let case = self.folder.join(format!("case-{:03}", number / CASE_FILES));
            if number % CASE_FILES == 0 {
                fs::create_dir_all(&case)?;
            }
            rng.fill_bytes(&mut content);
            fs::write(case.join(format!("document-{number:05}.bin")), &content)?;
        }
        Ok(())
    }

    pub(crate) fn remove(&self) -> Result<()> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(format!("{}: {error}", self.folder.display()))
            }
            _ => Ok(()),
        }
    }
}
