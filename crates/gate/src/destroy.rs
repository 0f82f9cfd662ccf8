//! Destroying shares. In this stage only what was never registered and is thirty days old; the path
//! with plan, two approvers, holds and budget comes with the retention work and is refused here.

use obhut_format::release::DestroyOrder;
use obhut_format::share::DESTROY_UNREGISTERED_AFTER_US;

use crate::replay::VaultState;
use crate::rows::{ShareRow, Tombstone};
use crate::{Gate, Refusal, stores};

impl Gate {
    /// F07: an order alone destroys nothing that the records log names, and nothing young.
    pub(crate) async fn destroy_ordered(
        &self,
        state: &mut VaultState,
        order: &DestroyOrder,
    ) -> Result<u64, Refusal> {
        let due = self.load_due(state).await?;
        let mut ordered = Vec::with_capacity(order.shares.len());
        for share in &order.shares {
            let found = due.iter().find(|row| row.share_id == *share);
            ordered.push(found.cloned().ok_or(Refusal::DestroyNeedsApproval)?);
        }
        self.destroy_unregistered(state, ordered).await
    }

    /// The shares of this vault that are due.
    pub(crate) async fn sweep_unregistered(&self, state: &mut VaultState) -> Result<u64, Refusal> {
        match self.load_due(state).await {
            Ok(due) => self.destroy_unregistered(state, due).await,
            // Without a fresh replay nothing is proved unregistered; the next sweep tries again.
            Err(Refusal::RecordsStale | Refusal::NoCard | Refusal::Restored) => Ok(0),
            Err(refusal) => Err(refusal),
        }
    }

    /// Never registered, as a fresh replay proves, and thirty days old.
    async fn load_due(&self, state: &VaultState) -> Result<Vec<ShareRow>, Refusal> {
        let now_us = self.edge.now_us();
        state.verify_compared(state.records_origin())?;
        state.verify_records_fresh(now_us)?;
        let until_us = now_us.saturating_sub(DESTROY_UNREGISTERED_AFTER_US);
        let first = &self.stores.first;
        Ok(stores::unregistered(first, state.vault, until_us).await?)
    }

    async fn destroy_unregistered(
        &self,
        state: &mut VaultState,
        due: Vec<ShareRow>,
    ) -> Result<u64, Refusal> {
        let now_us = self.edge.now_us();
        let tombstone = |share: &ShareRow| Tombstone {
            vault: share.vault,
            share_id: share.share_id,
            kind: share.kind,
            reason: "never-registered".to_owned(),
            destroyed_us: now_us,
        };
        let tombstones: Vec<_> = due.iter().map(tombstone).collect();
        if !tombstones.is_empty() {
            self.stores.destroy(&tombstones).await?;
            state.forget_labels();
        }
        Ok(tombstones.len() as u64)
    }
}
