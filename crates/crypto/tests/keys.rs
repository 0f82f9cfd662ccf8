//! Wraps, grants, units, identities and signatures: what each is bound to.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "tests"
)]

mod made;

use made::{at, make, rng};
use obhut_crypto::{
    AccessKey, BatchTerms, CardShare, CaseEpochRef, CaseFileKey, CaseShare, CryptoError,
    GrantTerms, Identity, Lambda, PublicIdentity, RevisionRef, RevisionSealer, UnitKey, UnitRef,
    VerifiedBatch, check_memberships, grant_access_key, grant_case_key, open_card, open_case_grant,
    open_document_grant, open_record, prove_rotation, seal_card, seal_record, sign_batch,
    sign_statement, unwrap_access_key, unwrap_earlier_case_key, unwrap_lambda,
    verify_rotation_proof, verify_statement, wrap_access_key, wrap_earlier_case_key, wrap_lambda,
};
use obhut_format::batch::{BatchKind, RegisterItem, SignedBatch};
use obhut_format::content::{Card, ContentInfo, PersonEntry, RegisterEntry, SealedKind, UnitEntry};
use obhut_format::context::sha256;
use obhut_format::key::{
    Grant, GrantKind, HPKE_KEY_BYTES, Membership, SEALED_KEY_BYTES, document_wrap_context,
};
use obhut_format::person::KeyBundle;
use obhut_format::share::content_secret_id;
use obhut_format::statement::{
    BundleRotated, CaseClosed, Event, PersonSigner, Role, STATEMENT_LABEL, SignedStatement, Signer,
    Statement, UnitEpoch,
};
use obhut_format::tree::root_of;
use obhut_format::{BatchId, CaseId, Cbor, DocumentId, Kid, PersonId, UnitId, VaultId};
use obhut_suite::Secret;

fn person(seed: u8) -> Identity {
    Identity::generate(&mut rng(seed)).unwrap()
}

fn public(identity: &Identity) -> PublicIdentity {
    PublicIdentity::parse(identity.bundle()).unwrap()
}

fn unit(epoch: u32) -> UnitRef {
    UnitRef {
        vault: VaultId([1; 16]),
        unit: UnitId([5; 16]),
        epoch,
    }
}

fn epoch_statement(key: &UnitKey, memberships: &[Membership]) -> UnitEpoch {
    UnitEpoch {
        unit: key.at().unit,
        epoch: key.at().epoch,
        uk_id: key.id(),
        public: key.public().as_bytes().to_vec().into(),
        members: memberships
            .iter()
            .map(|membership| membership.member)
            .collect(),
        memberships_root: root_of(memberships.iter().map(Cbor::to_bytes)),
        link_hash: None,
        entry_hash: [0; 32],
    }
}

fn case_epoch(epoch: u32) -> CaseEpochRef {
    CaseEpochRef {
        vault: at().vault,
        case: at().case,
        epoch,
    }
}

fn is_damaged<T>(result: Result<T, CryptoError>) -> bool {
    matches!(result, Err(CryptoError::Damaged))
}

fn is_for_another<T>(result: Result<T, CryptoError>) -> bool {
    matches!(result, Err(CryptoError::NotARecipient))
}

#[test]
fn b01_refuses_an_access_key_put_in_place_of_the_signed_one() {
    let (mut rng, made) = (rng(1), make(b"text"));
    let case_key = CaseFileKey::generate(&mut rng);
    let secrets = made.secrets();
    let wrapped = wrap_access_key(&case_key, 1, &at(), &secrets.access, &mut rng).unwrap();
    assert_eq!(wrapped.len(), SEALED_KEY_BYTES);
    let dak_id = &made.manifest.dak_id;
    assert!(unwrap_access_key(&case_key, 1, &at(), dak_id, &wrapped).is_ok());
    // The store's own key, wrapped under the same case key (by a former insider) for the same place.
    let own = AccessKey::generate(&mut rng);
    let swapped = wrap_access_key(&case_key, 1, &at(), &own, &mut rng).unwrap();
    assert!(is_damaged(unwrap_access_key(
        &case_key,
        1,
        &at(),
        dak_id,
        &swapped
    )));
    // Even in the context of the signed id the key inside is compared.
    let context = document_wrap_context(at().vault, at().case, 1, at().document, 1, dak_id);
    // EXPOSE: test keys, to play the insider.
    let forged = obhut_suite::seal(
        case_key.secret(),
        context.as_bytes(),
        own.secret().expose(),
        &mut rng,
    )
    .unwrap();
    assert!(is_damaged(unwrap_access_key(
        &case_key,
        1,
        &at(),
        dak_id,
        &forged
    )));
}

