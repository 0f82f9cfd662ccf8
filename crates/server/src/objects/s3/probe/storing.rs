//! Single objects: stored, read, listed, protected on their way, created once.

use bytes::Bytes;
use futures_util::future::join_all;

use super::banner::Spoil;
use super::report::{refused, told};
use super::{Banner, Checksum, Finding, Report, Scratch};

const CONTENT: &[u8] = b"0123456789abcdef";
const OTHER: &[u8] = b"0123456789abcdeF";
/// Rivals for one key, and rounds.
const RIVALS: usize = 6;
const ROUNDS: usize = 3;

/// Putting, reading whole and in part, listing, removing.
pub(super) async fn check(scratch: &Scratch, report: &mut Report) {
    let banner = Banner::default();
    let key = scratch.key("plain");
    let put = scratch.client().put_object().bucket(&scratch.bucket);
    let put = put.key(&key).body(Bytes::from_static(CONTENT).into());
    let put = put.customize().interceptor(banner.clone()).send().await;
    let (server, date) = banner.seen();
    report.server = server;
    report.clock_ahead_s = date.and_then(|date| {
        let theirs = jiff::fmt::rfc2822::parse(&date).ok()?;
        Some(theirs.timestamp().as_second() - report.probed_s)
    });
    let finding = match put {
        Err(error) => Finding::Fails(told(&error)),
        Ok(_) => expect_read(scratch, &key, CONTENT).await,
    };
    report.note(
        "store-and-read",
        "stores an object and gives it back",
        finding,
    );
    if !report.holds("store-and-read") {
        return;
    }
    let clock = match report.clock_ahead_s {
        None => Finding::Absent("the store does not tell its time".to_owned()),
        Some(ahead) if ahead.abs() <= 60 => Finding::Holds,
        Some(ahead) => Finding::Fails(format!("the store is {ahead} s ahead of this machine")),
    };
    report.note("clock", "has the same time as this machine", clock);
    report.note("ranges", "gives byte ranges", ranges(scratch, &key).await);
    report.note(
        "listing",
        "lists in order, page by page",
        listing(scratch).await,
    );
    report.note(
        "deletion",
        "removes an object, and one that is not there without an error",
        deletion(scratch).await,
    );
}

async fn expect_read(scratch: &Scratch, key: &str, expected: &[u8]) -> Finding {
    match scratch.read(key).await {
        Ok(Some(bytes)) if bytes == expected => Finding::Holds,
        Ok(Some(_)) => Finding::Fails("gave other bytes back".to_owned()),
        Ok(None) => Finding::Fails("what was stored is not there".to_owned()),
        Err(error) => Finding::Fails(error),
    }
}

async fn ranges(scratch: &Scratch, key: &str) -> Finding {
    let get = scratch.client().get_object().bucket(&scratch.bucket);
    let answer = match get.key(key).range("bytes=3-6").send().await {
        Ok(answer) => answer,
        Err(error) => return Finding::Fails(told(&error)),
    };
    let stated = answer.content_range().unwrap_or_default().to_owned();
    let bytes = answer.body.collect().await;
    match bytes.map(aws_sdk_s3::primitives::AggregatedBytes::into_bytes) {
        Ok(bytes) if bytes == CONTENT[3..7] && stated == "bytes 3-6/16" => Finding::Holds,
        Ok(bytes) => Finding::Fails(format!("{} bytes, {stated:?}", bytes.len())),
        Err(error) => Finding::Fails(error.to_string()),
    }
}

async fn listing(scratch: &Scratch) -> Finding {
    let names = ["list/a", "list/b", "list/c"].map(|name| scratch.key(name));
    for name in &names {
        if let Err(error) = scratch.put(name, CONTENT).await {
            return Finding::Fails(error);
        }
    }
    let mut seen = Vec::new();
    let mut after = None;
    for _ in 0..4 {
        let list = scratch.client().list_objects_v2().bucket(&scratch.bucket);
        let list = list.prefix(scratch.key("list/")).max_keys(2);
        let page = match list.set_start_after(after.take()).send().await {
            Ok(page) => page,
            Err(error) => return Finding::Fails(told(&error)),
        };
        let keys = page.contents().iter().filter_map(|object| object.key());
        seen.extend(keys.map(str::to_owned));
        if page.is_truncated() != Some(true) {
            break;
        }
        after = seen.last().cloned();
    }
    if seen == names {
        Finding::Holds
    } else {
        Finding::Fails(format!("{} of 3 keys, or in another order", seen.len()))
    }
}

