//! Heads of the access log that this profile was shown: an entry that stood there once may not go away again.

use std::collections::BTreeMap;

use obhut_format::Hash;
use obhut_format::context::Context;
use obhut_format::id::base32;
use obhut_format::tree::consistency_path;
use obhut_log::tile::{TilePath, find_node};
use obhut_log::{Checkpoint, SignedCheckpoint, TlogProof};

use crate::ClientError;
use crate::vault::Vault;

const FOLDER: &str = "access-heads";
/// A consistency path needs fewer tiles than this in any log.
const MAX_TILES: usize = 64;
/// The log may grow, and its tiles with it, between two requests.
const ATTEMPTS: u32 = 3;

impl Vault {
    /// Remembers the head under which the entry of a release was proved.
    pub(crate) fn pin_access_head(&self, proofs: &[String]) -> Result<(), ClientError> {
        for proof in proofs {
            let proof: TlogProof = proof.parse()?;
            let shown = proof.checkpoint.unverified();
            let pinned = self.find_pinned_head(&shown.origin)?;
            if pinned.is_none_or(|pinned| pinned.size < shown.size) {
                self.profile().subfolder(FOLDER)?;
                let text = proof.checkpoint.to_string();
                self.profile()
                    .save(&file_name(&shown.origin), text.as_bytes())?;
            }
        }
        Ok(())
    }

    /// Checks that the access log as it is now begins with the log that proved this profile's last release.
    pub async fn check_access_log(&self) -> Result<(), ClientError> {
        let mut attempt = 1;
        loop {
            let head: SignedCheckpoint = self.endpoint().access_checkpoint().await?.parse()?;
            let Some(pinned) = self.find_pinned_head(&head.unverified().origin)? else {
                return Ok(());
            };
            let quorum = self.directory().access_quorum(&pinned.origin)?;
            let head = quorum.verify(&head)?.checkpoint().clone();
            match self.check_extends(&head, &pinned).await {
                Err(ClientError::Problem(problem)) if problem.status == 404 => {
                    if attempt == ATTEMPTS {
                        return Err(ClientError::integrity(
                            "the vault keeps tiles of the access log back",
                        ));
                    }
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    async fn check_extends(
        &self,
        head: &Checkpoint,
        pinned: &Checkpoint,
    ) -> Result<(), ClientError> {
        if head.size < pinned.size {
            return Err(forgotten());
        }
        let path = self.fetch_consistency(head, pinned.size).await?;
        head.verify_extends(pinned, &path).map_err(|_| forgotten())
    }

    /// The consistency path from the published tiles; what the vault serves is checked against both heads.
    async fn fetch_consistency(
        &self,
        head: &Checkpoint,
        old_size: u64,
    ) -> Result<Vec<Hash>, ClientError> {
        let mut tiles: BTreeMap<TilePath, Vec<u8>> = BTreeMap::new();
        while tiles.len() <= MAX_TILES {
            let mut missing = None;
            let mut read = |tile: TilePath| {
                let known = tiles.get(&tile).cloned();
                if known.is_none() {
                    missing = Some(tile);
                }
                known
            };
            let find = |node| find_node(node, head.size, &mut read);
            let path = consistency_path(old_size, head.size, find);
            match (path, missing) {
                (Ok(path), _) => return Ok(path),
                (Err(_), Some(tile)) => {
                    let bytes = self.endpoint().tile(&head.origin, tile).await?;
                    tiles.insert(tile, bytes);
                }
                (Err(_), None) => break,
            }
        }
        Err(ClientError::integrity(
            "the tiles of the access log do not fit its head",
        ))
    }

    fn find_pinned_head(&self, origin: &str) -> Result<Option<Checkpoint>, ClientError> {
        let Some(text) = self.profile().find(&file_name(origin))? else {
            return Ok(None);
        };
        let head = str::from_utf8(&text)
            .ok()
            .and_then(|text| text.parse::<SignedCheckpoint>().ok());
        let head = head.ok_or_else(|| {
            ClientError::Profile("a kept head of the access log is damaged".into())
        })?;
        Ok(Some(head.unverified().clone()))
    }
}

fn forgotten() -> ClientError {
    ClientError::integrity(
        "the access log does not contain any more what proved an earlier release of yours: \
         entries were taken out or rewritten. The proofs are kept in this profile's receipts",
    )
}

fn file_name(origin: &str) -> String {
    let name = Context::new("obhut/access-head-file/v1")
        .text(origin)
        .hash();
    format!("{FOLDER}/{}", base32(&name))
}