#[test]
fn b03_a_wrap_belongs_to_one_case_epoch_document_and_revision() {
    let mut rng = rng(1);
    let (case_key, access) = (
        CaseFileKey::generate(&mut rng),
        AccessKey::generate(&mut rng),
    );
    let wrapped = wrap_access_key(&case_key, 1, &at(), &access, &mut rng).unwrap();
    let id = access.id();
    let elsewhere = [
        (2, at()),
        (
            1,
            RevisionRef {
                vault: VaultId([9; 16]),
                ..at()
            },
        ),
        (
            1,
            RevisionRef {
                case: CaseId([9; 16]),
                ..at()
            },
        ),
        (
            1,
            RevisionRef {
                document: DocumentId([9; 16]),
                ..at()
            },
        ),
        (
            1,
            RevisionRef {
                revision: 2,
                ..at()
            },
        ),
    ];
    for (epoch, place) in elsewhere {
        assert!(is_damaged(unwrap_access_key(
            &case_key, epoch, &place, &id, &wrapped
        )));
    }
    assert!(is_damaged(unwrap_access_key(
        &CaseFileKey::generate(&mut rng),
        1,
        &at(),
        &id,
        &wrapped
    )));
}

#[test]
fn b03_a_grant_opens_for_its_recipient_and_place_only() {
    let (mut rng, reader, granter) = (rng(1), person(2), person(3));
    let (case_key, access) = (
        CaseFileKey::generate(&mut rng),
        AccessKey::generate(&mut rng),
    );
    let bundle = public(&reader);
    let terms = GrantTerms {
        recipient: bundle.kid(),
        public: bundle.xwing(),
        granter: granter.kid(),
        role: Role::Citizen,
        not_after_us: Some(99),
    };
    let case_grant = grant_case_key(&case_epoch(3), &case_key, &terms, &mut rng).unwrap();
    let grant = grant_access_key(&at(), &access, &terms, &mut rng).unwrap();
    assert_eq!(
        (case_grant.sealed.0.len(), grant.sealed.0.len()),
        (HPKE_KEY_BYTES, HPKE_KEY_BYTES)
    );
    let opened = open_case_grant(&case_grant, &case_epoch(3), &case_key.id(), &reader).unwrap();
    assert_eq!(opened.id(), case_key.id());
    let (dak_id, other_at) = (
        access.id(),
        RevisionRef {
            document: DocumentId([9; 16]),
            ..at()
        },
    );
    assert_eq!(
        open_document_grant(&grant, &at(), &dak_id, &reader)
            .unwrap()
            .id(),
        dak_id
    );
    assert!(is_for_another(open_document_grant(
        &grant,
        &at(),
        &dak_id,
        &granter
    )));
    assert!(is_damaged(open_document_grant(
        &grant, &other_at, &dak_id, &reader
    )));
    assert!(is_damaged(open_case_grant(
        &case_grant,
        &case_epoch(3),
        &dak_id,
        &reader
    )));
    assert!(is_damaged(open_document_grant(
        &case_grant,
        &at(),
        &dak_id,
        &reader
    )));
    // Any field changed on the way changes the context.
    let changed: [fn(&mut Grant); 9] = [
        |grant| grant.vault = VaultId([9; 16]),
        |grant| grant.case = CaseId([9; 16]),
        |grant| grant.document = Some(DocumentId([9; 16])),
        |grant| grant.number = 2,
        |grant| grant.granter = Kid([9; 32]),
        |grant| grant.role = Role::CaseWorker,
        |grant| grant.not_after_us = None,
        |grant| grant.key_id = [9; 32],
        |grant| grant.kind = GrantKind::Case,
    ];
    for change in changed {
        let mut altered = grant.clone();
        change(&mut altered);
        let place = RevisionRef {
            vault: altered.vault,
            case: altered.case,
            document: altered.document.unwrap(),
            revision: altered.number,
        };
        assert!(is_damaged(open_document_grant(
            &altered,
            &place,
            &altered.key_id,
            &reader
        )));
    }
    let mut redirected = grant.clone();
    redirected.recipient = granter.kid();
    assert!(is_damaged(open_document_grant(
        &redirected,
        &at(),
        &dak_id,
        &granter
    )));
}

