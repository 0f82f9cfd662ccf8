use obhut_crypto::*;
use obhut_format::{CaseId, DocumentId, Kid, VaultId, content::ContentInfo, tree::leaf_hash};
use obhut_suite::*;
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
    let mib: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let threads: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    let rounds: usize = std::env::args().nth(3).unwrap().parse().unwrap();
    let len = mib << 20;
    let dir = "/dev/shm/obhut-scratch";
    std::fs::create_dir_all(dir).unwrap();
    let src = format!("{dir}/src");
    let obj = format!("{dir}/obj");
    let out = format!("{dir}/out");
    std::fs::write(&src, vec![7u8; len]).unwrap();
    let at = RevisionRef {
        vault: VaultId([1; 16]),
        case: CaseId([2; 16]),
        document: DocumentId([3; 16]),
        revision: 1,
    };
    let mut rng = rand_chacha::ChaCha20Rng::from_seed([7; 32]);
    let s = RevisionSealer::new(at, Kid([4; 32]), RevisionSecrets::generate(&mut rng));
    let n = &Workers::new(NonZeroUsize::new(threads).unwrap());
    let mut slots = vec![0u8; (64usize << 20) / CHUNK * SEALED_CHUNK];
    let (cipher, _) = ChunkCipher::derive(Backend::Ring, &Secret::new([1; 32]), &[2; 24], b"b");
    let par = |slots: &mut [u8], f: &(dyn Fn(&mut [u8]) + Sync)| {
        let p = slots.len() / threads;
        std::thread::scope(|sc| {
            for part in slots.chunks_mut(p) {
                sc.spawn(move || f(part));
            }
        })
    };
    let (mut a, mut h, mut se, mut op, mut sem, mut opm) =
        (vec![], vec![], vec![], vec![], vec![], vec![]);
    let content = std::fs::read(&src).unwrap();
    for _ in 0..rounds {
        let t = Instant::now();
        par(&mut slots, &|p| {
            for (i, s) in p.chunks_mut(SEALED_CHUNK).enumerate() {
                cipher.seal_chunk_in_place(i as u64, s).unwrap()
            }
        });
        a.push(64.0 / 1024.0 / t.elapsed().as_secs_f64());
        let t = Instant::now();
        par(&mut slots, &|p| {
            p.chunks(16 * SEALED_CHUNK).for_each(|l| {
                std::hint::black_box(leaf_hash(l));
            })
        });
        h.push(64.0 / 1024.0 / t.elapsed().as_secs_f64());
        let t = Instant::now();
        let c = s
            .seal_content(
                len as u64,
                n,
                File::open(&src).unwrap(),
                File::create(&obj).unwrap(),
            )
            .unwrap();
        se.push(mib as f64 / 1024.0 / t.elapsed().as_secs_f64());
        let info = ContentInfo {
            true_bytes: len as u64,
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
        let r = RevisionReader::new(&m, &s.secrets().access, &s.secrets().share).unwrap();
        let t = Instant::now();
        r.open_content(
            &info,
            n,
            File::open(&obj).unwrap(),
            F(File::create(&out).unwrap()),
        )
        .unwrap();
        op.push(mib as f64 / 1024.0 / t.elapsed().as_secs_f64());
        let t = Instant::now();
        let _ = s
            .seal_content(len as u64, n, &content[..], std::io::sink())
            .unwrap();
        sem.push(mib as f64 / 1024.0 / t.elapsed().as_secs_f64());
        opm.push(0.0f64);
    }
    let med = |v: &mut Vec<f64>| {
        v.sort_by(|a, b| a.partial_cmp(b).unwrap());
        if v.is_empty() { 0.0 } else { v[v.len() / 2] }
    };
    let (a, h, se, op, sem) = (
        med(&mut a),
        med(&mut h),
        med(&mut se),
        med(&mut op),
        med(&mut sem),
    );
    let bound = 1.0 / (1.0 / a + 1.0 / h);
    println!(
        "{mib} MiB {threads} thr: aead {a:.2} sha {h:.2} bound {bound:.2} | tmpfs seal {se:.2} ({:.0}%) open {op:.2} ({:.0}%) | mem seal {sem:.2} ({:.0}%)",
        100. * se / bound,
        100. * op / bound,
        100. * sem / bound
    );
    let _ = std::fs::remove_dir_all(dir);
}
