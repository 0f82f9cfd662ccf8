//! What goes to the gatekeeper and comes from it: deposits of shares, and releases.

use obhut_format::act::ObjectRef;
use obhut_format::manifest::Manifest;
use obhut_format::release::{
    DEPOSIT_KEY_LABEL, DEPOSIT_RECEIPT_LABEL, RELEASE_RECEIPT_LABEL, Release, ReleaseReceipt,
    SignedDepositKey, SignedDepositReceipt, release_aad, release_info,
};
use obhut_format::share::{
    Binding, DEPOSIT_LABEL, Deposit, DepositItem, DepositReceipt, MAX_BATCH, ShareKind,
    SignedDeposit,
};
use obhut_format::tree::root_of;
use obhut_format::{BatchId, CaseId, Cbor, DepositKeyId, Hash, Kid, PersonId, ShareId, VaultId};
use obhut_suite::{
    DeviceKey, DevicePublic, DeviceSignature, Encapsulation, HpkeReceiver, HpkeSender, Label,
    SecretBytes, XwingPublic, XwingSeed,
};
use rand_core::CryptoRng;

use crate::{CaseShare, CryptoError, DocumentShare, Lambda, revision_of};

const DEPOSIT: Label = Label::new(DEPOSIT_LABEL);
const DEPOSIT_KEY: Label = Label::new(DEPOSIT_KEY_LABEL);
const DEPOSIT_RECEIPT: Label = Label::new(DEPOSIT_RECEIPT_LABEL);
const RELEASE_RECEIPT: Label = Label::new(RELEASE_RECEIPT_LABEL);

/// A deposit key that the pinned gatekeeper signed for this vault and that is still valid.
pub struct CheckedDepositKey {
    id: DepositKeyId,
    vault: VaultId,
    public: XwingPublic,
}

impl CheckedDepositKey {
    /// Checks signature, vault and time; refuses an unusable public key.
    pub fn check(
        signed: &SignedDepositKey,
        gate: &DevicePublic,
        vault: VaultId,
        now_us: u64,
    ) -> Result<Self, CryptoError> {
        let signature = DeviceSignature::parse(&signed.signature)?;
        gate.verify(DEPOSIT_KEY, &signed.key.to_bytes(), &signature)?;
        if signed.key.vault != vault || now_us > signed.key.not_after_us {
            return Err(CryptoError::Damaged);
        }
        Ok(Self {
            id: signed.key.id,
            vault,
            public: XwingPublic::parse(&signed.key.public.0)?,
        })
    }
}

/// A share on its way to the gatekeeper: what it is bound to, and its secrets.
pub struct ShareToDeposit {
    binding: Binding,
    secret: SecretBytes,
}

impl ShareToDeposit {
    /// The share of a revision whose manifest is about to be registered.
    pub fn of_document(manifest: &Manifest, share: &DocumentShare) -> Result<Self, CryptoError> {
        if share.share_id(&revision_of(manifest)) != manifest.share_id {
            return Err(CryptoError::Damaged);
        }
        let binding = Binding {
            kind: ShareKind::Document,
            vault: manifest.vault,
            case: Some(manifest.case),
            id: manifest.document.0,
            revision: manifest.revision,
            manifest_hash: manifest.hash(),
            share_id: manifest.share_id,
            author: manifest.author,
        };
        Ok(Self {
            binding,
            secret: share.secret(),
        })
    }

    /// The share of a new case's register entries.
    pub fn of_case(vault: VaultId, case: CaseId, share: &CaseShare, author: Kid) -> Self {
        let share_id = share.share_id(vault, case);
        Self {
            binding: single(ShareKind::Case, vault, Some(case), case.0, share_id, author),
            // EXPOSE: into another secret.
            secret: SecretBytes::new(share.secret().expose().to_vec()),
        }
    }

    /// The share of a new person's λ.
    pub fn of_person(vault: VaultId, person: PersonId, lambda: &Lambda, author: Kid) -> Self {
        let share_id = lambda.share_id(vault, person);
        Self {
            binding: single(ShareKind::Person, vault, None, person.0, share_id, author),
            // EXPOSE: into another secret.
            secret: SecretBytes::new(lambda.secret().expose().to_vec()),
        }
    }

    /// What the share is bound to.
    pub fn binding(&self) -> &Binding {
        &self.binding
    }
}

