//! Files into capsules and back, under fixed keys.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, Read, Write};
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
        let (manifest, info) = self.seal_into(source, true_bytes, fresh(object));
        fs::write(object.with_extension("info"), info).unwrap();
        fs::write(object.with_extension("manifest"), manifest.to_bytes()).unwrap();
    }

    /// Opens the object into a file that appears when all of it is verified.
    pub(crate) fn open(&self, object: &Path, opened: &Path) {
        let manifest = fs::read(object.with_extension("manifest")).unwrap();
        let info = fs::read(object.with_extension("info")).unwrap();
        let part = opened.with_extension("part");
        let hidden = Hidden {
            file: fresh(&part),
            part,
            target: opened.to_owned(),
        };
        let manifest = Manifest::parse(&manifest).unwrap();
        self.open_into(&manifest, &info, File::open(object).unwrap(), hidden);
    }

    /// Seals from anywhere to anywhere; the manifest and the sealed content info.
    pub(crate) fn seal_into(
        &self,
        source: impl Read + Send,
        true_bytes: u64,
        sink: impl Write,
    ) -> (Manifest, Vec<u8>) {
        let sealer = &self.sealer;
        let capsule = sealer.seal_content(true_bytes, &self.workers, source, sink);
        let info = ContentInfo {
            true_bytes,
            media_type: "text/plain".into(),
            file_name: None,
        };
        let sealed_info = sealer.seal_info(&info).unwrap();
        let terms = ManifestTerms {
            previous: [0; 32],
            case_epoch: 1,
            class: "ALG-10".parse().unwrap(),
            created_us: 0,
        };
        let manifest = sealer.manifest(&capsule.unwrap(), &sealed_info, &terms);
        (manifest, sealed_info)
    }

    /// Opens from anywhere to anywhere.
    pub(crate) fn open_into(
        &self,
        manifest: &Manifest,
        sealed_info: &[u8],
        source: impl Read + Send,
        quarantine: impl Quarantine,
    ) {
        let secrets = self.sealer.secrets();
        let reader = RevisionReader::new(manifest, &secrets.access, &secrets.share).unwrap();
        let info = reader.open_info(sealed_info).unwrap();
        reader
            .open_content(&info, &self.workers, source, quarantine)
            .map(drop)
            .unwrap();
    }
}

/// A new file: what was there before costs nothing and gives nothing.
fn fresh(path: &Path) -> File {
    let _ = fs::remove_file(path);
    File::create_new(path).unwrap()
}

/// Takes bytes and forgets them.
pub(crate) struct Forget;

impl Write for Forget {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(black_box(bytes).len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Quarantine for Forget {
    type Kept = ();

    fn finish(self) -> io::Result<()> {
        Ok(())
    }
}

/// Copies as a capsule is read and written, and does nothing else: what the file system takes.
pub(crate) fn copy(plain: &Path, copy: &Path) {
    let (mut source, mut sink) = (File::open(plain).unwrap(), fresh(copy));
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = source.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        sink.write_all(buffer.split_at(read).0).unwrap();
    }
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
