use obhut_crypto::*;
use obhut_format::{CaseId, DocumentId, Kid, VaultId, content::ContentInfo};
use rand_core::SeedableRng;
use std::{fs::File, io::Write, num::NonZeroUsize, time::Instant};
struct F(File);
impl Write for F {
    fn write(&mut self, b: &[u8]) -> std::io::Result<usize> {
        self.0.write(b)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
impl Quarantine for F {
    type Kept = ();
    fn finish(self) -> std::io::Result<()> {
        Ok(())
    }
}
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let threads: usize = a[4].parse().unwrap();
    let at = RevisionRef {
        vault: VaultId([1; 16]),
        case: CaseId([2; 16]),
        document: DocumentId([3; 16]),
        revision: 1,
    };
    let mut rng = rand_chacha::ChaCha20Rng::from_seed([7; 32]);
    let s = RevisionSealer::new(at, Kid([4; 32]), RevisionSecrets::generate(&mut rng));
    let n = &Workers::new(NonZeroUsize::new(threads).unwrap());
    let t = Instant::now();
    if a[1] == "seal" {
        let len = std::fs::metadata(&a[2]).unwrap().len();
        let c = s
            .seal_content(
                len,
                n,
                File::open(&a[2]).unwrap(),
                File::create(&a[3]).unwrap(),
            )
            .unwrap();
        let info = ContentInfo {
            true_bytes: len,
            media_type: "".into(),
            file_name: None,
        };
        let si = s.seal_info(&info).unwrap();
        let m = s.manifest(
            &c,
            &si,
            &ManifestTerms {
                previous: [0; 32],
                case_epoch: 1,
                class: "ALG-10".parse().unwrap(),
                created_us: 0,
            },
        );
        std::fs::write(format!("{}.m", a[3]), m.to_bytes()).unwrap();
        std::fs::write(format!("{}.i", a[3]), si).unwrap();
    } else {
        let m =
            obhut_format::manifest::Manifest::parse(&std::fs::read(format!("{}.m", a[2])).unwrap())
                .unwrap();
        let r = RevisionReader::new(&m, &s.secrets().access, &s.secrets().share).unwrap();
        let info = r
            .open_info(&std::fs::read(format!("{}.i", a[2])).unwrap())
            .unwrap();
        r.open_content(
            &info,
            n,
            File::open(&a[2]).unwrap(),
            F(File::create(&a[3]).unwrap()),
        )
        .unwrap();
    }
    eprintln!("{:?}", t.elapsed());
}