/// Seals up to 1,024 shares under one encapsulation and signs the batch with the author's device.
pub fn seal_deposit(
    key: &CheckedDepositKey,
    batch: BatchId,
    author: Kid,
    time_us: u64,
    shares: &[ShareToDeposit],
    device: &DeviceKey,
    rng: &mut impl CryptoRng,
) -> Result<SignedDeposit, CryptoError> {
    if shares.is_empty() || shares.len() > MAX_BATCH {
        return Err(CryptoError::TooLarge);
    }
    let info = Deposit::info(key.vault, key.id, batch, shares.len());
    let (enc, mut sender) = HpkeSender::new(&key.public, info.as_bytes(), rng)?;
    let mut items = Vec::with_capacity(shares.len());
    for (number, share) in shares.iter().enumerate() {
        let aad = Deposit::aad(number, &share.binding);
        // EXPOSE: sealed to the gatekeeper.
        let sealed = sender.seal_next(aad.as_bytes(), share.secret.expose())?;
        let binding = share.binding.clone();
        items.push(DepositItem {
            binding,
            sealed: sealed.into(),
        });
    }
    let deposit = Deposit {
        vault: key.vault,
        batch,
        key: key.id,
        enc: enc.as_bytes().to_vec().into(),
        author,
        device: *device.public().as_bytes(),
        time_us,
        items,
    };
    let message = deposit.signed_message();
    let signature = *device.sign(DEPOSIT, message.as_bytes()).as_bytes();
    Ok(SignedDeposit { deposit, signature })
}

/// Checks that the gatekeeper confirms exactly this deposit.
pub fn verify_deposit_receipt(
    signed: &SignedDepositReceipt,
    gate: &DevicePublic,
    deposit: &Deposit,
) -> Result<DepositReceipt, CryptoError> {
    let signature = DeviceSignature::parse(&signed.signature)?;
    gate.verify(DEPOSIT_RECEIPT, &signed.receipt.to_bytes(), &signature)?;
    let receipt = &signed.receipt;
    let device = obhut_format::person::device_kid(&deposit.device);
    let same = (receipt.vault, receipt.batch) == (deposit.vault, deposit.batch)
        && receipt.root == deposit.root()
        && receipt.count == deposit.items.len() as u64
        && (receipt.author, receipt.device) == (deposit.author, device);
    if same {
        Ok(receipt.clone())
    } else {
        Err(CryptoError::Damaged)
    }
}

/// One secret that a release brought. Wipe it after use; never store it unsealed.
pub struct ReleasedSecret {
    /// The object as asked for.
    pub object: ObjectRef,
    /// The revision that `latest` stood for; 0 for a case.
    pub revision: u64,
    /// The share it is part of.
    pub share_id: ShareId,
    /// `s_doc || c_doc`, `c_doc || s_id`, or the secret of a case.
    pub secret: SecretBytes,
}

/// Checks the gatekeeper's receipt for this act and opens the released shares with the ephemeral
/// key of the act. Nothing is opened before the receipt has been checked.
pub fn open_release(
    release: &Release,
    gate: &DevicePublic,
    vault: VaultId,
    act: &Hash,
    epk: &XwingSeed,
) -> Result<(ReleaseReceipt, Vec<ReleasedSecret>), CryptoError> {
    let receipt = verify_release_receipt(release, gate, vault, act)?;
    let enc = Encapsulation::parse(&release.enc.0)?;
    let info = release_info(vault, act, release.shares.len());
    let mut receiver = HpkeReceiver::new(epk, &enc, info.as_bytes())?;
    let mut opened = Vec::with_capacity(release.shares.len());
    for (number, share) in release.shares.iter().enumerate() {
        let aad = release_aad(number, share.share_id);
        opened.push(ReleasedSecret {
            object: share.object.clone(),
            revision: share.revision,
            share_id: share.share_id,
            secret: receiver.open_next(aad.as_bytes(), &share.sealed.0)?,
        });
    }
    Ok((receipt, opened))
}

fn verify_release_receipt(
    release: &Release,
    gate: &DevicePublic,
    vault: VaultId,
    act: &Hash,
) -> Result<ReleaseReceipt, CryptoError> {
    let signature = DeviceSignature::parse(&release.signature)?;
    gate.verify(RELEASE_RECEIPT, &release.receipt.0, &signature)?;
    let receipt = ReleaseReceipt::from_bytes(&release.receipt.0)?;
    let same = receipt.vault == vault
        && receipt.act == *act
        && receipt.count == release.shares.len() as u64
        && receipt.root == root_of(release.shares.iter().map(Cbor::to_bytes));
    if same {
        Ok(receipt)
    } else {
        Err(CryptoError::Damaged)
    }
}

fn single(
    kind: ShareKind,
    vault: VaultId,
    case: Option<CaseId>,
    id: [u8; 16],
    share_id: ShareId,
    author: Kid,
) -> Binding {
    Binding {
        kind,
        vault,
        case,
        id,
        revision: 0,
        manifest_hash: [0; 32],
        share_id,
        author,
    }
}
