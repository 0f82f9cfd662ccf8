//! Agency recovery: shares of trustees, handing them over, and what they give together.

use obhut_crypto::{
    RecoveryRequest, RecoveryTerms, combine_recovery, make_recovery_policy, open_recovery_share,
};
use obhut_format::recovery::{RecoveryApproved, RecoveryPolicy, RecoveryRequested};
use obhut_format::{Cbor, Hash, Kid, PersonId, UnitId};
use obhut_suite::{Secret, XwingSeed, hpke_seal};

use super::Vector;
use super::maker::{person, public};
use crate::made::{at, rng};

const SEEDS: [u8; 3] = [41, 42, 43];
const DAMAGED: &str = "damaged";

fn policy_of(set: u8) -> RecoveryPolicy {
    let trustees: Vec<_> = SEEDS
        .iter()
        .map(|seed| (PersonId([*seed; 16]), public(&person(*seed))))
        .collect();
    let terms = RecoveryTerms {
        vault: at().vault,
        set: [set; 16],
        number: 1,
        threshold: 2,
        trustees: &trustees,
    };
    make_recovery_policy(&terms, &mut rng(set)).unwrap()
}

fn values(policy: &RecoveryPolicy) -> Vec<[u8; 32]> {
    let open = |seed: &u8| open_recovery_share(policy, at().vault, &person(*seed)).unwrap();
    // EXPOSE: test shares.
    SEEDS
        .iter()
        .map(|seed| *open(seed).value().expose())
        .collect()
}

fn share_vector() -> Vector {
    let policy = policy_of(6);
    Vector::accept(
        "recovery-share/one",
        "a trustee opens the share the policy names",
    )
    .with("vault", at().vault.0)
    .with("policy", policy.to_bytes())
    .with("master", [SEEDS[1]; 32])
    .gives("value", values(&policy)[1])
}

fn with_policy(vector: &Vector, change: impl FnOnce(&mut RecoveryPolicy)) -> Vec<u8> {
    let mut policy = RecoveryPolicy::from_bytes(&vector.bytes("policy")).unwrap();
    change(&mut policy);
    policy.to_bytes()
}

fn refused_shares(good: &Vector) -> Vec<Vector> {
    vec![
        good.refused(
            "a-stranger",
            "d09",
            "not-a-recipient",
            "somebody who keeps no share",
        )
        .with("master", [44; 32]),
        good.refused(
            "another-trustees-share",
            "d09",
            DAMAGED,
            "the first trustee's share in the second one's place",
        )
        .with(
            "policy",
            with_policy(good, |policy| {
                let first = policy.trustees[0].clone();
                policy.trustees[1].sealed = first.sealed;
                policy.trustees[1].share_hash = first.share_hash;
            }),
        ),
        good.refused("another-set", "d09", DAMAGED, "a share of another set")
            .with("policy", with_policy(good, |policy| policy.set = [9; 16])),
        good.refused(
            "another-threshold",
            "d06",
            DAMAGED,
            "the threshold was lowered",
        )
        .with("policy", with_policy(good, |policy| policy.threshold = 1)),
        good.refused(
            "another-commitment",
            "d05",
            DAMAGED,
            "the policy commits to another share",
        )
        .with(
            "policy",
            with_policy(good, |policy| policy.trustees[1].share_hash[0] ^= 1),
        ),
    ]
}

fn asked(session: &XwingSeed) -> RecoveryRequested {
    RecoveryRequested {
        request: [5; 16],
        set: [6; 16],
        session: session.public().as_bytes().to_vec().into(),
        units: vec![UnitId([5; 16])],
        notes: Vec::new(),
        expires_us: 1_800_000_000_000_000,
    }
}

fn handover_vector() -> Vector {
    let policy = policy_of(6);
    let session = XwingSeed::from_secret(Secret::new([45; 32]));
    let asked = asked(&session);
    let hash = asked.hash(at().vault, PersonId([46; 16]), Kid([47; 32]));
    let request = RecoveryRequest {
        vault: at().vault,
        hash,
        asked: &asked,
    };
    let share = open_recovery_share(&policy, at().vault, &person(SEEDS[1])).unwrap();
    let approved = request.hand_over(&share, &mut rng(48)).unwrap();
    Vector::accept(
        "recovery-handover/one",
        "a share handed to the session key of a request",
    )
    .with("vault", at().vault.0)
    .with("policy", policy.to_bytes())
    .with("requester", [46; 16])
    .with("requester_kid", [47; 32])
    .with("request", asked.to_bytes())
    .with("approved", approved.to_bytes())
    .with("session", [45; 32])
    .gives("request_hash", hash)
    .gives("value", values(&policy)[1])
}

