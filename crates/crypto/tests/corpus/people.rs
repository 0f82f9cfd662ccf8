//! What belongs to a person of one vault: the label secret and the consent to replaced keys.

use obhut_crypto::{Lambda, prove_rotation, wrap_lambda};
use obhut_format::statement::BundleRotated;
use obhut_format::{Blob, Cbor, PersonId};
use obhut_suite::Secret;

use super::Vector;
use super::maker::{person, public};
use crate::made::{at, rng};

const PERSON: PersonId = PersonId([7; 16]);
const DAMAGED: &str = "damaged";

pub(crate) fn make() -> Vec<Vector> {
    let (lambda, rotation) = (lambda_vector(), rotation_vector());
    let mut vectors = refused_lambdas(&lambda);
    vectors.extend(refused_rotations(&rotation));
    vectors.extend([lambda, rotation]);
    vectors
}

fn lambda_vector() -> Vector {
    let secret = [9; 32];
    let hash = obhut_format::context::sha256(&[&secret]);
    let lambda = Lambda::from_secret(Secret::new(secret), &hash).unwrap();
    let reader = person(51);
    let wrap = wrap_lambda(&lambda, at().vault, PERSON, &public(&reader), &mut rng(5)).unwrap();
    Vector::accept("lambda-wrap/one", "a person opens their own label secret")
        .with("vault", at().vault.0)
        .with("master", [51; 32])
        .with("lambda_hash", hash)
        .with("wrap", wrap.to_bytes())
        .gives("lambda", secret)
}

fn refused_lambdas(good: &Vector) -> Vec<Vector> {
    vec![
        good.refused("another-vault", "b16", DAMAGED, "sealed in another vault")
            .with("vault", [8; 16]),
        good.refused("another-hash", "b01", DAMAGED, "not what the log names")
            .with("lambda_hash", [8; 32]),
        good.refused("a-stranger", "b03", "not-a-recipient", "somebody else's")
            .with("master", [52; 32]),
    ]
}

fn rotation_vector() -> Vector {
    let new = person(52);
    let mut rotation = BundleRotated {
        person: PERSON,
        from: person(51).kid(),
        bundle: new.bundle().clone(),
        proof: Blob(Vec::new()),
    };
    prove_rotation(&mut rotation, at().vault, &new);
    Vector::accept("rotation/one", "the new keys agree to replace the old ones")
        .with("vault", at().vault.0)
        .with("rotation", rotation.to_bytes())
        .gives("kid", new.kid().0)
}

fn refused_rotations(good: &Vector) -> Vec<Vector> {
    let changed = |change: &dyn Fn(&mut BundleRotated)| {
        let mut rotation = BundleRotated::from_bytes(&good.bytes("rotation")).unwrap();
        change(&mut rotation);
        rotation.to_bytes()
    };
    vec![
        good.refused(
            "another-vault",
            "b16",
            DAMAGED,
            "agreed to in another vault",
        )
        .with("vault", [8; 16]),
        good.refused(
            "another-person",
            "c09",
            DAMAGED,
            "agreed to by another person",
        )
        .with(
            "rotation",
            changed(&|rotation| rotation.person = PersonId([8; 16])),
        ),
        good.refused(
            "another-bundle",
            "c09",
            DAMAGED,
            "keys that agreed to nothing",
        )
        .with(
            "rotation",
            changed(&|rotation| rotation.bundle = person(53).bundle().clone()),
        ),
        good.refused("no-ml-dsa", "b18", DAMAGED, "the ML-DSA half is zeros")
            .with(
                "rotation",
                changed(&|rotation| rotation.proof.0[64..].fill(0)),
            ),
    ]
}
