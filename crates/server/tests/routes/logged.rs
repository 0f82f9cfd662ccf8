//! Every route that touches personal data writes an entry, also when it refuses.

use std::collections::BTreeSet;

use obhut_format::statement::Role;
use serde_json::Value;

use crate::people::Agency;
use crate::world::{Ground, Server};

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

/// What is sent to these is no act on personal data: logins, sealed shares on their way to the gatekeeper, and the
/// end of a sealed object's parts.
const NO_ACTS: &[&str] = &[
    "/gate-enrolments",
    "/deposits",
    "/objects/{object}/completion",
    "/sessions",
    "/sessions/challenges",
];

/// Counts entries and remembers which routes wrote one.
struct Watch<'a> {
    agency: &'a Agency<'a>,
    seen: u64,
    routes: BTreeSet<String>,
}

impl Watch<'_> {
    async fn wrote(&mut self, routes: &[&str]) {
        let now = leaves(self.agency).await;
        assert!(now > self.seen, "{routes:?} wrote no entry");
        self.seen = now;
        self.routes.extend(routes.iter().map(ToString::to_string));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_act_is_an_entry() {
    let server = Server::start(1).await;
    let agency = Agency::found(&server, 0).await;
    let mut watch = Watch {
        agency: &agency,
        seen: 0,
        routes: BTreeSet::new(),
    };
    watch.wrote(&["/founding"]).await;
    let (person, first) = agency.invite(false, &agency.registrar, None).await;
    watch.wrote(&["/people"]).await;
    let worker = agency.activate(person, &first).await;
    watch.wrote(&["/activations"]).await;
    let unit = agency.unit_with(&worker).await;
    watch.wrote(&["/units", "/appointments"]).await;
    let (subject, subject_first) = agency.invite(true, &worker, Some(unit.id)).await;
    let subject = agency.activate(subject, &subject_first).await;
    watch.wrote(&[]).await;
    let case = agency.case(&worker, &unit, subject.id).await;
    watch.wrote(&["/cases"]).await;
    agency.look_up(&worker, unit.id, &[[9; 32]]).await.ok();
    watch.wrote(&["/lookups"]).await;
    let made = agency.file(&worker, &unit, &case, b"x").await;
    watch.wrote(&["/documents"]).await;
    let opening = Agency::opening(&unit, &case, made.document);
    agency.release(&worker, opening).await.0.ok();
    watch.wrote(&["/releases"]).await;
    let grant = agency.grant(&worker, &unit, &case, &made, &subject).await;
    watch.wrote(&["/grants"]).await;
    agency.revoke_grant(&worker, &unit, &case, &grant).await;
    watch.wrote(&["/grants/revocations"]).await;
    agency.close(&worker, &unit, &case).await;
    watch.wrote(&["/cases/{case}/changes"]).await;
    let answers = agency.read_own_log(&subject).await;
    assert!(!answers.is_empty());
    watch.wrote(&["/log/entries"]).await;
    agency.revoke_device(&worker).await;
    watch.wrote(&["/identity"]).await;
    // A refusal is an entry as well, and there is no recovery to withdraw.
    let refused = agency.withdraw_recovery([9; 16]).await;
    assert_eq!(refused.problem().0, "record-refused");
    watch.wrote(&["/recovery"]).await;
    assert_eq!(watch.routes, posted_acts());
}

/// Every address below a vault that takes an act.
fn posted_acts() -> BTreeSet<String> {
    let document: Value = serde_json::from_str(&obhut_server::openapi_json()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    paths
        .iter()
        .filter(|(_, item)| item.get("post").is_some())
        .filter_map(|(path, _)| path.strip_prefix("/v1/vaults/{vault}"))
        .filter(|path| !NO_ACTS.contains(path))
        .map(str::to_owned)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_refusal_is_an_entry() {
    let server = Server::start(1).await;
    let agency = Agency::found(&server, 0).await;
    let worker = agency.join(false, &agency.registrar, None).await;
    let unit = agency.unit_with(&worker).await;
    let subject = agency.join(true, &worker, Some(unit.id)).await;
    let case = agency.case(&worker, &unit, subject.id).await;
    let made = agency.file(&worker, &unit, &case, b"x").await;
    let mut watch = Watch {
        agency: &agency,
        seen: 0,
        routes: BTreeSet::new(),
    };
    watch.wrote(&["before"]).await;
    let opening = Agency::opening(&unit, &case, made.document);
    let (refused, _) = agency.release(&subject, opening).await;
    assert!(matches!(
        refused.problem().0.as_str(),
        "not-found" | "refused"
    ));
    watch.wrote(&["/releases"]).await;
    let refused = agency
        .try_appoint(&worker, &worker, Role::Registrar, None)
        .await;
    assert!(matches!(
        refused.problem().0.as_str(),
        "refused" | "record-refused"
    ));
    watch.wrote(&["/appointments"]).await;
    let again = agency.seal(&worker, &case, b"never stored");
    let deposit = agency.deposit_document(&worker, &again).await;
    let (mutation, draft) = agency.registration(&worker, &unit, &case, &again, deposit);
    let refused = agency.mutate("/documents", &worker, draft, &mutation).await;
    assert_eq!(refused.problem().0, "object-missing");
    watch.wrote(&["/documents"]).await;
    let others = agency.own_log_request(&subject, worker.id);
    let refused = agency.post("/log/entries", &subject.ground, others).await;
    assert!(matches!(
        refused.problem().0.as_str(),
        "not-found" | "refused"
    ));
    watch.wrote(&["/log/entries"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn f16_an_act_is_used_once() {
    let server = Server::start(1).await;
    let agency = Agency::found(&server, 0).await;
    let worker = agency.join(false, &agency.registrar, None).await;
    let unit = agency.unit_with(&worker).await;
    let person = agency.join(true, &worker, Some(unit.id)).await;
    let body = agency.own_log_request(&person, person.id);
    agency
        .post("/log/entries", &person.ground, body.clone())
        .await
        .ok();
    let again = agency.post("/log/entries", &person.ground, body).await;
    assert_eq!(again.problem(), ("act-invalid".into(), "act-seen".into()));
}
