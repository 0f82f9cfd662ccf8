//! A gatekeeper and a log key that sign two histories, and what the client makes of them.

use obhut_format::tree::{Tree, leaf_hash};
use obhut_log::{NoteKeyType, NoteSigner};
use obhut_suite::{NoteKey, Secret};

use super::*;
use crate::Failure;
use crate::profile::ProfileHome;
use crate::transport::test_server::{ok, serve};

const ORIGIN: &str = "vault.example/access/std/2026q4";

/// A log of these leaves and the endpoint that serves its tiles.
struct Log {
    leaves: Vec<Hash>,
    endpoint: Endpoint,
}

impl Log {
    async fn of(leaves: &str) -> Self {
        let leaves: Vec<Hash> = leaves.bytes().map(|byte| leaf_hash(&[byte])).collect();
        let tile = leaves.concat();
        let endpoint = serve(move |_, request| {
            let (path, _) = request.split_once(" http/").unwrap();
            let (_, width) = path.rsplit_once(".p/").unwrap();
            ok(&tile[..width.parse::<usize>().unwrap() * 32])
        })
        .await;
        Self { leaves, endpoint }
    }

    fn head(&self, size: usize) -> SignedCheckpoint {
        let tree = Tree::new(self.leaves[..size].to_vec());
        let head = Checkpoint {
            origin: ORIGIN.to_owned(),
            size: tree.size(),
            root: tree.root(),
        };
        let key = NoteKey::from_seed(&Secret::new([1; 32]));
        let log = NoteSigner::new(ORIGIN, NoteKeyType::Log, key).unwrap();
        SignedCheckpoint::sign(head, &log).unwrap()
    }

    async fn keep(&self, profile: &Profile, size: usize) -> Result<(), ClientError> {
        let endpoint = &self.endpoint;
        AccessHeads { profile, endpoint }
            .keep(&self.head(size))
            .await
    }
}

#[tokio::test]
async fn e07_a_larger_head_of_a_forked_log_is_refused_and_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let profile = ProfileHome::new(folder.path().join("home"))
        .create("one")
        .unwrap();
    let honest = Log::of("abcdefgh").await;
    let forked = Log::of("abXdefgh").await;
    honest.keep(&profile, 3).await.unwrap();
    let kept = || {
        let endpoint = &honest.endpoint;
        let heads = AccessHeads {
            profile: &profile,
            endpoint,
        };
        heads.find(ORIGIN).unwrap().unwrap()
    };
    for size in [3, 5, 8] {
        let refused = forked.keep(&profile, size).await.unwrap_err();
        assert_eq!(refused.failure(), Failure::Integrity, "{refused}");
        assert_eq!(kept(), *honest.head(3).unverified());
    }
    honest.keep(&profile, 6).await.unwrap();
    assert_eq!(kept().size, 6);
    // An older stage of the same log is no fork, and replaces nothing.
    honest.keep(&profile, 5).await.unwrap();
    assert_eq!(kept().size, 6);
    assert!(forked.keep(&profile, 5).await.is_err());
}