fn with_approved(vector: &Vector, change: impl FnOnce(&mut RecoveryApproved)) -> Vec<u8> {
    let mut approved = RecoveryApproved::from_bytes(&vector.bytes("approved")).unwrap();
    change(&mut approved);
    approved.to_bytes()
}

/// A trustee who hands over something else, properly sealed.
fn wrong_share(good: &Vector) -> Vec<u8> {
    let session = XwingSeed::from_secret(Secret::new([45; 32]));
    with_approved(good, |approved| {
        let hash: Hash = approved.request_hash;
        let info = RecoveryApproved::handover_info(at().vault, &[6; 16], &hash, approved.number);
        let sealed = hpke_seal(
            &session.public(),
            info.as_bytes(),
            &[],
            &[1; 32],
            &mut rng(49),
        );
        approved.sealed = sealed.unwrap().into();
    })
}

fn refused_handovers(good: &Vector) -> Vec<Vector> {
    let other = XwingSeed::from_secret(Secret::new([50; 32]));
    vec![
        good.refused("another-value", "d05", DAMAGED, "a share nobody was given")
            .with("approved", wrong_share(good)),
        good.refused(
            "another-number",
            "d09",
            DAMAGED,
            "a share in the name of another trustee",
        )
        .with(
            "approved",
            with_approved(good, |approved| approved.number = 1),
        ),
        good.refused(
            "another-session-key",
            "d08",
            DAMAGED,
            "the request's session key was replaced after the trustee had approved",
        )
        .with("request", asked(&other).to_bytes()),
        good.refused(
            "another-requester",
            "d08",
            DAMAGED,
            "the same request in the name of somebody else",
        )
        .with("requester", [51; 16]),
    ]
}

fn combined_vector() -> Vector {
    let policy = policy_of(6);
    let identity = combine_recovery(
        &policy,
        &[41, 43].map(|seed| open_recovery_share(&policy, at().vault, &person(seed)).unwrap()),
    );
    Vector::accept(
        "recovery-combine/first-and-third",
        "two of three shares, each its number and 32 bytes, give the seed of the policy's bundle",
    )
    .with("vault", at().vault.0)
    .with("policy", policy.to_bytes())
    .with("shares", joined(&policy, &[1, 3]))
    .gives("master", identity.unwrap().master().expose())
}

fn joined(policy: &RecoveryPolicy, numbers: &[u8]) -> Vec<u8> {
    let values = values(policy);
    let share = |number: &u8| {
        let at = usize::from(*number) - 1;
        [&[*number][..], &values[at]].concat()
    };
    numbers.iter().flat_map(share).collect()
}

fn refused_combinations(good: &Vector) -> Vec<Vector> {
    let (policy, other) = (policy_of(6), policy_of(7));
    let mut wrong = joined(&policy, &[1, 3]);
    wrong[20] ^= 1;
    let mut zero = joined(&policy, &[1, 3]);
    zero[0] = 0;
    let mixed = [joined(&policy, &[1]), joined(&other, &[3])].concat();
    vec![
        good.refused("wrong-share", "d05", DAMAGED, "one share is another one")
            .with("shares", wrong),
        good.refused("twice", "d06", DAMAGED, "one share twice")
            .with("shares", joined(&policy, &[1, 1])),
        good.refused("number-zero", "d06", DAMAGED, "a share of number 0")
            .with("shares", zero),
        good.refused("mixed-sets", "d06", DAMAGED, "a share of another set")
            .with("shares", mixed),
        good.refused("too-few", "d06", DAMAGED, "fewer than the threshold")
            .with("shares", joined(&policy, &[1])),
    ]
}

pub(crate) fn make() -> Vec<Vector> {
    let (share, handover, combined) = (share_vector(), handover_vector(), combined_vector());
    let mut vectors = refused_shares(&share);
    vectors.extend(refused_handovers(&handover));
    vectors.extend(refused_combinations(&combined));
    vectors.extend([share, handover, combined]);
    vectors
}