#[test]
fn b04_refuses_a_grant_of_an_older_epoch_in_place_of_the_logged_one() {
    let (mut rng, reader) = (rng(1), person(2));
    let bundle = public(&reader);
    let terms = GrantTerms {
        recipient: bundle.kid(),
        public: bundle.xwing(),
        granter: reader.kid(),
        role: Role::CaseWorker,
        not_after_us: None,
    };
    let (old, new) = (
        CaseFileKey::generate(&mut rng),
        CaseFileKey::generate(&mut rng),
    );
    let replayed = grant_case_key(&case_epoch(1), &old, &terms, &mut rng).unwrap();
    assert!(open_case_grant(&replayed, &case_epoch(1), &old.id(), &reader).is_ok());
    assert!(is_damaged(open_case_grant(
        &replayed,
        &case_epoch(2),
        &new.id(),
        &reader
    )));
    assert!(is_damaged(open_case_grant(
        &replayed,
        &case_epoch(2),
        &old.id(),
        &reader
    )));
    assert!(is_damaged(open_case_grant(
        &replayed,
        &case_epoch(1),
        &new.id(),
        &reader
    )));
}

#[test]
fn members_open_the_unit_key_and_case_grants_to_it() {
    let (mut rng, member) = (rng(1), person(2));
    let key = UnitKey::generate(unit(1), &mut rng);
    let memberships = vec![key.seal_membership(&public(&member), &mut rng).unwrap()];
    let statement = epoch_statement(&key, &memberships);
    let opened =
        UnitKey::open_membership(unit(1).vault, &statement, &memberships[0], &member).unwrap();
    assert_eq!(opened.id(), key.id());
    let case_key = CaseFileKey::generate(&mut rng);
    let public = key.public();
    let terms = GrantTerms {
        recipient: Kid(key.id()),
        public: &public,
        granter: member.kid(),
        role: Role::CaseWorker,
        not_after_us: None,
    };
    let grant = grant_case_key(&case_epoch(1), &case_key, &terms, &mut rng).unwrap();
    assert!(open_case_grant(&grant, &case_epoch(1), &case_key.id(), &opened).is_ok());
}

#[test]
fn b05_b06_refuses_a_unit_key_that_is_not_the_one_the_registrar_stated() {
    let (mut rng, member, ghost) = (rng(1), person(2), person(3));
    let key = UnitKey::generate(unit(2), &mut rng);
    let own = key.seal_membership(&public(&member), &mut rng).unwrap();
    let statement = epoch_statement(&key, std::slice::from_ref(&own));
    let open = |statement: &UnitEpoch, membership: &Membership, who: &Identity| {
        UnitKey::open_membership(unit(1).vault, statement, membership, who)
    };
    // Another key for the same epoch, for which somebody else holds the private half.
    let evil = UnitKey::generate(unit(2), &mut rng);
    let swapped = evil.seal_membership(&public(&member), &mut rng).unwrap();
    assert!(is_damaged(open(&statement, &swapped, &member)));
    // An older epoch; a public key that does not belong to the seed; a member who is not on the list.
    assert!(is_damaged(open(
        &UnitEpoch {
            epoch: 1,
            ..statement.clone()
        },
        &own,
        &member
    )));
    let wrong_public = UnitEpoch {
        public: evil.public().as_bytes().to_vec().into(),
        ..statement.clone()
    };
    assert!(is_damaged(open(&wrong_public, &own, &member)));
    let added = key.seal_membership(&public(&ghost), &mut rng).unwrap();
    assert!(is_damaged(open(&statement, &added, &ghost)));
    assert!(is_for_another(open(&statement, &own, &ghost)));
    let elsewhere = UnitKey::open_membership(VaultId([9; 16]), &statement, &own, &member);
    assert!(is_damaged(elsewhere));
}

