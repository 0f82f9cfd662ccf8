//! Shares of a recovery seed in hostile hands.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod made;

use made::{at, rng};
use obhut_crypto::{
    CryptoError, Identity, PublicIdentity, RecoveryRequest, RecoveryShare, RecoveryTerms,
    combine_recovery, make_recovery_policy, open_recovery_note, open_recovery_share,
    seal_recovery_note,
};
use obhut_format::PersonId;
use obhut_format::recovery::{RecoveryPolicy, RecoveryRequested};
use obhut_suite::{Secret, XwingSeed};

struct Set {
    policy: RecoveryPolicy,
    trustees: Vec<Identity>,
}

impl Set {
    fn of(number: u8, threshold: u8) -> Self {
        let person = |seed: u8| Identity::from_master(Secret::new([seed; 32])).unwrap();
        let trustees: Vec<Identity> = (61..66).map(person).collect();
        let named: Vec<_> = (61..66)
            .zip(&trustees)
            .map(|(seed, own)| {
                let public = PublicIdentity::parse(own.bundle()).unwrap();
                (PersonId([seed; 16]), public)
            })
            .collect();
        let terms = RecoveryTerms {
            vault: at().vault,
            set: [number; 16],
            number: number.into(),
            threshold,
            trustees: &named,
        };
        let policy = make_recovery_policy(&terms, &mut rng(number)).unwrap();
        Self { policy, trustees }
    }

    fn share(&self, trustee: usize) -> RecoveryShare {
        open_recovery_share(&self.policy, at().vault, &self.trustees[trustee]).unwrap()
    }

    /// What a trustee hands over, and the session key that opens it.
    fn asked(&self) -> (RecoveryRequested, XwingSeed) {
        let session = XwingSeed::from_secret(Secret::new([9; 32]));
        let asked = RecoveryRequested {
            request: [1; 16],
            set: self.policy.set,
            session: session.public().as_bytes().to_vec().into(),
            units: Vec::new(),
            notes: Vec::new(),
            expires_us: 1,
        };
        (asked, session)
    }
}

#[test]
fn three_of_five_trustees_open_the_bundle_together() {
    let set = Set::of(1, 3);
    let identity = combine_recovery(&set.policy, &[4, 0, 2].map(|at| set.share(at))).unwrap();
    assert_eq!(identity.kid(), set.policy.bundle.kid());
    let two = combine_recovery(&set.policy, &[4, 0].map(|at| set.share(at)));
    assert!(matches!(two, Err(CryptoError::Damaged)));
}

#[test]
fn d05_a_wrong_share_is_told_by_its_number_and_gives_no_seed() {
    let set = Set::of(1, 3);
    let (asked, session) = set.asked();
    let request = RecoveryRequest {
        vault: at().vault,
        hash: [3; 32],
        asked: &asked,
    };
    let mut handed: Vec<_> = (0..3)
        .map(|trustee| request.hand_over(&set.share(trustee), &mut rng(5)).unwrap())
        .collect();
    // The second trustee hands over something else: a share of another set.
    let other = Set::of(2, 3);
    let (other_asked, _) = other.asked();
    let dishonest = RecoveryRequest {
        asked: &other_asked,
        ..request
    };
    let mut wrong = dishonest.hand_over(&other.share(1), &mut rng(6)).unwrap();
    wrong.number = handed[1].number;
    handed[1] = wrong;
    let received: Vec<_> = handed
        .iter()
        .map(|given| request.receive(&set.policy, given, &session).is_ok())
        .collect();
    assert_eq!(received, [true, false, true]);
    let value = Secret::new([7; 32]);
    let invented = RecoveryShare::check(&set.policy, at().vault, 2, value);
    assert!(matches!(invented, Err(CryptoError::Damaged)));
}

