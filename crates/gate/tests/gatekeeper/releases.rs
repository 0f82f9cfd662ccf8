//! Releases: an honest one gets its shares; every lie of a vault, a thief or a former member is refused.

use obhut_format::act::{ActKind, ObjectRef};
use obhut_format::context::sha256;
use obhut_format::entry::{Decision, Opening};
use obhut_format::release::{GateRequest, GateResponse, RELEASE_RECEIPT_LABEL, gate_chain_start};
use obhut_format::share::content_secret_id;
use obhut_format::statement::{Event, GrantRevoked, Role, SubjectAdded};
use obhut_format::tree::root_of;
use obhut_format::{CaseId, Cbor, DocumentId, PersonId, UnitId, VaultId};
use obhut_log::Label;
use obhut_suite::{DevicePublic, DeviceSignature};

use crate::filing::{TestDocument, agency_case};
use crate::people::TestPerson;
use crate::requests::{
    Attempt, fresh_key, latest, object, receipt_of, released, whole_case, without_cosignature,
};
use crate::world::{DAY, SECOND, World, refused, wait_for_steps};

/// A unit with a caseworker, a case about a citizen, and documents in it.
struct Office {
    world: World,
    clerk: TestPerson,
    citizen: TestPerson,
    unit: UnitId,
    case: CaseId,
    case_secret: Vec<u8>,
    documents: Vec<TestDocument>,
}

impl Office {
    async fn new(documents: usize) -> Self {
        Self::within(World::new().await, documents).await
    }

    async fn within(mut world: World, documents: usize) -> Self {
        let unit = world.create_unit();
        let clerk = world.activated(false).await;
        let citizen = world.activated(true).await;
        world.appoint(&clerk, unit, None);
        world.publish().await;
        let (case, case_secret) = world.create_case(&clerk, unit, &[citizen.id]).await;
        let documents = world.file(&clerk, case, documents).await;
        world.publish().await;
        Self {
            world,
            clerk,
            citizen,
            unit,
            case,
            case_secret,
            documents,
        }
    }

    fn open(&mut self, which: usize) -> Attempt {
        let objects = vec![latest(&self.documents[which])];
        self.world
            .attempt(&self.clerk, self.unit, ActKind::OpenDocument, objects)
    }

    /// Bends the act, signs it, and asks as an honest vault.
    async fn refusal_of_act(&mut self, bend: impl FnOnce(&mut Attempt)) -> String {
        let mut attempt = self.open(0);
        bend(&mut attempt);
        attempt.sign(&self.clerk);
        refused(self.world.release(&attempt).await)
    }
}

#[tokio::test]
async fn an_honest_act_gets_its_shares_under_a_signed_receipt() {
    let mut office = Office::new(3).await;
    let attempt = office.open(1);
    let release = released(office.world.release(&attempt).await);
    assert_eq!(
        attempt.open(&release),
        [office.documents[1].secrets.clone()]
    );
    let share = &release.shares[0];
    assert_eq!(
        (share.revision, share.share_id),
        (1, office.documents[1].share_id)
    );
    let receipt = receipt_of(&release);
    assert_eq!(receipt.act, attempt.signed.hash());
    assert_eq!(
        receipt.root,
        root_of(release.shares.iter().map(Cbor::to_bytes))
    );
    assert_eq!((receipt.seq, receipt.count), (1, 1));
    assert_eq!(
        receipt.head,
        receipt.head_after(&gate_chain_start(office.world.vault))
    );
    assert_eq!(receipt.records_size, office.world.records.tail.size());
    let public = DevicePublic::parse(&office.world.gate.public_key()).unwrap();
    let signature = DeviceSignature::parse(&release.signature).unwrap();
    let label = obhut_suite::Label::new(RELEASE_RECEIPT_LABEL);
    public
        .verify(label, &release.receipt.0, &signature)
        .unwrap();

    let second = office.open(2);
    let next = receipt_of(&released(office.world.release(&second).await));
    assert_eq!(next.head, next.head_after(&receipt.head));
    office.world.restart().await;
    let head = office.world.status().await.head;
    assert_eq!((head.seq, head.head), (2, next.head));
}

#[tokio::test]
async fn each_kind_of_act_gets_its_part_of_the_share_and_no_more() {
    let mut office = Office::new(2).await;
    let objects: Vec<_> = office.documents.iter().map(latest).collect();
    let list = ActKind::ListDocuments;
    let attempt = office
        .world
        .attempt(&office.clerk, office.unit, list, objects);
    let release = released(office.world.release(&attempt).await);
    for (secret, share) in attempt.open(&release).iter().zip(&release.shares) {
        let document = office
            .documents
            .iter()
            .find(|d| d.share_id == share.share_id)
            .unwrap();
        let (content, card) = document.secrets.split_first_chunk::<32>().unwrap();
        let (vault, id) = (office.world.vault, document.document.0);
        let content_id = content_secret_id(vault, &id, 1, content);
        assert_eq!(secret, &[card, &content_id].concat());
    }
    let objects = vec![whole_case(office.case)];
    let find = ActKind::FindCase;
    let attempt = office
        .world
        .attempt(&office.clerk, office.unit, find, objects.clone());
    let release = released(office.world.release(&attempt).await);
    assert_eq!(attempt.open(&release), [office.case_secret.clone()]);
    let open = ActKind::OpenDocument;
    let attempt = office
        .world
        .attempt(&office.clerk, office.unit, open, objects);
    assert_eq!(refused(office.world.release(&attempt).await), "objects");
    let objects = vec![latest(&office.documents[0])];
    let attempt = office
        .world
        .attempt(&office.clerk, office.unit, find, objects);
    assert_eq!(refused(office.world.release(&attempt).await), "objects");
}

