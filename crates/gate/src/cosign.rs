//! Cosigning: C2SP cosignature/v1, only for a tree that was followed here leaf by leaf.

use obhut_format::release::CosignOrder;
use obhut_log::{NoteKeyType, NoteSigner};

use crate::log_head::verify_head;
use crate::replay::VaultState;
use crate::{Gate, Refusal, persist, vaults};

impl Gate {
    /// The signature line for a checkpoint. The replay only grows, so what is cosigned does too.
    pub(crate) async fn cosign(
        &self,
        state: &mut VaultState,
        order: &CosignOrder,
    ) -> Result<String, Refusal> {
        let origin = order.checkpoint.lines().next().unwrap_or_default();
        let (key, here) = state.log_position(origin)?;
        let mut signed = verify_head(&order.checkpoint, &key, &here)?;
        if state.verify_compared(origin).is_err() {
            let now_us = self.edge.now_us();
            state.verify_witnessed_elsewhere(&signed, self.signing.public(), now_us)?;
            vaults::keep_compared(&self.stores.first, state.vault, origin).await?;
            state.compared.insert(origin.to_owned());
        }
        let refused = |_| Refusal::Checkpoint;
        let name = state.cosigner(self.signing.public())?.name().to_owned();
        let signer = NoteSigner::new(name, NoteKeyType::Cosigner, self.signing.note_key());
        let signer = signer.map_err(refused)?;
        let time_s = self.edge.now_us() / 1_000_000;
        let line = signer
            .cosign(signed.note().text(), time_s)
            .map_err(refused)?;
        signed.cosign(&signer, time_s).map_err(refused)?;
        let mut head = state.head(origin)?.clone();
        head.take(signed);
        // How far it may be cosigned was kept with the feed. Releases after a restart need the records log's cosignatures.
        if head.cosigned_size < here.size || origin == state.records_origin() {
            head.cosigned_size = head.cosigned_size.max(here.size);
            persist::keep_head(&self.stores.first, state.vault, &here, &head).await?;
        }
        state.set_head(origin, head);
        Ok(line.to_string())
    }
}
