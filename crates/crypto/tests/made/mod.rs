//! A sealed revision with everything that belongs to it.

#![allow(clippy::unwrap_used, dead_code, reason = "tests")]

use std::num::NonZeroUsize;

use obhut_crypto::{
    ManifestTerms, RevisionReader, RevisionRef, RevisionSealer, RevisionSecrets, SealedCapsule,
    Workers,
};
use obhut_format::content::ContentInfo;
use obhut_format::manifest::Manifest;
use obhut_format::{CaseId, DocumentId, Kid, VaultId};
use obhut_suite::SecretBytes;
use rand_core::SeedableRng;

pub(crate) struct Made {
    pub(crate) object: Vec<u8>,
    pub(crate) capsule: SealedCapsule,
    pub(crate) info: Vec<u8>,
    pub(crate) manifest: Manifest,
    pub(crate) journal: SecretBytes,
}

impl Made {
    pub(crate) fn secrets(&self) -> RevisionSecrets {
        // EXPOSE: test secrets.
        RevisionSecrets::from_journal(self.journal.expose()).unwrap()
    }

    pub(crate) fn reader(&self) -> RevisionReader {
        let secrets = self.secrets();
        RevisionReader::new(&self.manifest, &secrets.access, &secrets.share).unwrap()
    }
}

pub(crate) fn at() -> RevisionRef {
    RevisionRef {
        vault: VaultId([1; 16]),
        case: CaseId([2; 16]),
        document: DocumentId([3; 16]),
        revision: 1,
    }
}

pub(crate) fn author() -> Kid {
    Kid([4; 32])
}

pub(crate) fn terms() -> ManifestTerms {
    ManifestTerms {
        previous: [0; 32],
        case_epoch: 1,
        class: "ALG-10".parse().unwrap(),
        created_us: 1_700_000_000_000_000,
    }
}

pub(crate) fn threads(count: usize) -> Workers {
    Workers::new(NonZeroUsize::new(count).unwrap())
}

pub(crate) fn rng(seed: u8) -> rand_chacha::ChaCha20Rng {
    rand_chacha::ChaCha20Rng::from_seed([seed; 32])
}

pub(crate) fn patterned(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 31 + at / 251 + 1) as u8).collect()
}

pub(crate) fn make(content: &[u8]) -> Made {
    make_for(
        at(),
        content,
        &threads(1),
        RevisionSecrets::generate(&mut rng(7)),
    )
}

pub(crate) fn make_for(
    at: RevisionRef,
    content: &[u8],
    workers: &Workers,
    secrets: RevisionSecrets,
) -> Made {
    let journal = secrets.to_journal();
    let sealer = RevisionSealer::new(at, author(), secrets);
    let mut object = Vec::new();
    let capsule = sealer
        .seal_content(content.len() as u64, workers, content, &mut object)
        .unwrap();
    let info = ContentInfo {
        true_bytes: content.len() as u64,
        media_type: "application/pdf".to_owned(),
        file_name: Some(b"Bescheid.pdf".to_vec().into()),
    };
    let info = sealer.seal_info(&info).unwrap();
    let previous = if at.revision == 1 { [0; 32] } else { [9; 32] };
    let manifest = sealer.manifest(
        &capsule,
        &info,
        &ManifestTerms {
            previous,
            ..terms()
        },
    );
    Made {
        object,
        capsule,
        info,
        manifest,
        journal,
    }
}