#[tokio::test]
async fn an_act_may_stand_in_many_entries() {
    let mut office = Office::new(90).await;
    let objects: Vec<_> = office.documents.iter().map(latest).collect();
    let export = ActKind::ExportCase;
    let attempt = office
        .world
        .attempt(&office.clerk, office.unit, export, objects);
    let release = released(office.world.release(&attempt).await);
    assert_eq!(release.shares.len(), 90);
    let opened = attempt.open(&release);
    for (secret, share) in opened.iter().zip(&release.shares) {
        let document = office
            .documents
            .iter()
            .find(|d| d.share_id == share.share_id)
            .unwrap();
        assert_eq!(secret, &document.secrets);
    }
}

#[tokio::test]
async fn latest_is_what_the_gatekeepers_replay_says() {
    let mut office = Office::new(1).await;
    let world = &mut office.world;
    let next = [world.draft_document(&office.clerk, office.case, Some(&office.documents[0]))];
    let receipt = world.deposit_documents(&office.clerk, &next).await.receipt;
    world.register(&office.clerk, &next, receipt.batch, receipt.register_by_us);
    let open = ActKind::OpenDocument;
    let [next] = next;
    let attempt = world.attempt(&office.clerk, office.unit, open, vec![latest(&next)]);
    let release = released(world.release(&attempt).await);
    assert_eq!(release.shares[0].revision, 2);
    assert_eq!(attempt.open(&release), [next.secrets]);
    let first = vec![object(&office.documents[0])];
    let attempt = world.attempt(&office.clerk, office.unit, open, first);
    let release = released(world.release(&attempt).await);
    assert_eq!(
        attempt.open(&release),
        [office.documents[0].secrets.clone()]
    );
}

#[tokio::test]
async fn f01_refuses_an_act_logged_without_its_data_subject() {
    let mut office = Office::new(1).await;
    let shard = office.world.access.tail.origin().to_owned();
    let subject = Label::of_subject(&shard, &office.citizen.lambda);
    let attempt = office.open(0);
    let mut drafts = office.world.drafts(&attempt, 40);
    drafts[0].labels.retain(|label| *label != subject);
    let answer = office.world.release_with(&attempt, &drafts).await;
    assert_eq!(refused(answer), "label-missing");

    // Under somebody else's label, and committing to somebody else or to nobody.
    let registrar = office.world.registrar.duplicate();
    let attempt = office.open(0);
    let mut drafts = office.world.drafts(&attempt, 40);
    for label in &mut drafts[0].labels {
        if *label == subject {
            *label = Label::of_subject(&shard, &registrar.lambda);
        }
    }
    let answer = office.world.release_with(&attempt, &drafts).await;
    assert_eq!(refused(answer), "label-missing");
    let attempt = office.open(0);
    let mut drafts = office.world.drafts(&attempt, 40);
    drafts[0].draft.subjects.clear();
    let answer = office.world.release_with(&attempt, &drafts).await;
    assert_eq!(refused(answer), "subject-count");
}

#[tokio::test]
async fn f01_refuses_an_act_logged_without_actor_case_or_document() {
    let mut office = Office::new(1).await;
    let shard = office.world.access.tail.origin().to_owned();
    let missing = [
        Label::of_actor(&shard, &office.clerk.lambda),
        Label::of_case(&shard, &office.case.0),
        Label::of_document(&shard, &office.documents[0].document.0),
    ];
    for label in missing {
        let attempt = office.open(0);
        let mut drafts = office.world.drafts(&attempt, 40);
        drafts[0].labels.retain(|other| *other != label);
        let answer = office.world.release_with(&attempt, &drafts).await;
        assert_eq!(refused(answer), "label-missing");
    }
}

#[tokio::test]
async fn f02_refuses_a_split_act_that_misses_a_label_or_an_object() {
    let mut office = Office::new(4).await;
    let objects: Vec<_> = office.documents.iter().map(latest).collect();
    let export = ActKind::ExportCase;
    let shard = office.world.access.tail.origin().to_owned();
    let document = Label::of_document(&shard, &office.documents[3].document.0);

    let attempt = office
        .world
        .attempt(&office.clerk, office.unit, export, objects.clone());
    let mut drafts = office.world.drafts(&attempt, 2);
    for draft in &mut drafts {
        draft.labels.retain(|label| *label != document);
    }
    let answer = office.world.release_with(&attempt, &drafts).await;
    assert_eq!(refused(answer), "label-missing");

    // One part is left out of the order, or shown twice, or the parts trade places.
    for bent in 0..3 {
        let attempt = office
            .world
            .attempt(&office.clerk, office.unit, export, objects.clone());
        let drafts = office.world.drafts(&attempt, 2);
        let logged = office.world.log(&drafts);
        office.world.publish().await;
        let mut order = office.world.order(&attempt, &logged);
        let expected = match bent {
            0 => {
                order.leaves.pop();
                "leaf-commitment"
            }
            1 => {
                order.leaves[1] = order.leaves[0].clone();
                "leaf-proof"
            }
            _ => {
                order.leaves.swap(0, 1);
                "leaf-commitment"
            }
        };
        let answer = office.world.ask(GateRequest::Release(order)).await;
        assert_eq!(refused(answer), expected);
    }

    // A part drops an object that the act was signed over.
    let attempt = office
        .world
        .attempt(&office.clerk, office.unit, export, objects);
    let mut drafts = office.world.drafts(&attempt, 2);
    drafts[1].draft.d.objects.pop();
    let answer = office.world.release_with(&attempt, &drafts).await;
    assert_eq!(refused(answer), "objects");
}