#[test]
fn b07_notices_hidden_stripped_and_exchanged_members() {
    let mut rng = rng(1);
    let key = UnitKey::generate(unit(1), &mut rng);
    let seal = |seed: u8| {
        key.seal_membership(&public(&person(seed)), &mut made::rng(seed))
            .unwrap()
    };
    let memberships = vec![seal(2), seal(3), seal(4)];
    let statement = epoch_statement(&key, &memberships);
    assert!(check_memberships(&statement, &memberships).is_ok());
    assert!(check_memberships(&statement, &memberships[1..]).is_err());
    assert!(check_memberships(&statement, &[]).is_err());
    let mut swapped = memberships.clone();
    swapped.swap(0, 1);
    assert!(check_memberships(&statement, &swapped).is_err());
    let mut resealed = memberships.clone();
    resealed[1] = key.seal_membership(&public(&person(3)), &mut rng).unwrap();
    assert!(
        check_memberships(&statement, &resealed).is_err(),
        "same member, other bytes"
    );
    let renamed = UnitEpoch {
        members: vec![Kid([9; 32]); 3],
        ..statement.clone()
    };
    assert!(check_memberships(&renamed, &memberships).is_err());
    let mut more = memberships;
    more.push(seal(5));
    assert!(check_memberships(&statement, &more).is_err());
}

#[test]
fn b17_chain_links_read_backwards_only_and_are_fixed_by_the_signed_id() {
    let mut rng = rng(1);
    let (vault, case) = (at().vault, at().case);
    let (first, second) = (
        CaseFileKey::generate(&mut rng),
        CaseFileKey::generate(&mut rng),
    );
    let link = wrap_earlier_case_key(&second, vault, case, 1, &first, &mut rng).unwrap();
    assert_eq!(link.len(), SEALED_KEY_BYTES);
    let opened = unwrap_earlier_case_key(&second, vault, case, 1, &first.id(), &link).unwrap();
    assert_eq!(opened.id(), first.id());
    assert!(is_damaged(unwrap_earlier_case_key(
        &first,
        vault,
        case,
        1,
        &first.id(),
        &link
    )));
    assert!(is_damaged(unwrap_earlier_case_key(
        &second,
        vault,
        case,
        2,
        &first.id(),
        &link
    )));
    let evil = CaseFileKey::generate(&mut rng);
    let swapped = wrap_earlier_case_key(&second, vault, case, 1, &evil, &mut rng).unwrap();
    assert!(is_damaged(unwrap_earlier_case_key(
        &second,
        vault,
        case,
        1,
        &first.id(),
        &swapped
    )));
    for at in 0..link.len() {
        let mut flipped = link.clone();
        flipped[at] ^= 1;
        assert!(is_damaged(unwrap_earlier_case_key(
            &second,
            vault,
            case,
            1,
            &first.id(),
            &flipped
        )));
    }
    let (old, new) = (
        UnitKey::generate(unit(1), &mut rng),
        UnitKey::generate(unit(2), &mut rng),
    );
    let (before, link) = (
        epoch_statement(&old, &[]),
        new.wrap_earlier(&old, &mut rng).unwrap(),
    );
    assert_eq!(new.unwrap_earlier(&before, &link).unwrap().id(), old.id());
    let third = UnitKey::generate(unit(3), &mut rng);
    assert!(is_damaged(third.unwrap_earlier(
        &before,
        &third.wrap_earlier(&old, &mut rng).unwrap()
    )));
    let evil = UnitKey::generate(unit(1), &mut rng);
    assert!(is_damaged(new.unwrap_earlier(
        &before,
        &new.wrap_earlier(&evil, &mut rng).unwrap()
    )));
    assert!(is_damaged(
        old.unwrap_earlier(&epoch_statement(&new, &[]), &link)
    ));
}

