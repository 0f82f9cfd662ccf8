use obhut_format::statement::Role;
use obhut_format::{CaseId, DeviceKid, PersonId, VaultId};

use super::*;

const NOW_US: u64 = 1_800_000_000_000_000;

fn act() -> Act {
    Act {
        vault: VaultId([1; 16]),
        card_version: 1,
        shard: "vault.example/access/std/2026q4".into(),
        kind: ActKind::OpenDocument,
        person: PersonId([2; 16]),
        device: DeviceKid([3; 32]),
        unit: None,
        role: Role::CaseWorker,
        on_behalf_of: None,
        case: Some(CaseId([4; 16])),
        objects_root: [5; 32],
        object_count: 1,
        reason_commitment: [6; 32],
        epk_hash: [7; 32],
        nonce: [8; 16],
        time_us: NOW_US,
        expires_us: NOW_US + 120_000_000,
        pinned: Some(obhut_format::act::PinnedCheckpoint {
            origin: "vault.example/records".into(),
            size: 40,
            root: [9; 32],
        }),
        payload_hash: None,
        persons: Vec::new(),
    }
}

#[test]
fn f16_a_receipt_of_another_time_or_of_older_records_is_refused() {
    let good = ReleaseReceipt {
        vault: act().vault,
        act: [0; 32],
        root: [0; 32],
        count: 1,
        seq: 1,
        head: [0; 32],
        time_us: NOW_US + 1,
        records_size: 40,
    };
    assert!(check_receipt(&good, &act()).is_ok());
    for (time_us, records_size) in [
        (NOW_US - 61_000_000, 40),
        (NOW_US + 181_000_000, 40),
        (NOW_US + 1, 39),
    ] {
        let bad = ReleaseReceipt {
            time_us,
            records_size,
            ..good.clone()
        };
        assert!(check_receipt(&bad, &act()).is_err(), "{bad:?}");
    }
}

#[test]
fn f24_an_entry_about_another_case_class_or_objects_is_refused() {
    let directory = Directory::new(VaultId([1; 16]), [0; 32]);
    let good = GroupD {
        case: act().case,
        class: None,
        objects: Vec::new(),
        objects_root: act().objects_root,
        object_count: 1,
    };
    assert!(check_what(&good, &act(), &directory).is_ok());
    let changes: [fn(&mut GroupD); 4] = [
        |d| d.case = None,
        |d| d.class = Some("permit-10y".parse().unwrap()),
        |d| d.objects_root = [0; 32],
        |d| d.object_count = 2,
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut bad = good.clone();
        change(&mut bad);
        assert!(check_what(&bad, &act(), &directory).is_err(), "{number}");
    }
}
