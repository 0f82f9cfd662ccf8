//! Replay, labels and cosignatures: what the gatekeeper follows and what it does not.

use obhut_format::release::{EnrolVault, GateRequest, GateResponse, LabelQuery};
use obhut_format::statement::{Event, GATE_HEAD_LABEL};
use obhut_format::{Cbor as _, Kid, PersonId, VaultId};
use obhut_log::{Checkpoint, Label, NoteKeyType, NoteSigner, SignedCheckpoint, VerifierKey};
use obhut_suite::{DevicePublic, DeviceSignature, NoteKey, NotePublic};

use crate::people::TestPerson;
use crate::world::{World, refused, wait_for_steps};

#[tokio::test]
async fn enrolment_is_pinned() {
    let world = World::enrolled().await;
    let enrol = world.enrolment();
    let again = world.ask(GateRequest::Enrol(enrol.clone())).await;
    assert_eq!(again, GateResponse::Enrolled(world.gate.public_key()));
    let other_key = *NoteKey::from_seed(&obhut_suite::Secret::new([3; 32]))
        .public()
        .as_bytes();
    let bent = [
        EnrolVault {
            records_key: other_key,
            ..enrol.clone()
        },
        EnrolVault {
            access_key: other_key,
            ..enrol.clone()
        },
        EnrolVault {
            origin: "other.example/test".to_owned(),
            ..enrol.clone()
        },
        EnrolVault {
            root: Some(Kid([1; 32])),
            ..enrol.clone()
        },
        EnrolVault {
            vault: VaultId([2; 16]),
            ..enrol.clone()
        },
    ];
    for enrol in bent {
        let answer = world.ask(GateRequest::Enrol(enrol)).await;
        assert_eq!(refused(answer), "enrolled-differently");
    }
    let low_order = EnrolVault {
        records_key: [0; 32],
        vault: VaultId([3; 16]),
        ..enrol
    };
    assert_eq!(
        refused(world.ask(GateRequest::Enrol(low_order)).await),
        "bad-bytes"
    );
}

#[tokio::test]
async fn follows_the_logs_and_resumes_after_a_restart() {
    let mut world = World::new().await;
    let person = world.activated(false).await;
    world.publish().await;
    let before = world.status().await;
    let (records, access) = (world.records.tail.size(), world.access.tail.size());
    assert_eq!(before.logs[0].size, records);
    assert_eq!(before.logs[1].size, access);
    world.restart().await;
    let after = world.status().await;
    assert_eq!(after.logs, before.logs);
    let unit = world.create_unit();
    world.appoint(&person, unit, None);
    world.publish().await;
    assert_eq!(world.status().await.logs[0].size, world.records.tail.size());
}

#[tokio::test]
async fn resumes_from_a_snapshot_and_what_came_after_it() {
    let mut world = World::new().await;
    let unit = world.create_unit();
    let clerk = world.activated(false).await;
    world.appoint(&clerk, unit, None);
    world.publish().await;
    let (case, _) = world.create_case(&clerk, unit, &[]).await;
    for _ in 0..2 {
        let documents = world.file(&clerk, case, 600).await;
        assert_eq!(documents.len(), 600);
        world.publish().await;
    }
    let tail = crate::deposits::rows(&world, "SELECT COUNT(*) AS n FROM log_tail").await;
    assert!(tail < 700, "{tail} entries are kept beside the snapshot");
    let before = world.status().await;
    world.restart().await;
    assert_eq!(world.status().await.logs, before.logs);
    world.file(&clerk, case, 1).await;
    world.publish().await;
}

#[tokio::test]
async fn a_repeated_feed_changes_nothing_and_a_gap_is_refused() {
    let mut world = World::new().await;
    let size = world.records.tail.size();
    world.records.fed = 0;
    assert_eq!(world.try_feed(true).await, GateResponse::Fed(size));
    world.create_unit();
    world.create_unit();
    let mut feed = world.feed(true);
    feed.first += 1;
    feed.entries.remove(0);
    assert_eq!(
        refused(world.ask(GateRequest::Feed(feed)).await),
        "feed-gap"
    );
    let mut feed = world.feed(true);
    feed.entries.pop();
    assert_eq!(
        refused(world.ask(GateRequest::Feed(feed)).await),
        "checkpoint-tree"
    );
    assert_eq!(world.status().await.logs[0].size, size);
}

