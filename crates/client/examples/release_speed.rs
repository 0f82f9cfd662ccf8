//! What `cargo xtask bench release` measures with: releases and gets through the SDK.
//!
//! `release_speed PROFILE PASSPHRASE-FILE COUNT WAYS` opens documents of the profile's vault COUNT times, by WAYS
//! clients side by side, and prints a line `phase seconds` for every phase of every one.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    missing_docs,
    reason = "a measuring program"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use obhut_client::profile::{Passphrase, ProfileHome};
use obhut_client::{ActKind, DocumentId, Reason, Vault};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [profile, passphrase, count, ways] = words.as_slice() else {
        panic!("PROFILE PASSPHRASE-FILE COUNT WAYS");
    };
    let (count, ways): (usize, usize) = (count.parse().unwrap(), ways.parse().unwrap());
    let clients: Vec<_> = (0..ways)
        .map(|_| Client::connect(profile, Path::new(passphrase)))
        .collect();
    let began = Instant::now();
    let threads: Vec<_> = clients
        .into_iter()
        .enumerate()
        .map(|(way, client)| {
            std::thread::spawn(move || client.open_some(way * count / ways, count / ways))
        })
        .collect();
    let lines: Vec<String> = threads
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    let elapsed = began.elapsed().as_secs_f64();
    println!("{}\nelapsed {elapsed:.6}", lines.join("\n"));
}

/// A client on a thread of its own, as another machine would be.
struct Client {
    runtime: tokio::runtime::Runtime,
    vault: Vault,
    documents: Vec<DocumentId>,
}

impl Client {
    fn connect(profile: &str, passphrase: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let home = ProfileHome::from_environment().unwrap();
        let passphrase = Passphrase::read_file(passphrase).unwrap();
        let mut vault = Vault::open(home.open(profile).unwrap(), &passphrase).unwrap();
        runtime.block_on(vault.connect()).unwrap();
        let cases = vault.directory().cases();
        let documents = cases
            .flat_map(|case| vault.directory().documents_of_case(case.case))
            .map(|document| document.document)
            .collect();
        Self {
            runtime,
            vault,
            documents,
        }
    }

    fn open_some(mut self, first: usize, count: usize) -> String {
        let mut lines = Vec::with_capacity(count * 4);
        let documents: Vec<DocumentId> = self
            .documents
            .iter()
            .copied()
            .cycle()
            .skip(first % self.documents.len())
            .take(count)
            .collect();
        for document in documents {
            let [release, keys, content] = self.open(document);
            let whole = release + keys + content;
            let phases = [
                ("release", release),
                ("keys", keys),
                ("fetch-and-open", content),
                ("whole", whole),
            ];
            lines.extend(phases.map(|(phase, took)| format!("{phase} {:.6}", took.as_secs_f64())));
        }
        lines.join("\n")
    }

    /// How long the release took, opening its keys, and fetching and opening the content.
    fn open(&mut self, document: DocumentId) -> [Duration; 3] {
        let reason = Reason {
            purpose: "measuring".into(),
            legal_basis: "none".into(),
            justification: None,
        };
        let vault = &mut self.vault;
        self.runtime.block_on(async {
            let began = Instant::now();
            let case = vault.directory().document(document).unwrap().case;
            let draft = vault.document_act(ActKind::OpenDocument, case, &[document], 0, &reason);
            let released = vault.release(draft.unwrap()).await.unwrap();
            let release = began.elapsed();
            let opened = vault
                .open_revisions(&released)
                .await
                .unwrap()
                .pop()
                .unwrap();
            let keys = began.elapsed().saturating_sub(release);
            let content = vault.load_content(opened).await.unwrap();
            assert!(!content.is_empty());
            [
                release,
                keys,
                began.elapsed().saturating_sub(release + keys),
            ]
        })
    }
}