#[tokio::test]
async fn f04_refuses_to_take_another_unit_role_or_decision_as_logged() {
    let mut office = Office::new(1).await;
    for bent in 0..6 {
        let attempt = office.open(0);
        let mut drafts = office.world.drafts(&attempt, 40);
        let draft = &mut drafts[0].draft;
        match bent {
            0 => draft.a1.unit = Some(UnitId([9; 16])),
            1 => draft.a1.role = Role::Registrar,
            2 => draft.a1.decision = Decision::Refused,
            3 => draft.a1.kind = ActKind::ListDocuments,
            4 => draft.a2.person = PersonId([9; 16]),
            _ => draft.d.class = Some("OTHER-1".parse().unwrap()),
        }
        let answer = office.world.release_with(&attempt, &drafts).await;
        assert_eq!(refused(answer), "leaf-commitment", "{bent}");
    }
    // What is shown is not what the leaf commits to.
    let attempt = office.open(0);
    let drafts = office.world.drafts(&attempt, 40);
    let mut other = drafts.clone();
    other[0].draft.a1.unit = None;
    let logged = office.world.log(&other);
    office.world.publish().await;
    let mut order = office.world.order(&attempt, &logged);
    order.leaves[0].a1 = Opening {
        salt: logged[0].1.a1.salt,
        body: obhut_format::Blob(drafts[0].draft.a1.to_bytes()),
    };
    let answer = office.world.ask(GateRequest::Release(order)).await;
    assert_eq!(refused(answer), "leaf-commitment");
}

#[tokio::test]
async fn f05_refuses_a_removed_member_whatever_the_vault_says() {
    let mut office = Office::new(1).await;
    let (clerk, unit) = (office.clerk.duplicate(), office.unit);
    office.world.dismiss(&clerk, unit);
    let attempt = office.open(0);
    assert_eq!(
        refused(office.world.release(&attempt).await),
        "no-authority"
    );
    office
        .world
        .appoint(&clerk, unit, Some(office.world.now() + DAY));
    let attempt = office.open(0);
    released(office.world.release(&attempt).await);
    office.world.advance(DAY);
    let attempt = office.open(0);
    assert_eq!(
        refused(office.world.release(&attempt).await),
        "no-authority",
        "run out"
    );
}

#[tokio::test]
async fn f05_refuses_an_invented_and_a_revoked_device() {
    let mut office = Office::new(1).await;
    let invented = office.clerk.with_invented_device(&mut office.world.rng);
    let open = ActKind::OpenDocument;
    let objects = vec![latest(&office.documents[0])];
    let attempt = office
        .world
        .attempt(&invented, office.unit, open, objects.clone());
    assert_eq!(refused(office.world.release(&attempt).await), "act-device");

    // Another's device, and a signature by another key.
    let citizen = office.citizen.duplicate();
    let code = office
        .refusal_of_act(|attempt| attempt.act.device = citizen.device_kid())
        .await;
    assert_eq!(code, "act-device");
    let mut attempt = office.open(0);
    attempt.sign(&invented);
    assert_eq!(
        refused(office.world.release(&attempt).await),
        "act-signature"
    );

    let clerk = office.clerk.duplicate();
    office.world.revoke_device(&clerk);
    let attempt = office.open(0);
    assert_eq!(refused(office.world.release(&attempt).await), "act-device");
}

#[tokio::test]
async fn f05_refuses_another_unit_and_roles_that_read_nothing() {
    let mut office = Office::new(1).await;
    let other_unit = office.world.create_unit();
    let stranger = office.world.activated(false).await;
    office.world.appoint(&stranger, other_unit, None);
    let open = ActKind::OpenDocument;
    let objects = vec![latest(&office.documents[0])];
    for unit in [other_unit, office.unit] {
        let attempt = office.world.attempt(&stranger, unit, open, objects.clone());
        assert_eq!(
            refused(office.world.release(&attempt).await),
            "no-authority"
        );
    }
    for role in [Role::Registrar, Role::Dpo, Role::Root, Role::Citizen] {
        let code = office
            .refusal_of_act(|attempt| attempt.act.role = role)
            .await;
        assert_eq!(code, "no-authority");
    }
    let code = office
        .refusal_of_act(|attempt| attempt.act.unit = None)
        .await;
    assert_eq!(code, "no-authority");
}

#[tokio::test]
async fn f06_refuses_objects_that_are_not_this_vaults() {
    let mut office = Office::new(1).await;
    let mut foreign = latest(&office.documents[0]);
    foreign.document = Some(DocumentId([9; 16]));
    let open = ActKind::OpenDocument;
    let attempt = office
        .world
        .attempt(&office.clerk, office.unit, open, vec![foreign]);
    assert_eq!(
        refused(office.world.release(&attempt).await),
        "object-unknown"
    );
    let (elsewhere, _) = office
        .world
        .create_case(&office.clerk, office.unit, &[])
        .await;
    let mut moved = latest(&office.documents[0]);
    moved.case = elsewhere;
    let attempt = office
        .world
        .attempt(&office.clerk, office.unit, open, vec![moved]);
    assert_eq!(
        refused(office.world.release(&attempt).await),
        "object-unknown"
    );
    let code = office
        .refusal_of_act(|attempt| attempt.act.vault = VaultId([2; 16]))
        .await;
    assert_eq!(code, "vault-unknown");
}