#[tokio::test]
async fn refuses_records_that_were_bent_on_the_way() {
    let mut world = World::new().await;
    world.create_unit();
    let honest = world.feed(true);
    let mut feed = honest.clone();
    feed.entries[0].payload = world.records.entries[0].payload.clone();
    assert_eq!(
        refused(world.ask(GateRequest::Feed(feed)).await),
        "feed-refused"
    );
    let mut feed = honest.clone();
    feed.entries[0].labels[0].label[0] ^= 1;
    assert_eq!(
        refused(world.ask(GateRequest::Feed(feed)).await),
        "feed-refused"
    );
    let mut feed = honest.clone();
    feed.entries[0].labels[0].seq += 1;
    assert_eq!(
        refused(world.ask(GateRequest::Feed(feed)).await),
        "feed-refused"
    );
    let mut feed = honest.clone();
    feed.entries[0].core.0.truncate(75);
    assert_eq!(
        refused(world.ask(GateRequest::Feed(feed)).await),
        "feed-refused"
    );
    let mut feed = honest.clone();
    feed.entries[0].payload = None;
    assert_eq!(
        refused(world.ask(GateRequest::Feed(feed)).await),
        "bad-bytes"
    );
    let answer = world.ask(GateRequest::Feed(honest)).await;
    assert!(matches!(answer, GateResponse::Fed(_)));
}

#[tokio::test]
async fn f01_refuses_a_record_under_another_persons_label() {
    let mut world = World::new().await;
    let person = world.activated(false).await;
    // The vault labels a person's records with a λ of its own making.
    world.lambdas.insert(person.id, [0; 32]);
    world.add_device(&person.with_invented_device(&mut rand_chacha_rng()));
    assert_eq!(refused(world.try_feed(true).await), "feed-refused");
}

fn rand_chacha_rng() -> rand_chacha::ChaCha20Rng {
    rand_core::SeedableRng::from_seed([5; 32])
}

#[tokio::test]
async fn refuses_an_enrolment_with_another_lambda_than_deposited() {
    let mut world = World::new().await;
    let registrar = world.registrar.duplicate();
    let person = TestPerson::generate(&mut world.rng);
    world.deposit_lambda(&registrar, &person).await;
    world.lambdas.insert(person.id, person.lambda);
    let mut event = world.enrolment_of(&person, true);
    event.lambda_hash = [7; 32];
    world.state_as_registrar(Event::PersonEnrolled(event));
    assert_eq!(refused(world.try_feed(true).await), "person-share-differs");
}

#[tokio::test]
async fn refuses_a_founding_card_for_another_gatekeeper_or_key() {
    for bent in 0..3 {
        let mut world = World::enrolled().await;
        let mut card = world.card();
        match bent {
            0 => card.gate_key[0] ^= 1,
            1 => card.access_key = card.records_key,
            _ => card.quorum = 3,
        }
        if bent == 2 {
            // Nobody can apply such a card: the replay itself refuses it.
            let mut directory = world.directory.clone();
            let keys = world.root.derive_keys();
            let signer = obhut_format::statement::Signer::Root(card.root.kid());
            let payload = world.statement(signer, &keys.signer, Event::Card(Box::new(card)));
            assert!(directory.apply(&payload, world.now()).is_err());
            continue;
        }
        world.state_as_root(Event::Card(Box::new(card)));
        assert_eq!(refused(world.try_feed(true).await), "card-refused");
    }
}

