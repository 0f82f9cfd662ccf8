//! Heads of the access log that this profile was shown. Each must continue the one before, so what once proved a
//! release, kept with its receipt, cannot go away again, and nobody is led onto a fork.

use std::collections::BTreeMap;
use std::time::Duration;

use obhut_format::Hash;
use obhut_format::context::Context;
use obhut_format::id::base32;
use obhut_format::tree::consistency_path;
use obhut_log::tile::{TILE_WIDTH, TilePath, find_node};
use obhut_log::{Checkpoint, SignedCheckpoint, TlogProof};

use crate::ClientError;
use crate::act::current_shard;
use crate::clock::now_us;
use crate::profile::Profile;
use crate::session::CLOCK_TOLERANCE_S;
use crate::transport::Endpoint;
use crate::vault::Vault;

const FOLDER: &str = "access-heads";
/// A consistency path needs fewer tiles than this in any log.
const MAX_TILES: usize = 64;
/// The head of the shard in use must have been cosigned within this time.
const MAX_AGE_S: u64 = 300;
/// One of several front ends may lag behind another for a moment.
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(300);

impl Vault {
    /// Checks that every shard of the access log still begins with the head of it this profile was shown last.
    pub async fn check_access_log(&self) -> Result<(), ClientError> {
        let current = self.check_current_shard().await?;
        for shard in self.directory().shards() {
            let origin = shard.origin.as_str();
            let checked = current.as_deref() == Some(origin);
            if !checked && self.access_heads().find(origin)?.is_some() {
                let text = self.endpoint().shard_checkpoint(origin).await;
                self.check_head(&text.map_err(kept_back)?.parse()?).await?;
            }
        }
        Ok(())
    }

