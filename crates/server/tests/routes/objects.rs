//! Uploads: what the header, the length and the manifest say must agree.

use axum::body::Body;
use axum::http::Request;

use crate::people::Agency;
use crate::world::{Ground, Server, answer};

#[tokio::test(flavor = "multi_thread")]
async fn a13_an_upload_is_as_long_as_its_header_says_and_nothing_else() {
    let server = Server::start(1).await;
    let agency = Agency::found(&server, 0).await;
    let worker = agency.join(false, &agency.registrar, None).await;
    let unit = agency.unit_with(&worker).await;
    let (subject, _) = agency.invite(true, &worker, Some(unit.id)).await;
    let case = agency.case(&worker, &unit, subject.id).await;
    let made = agency.seal(&worker, &case, b"content");
    let longer = [made.capsule.as_slice(), &[0]].concat();
    let shorter = made.capsule[..made.capsule.len() - 1].to_vec();
    let mut huge = made.capsule.clone();
    huge[40 + 8] = 0x7f;
    let mut other = made.capsule.clone();
    other[24] ^= 1;
    for (bytes, what) in [
        (longer, "longer"),
        (shorter, "shorter"),
        (huge, "huge padded length"),
        (other, "another document"),
        (made.capsule[..20].to_vec(), "cut header"),
        (Vec::new(), "empty"),
    ] {
        let refused = agency.put(&worker.ground, &made, bytes).await;
        assert_eq!(refused.problem().0, "object-invalid", "{what}");
    }
    let lies = Request::put(format!(
        "/v1/vaults/{}/objects/{}?document={}&revision=1",
        agency.vault, made.object, made.document
    ));
    let Ground::Session(token) = &worker.ground else {
        panic!()
    };
    let lies = lies.header("authorization", format!("Bearer {token}"));
    let without = lies.body(Body::from(made.capsule.clone())).unwrap();
    assert_eq!(
        answer(server.send(without).await).await.problem().0,
        "length-required"
    );

    agency
        .put(&worker.ground, &made, made.capsule.clone())
        .await
        .ok();
    agency
        .put(&worker.ground, &made, made.capsule.clone())
        .await
        .ok();
    let mut changed = made.capsule.clone();
    *changed.last_mut().unwrap() ^= 1;
    let refused = agency.put(&worker.ground, &made, changed).await;
    assert_eq!(
        refused.problem(),
        ("conflict".into(), "object-occupied".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_names_capsules_that_are_stored_as_its_manifests_say() {
    let server = Server::start(1).await;
    let agency = Agency::found(&server, 0).await;
    let worker = agency.join(false, &agency.registrar, None).await;
    let unit = agency.unit_with(&worker).await;
    let (subject, _) = agency.invite(true, &worker, Some(unit.id)).await;
    let case = agency.case(&worker, &unit, subject.id).await;
    let made = agency.seal(&worker, &case, b"content");
    let deposit = agency.deposit_document(&worker, &made).await;
    let (mutation, draft) = agency.registration(&worker, &unit, &case, &made, deposit);
    let refused = agency
        .mutate("/documents", &worker, draft.clone(), &mutation)
        .await;
    assert_eq!(refused.problem().0, "object-missing");
    let mut changed = made.capsule.clone();
    *changed.last_mut().unwrap() ^= 1;
    agency.put(&worker.ground, &made, changed).await.ok();
    let refused = agency.mutate("/documents", &worker, draft, &mutation).await;
    assert_eq!(refused.problem().0, "object-missing");
}
