//! Many vaults in one database: nothing crosses.

use obhut_format::act::ActKind;
use obhut_format::statement::Role;
use obhut_sql::testing::TestDb;
use obhut_store::{ActError, StoreError};

use crate::acts::Asked;
use crate::filing::sorted;
use crate::on_both_engines;
use crate::world::World;

on_both_engines!(
    nothing_crosses_from_one_vault_to_another,
    origins_and_ids_are_taken_once,
);

async fn nothing_crosses_from_one_vault_to_another(test: &TestDb) {
    let mut one = World::numbered(test, 1).await;
    let mut two = World::numbered(test, 2).await;
    let mine = one.activated(false).await;
    let theirs = two.activated(false).await;
    let unit = one.unit_with(&mine).await;
    let case = one.create_case(&mine, unit, &[]).await;
    let documents = one.file(&mine, unit, case, 1).await;

    // Persons, devices and sessions.
    assert!(two.vault.caller(mine.id, mine.device_kid()).is_err());
    let challenge = two
        .vault
        .new_challenge(mine.id, mine.device_kid())
        .await
        .unwrap();
    let login = obhut_format::session::Login {
        vault: one.vault.id(),
        origin: one.vault.origin().to_owned(),
        challenge: challenge.challenge,
        expires_us: challenge.expires_us,
        person: mine.id,
        device: mine.device_kid(),
    };
    let label = obhut_suite::Label::new(obhut_format::session::LOGIN_LABEL);
    let signature = *mine
        .device()
        .sign(label, login.message().as_bytes())
        .as_bytes();
    let crossed = one.vault.log_in(&login, &signature).await;
    assert!(
        matches!(crossed, Err(StoreError::BadLogin)),
        "the challenge is the other vault's"
    );

    let challenge = one
        .vault
        .new_challenge(mine.id, mine.device_kid())
        .await
        .unwrap();
    let login = obhut_format::session::Login {
        challenge: challenge.challenge,
        expires_us: challenge.expires_us,
        ..login
    };
    let signature = *mine
        .device()
        .sign(label, login.message().as_bytes())
        .as_bytes();
    let session = one.vault.log_in(&login, &signature).await.unwrap();
    assert!(one.vault.authenticate(&session.token).await.is_ok());
    let crossed = two.vault.authenticate(&session.token).await;
    assert!(matches!(crossed, Err(StoreError::Unauthenticated)));
    two.vault.log_out(&session.token).await.unwrap();
    assert!(one.vault.authenticate(&session.token).await.is_ok());

    // Objects, tags, keys, records.
    let caller = two.caller(&theirs).unwrap();
    let object = documents[0].object;
    assert_eq!(
        two.vault
            .find_ticketed_object(&caller, object)
            .await
            .unwrap(),
        None
    );
    assert!(two.vault.case_keys(&caller, case).await.is_err());
    let foreign = two.vault.keys_of_kid(mine.kid()).await.unwrap();
    assert!(foreign.memberships.is_empty() && foreign.lambda_wraps.is_empty());
    two.confirmed().await;
    let page = two.vault.records_page(0, Some(&caller)).await.unwrap();
    assert_eq!(page.entries.len() as u64, two.vault.directory().size());
    assert!(two.vault.directory().case(case).is_none());

    // Acts.
    let asked = Asked {
        objects: sorted(&documents),
        ..Asked::new(ActKind::OpenDocument, Role::CaseWorker, Some(unit))
    };
    let (request, _) = one.act(&mine, asked);
    let caller = one.caller(&mine).unwrap();
    assert!(two.vault.verify_act(&caller, request.clone()).is_err());
    let as_theirs = two.vault.verify_act(&two.caller(&theirs).unwrap(), request);
    assert_eq!(as_theirs.err(), Some(ActError::Signature));
    let own = two
        .act(
            &theirs,
            Asked::new(ActKind::ListCases, Role::CaseWorker, Some(unit)),
        )
        .0;
    assert!(
        two.vault
            .verify_act(&two.caller(&theirs).unwrap(), own)
            .is_ok()
    );
}

async fn origins_and_ids_are_taken_once(test: &TestDb) {
    let world = World::numbered(test, 1).await;
    let row = world.store.load_vault(world.vault.id()).await.unwrap();
    let new = |vault: u8, origin: &str| obhut_store::NewVault {
        vault: obhut_format::VaultId([vault; 16]),
        name: "Test Agency 2".to_owned(),
        origin: origin.to_owned(),
        records_key: row.records_key,
        access_key: row.access_key,
        gate_key: row.gate_key,
        bootstrap_hash: [0; 32],
        created_us: 1,
    };
    for taken in [new(1, "vault.example/other"), new(2, &row.origin)] {
        let made = world.store.create_vault(taken).await;
        assert!(matches!(made, Err(StoreError::Conflict("vault"))));
    }
    assert_eq!(world.store.vaults().await.unwrap(), vec![row]);
}