    /// The head of the shard in use, which must be fresh; none where nobody has acted in it yet.
    async fn check_current_shard(&self) -> Result<Option<String>, ClientError> {
        let mut attempt = 1;
        loop {
            let head: SignedCheckpoint = match self.endpoint().access_checkpoint().await {
                Err(ClientError::Problem(problem))
                    if problem.code() == "unconfirmed" && !self.has_current_head()? =>
                {
                    return Ok(None);
                }
                other => other?.parse()?,
            };
            let origin = head.unverified().origin.clone();
            if !self.current_shards().any(|current| current == origin) {
                return Err(ClientError::integrity(
                    "the vault shows the head of another access log than the one in use",
                ));
            }
            let quorum = self.directory().access_quorum(&origin)?;
            let _ = quorum.verify_fresh(&head, now_us() / 1_000_000, MAX_AGE_S)?;
            match self.check_head(&head).await {
                Ok(()) => return Ok(Some(origin)),
                Err(failed) if attempt == ATTEMPTS => return Err(failed),
                Err(_) => attempt += 1,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The shards that may be in use, as far apart as the clocks may be.
    fn current_shards(&self) -> impl Iterator<Item = String> {
        let (now_us, apart_us) = (now_us(), CLOCK_TOLERANCE_S * 1_000_000);
        let times = [now_us, now_us - apart_us, now_us + apart_us];
        times
            .into_iter()
            .filter_map(|at_us| current_shard(self.directory(), at_us).ok())
    }

    fn has_current_head(&self) -> Result<bool, ClientError> {
        for origin in self.current_shards() {
            if self.access_heads().find(&origin)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// A head the vault shows as the newest: not below the kept one.
    async fn check_head(&self, head: &SignedCheckpoint) -> Result<(), ClientError> {
        let shown = head.unverified();
        let kept = self.access_heads().find(&shown.origin)?;
        if kept.is_some_and(|kept| kept.size > shown.size) {
            return Err(forgotten());
        }
        self.keep_access_head(head).await
    }

    /// Checks the heads under which the entry of a release was proved, and keeps the largest.
    pub(crate) async fn keep_proving_heads(&self, proofs: &[String]) -> Result<(), ClientError> {
        for proof in proofs {
            let proof: TlogProof = proof.parse()?;
            self.keep_access_head(&proof.checkpoint).await?;
        }
        Ok(())
    }

    /// Checks a head's quorum and that it and the kept one are stages of one log; keeps the larger.
    pub(crate) async fn keep_access_head(
        &self,
        head: &SignedCheckpoint,
    ) -> Result<(), ClientError> {
        let quorum = self.directory().access_quorum(&head.unverified().origin)?;
        let _ = quorum.verify(head)?;
        self.access_heads().keep(head).await
    }

    fn access_heads(&self) -> AccessHeads<'_> {
        AccessHeads {
            profile: self.profile(),
            endpoint: self.endpoint(),
        }
    }
}

/// The kept heads, one a shard.
struct AccessHeads<'a> {
    profile: &'a Profile,
    endpoint: &'a Endpoint,
}

impl AccessHeads<'_> {
    /// Keeps a verified head that continues the kept one; refuses a fork and then leaves what is kept as it is.
    async fn keep(&self, head: &SignedCheckpoint) -> Result<(), ClientError> {
        let shown = head.unverified();
        loop {
            let kept = self.find(&shown.origin)?;
            if let Some(kept) = &kept {
                self.check_stages(kept, shown).await?;
                if shown.size <= kept.size {
                    return Ok(());
                }
            }
            let _held = self.profile.hold_state()?;
            // Another command of this profile may have kept a head that this one was not compared with.
            if self.find(&shown.origin)? != kept {
                continue;
            }
            self.profile.subfolder(FOLDER)?;
            let text = head.to_string();
            return self
                .profile
                .save(&file_name(&shown.origin), text.as_bytes());
        }
    }

    /// Two heads must be stages of one log.
    async fn check_stages(&self, one: &Checkpoint, other: &Checkpoint) -> Result<(), ClientError> {
        let (older, newer) = if one.size < other.size {
            (one, other)
        } else {
            (other, one)
        };
        let path = self.fetch_consistency(newer, older.size).await?;
        newer.verify_extends(older, &path).map_err(|_| forgotten())
    }

    fn find(&self, origin: &str) -> Result<Option<Checkpoint>, ClientError> {
        let Some(text) = self.profile.find(&file_name(origin))? else {
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
                    let bytes = self.fetch_tile(&head.origin, tile).await?;
                    tiles.insert(tile, bytes);
                }
                (Err(_), None) => break,
            }
        }
        Err(ClientError::integrity(
            "the tiles of the access log do not fit its head",
        ))
    }

    /// A hash tile of this width, cut from the full one where that has replaced it.
    async fn fetch_tile(&self, origin: &str, tile: TilePath) -> Result<Vec<u8>, ClientError> {
        match self.endpoint.tile(origin, tile).await {
            Err(ClientError::Problem(problem)) if problem.status == 404 && !tile.is_full() => {
                let full = TilePath {
                    width: TILE_WIDTH as u16,
                    ..tile
                };
                let mut bytes = self.endpoint.tile(origin, full).await.map_err(kept_back)?;
                bytes.truncate(usize::from(tile.width) * size_of::<Hash>());
                Ok(bytes)
            }
            other => other.map_err(kept_back),
        }
    }
}

fn kept_back(failed: ClientError) -> ClientError {
    match failed {
        ClientError::Problem(problem) if problem.status == 404 => {
            ClientError::integrity("the vault keeps tiles of the access log back")
        }
        other => other,
    }
}

fn forgotten() -> ClientError {
    ClientError::integrity(
        "the access log does not contain any more what proved an earlier release of yours, or there are two of it: \
         entries were taken out or rewritten. The proofs are kept in this profile's receipts",
    )
}

fn file_name(origin: &str) -> String {
    let name = Context::new("obhut/access-head-file/v1")
        .text(origin)
        .hash();
    format!("{FOLDER}/{}", base32(&name))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
#[path = "access_heads_tests.rs"]
mod tests;
