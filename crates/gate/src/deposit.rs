//! Deposits: shares come in, sealed to a deposit key, signed by the author's device.

use std::collections::HashSet;

use obhut_format::context::sha256;
use obhut_format::person::device_kid;
use obhut_format::release::{DEPOSIT_RECEIPT_LABEL, SignedDepositReceipt};
use obhut_format::share::{
    Binding, DEPOSIT_LABEL, Deposit, DepositReceipt, MAX_BATCH, REGISTER_WITHIN_US, SECRET_BYTES,
    ShareKind, SignedDeposit, card_secret_id, content_secret_id, share_id,
};
use obhut_format::{Cbor, Hash, ShareId};
use obhut_sql::SqlError;
use obhut_suite::{
    DevicePublic, DeviceSignature, Encapsulation, HpkeReceiver, Label, SecretBytes, XwingSeed,
};

use crate::replay::VaultState;
use crate::rows::{DepositRow, ShareRow};
use crate::{Gate, Refusal, keys, stores};

const LABEL: Label = Label::new(DEPOSIT_LABEL);
const RECEIPT_LABEL: Label = Label::new(DEPOSIT_RECEIPT_LABEL);

impl Gate {
    /// Takes a deposit, or answers an identical repeat with the receipt it had.
    pub(crate) async fn take_deposit(
        &self,
        state: &VaultState,
        signed: SignedDeposit,
    ) -> Result<SignedDepositReceipt, Refusal> {
        let deposit = signed.deposit;
        verify_shape(&deposit)?;
        verify_signature(&deposit, &signed.signature)?;
        self.refuse_destroyed(&deposit).await?;
        let hash = sha256(&[&deposit.to_bytes()]);
        let first = &self.stores.first;
        if let Some(known) = stores::find_deposit(first, deposit.vault, deposit.batch).await? {
            return self.repeat_receipt(&known, hash).await;
        }
        state.verify_compared(state.records_origin())?;
        state.verify_deposit_author(&deposit)?;
        let private = self.load_deposit_key(deposit.vault, deposit.key).await?;
        let now_us = self.edge.now_us();
        let shares = self.open_items(&deposit, &private, now_us)?;
        let row = self.sign_receipt(&deposit, hash, now_us);
        self.stores
            .add_deposit(&row, &shares)
            .await
            .map_err(name_conflict)?;
        read_receipt(&row)
    }

    /// F08: what was destroyed does not come back, not even by the identical deposit.
    async fn refuse_destroyed(&self, deposit: &Deposit) -> Result<(), Refusal> {
        let shares = deposit.items.iter().map(|item| item.binding.share_id);
        if stores::is_any_destroyed(&self.stores.first, deposit.vault, shares).await? {
            return Err(Refusal::ShareDestroyed);
        }
        Ok(())
    }

    async fn repeat_receipt(
        &self,
        known: &DepositRow,
        hash: Hash,
    ) -> Result<SignedDepositReceipt, Refusal> {
        if known.deposit_hash != hash {
            return Err(Refusal::BatchDiffers);
        }
        self.stores
            .complete_deposit(known.vault, known.batch)
            .await?;
        read_receipt(known)
    }

    /// Opens every item in its order and seals it again under the storage key.
    fn open_items(
        &self,
        deposit: &Deposit,
        private: &XwingSeed,
        now_us: u64,
    ) -> Result<Vec<ShareRow>, Refusal> {
        let count = deposit.items.len();
        let info = Deposit::info(deposit.vault, deposit.key, deposit.batch, count);
        let refused = |_| Refusal::ShareNotOpened;
        let enc = Encapsulation::parse(&deposit.enc.0).map_err(refused)?;
        let mut receiver = HpkeReceiver::new(private, &enc, info.as_bytes()).map_err(refused)?;
        let mut rng = self.edge.rng();
        let mut rows = Vec::with_capacity(count);
        for (number, item) in deposit.items.iter().enumerate() {
            let binding = &item.binding;
            let aad = Deposit::aad(number, binding);
            let opened = receiver.open_next(aad.as_bytes(), &item.sealed.0);
            let secret = opened.map_err(refused)?;
            if derive_share_id(binding, &secret) != Some(binding.share_id) {
                return Err(Refusal::ShareNotOpened);
            }
            let context = keys::share_context(deposit.vault, binding.share_id);
            // EXPOSE: into the seal under the storage key.
            let (number, sealed) = self.storage.seal(&context, secret.expose(), &mut rng)?;
            rows.push(share_row(deposit, binding, now_us, number, sealed));
        }
        Ok(rows)
    }