#[test]
fn names_open_with_the_unit_key_and_the_case_share_only() {
    let mut rng = rng(1);
    let key = UnitKey::generate(unit(1), &mut rng);
    let (register, case, share) = (key.register_key(), at().case, CaseShare::generate(&mut rng));
    let entry = RegisterEntry {
        file_reference: "A 1/26".into(),
        title: "Test case".into(),
        notes: None,
    };
    let sealed = register
        .seal_case(case, 1, &share, &entry, &mut rng)
        .unwrap();
    assert_eq!((sealed.len() - 72) % 512, 0);
    let hash = sha256(&[&sealed]);
    assert_eq!(
        register.open_case(case, 1, &share, &hash, &sealed).unwrap(),
        entry
    );
    let released = CaseShare::parse(
        share.secret().expose(),
        at().vault,
        case,
        &share.share_id(at().vault, case),
    )
    .unwrap();
    assert!(
        register
            .open_case(case, 1, &released, &hash, &sealed)
            .is_ok()
    );
    let other_share = CaseShare::generate(&mut rng);
    assert!(is_damaged(register.open_case(
        case,
        1,
        &other_share,
        &hash,
        &sealed
    )));
    assert!(is_damaged(
        register.open_case(case, 2, &share, &hash, &sealed)
    ));
    assert!(is_damaged(register.open_case(
        CaseId([9; 16]),
        1,
        &share,
        &hash,
        &sealed
    )));
    assert!(is_damaged(
        register.open_case(case, 1, &share, &[0; 32], &sealed)
    ));
    let other_unit = UnitKey::generate(unit(1), &mut rng).register_key();
    assert!(is_damaged(
        other_unit.open_case(case, 1, &share, &hash, &sealed)
    ));
    assert!(
        CaseShare::parse(
            share.secret().expose(),
            at().vault,
            CaseId([9; 16]),
            &share.share_id(at().vault, case)
        )
        .is_err()
    );

    let someone = PersonEntry {
        name: "Test Person 1".into(),
        civil_index: None,
    };
    let id = PersonId([7; 16]);
    let sealed = register.seal_person(id, &someone, &mut rng).unwrap();
    assert_eq!(register.open_person(id, &sealed).unwrap(), someone);
    assert!(is_damaged(register.open_person(PersonId([8; 16]), &sealed)));
    let name = UnitEntry {
        name: "Test unit".into(),
    };
    let sealed = register.seal_unit(&name, &mut rng).unwrap();
    assert_eq!(
        register.open_unit(&sha256(&[&sealed]), &sealed).unwrap(),
        name
    );
    assert!(is_damaged(register.open_unit(&[0; 32], &sealed)));
}

#[test]
fn b16_a_sealed_record_opens_in_its_own_place_only() {
    let mut rng = rng(1);
    let key = Secret::generate(&mut rng);
    let entry = UnitEntry {
        name: "Test unit".into(),
    };
    let vault = at().vault;
    let unit_context = SealedKind::unit_context(vault, UnitId([5; 16]), 1);
    let sealed = seal_record(&key, &unit_context, &entry, &mut rng).unwrap();
    assert_eq!(
        open_record::<UnitEntry>(&key, &unit_context, &sealed).unwrap(),
        entry
    );
    let elsewhere = [
        SealedKind::unit_context(vault, UnitId([5; 16]), 2),
        SealedKind::person_context(vault, UnitId([5; 16]), 1, PersonId([0; 16])),
        SealedKind::Journal.context(),
        SealedKind::register_context(vault, CaseId([5; 16]), 1),
    ];
    for context in elsewhere {
        assert!(is_damaged(open_record::<UnitEntry>(
            &key, &context, &sealed
        )));
    }
    // Right key and context, but another record inside.
    assert!(is_damaged(open_record::<RegisterEntry>(
        &key,
        &unit_context,
        &sealed
    )));
}

#[test]
fn cards_open_with_the_card_share_that_belongs_to_the_manifest() {
    let made = make(b"text");
    let secrets = made.secrets();
    let card = Card {
        title: "Test title".into(),
        date: None,
        kind: None,
        notes: None,
        size_bytes: 4,
        path: None,
    };
    let sealer = RevisionSealer::new(at(), made::author(), made.secrets());
    let sealed = sealer.seal_first_card(&card).unwrap();
    assert_eq!(
        sealed,
        sealer.seal_first_card(&card).unwrap(),
        "an interrupted import repeats itself"
    );
    let hash = sha256(&[&sealed]);
    // What the gatekeeper releases for titles: c_doc and the hash of s_doc.
    let both = secrets.share.secret();
    let content_id = content_secret_id(
        at().vault,
        &at().document.0,
        1,
        both.expose()[..32].try_into().unwrap(),
    );
    let released = [&both.expose()[32..], &content_id].concat();
    let share = CardShare::parse(&released, &at(), &made.manifest.share_id).unwrap();
    let opened = open_card(&at(), &secrets.access, &share, 1, &hash, &sealed).unwrap();
    assert_eq!(opened, card);
    assert!(is_damaged(open_card(
        &at(),
        &secrets.access,
        &share,
        2,
        &hash,
        &sealed
    )));
    assert!(is_damaged(open_card(
        &at(),
        &AccessKey::generate(&mut rng(1)),
        &share,
        1,
        &hash,
        &sealed
    )));
    assert!(is_damaged(open_card(
        &at(),
        &secrets.access,
        &share,
        1,
        &[0; 32],
        &sealed
    )));
    let amended = seal_card(&at(), &secrets.access, &share, 2, &card).unwrap();
    assert!(
        open_card(
            &at(),
            &secrets.access,
            &share,
            2,
            &sha256(&[&amended]),
            &amended
        )
        .is_ok()
    );
    assert_ne!(amended, sealed);
    assert!(
        CardShare::parse(
            &[&released[..32], &[0; 32]].concat(),
            &at(),
            &made.manifest.share_id
        )
        .is_err()
    );
    assert!(CardShare::parse(&released[..63], &at(), &made.manifest.share_id).is_err());
    let later = RevisionRef {
        revision: 2,
        ..at()
    };
    assert!(CardShare::parse(&released, &later, &made.manifest.share_id).is_err());
}

