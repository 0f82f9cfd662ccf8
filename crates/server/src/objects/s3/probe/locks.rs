//! Object Lock: tried where the bucket has it, with locks of a minute.

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{
    ObjectLockEnabled, ObjectLockLegalHold, ObjectLockLegalHoldStatus, ObjectLockRetention,
    ObjectLockRetentionMode,
};

use super::report::{refused, told};
use super::{Finding, Report, Scratch};

/// How long the probe's locks hold, seconds.
const LOCK_S: i64 = 60;

/// Everything about locks.
pub(super) async fn check(scratch: &Scratch, report: &mut Report) {
    let asked = scratch.client().get_object_lock_configuration();
    let has = match asked.bucket(&scratch.bucket).send().await {
        Ok(answer) => {
            let enabled = answer.object_lock_configuration();
            match enabled.and_then(|lock| lock.object_lock_enabled()) {
                Some(ObjectLockEnabled::Enabled) => Finding::Holds,
                _ => Finding::Absent("Object Lock of the bucket is off".to_owned()),
            }
        }
        Err(error) => Finding::Absent(told(&error)),
    };
    report.note("lock", "has Object Lock on this bucket", has);
    let locks = report.holds("lock");
    let skipped = |why: &str| Finding::Skipped(why.to_owned());
    let finding = if locks {
        report.locked += 1;
        retention(scratch, ObjectLockRetentionMode::Governance).await
    } else {
        skipped("the bucket has no Object Lock")
    };
    report.note(
        "lock-governance",
        "keeps a locked version (governance), allows longer, refuses shorter",
        finding,
    );
    let finding = match (locks, scratch.options.compliance) {
        (true, true) => {
            report.locked += 1;
            retention(scratch, ObjectLockRetentionMode::Compliance).await
        }
        (true, false) => skipped("asked for with --compliance: its object stays for a minute"),
        (false, _) => skipped("the bucket has no Object Lock"),
    };
    report.note(
        "lock-compliance",
        "keeps a locked version (compliance) from everybody",
        finding,
    );
    let finding = if locks {
        hold(scratch).await
    } else {
        skipped("the bucket has no Object Lock")
    };
    report.note(
        "legal-hold",
        "keeps a version under legal hold until it is lifted",
        finding,
    );
}

async fn retention(scratch: &Scratch, mode: ObjectLockRetentionMode) -> Finding {
    let name = format!("lock-{}", mode.as_str().to_ascii_lowercase());
    let key = scratch.key(&name);
    let version = match scratch.put(&key, b"locked").await {
        Ok(Some(version)) => version,
        Ok(None) => return Finding::Fails("the store gave no version".to_owned()),
        Err(error) => return Finding::Fails(error),
    };
    let now = scratch.options.now_s;
    if let Err(error) = retain(scratch, &key, &version, &mode, now + LOCK_S).await {
        return Finding::Fails(told(&error));
    }
    let delete = scratch.client().delete_object().bucket(&scratch.bucket);
    let delete = delete.key(&key).version_id(&version);
    let removed = if mode == ObjectLockRetentionMode::Compliance {
        delete.bypass_governance_retention(true).send().await
    } else {
        delete.send().await
    };
    let kept = refused(removed);
    if kept != Finding::Holds {
        return prefixed("the removal of the locked version", kept);
    }
    if let Err(error) = scratch.put(&key, b"newer").await {
        return Finding::Fails(format!("a new version: {error}"));
    }
    if let Err(error) = retain(scratch, &key, &version, &mode, now + LOCK_S + 10).await {
        return Finding::Fails(format!("a longer lock: {}", told(&error)));
    }
    let shorter = refused(retain(scratch, &key, &version, &mode, now + 5).await);
    prefixed("a shorter lock", shorter)
}

async fn retain(
    scratch: &Scratch,
    key: &str,
    version: &str,
    mode: &ObjectLockRetentionMode,
    until_s: i64,
) -> Result<
    (),
    aws_sdk_s3::error::SdkError<
        aws_sdk_s3::operation::put_object_retention::PutObjectRetentionError,
    >,
> {
    let lock = ObjectLockRetention::builder()
        .mode(mode.clone())
        .retain_until_date(DateTime::from_secs(until_s))
        .build();
    let put = scratch.client().put_object_retention();
    let put = put.bucket(&scratch.bucket).key(key).version_id(version);
    put.retention(lock).send().await.map(drop)
}

async fn hold(scratch: &Scratch) -> Finding {
    let key = scratch.key("legal-hold");
    let version = match scratch.put(&key, b"held").await {
        Ok(Some(version)) => version,
        Ok(None) => return Finding::Fails("the store gave no version".to_owned()),
        Err(error) => return Finding::Fails(error),
    };
    let set = |status: ObjectLockLegalHoldStatus| {
        let put = scratch.client().put_object_legal_hold();
        let put = put.bucket(&scratch.bucket).key(&key).version_id(&version);
        put.legal_hold(ObjectLockLegalHold::builder().status(status).build())
            .send()
    };
    let delete = || {
        let delete = scratch.client().delete_object().bucket(&scratch.bucket);
        delete.key(&key).version_id(&version).send()
    };
    if let Err(error) = set(ObjectLockLegalHoldStatus::On).await {
        return Finding::Absent(told(&error));
    }
    let kept = refused(delete().await);
    if let Err(error) = set(ObjectLockLegalHoldStatus::Off).await {
        return Finding::Fails(format!("lifting the hold: {}", told(&error)));
    }
    match (kept, delete().await) {
        (Finding::Holds, Ok(_)) => Finding::Holds,
        (Finding::Holds, Err(error)) => {
            Finding::Fails(format!("removal after it: {}", told(&error)))
        }
        (other, _) => prefixed("the removal of the held version", other),
    }
}

fn prefixed(what: &str, finding: Finding) -> Finding {
    match finding {
        Finding::Fails(how) => Finding::Fails(format!("{what}: {how}")),
        other => other,
    }
}
