//! Every route that touches personal data writes an entry, also when it refuses.

use obhut_format::Cbor;
use obhut_format::act::ActKind;
use obhut_format::statement::Role;
use serde_json::json;

use crate::people::{Agency, Draft};
use crate::world::{Ground, Server, b64};

/// Leaves of the access shard under its newest checkpoint.
async fn leaves(agency: &Agency<'_>) -> u64 {
    // CLOSE leaves are batched: wait until nothing comes any more.
    let mut last = None;
    loop {
        tokio::time::sleep(std::time::Duration::from_millis(400)).await;
        let note = agency.get("/checkpoints/access", &Ground::None).await.bytes;
        let note = String::from_utf8_lossy(&note).into_owned();
        let size = note
            .lines()
            .nth(1)
            .and_then(|line| line.parse().ok())
            .unwrap_or(0);
        if last == Some(size) {
            return size;
        }
        last = Some(size);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_act_is_an_entry_and_so_is_every_refusal() {
    let server = Server::start(1).await;
    let agency = Agency::found(&server, 0).await;
    let mut seen = leaves(&agency).await;
    assert!(seen >= 1, "founding itself is an entry");
    let mut grew = async |what: &str| {
        let now = leaves(&agency).await;
        assert!(now > seen, "{what} wrote no entry");
        seen = now;
    };
    let (person, first) = agency.invite(false, &agency.registrar, None).await;
    grew("people").await;
    let worker = agency.activate(person, &first).await;
    grew("activations").await;
    let unit = agency.unit_with(&worker).await;
    grew("units and appointments").await;
    let (subject, subject_first) = agency.invite(true, &worker, Some(unit.id)).await;
    grew("people, by a caseworker").await;
    let subject = agency.activate(subject, &subject_first).await;
    grew("activations, of a citizen").await;
    let case = agency.case(&worker, &unit, subject.id).await;
    grew("cases").await;
    let made = agency.file(&worker, &unit, &case, b"x").await;
    grew("documents").await;
    let (answer, _) = agency
        .release(&worker, Agency::opening(&unit, &case, made.document))
        .await;
    answer.ok();
    grew("releases").await;
    let (refused, _) = agency
        .release(&subject, Agency::opening(&unit, &case, made.document))
        .await;
    assert!(!refused.status.is_success());
    grew("a refused release").await;
    let mut draft = Draft::new(ActKind::ReadLog, Role::Citizen);
    draft.persons = vec![subject.id];
    let request = agency.sign(&subject, draft, None);
    let body = json!({"request": b64(request.to_bytes())});
    let answers = agency
        .post("/log/entries", &subject.ground, body.clone())
        .await
        .ok();
    assert!(!answers["answers"].as_array().unwrap().is_empty());
    grew("log/entries").await;
    let again = agency.post("/log/entries", &subject.ground, body).await;
    assert_eq!(again.problem(), ("act-invalid".into(), "act-seen".into()));
    let appointed = obhut_format::statement::Appointed {
        person: worker.id,
        role: Role::Registrar,
        unit: None,
        until_us: None,
    };
    let event = obhut_format::statement::Event::Appointed(appointed);
    let mutation = obhut_format::mutation::Mutation::of(vec![agency.by(&worker, event, None)]);
    let mut draft = Draft::new(ActKind::Appoint, Role::Registrar);
    draft.persons = vec![worker.id];
    let refused = agency
        .mutate("/appointments", &worker, draft, &mutation)
        .await;
    assert!(!refused.status.is_success());
    grew("a refused appointment").await;
}
