//! Sealing the shares to the act's key, and the receipt in the gatekeeper's own chain.

use std::collections::HashMap;

use obhut_format::act::{Act, Released};
use obhut_format::release::{
    RELEASE_RECEIPT_LABEL, Release, ReleaseReceipt, ReleasedShare, release_aad, release_info,
};
use obhut_format::share::{SECRET_BYTES, content_secret_id};
use obhut_format::tree::root_of;
use obhut_format::{Blob, Cbor, Hash, ShareId};
use obhut_suite::{HpkeSender, Label, SecretBytes, XwingPublic};

use super::objects::Resolved;
use crate::replay::VaultState;
use crate::rows::ShareRow;
use crate::{Gate, Refusal, keys, seen};

const LABEL: Label = Label::new(RELEASE_RECEIPT_LABEL);

/// Shares sealed to the act's key, in the order of its objects.
pub(super) struct SealedShares {
    enc: Blob,
    shares: Vec<ReleasedShare>,
}

impl Gate {
    /// One encapsulation, one message an object.
    pub(super) fn seal_shares(
        &self,
        act: &Act,
        act_hash: Hash,
        recipient: &XwingPublic,
        objects: &[Resolved<'_>],
        rows: &HashMap<ShareId, ShareRow>,
    ) -> Result<SealedShares, Refusal> {
        let info = release_info(act.vault, &act_hash, objects.len());
        let mut rng = self.edge.rng();
        let refused = |_| Refusal::Epk;
        let (enc, mut sender) =
            HpkeSender::new(recipient, info.as_bytes(), &mut rng).map_err(refused)?;
        let mut shares = Vec::with_capacity(objects.len());
        for (number, object) in objects.iter().enumerate() {
            let row = rows
                .get(&object.share_id)
                .ok_or(Refusal::ShareUnregistered)?;
            let context = keys::share_context(row.vault, row.share_id);
            let secret = self.storage.open(row.key_number, &context, &row.sealed)?;
            let message = released_secret(act.kind.released(), row, &secret)?;
            let aad = release_aad(number, row.share_id);
            // EXPOSE: into the encapsulation to the act's key.
            let sealed = sender.seal_next(aad.as_bytes(), message.expose());
            shares.push(ReleasedShare {
                object: object.object.clone(),
                revision: object.revision_number(),
                share_id: row.share_id,
                sealed: Blob(sealed.map_err(refused)?),
            });
        }
        Ok(SealedShares {
            enc: Blob(enc.as_bytes().to_vec()),
            shares,
        })
    }

    /// Signs the receipt and makes act, receipt and answer durable before anything leaves.
    pub(super) async fn sign_release(
        &self,
        state: &mut VaultState,
        act: Hash,
        order_hash: Hash,
        sealed: SealedShares,
        now_us: u64,
    ) -> Result<Release, Refusal> {
        let (seq, head) = state.chain_end();
        let mut receipt = ReleaseReceipt {
            vault: state.vault,
            act,
            root: root_of(sealed.shares.iter().map(Cbor::to_bytes)),
            count: sealed.shares.len() as u64,
            seq: seq + 1,
            head,
            time_us: now_us,
            records_size: state.directory().size(),
        };
        receipt.head = receipt.head_after(&head);
        let bytes = receipt.to_bytes();
        let release = Release {
            signature: self.signing.sign(LABEL, &bytes),
            receipt: Blob(bytes),
            enc: sealed.enc,
            shares: sealed.shares,
        };
        state.in_doubt = true;
        seen::keep_release(&self.stores.first, &receipt, &order_hash, &release).await?;
        state.chain = (receipt.seq, receipt.head);
        state.in_doubt = false;
        Ok(release)
    }
}

/// What an act of this kind gets of a share: listing titles never gives the content's half.
fn released_secret(
    released: Released,
    row: &ShareRow,
    secret: &SecretBytes,
) -> Result<SecretBytes, Refusal> {
    // EXPOSE: parts of it go on into another secret.
    let bytes = secret.expose();
    match released {
        Released::CaseShare | Released::ContentShare => Ok(SecretBytes::new(bytes.to_vec())),
        Released::CardShare => {
            let (content, card) = bytes
                .split_first_chunk::<SECRET_BYTES>()
                .ok_or(Refusal::StorageKey)?;
            let content_id = content_secret_id(row.vault, &row.object, row.revision, content);
            Ok(SecretBytes::new([card, &content_id].concat()))
        }
        Released::Nothing => Err(Refusal::ActKind),
    }
}
