//! Sealing and opening a capsule beside the two primitives that bound it, in one run:
//! the target is 85 % of 1/(1/AEAD + 1/SHA-256).

#![allow(missing_docs, clippy::unwrap_used, reason = "benchmark")]

use std::hint::black_box;
use std::io::{self, Write};
use std::num::NonZeroUsize;

use criterion::measurement::WallTime;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use obhut_crypto::{
    ManifestTerms, Quarantine, RevisionReader, RevisionRef, RevisionSealer, RevisionSecrets,
    Workers,
};
use obhut_format::content::ContentInfo;
use obhut_format::tree::leaf_hash;
use obhut_format::{CaseId, DocumentId, Kid, VaultId};
use obhut_suite::{Backend, CHUNK, ChunkCipher, SEALED_CHUNK, Secret};
use rand_core::SeedableRng;

const MIB: usize = 1 << 20;
const LEAF: usize = 16 * SEALED_CHUNK;

/// Takes content and forgets it.
struct Forget;

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

fn capsules(c: &mut Criterion) {
    let mut group = c.benchmark_group("capsule");
    group.sample_size(20);
    group.throughput(Throughput::Bytes(64 * MIB as u64));
    for threads in [1, 2] {
        primitives(&mut group, threads);
    }
    for (name, len) in [("1MiB", MIB), ("64MiB", 64 * MIB)] {
        group.throughput(Throughput::Bytes(len as u64));
        for threads in [1, 2] {
            whole(&mut group, name, len, threads);
        }
    }
    group.finish();
}

fn primitives(group: &mut BenchmarkGroup<'_, WallTime>, threads: usize) {
    let mut slots = vec![0; 64 * MIB / CHUNK * SEALED_CHUNK];
    for (name, backend) in [("aes-gcm", Backend::AesGcm), ("ring", Backend::Ring)] {
        let (cipher, _) = ChunkCipher::derive(backend, &Secret::new([1; 32]), &[2; 24], b"bench");
        group.bench_function(BenchmarkId::new(name, threads), |b| {
            b.iter(|| {
                in_parts(&mut slots, threads, |part| {
                    for (index, slot) in part.chunks_mut(SEALED_CHUNK).enumerate() {
                        cipher.seal_chunk_in_place(index as u64, slot).unwrap();
                    }
                });
            });
        });
    }
    group.bench_function(BenchmarkId::new("sha-256", threads), |b| {
        b.iter(|| {
            in_parts(&mut slots, threads, |part| {
                part.chunks(LEAF).for_each(|leaf| {
                    black_box(leaf_hash(leaf));
                });
            });
        });
    });
}

fn in_parts(slots: &mut [u8], threads: usize, work: impl Fn(&mut [u8]) + Sync) {
    let part = slots.len() / threads;
    std::thread::scope(|scope| {
        for part in slots.chunks_mut(part) {
            let work = &work;
            scope.spawn(move || work(part));
        }
    });
}

fn whole(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, len: usize, threads: usize) {
    let at = RevisionRef {
        vault: VaultId([1; 16]),
        case: CaseId([2; 16]),
        document: DocumentId([3; 16]),
        revision: 1,
    };
    let mut rng = rand_chacha::ChaCha20Rng::from_seed([7; 32]);
    let sealer = RevisionSealer::new(at, Kid([4; 32]), RevisionSecrets::generate(&mut rng));
    let (content, workers) = (
        vec![7; len],
        Workers::new(NonZeroUsize::new(threads).unwrap()),
    );
    let seal = |sink: &mut dyn Write| {
        sealer
            .seal_content(len as u64, &workers, &content[..], sink)
            .unwrap()
    };
    let mut object = Vec::new();
    let capsule = seal(&mut object);
    let info = ContentInfo {
        true_bytes: len as u64,
        media_type: String::new(),
        file_name: None,
    };
    let sealed_info = sealer.seal_info(&info).unwrap();
    let terms = ManifestTerms {
        previous: [0; 32],
        case_epoch: 1,
        class: "ALG-10".parse().unwrap(),
        created_us: 0,
    };
    let manifest = sealer.manifest(&capsule, &sealed_info, &terms);
    let secrets = sealer.secrets();
    let reader = RevisionReader::new(&manifest, &secrets.access, &secrets.share).unwrap();
    group.bench_function(BenchmarkId::new(format!("seal-{name}"), threads), |b| {
        b.iter(|| seal(&mut Forget));
    });
    group.bench_function(BenchmarkId::new(format!("open-{name}"), threads), |b| {
        b.iter(|| {
            reader
                .open_content(&info, &workers, &object[..], Forget)
                .unwrap();
        });
    });
}

criterion_group!(benches, capsules);
criterion_main!(benches);