#[tokio::test]
async fn f06_a_second_vault_gets_no_share_of_the_first() {
    let mut office = Office::new(1).await;
    let world = office.world.beside().await;
    let mut second = Office::within(world, 1).await;
    let attempt = second.open(0);
    released(second.world.release(&attempt).await);

    // The second vault registers the first one's share as its own, and names the first one's document.
    let world = &mut second.world;
    let mut stolen = world.draft_document(&second.clerk, second.case, None);
    let receipt = world
        .deposit_documents(&second.clerk, std::slice::from_ref(&stolen))
        .await;
    stolen.manifest.share_id = office.documents[0].share_id;
    let (batch, by) = (receipt.receipt.batch, receipt.receipt.register_by_us);
    world.register(&second.clerk, std::slice::from_ref(&stolen), batch, by);
    let open = ActKind::OpenDocument;
    let attempt = world.attempt(&second.clerk, second.unit, open, vec![latest(&stolen)]);
    assert_eq!(refused(world.release(&attempt).await), "share-unregistered");
    let foreign = vec![latest(&office.documents[0])];
    let attempt = world.attempt(&second.clerk, second.unit, open, foreign);
    let mut drafts = world.drafts(&attempt, 40);
    drafts[0].draft.d.class = None;
    let logged = world.log(&drafts);
    world.publish().await;
    let order = world.order(&attempt, &logged);
    let answer = world.ask(GateRequest::Release(order.clone())).await;
    assert_eq!(refused(answer), "object-unknown");

    // Its act and entries shown to the gatekeeper as the first vault's.
    let mut order = order;
    order.vault = office.world.vault;
    let answer = world.ask(GateRequest::Release(order)).await;
    assert_eq!(refused(answer), "vault-unknown");
    let attempt = office.open(0);
    released(office.world.release(&attempt).await);
}

#[tokio::test]
async fn f15_refuses_an_entry_in_another_shard() {
    let mut office = Office::new(1).await;
    let other = format!("{}/access/sealed/2027q1", office.world.origin);
    let code = office
        .refusal_of_act(|attempt| attempt.act.shard = other)
        .await;
    assert_eq!(code, "shard-unknown");
}

#[tokio::test]
async fn f15_refuses_an_entry_in_a_shard_whose_time_is_over() {
    let mut office = Office::new(1).await;
    let Event::ShardOpened(mut next) = office.world.shard() else {
        unreachable!()
    };
    next.origin = format!("{}/access/std/2027q2", office.world.origin);
    next.from_us = office.world.now() + DAY;
    next.to_us = next.from_us + 90 * DAY;
    office.world.state_as_root(Event::ShardOpened(next));
    office.world.publish().await;
    let attempt = office.open(0);
    released(office.world.release(&attempt).await);
    office.world.advance(2 * DAY);
    office.world.publish().await;
    let late = office.open(0);
    assert_eq!(refused(office.world.release(&late).await), "shard-unknown");
}

#[tokio::test]
async fn f16_refuses_an_act_in_a_second_leaf_or_for_another_key() {
    let mut office = Office::new(1).await;
    let mut attempt = office.open(0);
    let drafts = office.world.drafts(&attempt, 40);
    let logged = office.world.log(&drafts);
    office.world.publish().await;
    let order = office.world.order(&attempt, &logged);
    let first = office.world.ask(GateRequest::Release(order.clone())).await;
    released(first.clone());

    // The identical order gets the identical bytes, also after a restart, and with newer proofs.
    assert_eq!(
        office.world.ask(GateRequest::Release(order.clone())).await,
        first
    );
    office.world.restart().await;
    assert_eq!(
        office.world.ask(GateRequest::Release(order.clone())).await,
        first
    );
    office.world.advance(590 * SECOND);
    office.world.publish().await;
    let newer = office.world.order(&attempt, &logged);
    assert_eq!(
        office.world.ask(GateRequest::Release(newer.clone())).await,
        first
    );
    office.world.advance(20 * SECOND);
    let late = office.world.ask(GateRequest::Release(newer)).await;
    assert_eq!(refused(late), "act-seen-before");

    let again = office.world.release(&attempt).await;
    assert_eq!(refused(again), "act-seen-before", "a second leaf");
    attempt.epk = fresh_key(&mut office.world.rng);
    let other_key = office.world.order(&attempt, &logged);
    let answer = office.world.ask(GateRequest::Release(other_key)).await;
    assert_eq!(refused(answer), "act-seen-before");
}

#[tokio::test]
async fn f16_refuses_another_key_than_the_act_names() {
    let mut office = Office::new(1).await;
    let mut attempt = office.open(0);
    let drafts = office.world.drafts(&attempt, 40);
    let logged = office.world.log(&drafts);
    office.world.publish().await;
    attempt.epk = fresh_key(&mut office.world.rng);
    let order = office.world.order(&attempt, &logged);
    assert_eq!(
        refused(office.world.ask(GateRequest::Release(order)).await),
        "epk"
    );
    let code = office
        .refusal_of_act(|attempt| attempt.act.epk_hash = [0; 32])
        .await;
    assert_eq!(code, "epk");
}

#[tokio::test]
async fn f16_refuses_acts_that_are_dated_off() {
    let mut office = Office::new(1).await;
    let code = office
        .refusal_of_act(|attempt| attempt.act.expires_us += 1)
        .await;
    assert_eq!(code, "act-expired", "longer than two minutes");
    let code = office
        .refusal_of_act(|attempt| {
            attempt.act.time_us -= DAY;
            attempt.act.expires_us -= DAY;
        })
        .await;
    assert_eq!(code, "act-expired");
    let code = office
        .refusal_of_act(|attempt| {
            attempt.act.time_us += DAY;
            attempt.act.expires_us += DAY;
        })
        .await;
    assert_eq!(code, "act-from-the-future");
    let code = office
        .refusal_of_act(|attempt| {
            attempt.act.time_us += 2 * SECOND;
            attempt.act.expires_us = attempt.act.time_us - 1;
        })
        .await;
    assert_eq!(code, "act-expired");
}

