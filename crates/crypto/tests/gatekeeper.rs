//! Deposits and releases, with the gatekeeper's side played from the formats alone.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod made;

use made::{at, author, make, rng};
use obhut_crypto::{
    CaseShare, CheckedDepositKey, DocumentShare, Lambda, ShareToDeposit, open_release,
    seal_deposit, verify_deposit_receipt,
};
use obhut_format::act::ObjectRef;
use obhut_format::person::device_kid;
use obhut_format::release::{
    DEPOSIT_KEY_LABEL, DEPOSIT_RECEIPT_LABEL, RELEASE_RECEIPT_LABEL, Release, ReleaseReceipt,
    ReleasedShare, SignedDepositKey, SignedDepositReceipt, release_aad, release_info,
};
use obhut_format::share::{
    DEPOSIT_LABEL, Deposit, DepositKey, DepositReceipt, REGISTER_WITHIN_US, SignedDeposit,
    card_secret_id, content_secret_id, share_id,
};
use obhut_format::tree::root_of;
use obhut_format::{BatchId, Cbor, DepositKeyId, Hash, PersonId, ShareId, VaultId};
use obhut_suite::{
    DeviceKey, DevicePublic, DeviceSignature, Encapsulation, HpkeReceiver, HpkeSender, Label,
    XwingSeed,
};

struct Gate {
    signing: DeviceKey,
    key: DepositKey,
    private: XwingSeed,
}

fn gate() -> Gate {
    let private = XwingSeed::generate(&mut rng(50));
    let key = DepositKey {
        id: DepositKeyId([8; 16]),
        vault: at().vault,
        public: private.public().as_bytes().to_vec().into(),
        not_after_us: 1000,
    };
    Gate {
        signing: DeviceKey::generate(&mut rng(51)),
        key,
        private,
    }
}

impl Gate {
    fn signed_key(&self) -> SignedDepositKey {
        let signature = *self
            .signing
            .sign(Label::new(DEPOSIT_KEY_LABEL), &self.key.to_bytes())
            .as_bytes();
        SignedDepositKey {
            key: self.key.clone(),
            signature,
        }
    }

    fn checked_key(&self) -> CheckedDepositKey {
        CheckedDepositKey::check(&self.signed_key(), &self.signing.public(), at().vault, 999)
            .unwrap()
    }

    fn receipt(&self, deposit: &Deposit) -> SignedDepositReceipt {
        let receipt = DepositReceipt {
            vault: deposit.vault,
            batch: deposit.batch,
            root: deposit.root(),
            count: deposit.items.len() as u64,
            author: deposit.author,
            device: device_kid(&deposit.device),
            time_us: 10,
            register_by_us: 10 + REGISTER_WITHIN_US,
        };
        let signature = *self
            .signing
            .sign(Label::new(DEPOSIT_RECEIPT_LABEL), &receipt.to_bytes())
            .as_bytes();
        SignedDepositReceipt { receipt, signature }
    }
}

#[test]
fn refuses_a_deposit_key_of_another_gatekeeper_vault_or_day() {
    let gate = gate();
    let check = |signed: &SignedDepositKey, by: &DevicePublic, vault, now| {
        CheckedDepositKey::check(signed, by, vault, now)
    };
    let (signed, by) = (gate.signed_key(), gate.signing.public());
    assert!(check(&signed, &by, at().vault, 1000).is_ok());
    assert!(check(&signed, &by, at().vault, 1001).is_err());
    assert!(check(&signed, &by, VaultId([9; 16]), 5).is_err());
    assert!(
        check(
            &signed,
            &DeviceKey::generate(&mut rng(1)).public(),
            at().vault,
            5
        )
        .is_err()
    );
    let mut later = signed.clone();
    later.key.not_after_us = 2000;
    assert!(check(&later, &by, at().vault, 5).is_err());
}

