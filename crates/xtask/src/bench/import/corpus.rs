//! The folder to import: files of random bytes, so that nobody gains by packing them.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};

use crate::run::Result;

pub(crate) const FILE_BYTES: usize = 50 * 1024;

/// Written at once; larger files are multiples of it.
const PIECE: usize = 1 << 20;

/// Files of one case.
const CASE_FILES: usize = 100;

pub(crate) struct Corpus {
    pub(crate) folder: PathBuf,
    pub(crate) files: usize,
    pub(crate) file_bytes: usize,
}

impl Corpus {
    /// Writes it anew, alike on every machine.
    pub(crate) fn write(folder: &Path, files: usize, file_bytes: usize) -> Result<Self> {
        let corpus = Self {
            folder: folder.to_owned(),
            files,
            file_bytes,
        };
        corpus.remove()?;
        corpus
            .fill()
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(corpus)
    }

    fn fill(&self) -> io::Result<()> {
        let mut rng = ChaCha20Rng::seed_from_u64(50);
        let mut piece = vec![0; self.file_bytes.min(PIECE)];
        for number in 0..self.files {
            let case = self.folder.join(format!("case-{:03}", number / CASE_FILES));
            if number % CASE_FILES == 0 {
                fs::create_dir_all(&case)?;
            }
            let mut file = File::create(case.join(format!("document-{number:05}.bin")))?;
            for _ in 0..self.file_bytes / piece.len() {
                rng.fill_bytes(&mut piece);
                file.write_all(&piece)?;
            }
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
