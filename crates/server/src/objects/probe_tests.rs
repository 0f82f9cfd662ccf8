//! The probe over real buckets, and what it concludes where things do not hold.
#![allow(clippy::large_futures, clippy::unwrap_used, reason = "tests")]

use super::testing::{Bucket, Keeping};
use super::{Checksum, Finding, Level, Objects, ProbeOptions, Report, Ways, probe};
use crate::config::ObjectsConfig;

async fn report_on(bucket: &Bucket) -> Report {
    let options = ProbeOptions {
        compliance: false,
        now_s: i64::try_from(crate::clock::now_us() / 1_000_000).unwrap(),
    };
    let (settings, credentials) = (bucket.settings(), bucket.credentials());
    let report = probe(&settings, &credentials, "/".as_ref(), options).await;
    report.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_finds_what_a_store_can_and_leaves_nothing() {
    let Some(bucket) = Bucket::make(Keeping::Nothing).await else {
        return;
    };
    let report = report_on(&bucket).await;
    assert!(report.is_usable(), "{}", report.to_text());
    assert_eq!(
        report.ways,
        Ways {
            checksum: Checksum::Crc64nvme,
            conditional_put: true,
            conditional_complete: true,
            versions: true,
        },
        "{}",
        report.to_text()
    );
    assert_eq!(report.level, Level::L0);
    assert!(report.holds("tidy") && bucket.keys().await.is_empty());
    assert_eq!(bucket.uploads().await, 0);
    bucket.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_tells_locks_from_their_absence() {
    for (keeping, level) in [(Keeping::Versions, Level::L0), (Keeping::Locks, Level::L1)] {
        let Some(bucket) = Bucket::make(keeping).await else {
            return;
        };
        let report = report_on(&bucket).await;
        assert_eq!(report.level, level, "{}", report.to_text());
        assert!(
            report.ways.versions && report.holds("delete-marker"),
            "{}",
            report.to_text()
        );
        assert!(report.holds("tidy"), "{}", report.to_text());
        bucket.finish().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_of_a_store_that_refuses_says_so_and_ends() {
    let Some(bucket) = Bucket::make(Keeping::Nothing).await else {
        return;
    };
    let mut settings = bucket.settings();
    settings.bucket = "no-such-bucket-at-all".to_owned();
    let stranger = super::Credentials::new("nobody".to_owned(), "wrong".to_owned().into());
    let options = ProbeOptions::default();
    let report = probe(&settings, &stranger, "/".as_ref(), options).await;
    let report = report.unwrap();
    assert!(!report.is_usable());
    assert_eq!(report.ways, Ways::default());
    let text = report.to_text();
    assert!(
        text.contains("FAILS") && text.contains("cannot work"),
        "{text}"
    );
    bucket.finish().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_goes_by_the_saved_result_of_its_own_store_only() {
    let Some(bucket) = Bucket::make(Keeping::Nothing).await else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut report = report_on(&bucket).await;
    report.save(folder.path()).unwrap();
    assert_eq!(
        Report::find(folder.path()).unwrap().to_json(),
        report.to_json()
    );
    std::fs::write(folder.path().join("access"), "someone").unwrap();
    let mut settings = bucket.settings();
    settings.access_key_file = Some("access".into());
    settings.secret_key_file = Some("access".into());
    let config = |settings| ObjectsConfig {
        s3: Some(settings),
        ..ObjectsConfig::default()
    };
    let ways = |objects: &Objects| match objects {
        Objects::S3(s3) => *s3.ways(),
        Objects::Dir(_) => panic!("a folder"),
    };
    let open = |settings| Objects::open(&config(settings), folder.path()).unwrap();
    assert_eq!(ways(&open(settings.clone())), report.ways);
    let mut fixed = settings.clone();
    fixed.checksum = Some(Checksum::Signed);
    fixed.conditional_put = Some(false);
    assert_eq!(
        ways(&open(fixed)),
        Ways {
            versions: true,
            ..Ways::default()
        }
    );
    report.bucket = "another".to_owned();
    report.save(folder.path()).unwrap();
    assert_eq!(ways(&open(settings)), Ways::default());
    bucket.finish().await;
}

#[test]
fn a_store_that_holds_little_is_worked_with_carefully() {
    let settings = super::S3Settings::new("https://s3.agency.example", "vault");
    let mut report = Report::of(&settings, 0);
    let yes = [
        "store-and-read",
        "ranges",
        "listing",
        "multipart",
        "deletion",
        "checksum-signed",
        "checksum-crc32c",
        "checksum-sha256",
        "multipart-sha256",
        "create-once",
    ];
    for name in yes {
        report.note(name, "", Finding::Holds);
    }
    report.note("multipart-crc32c", "", Finding::Fails(String::new()));
    report.note("create-once-race", "", Finding::Fails(String::new()));
    report.note("version-ids", "", Finding::Absent(String::new()));
    report.conclude();
    assert!(report.is_usable());
    let careful = Ways {
        checksum: Checksum::Sha256,
        ..Ways::default()
    };
    assert_eq!((report.ways, report.level), (careful, Level::L0));
}
