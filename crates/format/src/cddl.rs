//! The records as CDDL (RFC 8610), generated into `docs/format.cddl` from the declarations themselves.

use std::fmt::Write as _;

/// A type with a CDDL rule of its own.
pub trait Rule {
    /// The rule, ending in a line break.
    fn rule() -> String;
}

/// Reads bytes as one kind of record and writes it again.
pub type Reader = fn(&[u8]) -> Result<Vec<u8>, crate::FormatError>;

macro_rules! rules {
    ($($module:ident: $($name:ident)*;)*) => {
        /// Every rule, grouped by the module that declares it.
        fn all() -> Vec<(&'static str, Vec<String>)> {
            vec![$((stringify!($module), vec![$(<crate::$module::$name as Rule>::rule()),*])),*]
        }

        /// A reader for every record, by its name: gives the bytes it would write for what it read.
        pub fn readers() -> Vec<(&'static str, Reader)> {
            vec![$($((stringify!($name), |bytes| {
                let record = <crate::$module::$name as crate::Cbor>::from_bytes(bytes)?;
                Ok(crate::Cbor::to_bytes(&record))
            })),*),*]
        }

        #[cfg(test)]
        const NAMES: &[&str] = &[$($(stringify!($name)),*),*];
    };
}

rules! {
    content: SealedKind ContentInfo Card RegisterEntry PersonEntry UnitEntry;
    share: ShareKind Binding DepositKey DepositItem Deposit SignedDeposit DepositReceipt;
    key: GrantKind Grant Membership;
    card: Assurance Cosigner VaultCard;
    statement: Role RevocationReason PersonEnrolled PersonInvited BundleRotated DeviceAdded DeviceRevoked Appointed AppointmentEnded DeputyAppointed DeputyEnded UnitEpoch CaseKind CaseCreated CaseKey CaseRekeyed SubjectAdded CaseClosed CaseReopened GrantRevoked CardAmended ShardOpened GateHead Event PersonSigner Signer Statement SignedStatement;
    recovery: RecoveryTrustee RecoveryPolicy RecoveryRequested RecoveryApproved RecoveryFinished RecoveryWithdrawn RecoveryDrilled;
    batch: BatchKind BatchHeader SignedBatch RegisterItem BatchItem RecordPayload;
    mutation: MutationRecord UnitLink CaseLink BlindIndex LambdaWrap DocumentRow LogKeyRewrap Mutation Committed;
    act: ActKind ObjectRef Reason PinnedCheckpoint Act SignedAct ActRequest;
    entry: LeafType Decision Outcome GroupA1 GroupA2 SubjectLine GroupD GroupR SubjectView Opening DpoView EntryCiphertext SubjectWrap LogKey EntryWrap ClosePayload;
    release: LabelRecord FeedEntry Feed LabelQuery PersonLabels ActLeaf GrantProof ReleaseOrder ReleasedShare ReleaseReceipt Release EnrolVault DestroyOrder CosignOrder VaultOnly GateRequest SignedDepositKey SignedDepositReceipt GateRefusal LogSize GateStatus KindCount GateResponse ReleasedDocument ReleasedCase ReleaseAnswer;
    gate_link: CodedEnrolment;
    reading: RecordsPage OwnKeys AccessEntryPage AccessLogAnswer;
    session: Login InvitationLogin;
    invite: Invitation;
}

const PRELUDE: &str = "\
; Obhut's records. Canonical CBOR (RFC 8949 section 4.2.1); unknown keys are errors.
; Generated from crates/format by `cargo xtask bless`.

id = bstr .size 16
hash = bstr .size 32
class = bstr .size 16        ; ASCII, zero-padded
bundle = bstr .size 3200     ; X-Wing 1216, Ed25519 32, ML-DSA-65 1952
";

/// The whole document.
pub fn document() -> String {
    let mut out = PRELUDE.to_owned();
    for (module, rules) in all() {
        let _ = write!(out, "\n; {module}\n\n{}", rules.join("\n"));
    }
    out
}

/// A record's rule.
pub fn record(name: &str, fields: &[(u64, &str, String, bool)]) -> String {
    let mut out = format!("{} = {{\n", kebab(name));
    for (key, field, ty, optional) in fields {
        let line = format!("  {}{key}: {ty},", if *optional { "? " } else { "" });
        let _ = writeln!(out, "{line:<40} ; {field}");
    }
    out + "}\n"
}

/// The rule of an enum with data.
pub fn tagged(name: &str, variants: &[(u64, String)]) -> String {
    let choices: Vec<_> = variants
        .iter()
        .map(|(code, ty)| format!("[{code}, {ty}]"))
        .collect();
    format!("{} =\n  {}\n", kebab(name), choices.join(" /\n  "))
}

/// The rule of a closed set of names.
pub fn codes(name: &str, variants: &[(u64, &str)]) -> String {
    let choices: Vec<_> = variants
        .iter()
        .map(|(code, text)| format!("  {text}: {code},"))
        .collect();
    format!("{} = &(\n{}\n)\n", kebab(name), choices.join("\n"))
}

/// `VaultCard` as `vault-card`.
pub fn kebab(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('-');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn every_declared_record_has_a_rule() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
        for file in std::fs::read_dir(folder).unwrap() {
            let path = file.unwrap().path();
            if path.ends_with("cbor.rs") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let declared = text.split("! {\n").skip(1).filter_map(|block| {
                block
                    .lines()
                    .find(|line| line.starts_with("    ") && line.ends_with(" {"))
                    .map(|line| line.trim().trim_end_matches(" {").to_owned())
            });
            for name in declared.filter(|name| name.chars().all(char::is_alphanumeric)) {
                assert!(
                    NAMES.contains(&name.as_str()),
                    "{name} of {} is missing in cddl.rs",
                    path.display()
                );
            }
        }
    }

    #[test]
    fn the_committed_document_is_current() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/format.cddl");
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        if std::env::var_os("OBHUT_BLESS").is_some() {
            std::fs::write(path, document()).unwrap();
        } else {
            assert!(committed == document(), "run `cargo xtask bless`");
        }
    }
}