    fn sign_receipt(&self, deposit: &Deposit, deposit_hash: Hash, now_us: u64) -> DepositRow {
        let receipt = DepositReceipt {
            vault: deposit.vault,
            batch: deposit.batch,
            root: deposit.root(),
            count: deposit.items.len() as u64,
            author: deposit.author,
            device: device_kid(&deposit.device),
            time_us: now_us,
            register_by_us: register_by(now_us),
        };
        let bytes = receipt.to_bytes();
        DepositRow {
            vault: deposit.vault,
            batch: deposit.batch,
            deposit_hash,
            author: deposit.author,
            device: deposit.device,
            signature: self.signing.sign(RECEIPT_LABEL, &bytes),
            receipt: bytes,
            register_by_us: receipt.register_by_us,
            deposited_us: now_us,
        }
    }
}

fn register_by(now_us: u64) -> u64 {
    now_us.saturating_add(REGISTER_WITHIN_US)
}

fn verify_shape(deposit: &Deposit) -> Result<(), Refusal> {
    if deposit.items.is_empty() || deposit.items.len() > MAX_BATCH {
        return Err(Refusal::DepositShape);
    }
    let mut names = HashSet::new();
    for item in &deposit.items {
        let binding = &item.binding;
        let fits = binding.vault == deposit.vault && binding.author == deposit.author;
        if !fits || !names.insert(binding.share_id) {
            return Err(Refusal::DepositShape);
        }
        verify_binding(binding)?;
    }
    Ok(())
}

/// Each kind has exactly the fields it needs.
fn verify_binding(binding: &Binding) -> Result<(), Refusal> {
    let single = binding.revision == 0 && binding.manifest_hash == [0; 32];
    let fits = match binding.kind {
        ShareKind::Document => {
            binding.case.is_some() && binding.revision > 0 && binding.manifest_hash != [0; 32]
        }
        ShareKind::Case => single && binding.case.is_some_and(|case| case.0 == binding.id),
        ShareKind::Person => single && binding.case.is_none(),
        ShareKind::LogDay => return Err(Refusal::PurposeUnsupported),
    };
    if fits {
        Ok(())
    } else {
        Err(Refusal::DepositShape)
    }
}

/// F19: nobody deposits in somebody else's name.
fn verify_signature(deposit: &Deposit, signature: &[u8; 64]) -> Result<(), Refusal> {
    let refused = |_| Refusal::DepositSignature;
    let device = DevicePublic::parse(&deposit.device).map_err(refused)?;
    let signature = DeviceSignature::parse(signature).map_err(refused)?;
    let message = deposit.signed_message();
    device
        .verify(LABEL, message.as_bytes(), &signature)
        .map_err(refused)
}

/// The name that these secrets have; `None` when their number of bytes is not the kind's.
fn derive_share_id(binding: &Binding, secret: &SecretBytes) -> Option<ShareId> {
    let (vault, id, revision) = (binding.vault, &binding.id, binding.revision);
    // EXPOSE: into the hashes that make the share's name.
    let (content, card) = secret.expose().split_first_chunk::<SECRET_BYTES>()?;
    let content_id = content_secret_id(vault, id, revision, content);
    let card_id = match binding.kind {
        ShareKind::Document => card_secret_id(vault, id, revision, card.try_into().ok()?),
        _ if card.is_empty() => [0; 32],
        _ => return None,
    };
    let kind = binding.kind;
    Some(share_id(kind, vault, id, revision, &content_id, &card_id))
}

fn share_row(
    deposit: &Deposit,
    binding: &Binding,
    now_us: u64,
    key_number: u32,
    sealed: Vec<u8>,
) -> ShareRow {
    ShareRow {
        vault: deposit.vault,
        share_id: binding.share_id,
        kind: binding.kind,
        case: binding.case,
        object: binding.id,
        revision: binding.revision,
        manifest_hash: binding.manifest_hash,
        author: deposit.author,
        batch: deposit.batch,
        register_by_us: register_by(now_us),
        deposited_us: now_us,
        key_number,
        sealed,
    }
}

fn read_receipt(row: &DepositRow) -> Result<SignedDepositReceipt, Refusal> {
    let receipt = DepositReceipt::from_bytes(&row.receipt).map_err(|_| Refusal::BadBytes)?;
    Ok(SignedDepositReceipt {
        receipt,
        signature: row.signature,
    })
}

fn name_conflict(refusal: Refusal) -> Refusal {
    match &refusal {
        Refusal::Unavailable(SqlError::Constraint { name }) => match name.as_str() {
            "shares_pkey" => Refusal::ShareExists,
            "shares_person_key" | "shares_vault_object_key" => Refusal::PersonShareExists,
            _ => refusal,
        },
        _ => refusal,
    }
}
