//! `doctor`: what could stand in the way, checked one by one, nothing changed.

use obhut_format::card::Assurance;
use obhut_log::replay::Replayer;
use serde::Serialize;

use crate::ClientError;
use crate::letter::fingerprint_text;
use crate::records::Records;
use crate::vault::Vault;

/// How a check went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// As it should be.
    Fine,
    /// Works, but somebody should know.
    Warning,
    /// Does not work.
    Broken,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// Stable name.
    pub check: &'static str,
    /// How it went.
    pub finding: Finding,
    /// One sentence.
    pub text: String,
}

impl Check {
    fn new(check: &'static str, finding: Finding, text: impl Into<String>) -> Self {
        Self {
            check,
            finding,
            text: text.into(),
        }
    }

    fn of(check: &'static str, result: Result<String, ClientError>) -> Self {
        match result {
            Ok(text) => Self::new(check, Finding::Fine, text),
            Err(failed) => Self::new(
                check,
                Finding::Broken,
                format!("{failed}. {}", failed.next_step()),
            ),
        }
    }
}

impl Vault {
    /// Checks connection, clock, card, login, log and keys.
    pub async fn examine(&mut self) -> Vec<Check> {
        let mut checks = Vec::new();
        let server = self.endpoint().server().to_owned();
        let ready = self.endpoint().is_ready().await;
        let reachable = ready.is_ok();
        checks.push(match ready {
            Ok(true) if self.endpoint().is_unverified() => Check::new(
                "connection",
                Finding::Warning,
                format!("{server} answers, but its certificate was not looked at (--insecure)"),
            ),
            Ok(true) => Check::new("connection", Finding::Fine, format!("{server} answers")),
            Ok(false) => Check::new(
                "connection",
                Finding::Warning,
                format!("{server} answers but is not ready to work"),
            ),
            Err(failed) => Check::of("connection", Err(failed)),
        });
        checks.push(self.check_shown_card().await);
        if !reachable {
            return checks;
        }
        let clock = self.check_clock().await;
        checks.push(Check::of(
            "clock",
            clock.map(|()| "this machine and the vault agree on the time".into()),
        ));
        let login = self.log_in().await;
        checks.push(Check::of(
            "login",
            login.map(|()| "this device may log in".into()),
        ));
        let synced = self.sync().await;
        checks.push(Check::of(
            "log",
            synced.map(|()| {
                let records = self.directory().size();
                format!(
                    "{records} records replay, continue what was pinned and carry a fresh quorum"
                )
            }),
        ));
        let kept = self.check_access_log().await;
        checks.push(Check::of(
            "receipts",
            kept.map(|()| "the access log still contains what proved your releases".into()),
        ));
        checks.push(self.check_replay_from_start().await);
        checks.push(self.check_keys().await);
        checks.push(self.assurance_check());
        checks.push(self.shares_check());
        checks
    }

    async fn check_shown_card(&self) -> Check {
        let text = fingerprint_text(&self.card().fingerprint());
        match self.endpoint().about().await {
            Err(ClientError::Unreachable { .. } | ClientError::Tls { .. }) => {
                Check::new("card", Finding::Fine, format!("pinned: {text}"))
            }
            Err(failed) => Check::new(
                "card",
                Finding::Broken,
                format!("pinned: {text}, but what answers there is not this vault: {failed}"),
            ),
            Ok(about) => {
                let same = about
                    .card
                    .is_some_and(|card| card.fingerprint() == self.card().fingerprint());
                if same {
                    let text = format!(
                        "pinned and shown: {text}; compare it with an invitation or letter"
                    );
                    Check::new("card", Finding::Fine, text)
                } else {
                    let text = format!("pinned: {text}, but the vault shows another card");
                    Check::new("card", Finding::Warning, text)
                }
            }
        }
    }

    /// The cache is trusted between commands; here everything is replayed once more from the first record.
    async fn check_replay_from_start(&self) -> Check {
        let mut fresh = Records::empty(self.card());
        let replayed = fresh.replay(self.endpoint(), self.card()).await;
        let same = replayed.and_then(|_| {
            let (cached, fresh) = (self.replayer(), fresh.replayer());
            if fresh.size() < cached.size() || !is_prefix(cached, fresh) {
                return Err(ClientError::integrity(
                    "the log replayed from its start is not the one this profile has cached",
                ));
            }
            Ok("the log replayed from its first record is the one this profile knows".into())
        });
        Check::of("replay", same)
    }

    async fn check_keys(&mut self) -> Check {
        self.forget_keys();
        let keys = self.load_keyring().await;
        Check::of(
            "keys",
            keys.map(|keys| {
                let units = keys.units().len();
                format!("keys of {units} unit(s) open and match the log")
            }),
        )
    }

    fn assurance_check(&self) -> Check {
        let (finding, text) = match self.card().assurance {
            Assurance::SelfAsserted => (
                Finding::Warning,
                "self: what is proved here is confirmed by the agency itself only",
            ),
            Assurance::Witnessed => (
                Finding::Fine,
                "witnessed: somebody elsewhere confirms the logs; gatekeeper and witness are not both run elsewhere",
            ),
            Assurance::Separated => (
                Finding::Fine,
                "separated: gatekeeper and a witness are run elsewhere, and both confirm the logs",
            ),
        };
        Check::new("assurance", finding, text)
    }

    fn shares_check(&self) -> Check {
        match self.card().assurance {
            Assurance::SelfAsserted => Check::new(
                "shares",
                Finding::Warning,
                "the gatekeeper's two stores are run by the vault's operator and may lie on one disk: \
                 ask the operator where `[gatekeeper]` of the server's configuration puts them before anything \
                 irreplaceable is filed",
            ),
            _ => Check::new(
                "shares",
                Finding::Fine,
                "the gatekeeper answers for two stores of its own",
            ),
        }
    }
}

/// Equal where they are of one size; a longer log was checked against the cached head while it was synced.
fn is_prefix(cached: &Replayer, fresh: &Replayer) -> bool {
    cached.size() != fresh.size() || cached.tail().checkpoint() == fresh.tail().checkpoint()
}
