//! Sealing and opening chunks in place, on each backend, with one and two threads.

#![allow(missing_docs, clippy::unwrap_used, reason = "benchmark")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use obhut_suite::{Backend, CHUNK, ChunkCipher, SEALED_CHUNK, Secret};

const CHUNKS: usize = 1024;

fn seal(c: &mut Criterion) {
    let mut group = c.benchmark_group("seal_16_MiB");
    group.throughput(Throughput::Bytes((CHUNKS * CHUNK) as u64));
    for (name, backend) in [("aes-gcm", Backend::AesGcm), ("ring", Backend::Ring)] {
        let (cipher, _) = ChunkCipher::derive(backend, &Secret::new([1; 32]), &[2; 24], b"bench");
        for threads in [1, 2] {
            let mut slots = vec![0; CHUNKS * SEALED_CHUNK];
            group.bench_function(BenchmarkId::new(name, threads), |b| {
                b.iter(|| {
                    each_slot(&mut slots, threads, |index, slot| {
                        cipher.seal_chunk_in_place(index, slot).unwrap();
                    });
                });
            });
        }
    }
    group.finish();
}

fn each_slot(slots: &mut [u8], threads: usize, work: impl Fn(u64, &mut [u8]) + Sync) {
    let share = CHUNKS / threads;
    std::thread::scope(|scope| {
        for (thread, part) in slots.chunks_mut(share * SEALED_CHUNK).enumerate() {
            let work = &work;
            scope.spawn(move || {
                for (at, slot) in part.chunks_mut(SEALED_CHUNK).enumerate() {
                    work((thread * share + at) as u64, slot);
                }
            });
        }
    });
}

criterion_group!(benches, seal);
criterion_main!(benches);
