//! Logging in: a challenge signed by the device key, then a token kept for this account only.

use std::path::PathBuf;

use obhut_crypto::Identity;
use obhut_format::card::VaultCard;
use obhut_format::context::Context;
use obhut_format::id::base32;
use obhut_format::session::{
    INVITATION_LOGIN_LABEL, INVITATION_LOGIN_US, InvitationLogin, LOGIN_LABEL, Login,
};
use obhut_suite::Label;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::ClientError;
use crate::clock::now_us;
use crate::profile::Profile;
use crate::transport::{Authorization, Endpoint};
use crate::vault::Vault;
use crate::whole_file::{Existing, WholeFile};

/// Clocks may differ by this much, in seconds: half of an act's life.
pub(crate) const CLOCK_TOLERANCE_S: u64 = 60;
/// A stored token is not used in the last moments of its life.
const SPARE_US: u64 = 30 * 1_000_000;

#[derive(Deserialize, Serialize)]
struct StoredSession {
    token: String,
    expires_us: u64,
}

impl Vault {
    /// Uses the stored session if there is one, else logs in. Whether it still holds shows at the first request.
    pub(crate) async fn resume_session(&self) -> Result<(), ClientError> {
        if self.endpoint().has_session() {
            return Ok(());
        }
        match find_session(self.profile()) {
            Some(token) => {
                self.endpoint()
                    .authorize(Some(Authorization::Session(token)));
                Ok(())
            }
            None => self.log_in().await,
        }
    }

    /// Opens a new session with the device key.
    pub async fn log_in(&self) -> Result<(), ClientError> {
        self.endpoint().authorize(None);
        self.check_clock().await?;
        let record = self.record();
        let (person, device) = (record.person, record.device);
        let challenge = self.endpoint().challenge(person, device).await?;
        let login = Login {
            vault: record.vault,
            origin: self.card().origin.clone(),
            challenge: challenge.challenge,
            expires_us: challenge.expires_us,
            person,
            device,
        };
        let device = &self.unlocked().device;
        let signature = device.sign(Label::new(LOGIN_LABEL), login.message().as_bytes());
        let session = self.endpoint().log_in(&login, signature.as_bytes()).await?;
        save_session(self.profile(), &session.token, session.expires_us)?;
        self.endpoint()
            .authorize(Some(Authorization::Session(session.token)));
        Ok(())
    }

    /// Ends the session here and at the vault.
    pub async fn log_out(&self) -> Result<(), ClientError> {
        if let Some(token) = find_session(self.profile()) {
            self.endpoint()
                .authorize(Some(Authorization::Session(token)));
            forget_session(self.profile());
            self.endpoint().log_out().await?;
        }
        self.endpoint().authorize(None);
        Ok(())
    }

    /// Refuses to go on while this machine's clock and the vault's are too far apart.
    pub async fn check_clock(&self) -> Result<(), ClientError> {
        check_clock(self.endpoint()).await
    }
}

/// What lets the holder of an invitation in while nobody else has used it.
pub(crate) fn invitation_login(card: &VaultCard, first: &Identity) -> Authorization {
    let mut login = InvitationLogin {
        vault: card.vault,
        origin: card.origin.clone(),
        kid: first.kid(),
        expires_us: now_us() + INVITATION_LOGIN_US,
        signature: Vec::new().into(),
    };
    let label = Label::new(INVITATION_LOGIN_LABEL);
    let signature = first.signer().sign(label, login.message().as_bytes());
    login.signature = signature.to_bytes().into();
    Authorization::Invitation(Box::new(login))
}

/// Compares this machine's clock with the vault's.
pub(crate) async fn check_clock(endpoint: &Endpoint) -> Result<(), ClientError> {
    let sent_us = now_us();
    let server_us = endpoint.about().await?.server_time_us;
    let middle_us = sent_us + now_us().saturating_sub(sent_us) / 2;
    if server_us.abs_diff(middle_us) <= CLOCK_TOLERANCE_S * 1_000_000 {
        return Ok(());
    }
    let apart = i64::try_from(server_us.abs_diff(middle_us) / 1_000_000).unwrap_or(i64::MAX);
    let seconds = if server_us < middle_us { -apart } else { apart };
    Err(ClientError::Clock { seconds })
}

/// `$XDG_RUNTIME_DIR/obhut/`, which lives in memory; else the profile's folder.
fn session_file(profile: &Profile) -> PathBuf {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").filter(|value| !value.is_empty());
    let folder = runtime.and_then(|runtime| {
        let folder = PathBuf::from(runtime).join("obhut");
        let made = std::os::unix::fs::DirBuilderExt::mode(&mut std::fs::DirBuilder::new(), 0o700)
            .recursive(true)
            .create(&folder);
        made.is_ok().then_some(folder)
    });
    match folder {
        Some(folder) => {
            let path = profile.folder().as_os_str().as_encoded_bytes();
            let name = Context::new("obhut/session-file/v1").field(path).hash();
            folder.join(format!("{}.session", base32(&name)))
        }
        None => profile.folder().join("session"),
    }
}

fn find_session(profile: &Profile) -> Option<Zeroizing<String>> {
    let bytes = Zeroizing::new(std::fs::read(session_file(profile)).ok()?);
    let stored: StoredSession = serde_json::from_slice(&bytes).ok()?;
    let token = Zeroizing::new(stored.token);
    (now_us() + SPARE_US < stored.expires_us).then_some(token)
}

fn save_session(profile: &Profile, token: &str, expires_us: u64) -> Result<(), ClientError> {
    let stored = StoredSession {
        token: token.to_owned(),
        expires_us,
    };
    let bytes = serde_json::to_vec(&stored).map(Zeroizing::new);
    let bytes = bytes.map_err(|_| ClientError::Profile("the session cannot be kept".into()))?;
    let path = session_file(profile);
    WholeFile::write(&path, 0o600, Existing::Replace, &bytes)
}

/// Forgets the stored token; the next command logs in.
pub(crate) fn forget_session(profile: &Profile) {
    let _ = std::fs::remove_file(session_file(profile));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::Failure;
    use crate::transport::test_server::{ok, serve};

    async fn check(vault_ahead_s: i64) -> Result<(), ClientError> {
        let endpoint = serve(move |_, _| {
            let here_s = i64::try_from(now_us() / 1_000_000).unwrap();
            let key = "A".repeat(43);
            ok(format!(
                r#"{{"vault":"vault_aeaqcaibaeaqcaibaeaqcaibae","name":"","origin":"o","founded":false,"records_key":"{key}","access_key":"{key}","gate_key":"{key}","server_time_us":{}}}"#,
                (here_s + vault_ahead_s) * 1_000_000
            ))
        })
        .await;
        check_clock(&endpoint).await
    }

    #[tokio::test]
    async fn c11_a_clock_off_by_a_day_is_named_on_either_side() {
        check(20).await.unwrap();
        check(-20).await.unwrap();
        for day in [86_400, -86_400] {
            let refused = check(day).await.unwrap_err();
            let ClientError::Clock { seconds } = refused else {
                panic!("{refused}");
            };
            assert!(seconds.abs_diff(day) < 5);
            assert_eq!(refused.failure(), Failure::Failed);
            assert!(refused.next_step().contains("clock"));
        }
    }
}