#[test]
fn a_deposit_brings_every_share_to_the_gatekeeper_under_its_binding() {
    let (gate, mut rng, made, device) = (
        gate(),
        rng(1),
        make(b"text"),
        DeviceKey::generate(&mut rng(2)),
    );
    let (case_share, lambda) = (CaseShare::generate(&mut rng), Lambda::generate(&mut rng));
    let shares = [
        ShareToDeposit::of_document(&made.manifest, &made.secrets().share).unwrap(),
        ShareToDeposit::of_case(at().vault, at().case, &case_share, author()),
        ShareToDeposit::of_person(at().vault, PersonId([7; 16]), &lambda, author()),
    ];
    let batch = BatchId([6; 16]);
    let SignedDeposit { deposit, signature } = seal_deposit(
        &gate.checked_key(),
        batch,
        author(),
        5,
        &shares,
        &device,
        &mut rng,
    )
    .unwrap();
    // The gatekeeper's side.
    let public = DevicePublic::parse(&deposit.device).unwrap();
    let signature = DeviceSignature::parse(&signature).unwrap();
    public
        .verify(
            Label::new(DEPOSIT_LABEL),
            deposit.signed_message().as_bytes(),
            &signature,
        )
        .unwrap();
    let info = Deposit::info(
        deposit.vault,
        deposit.key,
        deposit.batch,
        deposit.items.len(),
    );
    let enc = Encapsulation::parse(&deposit.enc.0).unwrap();
    let mut receiver = HpkeReceiver::new(&gate.private, &enc, info.as_bytes()).unwrap();
    for (number, item) in deposit.items.iter().enumerate() {
        let aad = Deposit::aad(number, &item.binding);
        let secret = receiver.open_next(aad.as_bytes(), &item.sealed.0).unwrap();
        let binding = &item.binding;
        let content = secret.expose()[..32].try_into().unwrap();
        let content_id = content_secret_id(binding.vault, &binding.id, binding.revision, content);
        let card_id = match secret.expose().get(32..64) {
            Some(card) => card_secret_id(
                binding.vault,
                &binding.id,
                binding.revision,
                card.try_into().unwrap(),
            ),
            None => [0; 32],
        };
        let named = share_id(
            binding.kind,
            binding.vault,
            &binding.id,
            binding.revision,
            &content_id,
            &card_id,
        );
        assert_eq!(named, binding.share_id, "item {number}");
    }
    assert_eq!(deposit.items[0].binding.manifest_hash, made.manifest.hash());
    assert!(
        ShareToDeposit::of_document(&made.manifest, &DocumentShare::generate(&mut rng)).is_err()
    );
    assert!(
        seal_deposit(
            &gate.checked_key(),
            batch,
            author(),
            5,
            &[],
            &device,
            &mut rng
        )
        .is_err()
    );
}

#[test]
fn accepts_a_receipt_for_exactly_this_deposit_by_this_gatekeeper() {
    let (gate, mut rng, made, device) = (
        gate(),
        rng(1),
        make(b"text"),
        DeviceKey::generate(&mut rng(2)),
    );
    let shares = [ShareToDeposit::of_document(&made.manifest, &made.secrets().share).unwrap()];
    let seal = |batch: u8, rng: &mut _| {
        seal_deposit(
            &gate.checked_key(),
            BatchId([batch; 16]),
            author(),
            5,
            &shares,
            &device,
            rng,
        )
        .unwrap()
        .deposit
    };
    let (deposit, other) = (seal(1, &mut rng), seal(2, &mut rng));
    let (by, receipt) = (gate.signing.public(), gate.receipt(&deposit));
    assert_eq!(
        verify_deposit_receipt(&receipt, &by, &deposit)
            .unwrap()
            .count,
        1
    );
    assert!(verify_deposit_receipt(&gate.receipt(&other), &by, &deposit).is_err());
    assert!(verify_deposit_receipt(&receipt, &device.public(), &deposit).is_err());
    let (resealed, mut receipt_of_other_bytes) = (seal(1, &mut rng), receipt.clone());
    receipt_of_other_bytes.signature = gate.receipt(&resealed).signature;
    assert!(verify_deposit_receipt(&gate.receipt(&resealed), &by, &deposit).is_err());
    assert!(verify_deposit_receipt(&receipt_of_other_bytes, &by, &deposit).is_err());
    let mut later = receipt.clone();
    later.receipt.register_by_us += 1;
    assert!(verify_deposit_receipt(&later, &by, &deposit).is_err());
}

