//! AEAD and hash alone, in memory, over as many bytes as the files have together.

use std::hint::black_box;

use obhut_suite::{Backend, CHUNK, ChunkCipher, SEALED_CHUNK, Secret};
use sha2::{Digest, Sha256};

/// What [`Memory::run`] knows.
pub(crate) const NAMES: [&str; 3] = ["aes-gcm", "ring", "sha-256"];

/// Memory is walked over again rather than being larger than this.
const LARGEST: usize = 64 << 20;

/// Chunks to work on, one part for each thread.
pub(crate) struct Memory {
    slots: Vec<u8>,
    threads: usize,
    passes: usize,
    ciphers: [(&'static str, ChunkCipher); 2],
}

impl Memory {
    pub(crate) fn new(bytes: usize, threads: usize) -> Self {
        let walked = bytes.min(LARGEST);
        let cipher = |backend| {
            let key = Secret::new([1; 32]);
            ChunkCipher::derive(backend, &key, &[2; 24], b"bench").0
        };
        Self {
            slots: vec![0; walked.div_ceil(CHUNK) * SEALED_CHUNK],
            threads,
            passes: bytes / walked,
            ciphers: [
                ("aes-gcm", cipher(Backend::AesGcm)),
                ("ring", cipher(Backend::Ring)),
            ],
        }
    }

    pub(crate) fn run(&mut self, name: &str) {
        let cipher = self.ciphers.iter().find(|(known, _)| *known == name);
        let passes = self.passes;
        in_parts(&mut self.slots, self.threads, |part| {
            for _ in 0..passes {
                for (index, slot) in part.chunks_mut(SEALED_CHUNK).enumerate() {
                    match cipher {
                        Some((_, cipher)) => {
                            cipher.seal_chunk_in_place(index as u64, slot).unwrap();
                        }
                        None => _ = black_box(Sha256::digest(slot)),
                    }
                }
            }
        });
    }
}

fn in_parts(slots: &mut [u8], threads: usize, work: impl Fn(&mut [u8]) + Sync) {
    let chunks = slots.len() / SEALED_CHUNK;
    let part = chunks.div_ceil(threads) * SEALED_CHUNK;
    std::thread::scope(|scope| {
        for part in slots.chunks_mut(part) {
            let work = &work;
            scope.spawn(move || work(part));
        }
    });
}