#[tokio::test]
async fn f16_refuses_an_entry_dated_off_its_act() {
    let mut office = Office::new(1).await;
    let attempt = office.open(0);
    let drafts = office.world.drafts(&attempt, 40);
    let time_ms = (attempt.act.time_us - 121 * SECOND) / 1_000;
    // An entry logged before the act was made.
    let logged = office.world.log_at(&drafts, time_ms);
    office.world.publish().await;
    let order = office.world.order(&attempt, &logged);
    assert_eq!(
        refused(office.world.ask(GateRequest::Release(order)).await),
        "leaf-time"
    );
    let attempt = office.open(0);
    let drafts = office.world.drafts(&attempt, 40);
    let time_ms = attempt.act.expires_us / 1_000 + 1;
    let logged = office.world.log_at(&drafts, time_ms);
    office.world.publish().await;
    let order = office.world.order(&attempt, &logged);
    assert_eq!(
        refused(office.world.ask(GateRequest::Release(order)).await),
        "leaf-time"
    );

    // Both dated ahead: the entry would be younger than the head it stands in.
    let mut attempt = office.open(0);
    attempt.act.time_us += 100 * SECOND;
    attempt.act.expires_us += 100 * SECOND;
    attempt.sign(&office.clerk);
    let drafts = office.world.drafts(&attempt, 40);
    let time_ms = (office.world.now() + 180 * SECOND) / 1_000;
    let logged = office.world.log_at(&drafts, time_ms);
    office.world.publish().await;
    let order = office.world.order(&attempt, &logged);
    assert_eq!(
        refused(office.world.ask(GateRequest::Release(order)).await),
        "leaf-time"
    );
}

#[tokio::test]
async fn f21_refuses_while_the_records_feed_is_stale() {
    let mut office = Office::new(1).await;
    office.world.advance(301 * SECOND);
    let attempt = office.open(0);
    let drafts = office.world.drafts(&attempt, 40);
    let logged = office.world.log(&drafts);
    office.world.publish_log(false).await;
    let order = office.world.order(&attempt, &logged);
    let answer = office.world.ask(GateRequest::Release(order.clone())).await;
    assert_eq!(refused(answer), "records-stale");

    office.world.publish_log(true).await;
    released(office.world.ask(GateRequest::Release(order)).await);
}

#[tokio::test]
async fn f21_what_takes_rights_away_counts_before_the_quorum() {
    let mut office = Office::new(1).await;
    for revoked in [false, true] {
        let (clerk, unit) = (office.clerk.duplicate(), office.unit);
        let attempt = office.open(0);
        let drafts = office.world.drafts(&attempt, 40);
        let logged = office.world.log(&drafts);
        office.world.publish().await;
        if revoked {
            office.world.revoke_device(&clerk);
        } else {
            office.world.dismiss(&clerk, unit);
        }
        office.world.try_feed(true).await;
        let order = office.world.order(&attempt, &logged);
        let code = refused(office.world.ask(GateRequest::Release(order)).await);
        let expected = if revoked {
            "act-device"
        } else {
            "no-authority"
        };
        assert_eq!(code, expected);
        office.world.appoint(&clerk, unit, None);
        office.world.publish().await;
    }
}

#[tokio::test]
async fn f21_what_gives_rights_waits_for_the_quorum() {
    let mut office = Office::new(1).await;
    let colleague = office.world.activated(false).await;
    office.world.publish().await;
    let open = ActKind::OpenDocument;

    // Something that concerns nobody here is no hindrance.
    let attempt = office.open(0);
    let drafts = office.world.drafts(&attempt, 40);
    let logged = office.world.log(&drafts);
    office.world.publish_log(false).await;
    office.world.create_unit();
    office.world.try_feed(true).await;
    let order = office.world.order(&attempt, &logged);
    released(office.world.ask(GateRequest::Release(order)).await);

    // An appointment.
    office.world.appoint(&colleague, office.unit, None);
    office.world.try_feed(true).await;
    let objects = vec![latest(&office.documents[0])];
    let attempt = office.world.attempt(&colleague, office.unit, open, objects);
    let drafts = office.world.drafts(&attempt, 40);
    let logged = office.world.log(&drafts);
    office.world.publish_log(false).await;
    let order = office.world.order(&attempt, &logged);
    let answer = office.world.ask(GateRequest::Release(order.clone())).await;
    assert_eq!(refused(answer), "records-stale");
    office.world.publish_log(true).await;
    released(office.world.ask(GateRequest::Release(order)).await);

    // A revision that `latest` stands for, and a device.
    let world = &mut office.world;
    let next = [world.draft_document(&office.clerk, office.case, Some(&office.documents[0]))];
    let receipt = world.deposit_documents(&office.clerk, &next).await.receipt;
    let (batch, by) = (receipt.batch, receipt.register_by_us);
    world.register(&office.clerk, &next, batch, by);
    let second = office.clerk.with_invented_device(&mut world.rng);
    world.add_device(&second);
    world.try_feed(true).await;
    for person in [&office.clerk, &second] {
        let shown = if person.device_kid() == second.device_kid() {
            object(&office.documents[0])
        } else {
            latest(&office.documents[0])
        };
        let attempt = world.attempt(person, office.unit, open, vec![shown]);
        let drafts = world.drafts(&attempt, 40);
        let logged = world.log(&drafts);
        world.publish_log(false).await;
        let order = world.order(&attempt, &logged);
        let answer = world.ask(GateRequest::Release(order)).await;
        assert_eq!(refused(answer), "records-stale");
    }
}

