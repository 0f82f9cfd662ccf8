//! Files into capsules and back, under fixed keys.

use std::fs::{self, File};
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use obhut_crypto::{
    ManifestTerms, Quarantine, RevisionReader, RevisionRef, RevisionSealer, RevisionSecrets,
    Workers,
};
use obhut_format::content::ContentInfo;
use obhut_format::manifest::Manifest;
use obhut_format::{CaseId, DocumentId, Kid, VaultId};
use rand_core::SeedableRng;

/// A sealer with fixed keys and its workers.
pub(crate) struct Bench {
    sealer: RevisionSealer,
    workers: Workers,
}

impl Bench {
    pub(crate) fn new(threads: usize) -> Self {
        let at = RevisionRef {
            vault: VaultId([1; 16]),
            case: CaseId([2; 16]),
            document: DocumentId([3; 16]),
            revision: 1,
        };
        let mut rng = rand_chacha::ChaCha20Rng::from_seed([7; 32]);
        Self {
            sealer: RevisionSealer::new(at, Kid([4; 32]), RevisionSecrets::generate(&mut rng)),
            workers: Workers::new(NonZeroUsize::new(threads).unwrap()),
        }
    }

    /// Seals the file into a new object, with manifest and content info beside it.
    pub(crate) fn seal(&self, plain: &Path, object: &Path) {
        let source = File::open(plain).unwrap();
        let true_bytes = source.metadata().unwrap().len();
        let sink = fresh(object);
        let capsule = self
            .sealer
            .seal_content(true_bytes, &self.workers, source, sink)
            .unwrap();
        let info = ContentInfo {
            true_bytes,
            media_type: "text/plain".into(),
            file_name: None,
        };
        let sealed_info = self.sealer.seal_info(&info).unwrap();
        let terms = ManifestTerms {
            previous: [0; 32],
            case_epoch: 1,
            class: "ALG-10".parse().unwrap(),
            created_us: 0,
        };
        let manifest = self.sealer.manifest(&capsule, &sealed_info, &terms);
        fs::write(object.with_extension("info"), sealed_info).unwrap();
        fs::write(object.with_extension("manifest"), manifest.to_bytes()).unwrap();
    }

    /// Opens the object into a file that appears when all of it is verified.
    pub(crate) fn open(&self, object: &Path, opened: &Path) {
        let manifest = fs::read(object.with_extension("manifest")).unwrap();
        let manifest = Manifest::parse(&manifest).unwrap();
        let secrets = self.sealer.secrets();
        let reader = RevisionReader::new(&manifest, &secrets.access, &secrets.share).unwrap();
        let sealed_info = fs::read(object.with_extension("info")).unwrap();
        let info = reader.open_info(&sealed_info).unwrap();
        let source = File::open(object).unwrap();
        let part = opened.with_extension("part");
        let hidden = Hidden {
            file: fresh(&part),
            part,
            target: opened.to_owned(),
        };
        reader
            .open_content(&info, &self.workers, source, hidden)
            .unwrap();
    }
}

/// A new file: what was there before costs nothing and gives nothing.
fn fresh(path: &Path) -> File {
    let _ = fs::remove_file(path);
    File::create_new(path).unwrap()
}

/// A file under another name until it counts.
struct Hidden {
    file: File,
    part: PathBuf,
    target: PathBuf,
}

impl Write for Hidden {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn write_vectored(&mut self, pieces: &[io::IoSlice<'_>]) -> io::Result<usize> {
        self.file.write_vectored(pieces)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Quarantine for Hidden {
    type Kept = ();

    fn finish(self) -> io::Result<()> {
        fs::rename(self.part, self.target)
    }
}