fn receipt_for(gate: &Gate, act: &Hash, shares: &[ReleasedShare]) -> (Vec<u8>, [u8; 64]) {
    let receipt = ReleaseReceipt {
        vault: at().vault,
        act: *act,
        root: root_of(shares.iter().map(Cbor::to_bytes)),
        count: shares.len() as u64,
        seq: 1,
        head: [1; 32],
        time_us: 5,
        records_size: 9,
    }
    .to_bytes();
    let signature = *gate
        .signing
        .sign(Label::new(RELEASE_RECEIPT_LABEL), &receipt)
        .as_bytes();
    (receipt, signature)
}

fn release(gate: &Gate, act: &Hash, epk: &XwingSeed, secrets: &[(ShareId, Vec<u8>)]) -> Release {
    let info = release_info(at().vault, act, secrets.len());
    let (enc, mut sender) = HpkeSender::new(&epk.public(), info.as_bytes(), &mut rng(9)).unwrap();
    let shares: Vec<_> = secrets
        .iter()
        .enumerate()
        .map(|(number, (share_id, secret))| ReleasedShare {
            object: ObjectRef {
                case: at().case,
                document: Some(at().document),
                revision: 0,
            },
            revision: 1,
            share_id: *share_id,
            sealed: sender
                .seal_next(release_aad(number, *share_id).as_bytes(), secret)
                .unwrap()
                .into(),
        })
        .collect();
    let (receipt, signature) = receipt_for(gate, act, &shares);
    Release {
        receipt: receipt.into(),
        signature,
        enc: enc.as_bytes().to_vec().into(),
        shares,
    }
}

#[test]
fn opens_a_release_of_this_act_and_nothing_before_its_receipt_is_checked() {
    let (gate, made, epk, act) = (
        gate(),
        make(b"text"),
        XwingSeed::generate(&mut rng(3)),
        [7; 32],
    );
    let secret = made.secrets().share.secret().expose().to_vec();
    let named = made.manifest.share_id;
    let good = release(
        &gate,
        &act,
        &epk,
        &[(named, secret.clone()), (named, secret)],
    );
    let by = gate.signing.public();
    let (receipt, opened) = open_release(&good, &by, at().vault, &act, &epk).unwrap();
    assert_eq!((receipt.count, opened.len()), (2, 2));
    assert!(DocumentShare::parse(opened[1].secret.expose(), &at(), &opened[1].share_id).is_ok());
    let other_epk = XwingSeed::generate(&mut rng(4));
    assert!(open_release(&good, &by, at().vault, &act, &other_epk).is_err());
    assert!(open_release(&good, &by, at().vault, &[8; 32], &epk).is_err());
    assert!(open_release(&good, &by, VaultId([9; 16]), &act, &epk).is_err());
    let stranger = DeviceKey::generate(&mut rng(5)).public();
    assert!(open_release(&good, &stranger, at().vault, &act, &epk).is_err());
    // Shares sealed for this act under the receipt of another.
    let mut borrowed = good.clone();
    let (receipt, signature) = receipt_for(&gate, &[8; 32], &good.shares);
    (borrowed.receipt, borrowed.signature) = (receipt.into(), signature);
    assert!(open_release(&borrowed, &by, at().vault, &act, &epk).is_err());
    let mut swapped = good.clone();
    swapped.shares.swap(0, 1);
    assert!(open_release(&swapped, &by, at().vault, &act, &epk).is_err());
    let mut fewer = good.clone();
    fewer.shares.pop();
    assert!(open_release(&fewer, &by, at().vault, &act, &epk).is_err());
    let mut altered = good;
    altered.shares[0].revision = 2;
    assert!(open_release(&altered, &by, at().vault, &act, &epk).is_err());
}