#[tokio::test]
async fn f21_refuses_when_the_client_has_seen_more_records_than_were_fed() {
    let mut office = Office::new(1).await;
    let origin = office.world.records.tail.origin().to_owned();
    let size = office.world.records.tail.size() + 1;
    let code = office
        .refusal_of_act(|attempt| {
            attempt.act.pinned = Some(obhut_format::act::PinnedCheckpoint {
                origin,
                size,
                root: [0; 32],
            });
        })
        .await;
    assert_eq!(code, "records-behind");
}

#[tokio::test]
async fn f22_a_data_subject_added_after_the_deposit_counts_at_once() {
    let mut office = Office::new(1).await;
    let added = office.world.activated(true).await;
    let attempt = office.open(0);
    let before = office.world.drafts(&attempt, 40);
    let event = Event::SubjectAdded(SubjectAdded {
        case: office.case,
        person: added.id,
    });
    office.world.state_as(&office.clerk, event);
    let answer = office.world.release_with(&attempt, &before).await;
    assert_eq!(refused(answer), "subject-count");
    // The vault counts the new one but leaves the label out.
    let attempt = office.open(0);
    let mut drafts = office.world.drafts(&attempt, 40);
    let label = Label::of_subject(office.world.access.tail.origin(), &added.lambda);
    drafts[0].labels.retain(|other| *other != label);
    let answer = office.world.release_with(&attempt, &drafts).await;
    assert_eq!(refused(answer), "label-missing");
    let attempt = office.open(0);
    released(office.world.release(&attempt).await);
}

#[tokio::test]
async fn f24_refuses_a_leaf_whose_reason_or_act_is_not_the_signed_one() {
    let mut office = Office::new(2).await;
    let other = office.open(1);
    for bent in 0..4 {
        let attempt = office.open(0);
        let mut drafts = office.world.drafts(&attempt, 40);
        let draft = &mut drafts[0].draft;
        match bent {
            0 => draft.w.purpose = "Another purpose".to_owned(),
            1 => draft.r.signed = other.signed.clone(),
            2 => draft.r.decision = Decision::Refused,
            _ => draft.r.refusal = Some("none".to_owned()),
        }
        let answer = office.world.release_with(&attempt, &drafts).await;
        assert_eq!(refused(answer), "leaf-commitment", "{bent}");
    }
}

#[tokio::test]
async fn f25_refuses_shares_that_are_not_registered_or_not_deposited() {
    let mut office = Office::new(1).await;
    let world = &mut office.world;
    let never_deposited = [world.draft_document(&office.clerk, office.case, None)];
    let by = world.now() + 14 * DAY;
    let batch = obhut_format::BatchId([3; 16]);
    world.register(&office.clerk, &never_deposited, batch, by);
    let deposited_only = world.draft_document(&office.clerk, office.case, None);
    world
        .deposit_documents(&office.clerk, std::slice::from_ref(&deposited_only))
        .await;
    world.publish().await;
    let open = ActKind::OpenDocument;
    let [document] = never_deposited;
    let attempt = world.attempt(&office.clerk, office.unit, open, vec![latest(&document)]);
    assert_eq!(refused(world.release(&attempt).await), "share-unregistered");
    let attempt = world.attempt(
        &office.clerk,
        office.unit,
        open,
        vec![latest(&deposited_only)],
    );
    assert_eq!(refused(world.release(&attempt).await), "object-unknown");
}

#[tokio::test]
async fn f19_f25_a_registration_that_does_not_fit_its_deposit_releases_nothing() {
    let mut office = Office::new(1).await;
    let world = &mut office.world;
    let second = world.activated(false).await;
    world.appoint(&second, office.unit, None);
    world.publish().await;
    for bent in 0..3 {
        let mut document = world.draft_document(&office.clerk, office.case, None);
        let list = std::slice::from_ref(&document);
        let receipt = world.deposit_documents(&office.clerk, list).await.receipt;
        let (mut author, mut batch, mut by) = (
            office.clerk.duplicate(),
            receipt.batch,
            receipt.register_by_us,
        );
        match bent {
            // Registered by another author than deposited it, as another manifest.
            0 => {
                document.manifest.author = second.kid();
                author = second.duplicate();
            }
            1 => batch = obhut_format::BatchId([9; 16]),
            _ => by += 1,
        }
        world.register(&author, std::slice::from_ref(&document), batch, by);
        world.publish().await;
        let open = ActKind::OpenDocument;
        let attempt = world.attempt(&office.clerk, office.unit, open, vec![latest(&document)]);
        assert_eq!(
            refused(world.release(&attempt).await),
            "share-unregistered",
            "{bent}"
        );
    }
}

#[tokio::test]
async fn f28_a_registration_after_register_by_releases_nothing() {
    let mut office = Office::new(1).await;
    let world = &mut office.world;
    let document = world.draft_document(&office.clerk, office.case, None);
    let list = std::slice::from_ref(&document);
    let receipt = world.deposit_documents(&office.clerk, list).await.receipt;
    world.advance(14 * DAY + SECOND);
    // The client claims a later date than the receipt has.
    let by = receipt.register_by_us + DAY;
    world.register(&office.clerk, list, receipt.batch, by);
    world.publish().await;
    let open = ActKind::OpenDocument;
    let attempt = world.attempt(&office.clerk, office.unit, open, vec![latest(&document)]);
    assert_eq!(refused(world.release(&attempt).await), "share-unregistered");
}

