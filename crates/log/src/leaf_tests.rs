#![expect(clippy::unwrap_used, reason = "tests")]

use super::*;
use proptest::prelude::*;

const ORIGIN: &str = "vault.example/records";

fn core(kind: u8) -> Core {
    Core {
        kind,
        flags: Flags::REFUSED,
        time_ms: 0x0102_0304_0506_0708,
        commitment: [0xc0; 32],
        payload_hash: [0xd0; 32],
    }
}

fn rec(byte: u8, state_root: Option<Hash>) -> Rec {
    let label = Label::from_bytes([byte; 32]);
    let chain = ChainHead::start(ORIGIN, &label).advance(&core(1).digest());
    Rec {
        label,
        chain,
        state_root,
    }
}

#[test]
fn core_and_leaf_have_the_documented_bytes() {
    let bytes = core(9).to_bytes();
    let mut expected = vec![1, 9, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8];
    expected.extend([0xc0; 32]);
    expected.extend([0xd0; 32]);
    assert_eq!(bytes.as_slice(), expected);
    let recs = Recs::new(vec![rec(1, None)]).unwrap();
    let leaf = Leaf::new(core(9), &recs);
    expected.extend(recs.hash());
    assert_eq!(leaf.to_bytes().as_slice(), expected);
    assert_eq!(leaf.hash(), tree::leaf_hash(&expected));
}

#[test]
fn head_and_recs_hash_are_the_documented_hashes() {
    let label = Label::from_bytes([5; 32]);
    let start: Hash =
        Sha256::digest([b"\x15".as_slice(), ORIGIN.as_bytes(), &[5; 32]].concat()).into();
    assert_eq!(
        ChainHead::start(ORIGIN, &label),
        ChainHead {
            seq: 0,
            head: start
        }
    );
    let core_hash: Hash = Sha256::digest([b"\x14".as_slice(), &core(1).to_bytes()].concat()).into();
    let bytes = [b"\x13".as_slice(), &start, &1_u64.to_be_bytes(), &core_hash].concat();
    let head: Hash = Sha256::digest(bytes).into();
    let rec = rec(5, None);
    assert_eq!(rec.chain, ChainHead { seq: 1, head });
    let bytes = [
        b"\x12\x01".as_slice(),
        &[5; 32],
        &1_u64.to_be_bytes(),
        &head,
    ]
    .concat();
    assert_eq!(Recs::new(vec![rec]).unwrap().to_bytes(), bytes);
    assert_eq!(Recs::default().to_bytes(), [0x12, 0]);
}

#[test]
fn a_state_root_changes_the_form_and_the_leaf() {
    let plain = Recs::new(vec![rec(1, None), rec(2, None)]).unwrap();
    let with_state = Recs::new(vec![rec(1, None), rec(2, Some([7; 32]))]).unwrap();
    assert_eq!(
        with_state.to_bytes().get(..10).unwrap(),
        [0x16, 2, 0, 0, 0, 0, 0, 0, 0, 2]
    );
    assert_eq!(Recs::parse(&with_state.to_bytes()), Ok(with_state.clone()));
    let leaf = Leaf::new(core(1), &with_state);
    assert_eq!(leaf.verify_recs(&with_state), Ok(()));
    assert_eq!(leaf.verify_recs(&plain), Err(LogError::RecsMismatch));
}

#[test]
fn refuses_unknown_versions_flags_and_lengths() {
    let good = core(1).to_bytes();
    let mut version = good;
    *version.first_mut().unwrap() = 2;
    assert_eq!(Core::parse(&version), Err(LogError::UnknownVersion));
    let mut flag = good;
    *flag.get_mut(2).unwrap() = 1;
    assert_eq!(Core::parse(&flag), Err(LogError::UnknownFlag));
    assert_eq!(
        Core::parse(good.get(..75).unwrap()),
        Err(LogError::Malformed)
    );
    assert_eq!(
        Core::parse(&[good.as_slice(), &[0]].concat()),
        Err(LogError::Malformed)
    );
    assert_eq!(Leaf::parse(&good), Err(LogError::Malformed));
}

#[test]
fn refuses_a_label_twice_and_more_than_64_labels() {
    assert_eq!(
        Recs::new(vec![rec(1, None), rec(1, None)]),
        Err(LogError::LabelTwice)
    );
    let most: Vec<Rec> = (0..64).map(|i| rec(i, Some([i; 32]))).collect();
    let recs = Recs::new(most).unwrap();
    assert_eq!(Recs::parse(&recs.to_bytes()), Ok(recs));
    let beyond: Vec<Rec> = (0..65).map(|i| rec(i, None)).collect();
    assert_eq!(Recs::new(beyond), Err(LogError::TooManyLabels));
}

#[test]
fn refuses_recs_with_an_idle_mask_or_a_bit_beyond_the_count() {
    let with_state = Recs::new(vec![rec(1, Some([7; 32]))]).unwrap().to_bytes();
    let mut beyond = with_state.clone();
    *beyond.get_mut(9).unwrap() = 3;
    assert_eq!(Recs::parse(&beyond), Err(LogError::Malformed));
    let mut idle = with_state.clone();
    *idle.get_mut(9).unwrap() = 0;
    idle.truncate(idle.len() - 32);
    assert_eq!(Recs::parse(&idle), Err(LogError::Malformed));
    assert_eq!(Recs::parse(&[0x17, 0]), Err(LogError::Malformed));
}

proptest! {
    #[test]
    fn every_leaf_and_rec_list_survives_the_wire(
        kind in any::<u8>(),
        flags in 0_u16..64,
        time_ms in any::<u64>(),
        hashes in any::<[[u8; 32]; 2]>(),
        states in prop::collection::vec(any::<bool>(), 0..=64),
    ) {
        let core = Core {
            kind,
            flags: Flags::from_bits(flags).unwrap(),
            time_ms,
            commitment: hashes[0],
            payload_hash: hashes[1],
        };
        let list = states.iter().zip(0_u8..).map(|(state, i)| rec(i, state.then_some([i; 32])));
        let recs = Recs::new(list.collect()).unwrap();
        let leaf = Leaf::new(core, &recs);
        prop_assert_eq!(Leaf::parse(&leaf.to_bytes()), Ok(leaf));
        prop_assert_eq!(Recs::parse(&recs.to_bytes()), Ok(recs));
    }

    #[test]
    fn no_bytes_make_the_parsers_panic_and_what_parses_is_canonical(
        bytes in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        if let Ok(recs) = Recs::parse(&bytes) {
            prop_assert_eq!(recs.to_bytes(), bytes.clone());
        }
        if let Ok(leaf) = Leaf::parse(&bytes) {
            prop_assert_eq!(leaf.to_bytes().to_vec(), bytes);
        }
    }
}