#[test]
fn e04_refuses_a_content_info_that_the_author_did_not_sign() {
    let made = make(b"text");
    let sealer = RevisionSealer::new(at(), made::author(), made.secrets());
    let other = ContentInfo {
        true_bytes: 4,
        media_type: "text/html".into(),
        file_name: None,
    };
    let other = sealer.seal_info(&other).unwrap();
    assert!(is_damaged(made.reader().open_info(&other)));
    assert_eq!(
        made.reader().open_info(&made.info).unwrap().media_type,
        "application/pdf"
    );
}

#[test]
fn b15_a_sealed_identity_opens_as_a_whole_or_not_at_all() {
    let (mut rng, identity, key) = (rng(1), person(2), Secret::new([6; 32]));
    let (vault, id, custody) = (at().vault, PersonId([7; 16]), b"parameters and salt");
    let sealed = identity.seal(&key, vault, id, custody, &mut rng).unwrap();
    let open = |key: &Secret<32>, id, kid, custody: &[u8], sealed: &[u8]| {
        Identity::open(key, vault, id, kid, custody, sealed)
    };
    let kid = identity.kid();
    assert_eq!(open(&key, id, kid, custody, &sealed).unwrap().kid(), kid);
    for bit in 0..sealed.len() * 8 {
        let mut flipped = sealed.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(
            is_damaged(open(&key, id, kid, custody, &flipped)),
            "bit {bit}"
        );
    }
    for cut in 0..sealed.len() {
        assert!(is_damaged(open(&key, id, kid, custody, &sealed[..cut])));
    }
    assert!(is_damaged(open(
        &Secret::new([5; 32]),
        id,
        kid,
        custody,
        &sealed
    )));
    assert!(is_damaged(open(
        &key,
        PersonId([8; 16]),
        kid,
        custody,
        &sealed
    )));
    assert!(is_damaged(open(
        &key,
        id,
        kid,
        b"other parameters",
        &sealed
    )));
    assert!(is_damaged(open(
        &key,
        id,
        person(3).kid(),
        custody,
        &sealed
    )));
    assert!(is_damaged(Identity::open(
        &key,
        VaultId([9; 16]),
        id,
        kid,
        custody,
        &sealed
    )));
    // Another identity under the same key, passed off as this one.
    let other = person(3).seal(&key, vault, id, custody, &mut rng).unwrap();
    assert!(is_damaged(open(&key, id, kid, custody, &other)));
}

#[test]
fn inviter_and_invitee_derive_the_same_first_identity() {
    let (secret, vault, id) = (Secret::new([6; 32]), at().vault, PersonId([7; 16]));
    let kid = |secret: &Secret<32>, vault, id| {
        Identity::from_invitation(secret, vault, id).unwrap().kid()
    };
    let first = kid(&secret, vault, id);
    assert_eq!(first, kid(&secret, vault, id));
    assert_ne!(first, kid(&secret, vault, PersonId([8; 16])));
    assert_ne!(first, kid(&secret, VaultId([9; 16]), id));
    assert_ne!(first, kid(&Secret::new([5; 32]), vault, id));
}

#[test]
fn b10_refuses_unusable_keys_in_a_bundle() {
    let good = person(2).bundle().as_bytes().to_vec();
    for (place, byte) in [(1215, 0xff), (1216 + 31, 0xff)] {
        let mut bad = good.clone();
        bad[place - 31..=place].fill(byte);
        let bundle = KeyBundle::new(&bad).unwrap();
        assert!(is_damaged(PublicIdentity::parse(&bundle)));
    }
}