#[tokio::test]
async fn f28_a_case_created_after_register_by_releases_nothing() {
    let mut office = Office::new(1).await;
    let world = &mut office.world;
    let late = CaseId(world.id());
    let item = world.case_item(&office.clerk, late);
    let share = item.binding.share_id;
    world.deposit(&office.clerk, &[item]).await;
    world.advance(14 * DAY + SECOND);
    let event = agency_case(late, office.unit, share, &[]);
    world.state_as(&office.clerk, Event::CaseCreated(event));
    world.publish().await;
    for (case, code) in [(late, Some("share-unregistered")), (office.case, None)] {
        let find = ActKind::FindCase;
        let attempt = world.attempt(&office.clerk, office.unit, find, vec![whole_case(case)]);
        let answer = world.release(&attempt).await;
        match code {
            Some(code) => assert_eq!(refused(answer), code),
            None => assert_eq!(released(answer).shares.len(), 1),
        }
    }
}

#[tokio::test]
async fn refuses_entries_that_are_not_proved_in_a_cosigned_fresh_head() {
    let mut office = Office::new(1).await;
    let attempt = office.open(0);
    let drafts = office.world.drafts(&attempt, 40);
    let logged = office.world.log(&drafts);
    office.world.publish().await;
    let honest = office.world.order(&attempt, &logged);

    let mut order = honest.clone();
    order.checkpoint = without_cosignature(&order.checkpoint);
    assert_eq!(
        refused(office.world.ask(GateRequest::Release(order)).await),
        "checkpoint"
    );
    let mut order = honest.clone();
    order.checkpoint = office.world.records.head.clone();
    assert_eq!(
        refused(office.world.ask(GateRequest::Release(order)).await),
        "shard-unknown"
    );
    let mut order = honest.clone();
    order.leaves[0].index += 1;
    assert_eq!(
        refused(office.world.ask(GateRequest::Release(order)).await),
        "leaf-proof"
    );
    let mut order = honest.clone();
    order.leaves[0].labels[0].label[0] ^= 1;
    assert_eq!(
        refused(office.world.ask(GateRequest::Release(order)).await),
        "leaf-proof"
    );
    let mut order = honest.clone();
    order.leaves.clear();
    assert_eq!(
        refused(office.world.ask(GateRequest::Release(order)).await),
        "objects"
    );
    released(office.world.ask(GateRequest::Release(honest)).await);
}

#[tokio::test]
async fn refuses_a_head_that_the_gatekeeper_did_not_cosign_itself() {
    let mut office = Office::new(1).await;
    let attempt = office.open(0);
    let drafts = office.world.drafts(&attempt, 40);
    let logged = office.world.log(&drafts);
    office.world.publish().await;
    let honest = office.world.order(&attempt, &logged);
    // One witness is all that the card asks for, but nobody followed the labels for it.
    let mut order = honest.clone();
    order.checkpoint = office
        .world
        .witnessed(&without_cosignature(&order.checkpoint));
    let answer = office.world.ask(GateRequest::Release(order)).await;
    assert_eq!(refused(answer), "checkpoint");
    let mut order = honest;
    order.checkpoint = office.world.witnessed(&order.checkpoint);
    released(office.world.ask(GateRequest::Release(order)).await);
}

#[tokio::test]
async fn f21_waits_for_the_whole_quorum_of_the_card() {
    let world = World::with_quorum_of_two().await;
    let mut office = Office::within(world, 1).await;
    let attempt = office.open(0);
    let drafts = office.world.drafts(&attempt, 40);
    let logged = office.world.log(&drafts);
    office.world.publish().await;
    let mut order = office.world.order(&attempt, &logged);
    let answer = office.world.ask(GateRequest::Release(order.clone())).await;
    assert_eq!(refused(answer), "records-stale");
    let mut feed = office.world.feed(true);
    feed.checkpoint = office.world.witnessed(&office.world.records.head);
    let answer = office.world.ask(GateRequest::Feed(feed)).await;
    assert!(matches!(answer, GateResponse::Fed(_)), "{answer:?}");
    let answer = office.world.ask(GateRequest::Release(order.clone())).await;
    assert_eq!(refused(answer), "checkpoint");
    order.checkpoint = office.world.witnessed(&order.checkpoint);
    released(office.world.ask(GateRequest::Release(order)).await);
}

#[tokio::test]
async fn refuses_acts_that_release_nothing_or_act_for_somebody_else() {
    let mut office = Office::new(1).await;
    let code = office
        .refusal_of_act(|attempt| attempt.act.kind = ActKind::FileDocuments)
        .await;
    assert_eq!(code, "act-kind");
    let other = office.citizen.id;
    let code = office
        .refusal_of_act(|attempt| attempt.act.on_behalf_of = Some(other))
        .await;
    assert_eq!(code, "deputy-unknown");
    let code = office
        .refusal_of_act(|attempt| attempt.act.persons = vec![other])
        .await;
    assert_eq!(code, "persons");
    let code = office
        .refusal_of_act(|attempt| attempt.act.card_version = 2)
        .await;
    assert_eq!(code, "card-version");
}

#[tokio::test]
async fn refuses_acts_over_nothing_and_over_too_much() {
    let mut office = Office::new(1).await;
    let list = ActKind::ListDocuments;
    let attempt = office
        .world
        .attempt(&office.clerk, office.unit, list, vec![]);
    let answer = office.world.release_with(&attempt, &[]).await;
    assert_eq!(refused(answer), "objects");
    let any = |number: u32| {
        let mut id = [0; 16];
        id[..4].copy_from_slice(&number.to_be_bytes());
        ObjectRef {
            document: Some(DocumentId(id)),
            ..whole_case(office.case)
        }
    };
    let objects = (0..10_001).map(any).collect();
    let attempt = office
        .world
        .attempt(&office.clerk, office.unit, list, objects);
    let drafts = office.world.drafts(&attempt, 20_000);
    let answer = office.world.release_with(&attempt, &drafts).await;
    assert_eq!(refused(answer), "objects");
}