async fn deletion(scratch: &Scratch) -> Finding {
    let key = scratch.key("deleted");
    if let Err(error) = scratch.put(&key, CONTENT).await {
        return Finding::Fails(error);
    }
    for _ in 0..2 {
        let delete = scratch.client().delete_object().bucket(&scratch.bucket);
        if let Err(error) = delete.key(&key).send().await {
            return Finding::Fails(told(&error));
        }
    }
    match scratch.read(&key).await {
        Ok(None) => Finding::Holds,
        Ok(Some(_)) => Finding::Fails("it is still there".to_owned()),
        Err(error) => Finding::Fails(error),
    }
}

/// Which checksums are taken when they are right and refused when they are wrong.
pub(super) async fn checksums(scratch: &Scratch, report: &mut Report) -> Vec<Checksum> {
    let mut held = Vec::new();
    for flavour in [
        Checksum::Crc64nvme,
        Checksum::Crc32c,
        Checksum::Sha256,
        Checksum::Signed,
    ] {
        let name = flavour.name();
        let finding = checksum(scratch, flavour).await;
        if finding == Finding::Holds {
            held.push(flavour);
        }
        let about = format!("notices bytes damaged on the way ({name})");
        report.note(&format!("checksum-{name}"), &about, finding);
    }
    held
}

async fn checksum(scratch: &Scratch, flavour: Checksum) -> Finding {
    let key = scratch.key(&format!("checksum-{}", flavour.name()));
    let right = Bytes::from_static(CONTENT);
    let put = || {
        let put = scratch.client().put_object().bucket(&scratch.bucket);
        let put = put.key(&key).body(right.clone().into());
        let put = flavour.on_put(put, flavour.of(&right)).customize();
        if flavour == Checksum::Signed {
            put
        } else {
            put.disable_payload_signing()
        }
    };
    if let Err(error) = put().send().await {
        return Finding::Absent(told(&error));
    }
    let finding = refused(put().interceptor(Spoil(OTHER)).send().await);
    match (finding, expect_read(scratch, &key, CONTENT).await) {
        (Finding::Holds, read) => read,
        (other, _) => other,
    }
}

/// `If-None-Match: *`, in turn and at once.
pub(super) async fn once(scratch: &Scratch, report: &mut Report) {
    let key = scratch.key("once");
    let first = put_once(scratch, &key, CONTENT).await;
    let finding = match first {
        Err(error) => Finding::Absent(error),
        Ok(false) => Finding::Fails("refused a key that was free".to_owned()),
        Ok(true) => match put_once(scratch, &key, OTHER).await {
            Ok(false) => expect_read(scratch, &key, CONTENT).await,
            Ok(true) => Finding::Absent("the second writer replaced the first".to_owned()),
            Err(error) => Finding::Absent(error),
        },
    };
    report.note("create-once", "creates a key once (If-None-Match)", finding);
    let finding = if report.holds("create-once") {
        race(scratch).await
    } else {
        Finding::Skipped("keys are not created once in turn either".to_owned())
    };
    report.note(
        "create-once-race",
        "lets one of several writers at once win",
        finding,
    );
}

async fn race(scratch: &Scratch) -> Finding {
    for round in 0..ROUNDS {
        let key = scratch.key(&format!("race-{round}"));
        let rivals = (0..RIVALS).map(|_| put_once(scratch, &key, CONTENT));
        let results = join_all(rivals).await;
        let won = results.iter().filter(|result| **result == Ok(true)).count();
        if won != 1 {
            return Finding::Fails(format!("{won} of {RIVALS} writers were told they had won"));
        }
    }
    Finding::Holds
}

/// Whether the key was free.
async fn put_once(scratch: &Scratch, key: &str, body: &'static [u8]) -> Result<bool, String> {
    let put = scratch.client().put_object().bucket(&scratch.bucket);
    let put = put.key(key).if_none_match("*");
    match put.body(Bytes::from_static(body).into()).send().await {
        Ok(_) => Ok(true),
        Err(error) => match super::super::failed::status(&error) {
            Some(409 | 412) => Ok(false),
            _ => Err(told(&error)),
        },
    }
}