#[test]
fn lambda_opens_for_its_reader_and_is_fixed_by_its_hash() {
    let (mut rng, reader, id) = (rng(1), person(2), PersonId([7; 16]));
    let (lambda, vault) = (Lambda::generate(&mut rng), at().vault);
    let wrap = wrap_lambda(&lambda, vault, id, &public(&reader), &mut rng).unwrap();
    assert_eq!(wrap.sealed.0.len(), HPKE_KEY_BYTES);
    let hash = lambda.hash();
    let opened = unwrap_lambda(&wrap, vault, &hash, &reader).unwrap();
    assert!(opened.secret().matches(lambda.secret()));
    let stranger = person(3);
    assert!(is_for_another(unwrap_lambda(
        &wrap, vault, &hash, &stranger
    )));
    let other = Lambda::generate(&mut rng).hash();
    assert!(is_damaged(unwrap_lambda(&wrap, vault, &other, &reader)));
    let mut moved = wrap;
    moved.person = PersonId([8; 16]);
    assert!(is_damaged(unwrap_lambda(&moved, vault, &hash, &reader)));
}

#[test]
fn b16_refuses_a_lambda_and_a_rotation_proof_of_another_vault() {
    let (mut rng, reader, id) = (rng(1), person(2), PersonId([7; 16]));
    let (vault, elsewhere) = (at().vault, VaultId([8; 16]));
    let lambda = Lambda::generate(&mut rng);
    let wrap = wrap_lambda(&lambda, elsewhere, id, &public(&reader), &mut rng).unwrap();
    assert!(is_damaged(unwrap_lambda(
        &wrap,
        vault,
        &lambda.hash(),
        &reader
    )));
    let mut rotation = rotation_to(&person(3));
    prove_rotation(&mut rotation, elsewhere, &person(3));
    assert!(verify_rotation_proof(&rotation, elsewhere).is_ok());
    assert!(verify_rotation_proof(&rotation, vault).is_err());
}

#[test]
fn a_blind_index_finds_equal_references_within_one_epoch() {
    let mut rng = rng(1);
    let (one, two) = (
        UnitKey::generate(unit(1), &mut rng),
        UnitKey::generate(unit(2), &mut rng),
    );
    assert_eq!(
        one.blind_index(" 32-4711/26 a"),
        one.blind_index("32-4711/26  A")
    );
    assert_ne!(one.blind_index("32-4711/26"), one.blind_index("32-4711/27"));
    assert_ne!(one.blind_index("32-4711/26"), two.blind_index("32-4711/26"));
}

fn statement(identity: &Identity) -> Statement {
    Statement {
        vault: at().vault,
        signer: Signer::Person(PersonSigner {
            person: PersonId([7; 16]),
            kid: identity.kid(),
        }),
        time_us: 1,
        nonce: [3; 16],
        event: Event::CaseClosed(CaseClosed {
            case: at().case,
            on: "2026-03-01".into(),
        }),
    }
}

#[test]
fn b18_b19_statements_count_only_with_both_halves_of_the_named_signer() {
    let (one, other) = (person(2), person(3));
    let signed = sign_statement(&statement(&one), &one).unwrap();
    assert_eq!(
        verify_statement(&signed, &public(&one)).unwrap(),
        statement(&one)
    );
    assert!(is_damaged(verify_statement(&signed, &public(&other))));
    assert!(
        sign_statement(&statement(&one), &other).is_err(),
        "not in another's name"
    );
    let mut halves = [
        signed.clone(),
        signed.clone(),
        signed.clone(),
        signed.clone(),
    ];
    halves[0].signature.0[..64].fill(0);
    halves[1].signature.0[64..].fill(0);
    halves[2].signature.0.truncate(64);
    let at = halves[3].statement.0.len() - 1;
    halves[3].statement.0[at] ^= 1;
    for half in &halves {
        assert!(verify_statement(half, &public(&one)).is_err());
    }
    // Signed by oneself in another's name, and held against one's own keys.
    let bytes = statement(&other).to_bytes();
    let signature = one
        .signer()
        .sign(obhut_suite::Label::new(STATEMENT_LABEL), &bytes);
    let impostor = SignedStatement {
        statement: bytes.into(),
        signature: signature.to_bytes().into(),
    };
    assert!(is_damaged(verify_statement(&impostor, &public(&one))));
    // A signature for another purpose does not count, whatever was signed.
    let bytes = statement(&one).to_bytes();
    let elsewhere = one
        .signer()
        .sign(obhut_suite::Label::new("obhut/batch-grants/v1"), &bytes);
    let moved = SignedStatement {
        statement: bytes.into(),
        signature: elsewhere.to_bytes().into(),
    };
    assert!(is_damaged(verify_statement(&moved, &public(&one))));
}