#[tokio::test]
async fn a_citizen_opens_what_was_granted_and_nothing_else() {
    let mut office = Office::new(2).await;
    let (clerk, citizen) = (office.clerk.duplicate(), office.citizen.duplicate());
    let document = office.documents[0].clone();
    let until = office.world.now() + DAY;
    let proof = office.world.grant(&clerk, &document, &citizen, Some(until));
    let world = &mut office.world;
    let objects = vec![object(&document)];
    let attempt = world.attempt_as_citizen(&citizen, objects.clone(), vec![proof.clone()]);
    let release = released(world.release(&attempt).await);
    assert_eq!(attempt.open(&release), [document.secrets.clone()]);

    let attempt = world.attempt_as_citizen(&citizen, objects.clone(), vec![]);
    assert_eq!(refused(world.release(&attempt).await), "no-authority");
    let other = vec![object(&office.documents[1])];
    let attempt = world.attempt_as_citizen(&citizen, other, vec![proof.clone()]);
    assert_eq!(refused(world.release(&attempt).await), "no-authority");

    for bent in 0..4 {
        let mut forged = proof.clone();
        match bent {
            0 => forged.grant.number = 2,
            1 => forged.grant.not_after_us = None,
            2 => forged.grant.recipient = clerk.kid(),
            _ => forged.index = 1,
        }
        let attempt = world.attempt_as_citizen(&citizen, objects.clone(), vec![forged]);
        assert_eq!(
            refused(world.release(&attempt).await),
            "grant-invalid",
            "{bent}"
        );
    }
    // Another citizen shows the grant.
    let second = world.activated(true).await;
    let attempt = world.attempt_as_citizen(&second, objects.clone(), vec![proof.clone()]);
    assert_eq!(refused(world.release(&attempt).await), "grant-invalid");

    let event = Event::GrantRevoked(GrantRevoked {
        case: office.case,
        grant_hash: sha256(&[&proof.grant.to_bytes()]),
    });
    world.state_as(&clerk, event);
    let attempt = world.attempt_as_citizen(&citizen, objects.clone(), vec![proof]);
    assert_eq!(refused(world.release(&attempt).await), "grant-invalid");

    let proof = world.grant(&clerk, &document, &citizen, Some(until));
    world.advance(DAY);
    let attempt = world.attempt_as_citizen(&citizen, objects, vec![proof]);
    assert_eq!(
        refused(world.release(&attempt).await),
        "grant-invalid",
        "run out"
    );
}

#[tokio::test]
async fn an_own_case_is_read_by_its_owner_only() {
    let mut office = Office::new(1).await;
    let (clerk, citizen) = (office.clerk.duplicate(), office.citizen.duplicate());
    let world = &mut office.world;
    let case = world.create_own_case(&clerk, office.unit, citizen.id);
    let [document] = <[TestDocument; 1]>::try_from(world.file(&clerk, case, 1).await)
        .ok()
        .unwrap();
    let proof = world.grant(&clerk, &document, &citizen, None);
    let objects = vec![latest(&document)];
    let attempt = world.attempt_as_citizen(&citizen, objects.clone(), vec![proof]);
    let release = released(world.release(&attempt).await);
    assert_eq!(attempt.open(&release), [document.secrets.clone()]);
    let open = ActKind::OpenDocument;
    let attempt = world.attempt(&clerk, office.unit, open, objects.clone());
    assert_eq!(refused(world.release(&attempt).await), "no-authority");
    // The issuer grants it to an accomplice.
    let accomplice = world.activated(true).await;
    let proof = world.grant(&clerk, &document, &accomplice, None);
    let attempt = world.attempt_as_citizen(&accomplice, objects, vec![proof]);
    assert_eq!(refused(world.release(&attempt).await), "grant-invalid");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_does_not_break_the_chain_of_receipts() {
    let mut office = Office::new(1).await;
    for steps in 1..=40 {
        let attempt = office.open(0);
        let drafts = office.world.drafts(&attempt, 40);
        let logged = office.world.log(&drafts);
        office.world.publish().await;
        let order = office.world.order(&attempt, &logged);
        let request = GateRequest::Release(order.clone()).to_bytes();
        wait_for_steps(office.world.gate.handle(&request), steps).await;
        released(office.world.ask(GateRequest::Release(order)).await);
    }
    assert_eq!(office.world.status().await.head.seq, 40);
}

#[tokio::test]
async fn f11_the_chain_goes_on_from_the_anchored_head_after_a_restored_backup() {
    let mut office = Office::new(1).await;
    office.world.gate.close().await;
    let gate = office.world.folder.path().join("data/gate");
    let backup = office.world.folder.path().join("backup");
    std::fs::copy(gate.join("db.sqlite"), &backup).unwrap();
    let fed = (office.world.records.fed, office.world.access.fed);
    office.world.restart().await;
    for _ in 0..3 {
        let attempt = office.open(0);
        released(office.world.release(&attempt).await);
    }
    let head = office.world.status().await.head;
    office.world.state_as_root(Event::GateHead(head.clone()));
    office.world.gate.close().await;
    std::fs::copy(&backup, gate.join("db.sqlite")).unwrap();
    (office.world.records.fed, office.world.access.fed) = fed;
    office.world.restart().await;
    office.world.publish().await;
    let attempt = office.open(0);
    let receipt = receipt_of(&released(office.world.release(&attempt).await));
    assert_eq!(receipt.seq, 4);
    assert_eq!(receipt.head, receipt.head_after(&head.head));
}
