//! Inclusion of leaves in heads that a quorum stands behind.

use std::sync::Arc;
use std::time::Duration;

use obhut_format::Hash;
use obhut_log::{SignedCheckpoint, TlogProof};

use crate::{StoreError, Vault};

impl Vault {
    /// The tlog-proof of a records leaf, as soon as a quorum stands behind a head with it; `None`
    /// when that takes longer than `patience`.
    pub async fn wait_receipt(
        &self,
        leaf: u64,
        patience: Duration,
    ) -> Result<Option<String>, StoreError> {
        if leaf >= self.directory().size() {
            return Err(StoreError::NotFound);
        }
        let origin = self.0.row.records_origin();
        let signed = match self.wait_published(&origin, leaf, patience).await {
            Ok(signed) => signed,
            Err(StoreError::NoQuorum) => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut proofs = self.prove(&signed, vec![leaf]).await?;
        Ok(proofs.pop().map(|proof| proof.to_string()))
    }

    /// Proofs of several leaves in one head, read from the tiles.
    pub(crate) async fn prove(
        &self,
        signed: &Arc<SignedCheckpoint>,
        leaves: Vec<u64>,
    ) -> Result<Vec<TlogProof>, StoreError> {
        let (tiles, signed) = (self.0.tiles.clone(), Arc::clone(signed));
        let reading = tokio::task::spawn_blocking(move || {
            let head = signed.unverified();
            let prove = |index: u64| {
                let path = tiles.inclusion_path(&head.origin, index, head.size);
                let path: Vec<Hash> = path.map_err(|_| StoreError::Damaged("a tile is missing"))?;
                Ok(TlogProof {
                    extra: None,
                    index,
                    path,
                    checkpoint: (*signed).clone(),
                })
            };
            leaves.into_iter().map(prove).collect()
        });
        reading.await.map_err(|_| StoreError::Stopped)?
    }
}