#[test]
fn d06_refuses_mixed_sets_repeated_shares_and_threshold_one() {
    let (set, other) = (Set::of(1, 2), Set::of(2, 2));
    let mixed = combine_recovery(&set.policy, &[set.share(0), other.share(1)]);
    assert!(matches!(mixed, Err(CryptoError::Damaged)));
    let twice = combine_recovery(&set.policy, &[set.share(0), set.share(0)]);
    assert!(matches!(twice, Err(CryptoError::Damaged)));
    let person = Identity::from_master(Secret::new([61; 32])).unwrap();
    let public = PublicIdentity::parse(person.bundle()).unwrap();
    let terms = RecoveryTerms {
        vault: at().vault,
        set: [1; 16],
        number: 1,
        threshold: 1,
        trustees: &[(PersonId([61; 16]), public)],
    };
    assert!(make_recovery_policy(&terms, &mut rng(1)).is_err());
}

#[test]
fn d09_a_trustee_opens_no_share_but_their_own_of_this_set() {
    let set = Set::of(1, 3);
    let refused = |policy: &RecoveryPolicy| {
        let opened = open_recovery_share(policy, at().vault, &set.trustees[1]);
        matches!(opened, Err(CryptoError::Damaged))
    };
    // Somebody else's share under the trustee's name, sealed to them by whoever made another set.
    let mut swapped = set.policy.clone();
    swapped.trustees[1].sealed = set.policy.trustees[0].sealed.clone();
    assert!(refused(&swapped));
    let mut other_set = Set::of(2, 3).policy;
    other_set.set = set.policy.set;
    assert!(refused(&other_set));
    let mut renumbered = set.policy.clone();
    renumbered.trustees[1].number = 9;
    assert!(refused(&renumbered));
    let mut renamed = set.policy.clone();
    renamed.trustees[1].person = PersonId([1; 16]);
    assert!(refused(&renamed));
    let stranger = Identity::from_master(Secret::new([70; 32])).unwrap();
    let opened = open_recovery_share(&set.policy, at().vault, &stranger);
    assert!(matches!(opened, Err(CryptoError::NotARecipient)));
    assert!(open_recovery_share(&set.policy, at().vault, &set.trustees[1]).is_ok());
}

#[test]
fn d08_a_share_goes_to_the_session_key_of_the_request_that_was_compared() {
    let set = Set::of(1, 3);
    let (asked, session) = set.asked();
    let request = RecoveryRequest {
        vault: at().vault,
        hash: asked.hash(at().vault, PersonId([8; 16]), obhut_format::Kid([8; 32])),
        asked: &asked,
    };
    let given = request.hand_over(&set.share(0), &mut rng(5)).unwrap();
    assert!(request.receive(&set.policy, &given, &session).is_ok());
    let thief = XwingSeed::from_secret(Secret::new([10; 32]));
    assert!(request.receive(&set.policy, &given, &thief).is_err());
    let mut replaced = asked.clone();
    replaced.session = thief.public().as_bytes().to_vec().into();
    let other = replaced.hash(at().vault, PersonId([8; 16]), obhut_format::Kid([8; 32]));
    assert_ne!(other, request.hash);
    let code = obhut_format::recovery::recovery_code(&request.hash);
    assert!(!obhut_format::recovery::is_recovery_code(&code, &other));
}

#[test]
fn the_reason_reaches_the_trustee_it_is_sealed_to() {
    let set = Set::of(1, 3);
    let public = PublicIdentity::parse(set.trustees[0].bundle()).unwrap();
    let (vault, request) = (at().vault, [1; 16]);
    let sealed = seal_recovery_note(vault, &request, &public, "Grund", &mut rng(2)).unwrap();
    let opened = open_recovery_note(vault, &request, &set.trustees[0], &sealed).unwrap();
    assert_eq!(opened, "Grund");
    assert!(open_recovery_note(vault, &request, &set.trustees[1], &sealed).is_err());
    assert!(open_recovery_note(vault, &[2; 16], &set.trustees[0], &sealed).is_err());
}
