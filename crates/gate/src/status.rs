//! What the gatekeeper tells of itself.

use obhut_format::release::{GateStatus, KindCount, LogSize};
use obhut_format::statement::{GATE_HEAD_LABEL, GateHead};
use obhut_log::replay::LogTail;
use obhut_suite::Label;

use crate::replay::VaultState;
use crate::{Gate, Refusal, stores};

const LABEL: Label = Label::new(GATE_HEAD_LABEL);

impl Gate {
    /// Sizes, counts and the signed head of the own chain.
    pub(crate) async fn status(&self, state: &VaultState) -> Result<GateStatus, Refusal> {
        let (living, destroyed) = stores::count(&self.stores.first, state.vault).await?;
        let size = |tail: &LogTail| {
            let head = tail.checkpoint();
            LogSize {
                origin: head.origin,
                size: head.size,
                root: head.root,
            }
        };
        let records = size(state.records.tail());
        let shards = state.shards.values();
        let shards = shards.map(|shard| size(shard.replayer.tail()));
        Ok(GateStatus {
            gate_key: self.signing.public(),
            logs: std::iter::once(records).chain(shards).collect(),
            living: living
                .into_iter()
                .map(|(kind, count)| KindCount { kind, count })
                .collect(),
            destroyed,
            stores_share_a_disk: self.stores.share_a_disk(),
            head: self.sign_head(state),
        })
    }

    fn sign_head(&self, state: &VaultState) -> GateHead {
        let (seq, head) = state.chain_end();
        let mut signed = GateHead {
            seq,
            head,
            time_us: self.edge.now_us(),
            signature: [0; 64],
        };
        let message = signed.signed_message(state.vault);
        signed.signature = self.signing.sign(LABEL, message.as_bytes());
        signed
    }
}