#[tokio::test]
async fn labels_are_the_persons_and_only_for_logs_of_the_vault() {
    let mut world = World::new().await;
    let person = world.activated(true).await;
    let query = |origin: &str, persons: Vec<PersonId>| {
        GateRequest::Labels(LabelQuery {
            vault: VaultId([1; 16]),
            origin: origin.to_owned(),
            persons,
        })
    };
    let shard = world.access.tail.origin().to_owned();
    let records = world.records.tail.origin().to_owned();
    for origin in [&shard, &records] {
        let asked = query(origin, vec![person.id, world.registrar.id]);
        let GateResponse::Labels(labels) = world.ask(asked).await else {
            panic!("no labels");
        };
        let (subject, actor) = if origin == &records {
            let label = Label::of_person(origin, &person.lambda);
            (label, label)
        } else {
            let subject = Label::of_subject(origin, &person.lambda);
            (subject, Label::of_actor(origin, &person.lambda))
        };
        assert_eq!(labels[0].person, person.id);
        assert_eq!(&labels[0].subject, subject.as_bytes());
        assert_eq!(&labels[0].actor, actor.as_bytes());
        assert_eq!(labels[0].share_id, person.share_id(world.vault));
        assert_eq!(labels[1].person, world.registrar.id);
    }
    let unknown = query(&shard, vec![PersonId([9; 16])]);
    assert_eq!(refused(world.ask(unknown).await), "labels-unknown");
    let foreign = query("other.example/access/std/2027q1", vec![person.id]);
    assert_eq!(refused(world.ask(foreign).await), "shard-unknown");
}

#[tokio::test]
async fn cosigns_only_the_tree_it_followed() {
    let mut world = World::new().await;
    world.create_unit();
    let unfed = world.records.checkpoint();
    assert_eq!(refused(world.try_cosign(&unfed).await), "checkpoint-tree");
    world.publish().await;
    let older = Checkpoint {
        size: world.records.tail.size() - 1,
        ..world.records.tail.checkpoint()
    };
    let forked = Checkpoint {
        root: [1; 32],
        ..world.records.tail.checkpoint()
    };
    for checkpoint in [older, forked] {
        let signed = SignedCheckpoint::sign(checkpoint, &world.records.signer).unwrap();
        assert_eq!(refused(world.try_cosign(&signed).await), "checkpoint-tree");
    }
    let stranger = NoteKey::generate(&mut world.rng);
    let origin = world.records.tail.origin().to_owned();
    let stranger = NoteSigner::new(origin, NoteKeyType::Log, stranger).unwrap();
    let signed = SignedCheckpoint::sign(world.records.tail.checkpoint(), &stranger).unwrap();
    assert_eq!(refused(world.try_cosign(&signed).await), "checkpoint");
    let head: SignedCheckpoint = world.records.head.parse().unwrap();
    let gate = NotePublic::parse(&world.gate.public_key()).unwrap();
    let key = VerifierKey::new("gatekeeper.example", NoteKeyType::Cosigner, gate).unwrap();
    let time = head.note().cosigned_at(&key).unwrap();
    assert_eq!(time, Some(world.now() / 1_000_000));
}

#[tokio::test]
async fn f15_follows_no_shard_that_the_records_log_does_not_name() {
    let world = World::new().await;
    let mut feed = world.feed(false);
    feed.origin = format!("{}/access/sealed/2027q1", world.origin);
    assert_eq!(
        refused(world.ask(GateRequest::Feed(feed)).await),
        "shard-unknown"
    );
}

#[tokio::test]
async fn the_own_chains_head_is_signed() {
    let world = World::new().await;
    let head = world.status().await.head;
    assert_eq!(head.seq, 0);
    let message = head.signed_message(world.vault);
    let public = DevicePublic::parse(&world.gate.public_key()).unwrap();
    let signature = DeviceSignature::parse(&head.signature).unwrap();
    let label = obhut_suite::Label::new(GATE_HEAD_LABEL);
    public
        .verify(label, message.as_bytes(), &signature)
        .unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_goes_away_leaves_nothing_half_known() {
    let mut world = World::new().await;
    for steps in 1..=40 {
        world.create_unit();
        let request = GateRequest::Feed(world.feed(true)).to_bytes();
        wait_for_steps(world.gate.handle(&request), steps).await;
        world.records.fed = usize::try_from(world.status().await.logs[0].size).unwrap();
        world.publish().await;
    }
    let before = world.status().await.logs;
    world.restart().await;
    assert_eq!(world.status().await.logs, before);
}