fn rotation_to(new: &Identity) -> BundleRotated {
    BundleRotated {
        person: PersonId([7; 16]),
        from: person(2).kid(),
        bundle: new.bundle().clone(),
        proof: Vec::new().into(),
    }
}

#[test]
fn a_rotation_needs_the_consent_of_the_new_keys() {
    let (old, new, vault) = (person(2), person(3), at().vault);
    let mut rotation = rotation_to(&new);
    assert!(verify_rotation_proof(&rotation, vault).is_err());
    prove_rotation(&mut rotation, vault, &new);
    assert!(verify_rotation_proof(&rotation, vault).unwrap() == public(&new));
    let moved = BundleRotated {
        person: PersonId([8; 16]),
        ..rotation.clone()
    };
    assert!(verify_rotation_proof(&moved, vault).is_err());
    prove_rotation(&mut rotation, vault, &old);
    assert!(verify_rotation_proof(&rotation, vault).is_err());
}

fn batch_terms(kind: BatchKind) -> BatchTerms {
    BatchTerms {
        kind,
        vault: at().vault,
        case: at().case,
        case_epoch: 1,
        signer: PersonId([7; 16]),
        time_us: 1,
        batch: BatchId([6; 16]),
    }
}

fn register_item(number: u8) -> RegisterItem {
    RegisterItem {
        manifest: make(&[number]).manifest.to_bytes().to_vec().into(),
        card_hash: [number; 32],
        deposit: BatchId([1; 16]),
        register_by_us: 5,
    }
}

#[test]
fn b20_an_item_counts_only_with_its_path_in_the_signed_batch() {
    let (signer, other) = (person(2), person(3));
    let items: Vec<_> = (0..5).map(register_item).collect();
    let (signed, paths) = sign_batch(&batch_terms(BatchKind::Documents), &items, &signer).unwrap();
    let batch = VerifiedBatch::verify(&signed, &public(&signer)).unwrap();
    assert_eq!(batch.header().count, 5);
    for (item, path) in items.iter().zip(&paths) {
        assert_eq!(&batch.open_item::<RegisterItem>(path).unwrap(), item);
    }
    assert!(batch.check_complete(&items).is_ok());
    assert!(batch.check_complete(&items[..4]).is_err());
    let mut swapped = items.clone();
    swapped.swap(0, 1);
    assert!(batch.check_complete(&swapped).is_err());
    let mut moved = paths[2].clone();
    moved.index = 3;
    assert!(is_damaged(batch.open_item::<RegisterItem>(&moved)));
    let mut exchanged = paths[2].clone();
    exchanged.item = register_item(9).to_bytes().into();
    assert!(is_damaged(batch.open_item::<RegisterItem>(&exchanged)));
    let mut foreign = paths[2].clone();
    foreign.batch = [0; 32];
    assert!(is_damaged(batch.open_item::<RegisterItem>(&foreign)));
    assert!(VerifiedBatch::verify(&signed, &public(&other)).is_err());
    // The other kind of batch has another label: its signature is none here.
    let (mut grants, _) = sign_batch(&batch_terms(BatchKind::Grants), &items, &signer).unwrap();
    grants.header = signed.header.clone();
    assert!(VerifiedBatch::verify(&grants, &public(&signer)).is_err());
    let mut header = signed.parse_header().unwrap();
    header.signer_kid = other.kid();
    let header = header.to_bytes();
    let label = obhut_suite::Label::new("obhut/batch-documents/v1");
    let signature = signer.signer().sign(label, &header).to_bytes();
    let impostor = SignedBatch {
        header: header.into(),
        signature: signature.into(),
    };
    assert!(VerifiedBatch::verify(&impostor, &public(&signer)).is_err());
    for half in [0..64, 64..3373] {
        let mut stripped = signed.clone();
        stripped.signature.0[half].fill(0);
        assert!(VerifiedBatch::verify(&stripped, &public(&signer)).is_err());
    }
    assert!(sign_batch::<RegisterItem>(&batch_terms(BatchKind::Documents), &[], &signer).is_err());
    let many = vec![items[0].clone(); 1025];
    assert!(sign_batch(&batch_terms(BatchKind::Documents), &many, &signer).is_err());
}
