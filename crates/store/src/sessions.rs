//! Logging in: a challenge, signed by a device, for a token that is kept hashed.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use obhut_format::context::sha256;
use obhut_format::session::{
    INVITATION_LOGIN_LABEL, INVITATION_LOGIN_US, InvitationLogin, LOGIN_LABEL, Login,
};
use obhut_format::{DeviceKid, PersonId};
use obhut_model::Caller;
use obhut_sql::sql;
use obhut_suite::{DevicePublic, DeviceSignature, HybridPublic, HybridSignature, Label};

use crate::columns::int;
use crate::statements::statements;
use crate::{StoreError, Vault};

statements! {
    INSERT_CHALLENGE = "INSERT INTO challenges (challenge, vault, person, device, expires_us) VALUES ($1, $2, $3, $4, $5)";
    TAKE_CHALLENGE = "DELETE FROM challenges WHERE challenge = $1 AND vault = $2 AND person = $3 AND device = $4 \
        RETURNING expires_us";
    DROP_CHALLENGES = "DELETE FROM challenges WHERE expires_us < $1";
    INSERT_SESSION = "INSERT INTO sessions (token_hash, vault, person, device, created_us, used_us, expires_us) \
        VALUES ($1, $2, $3, $4, $5, $5, $6)";
    SELECT_SESSION = "SELECT person, device, used_us, expires_us FROM sessions WHERE token_hash = $1 AND vault = $2";
    TOUCH_SESSION = "UPDATE sessions SET used_us = $3 WHERE token_hash = $1 AND vault = $2";
    DROP_SESSION = "DELETE FROM sessions WHERE token_hash = $1 AND vault = $2";
    DROP_SESSIONS = "DELETE FROM sessions WHERE expires_us < $1 OR used_us < $2";
    SELECT_BOOTSTRAP = "SELECT bootstrap_hash FROM vaults WHERE vault = $1 AND founded_us IS NULL";
}

/// How long challenges and sessions live, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLimits {
    /// A challenge may be answered this long.
    pub challenge_us: u64,
    /// A session unused for this long has ended.
    pub idle_us: u64,
    /// A session has ended after this long, used or not.
    pub longest_us: u64,
}

impl Default for SessionLimits {
    /// Two minutes, one hour, twelve hours.
    fn default() -> Self {
        Self {
            challenge_us: 120 * 1_000_000,
            idle_us: 3_600 * 1_000_000,
            longest_us: 12 * 3_600 * 1_000_000,
        }
    }
}

/// The holder of an invitation may have a clock that is ahead by this much, microseconds.
const INVITATION_SKEW_US: u64 = 60 * 1_000_000;
/// The use of a session is written down at most this often, microseconds.
const TOUCH_US: u64 = 60 * 1_000_000;

/// What was read of a session serves this long, microseconds: an import asks a thousand times a second. Persons and
/// devices are looked up anew each time; only a logout at another server takes this long to be noticed.
const RECALL_US: u64 = 1_000_000;
/// Sessions remembered at most.
const RECALLED: usize = 10_000;

/// A session as the database had it a moment ago.
#[derive(Clone, Copy)]
struct Session {
    person: PersonId,
    device: DeviceKid,
    used_us: u64,
    expires_us: u64,
    read_us: u64,
}

/// Sessions read a moment ago, by the hash of their token.
#[derive(Default)]
pub(crate) struct RecentSessions(Mutex<HashMap<[u8; 32], Session>>);

impl RecentSessions {
    fn find(&self, hash: &[u8; 32], now_us: u64) -> Option<Session> {
        let session = self.lock().get(hash).copied()?;
        (now_us.abs_diff(session.read_us) < RECALL_US).then_some(session)
    }

    fn remember(&self, hash: [u8; 32], session: Session) {
        let mut recent = self.lock();
        if recent.len() >= RECALLED {
            recent.clear();
        }
        recent.insert(hash, session);
    }

    fn forget(&self, hash: &[u8; 32]) {
        self.lock().remove(hash);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A challenge for one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// 32 random bytes.
    pub challenge: [u8; 32],
    /// Until when it may be answered, microseconds UTC.
    pub expires_us: u64,
}

/// A session's secret, handed out once.
#[derive(Clone)]
pub struct SessionToken {
    /// 32 random bytes; the store keeps their hash.
    pub token: [u8; 32],
    /// When the session ends at the latest, microseconds UTC.
    pub expires_us: u64,
}

impl Vault {
    /// A challenge, whoever asks: whether person and device exist shows only when it is answered.
    pub async fn new_challenge(
        &self,
        person: PersonId,
        device: DeviceKid,
    ) -> Result<Challenge, StoreError> {
        let now_us = self.now_us();
        let challenge = Challenge {
            challenge: self.random(),
            expires_us: now_us.saturating_add(self.0.sessions.challenge_us),
        };
        let vault = self.id();
        self.0
            .db
            .write("new_challenge", move |mut tx| async move {
                sql(DROP_CHALLENGES)
                    .bind(int(now_us))
                    .execute(&mut tx)
                    .await?;
                sql(INSERT_CHALLENGE)
                    .bind(challenge.challenge)
                    .bind(vault.0)
                    .bind(person.0)
                    .bind(device.0)
                    .bind(int(challenge.expires_us))
                    .execute(&mut tx)
                    .await?;
                Ok(challenge)
            })
            .await
    }

    /// The person who holds an invitation that may still be used: its bundle signed the login for this vault.
    pub fn admit_invited(&self, login: &InvitationLogin) -> Option<PersonId> {
        let now_us = self.now_us();
        let latest_us = now_us.saturating_add(INVITATION_LOGIN_US + INVITATION_SKEW_US);
        let here = login.vault == self.id() && login.origin == self.0.row.origin;
        if !here || login.expires_us < now_us || login.expires_us > latest_us {
            return None;
        }
        let person = self.find_invited(login.kid)?;
        let directory = self.directory();
        let key = directory.find_key(login.kid)?;
        let public = HybridPublic::parse(key.bundle.hybrid()).ok()?;
        let signature = HybridSignature::parse(&login.signature.0).ok()?;
        let label = Label::new(INVITATION_LOGIN_LABEL);
        let signed = public.verify(label, login.message().as_bytes(), &signature);
        signed.is_ok().then_some(person)
    }

    /// Takes the challenge and makes a session if the device signed it for this vault and origin.
    pub async fn log_in(
        &self,
        login: &Login,
        signature: &[u8; 64],
    ) -> Result<SessionToken, StoreError> {
        let now_us = self.now_us();
        self.check_login(login, signature, now_us)?;
        self.caller(login.person, login.device)?;
        let session = SessionToken {
            token: self.random(),
            expires_us: now_us.saturating_add(self.0.sessions.longest_us),
        };
        let (vault, hash, expires_us) = (self.id(), sha256(&[&session.token]), session.expires_us);
        self.0
            .db
            .write("log_in", move |mut tx| async move {
                let taken = sql(TAKE_CHALLENGE)
                    .bind(login.challenge)
                    .bind(vault.0)
                    .bind(login.person.0)
                    .bind(login.device.0)
                    .fetch_optional(&mut tx)
                    .await?;
                let known_us: Option<u64> =
                    taken.map(|row| row.column("expires_us")).transpose()?;
                if known_us != Some(login.expires_us) {
                    return Err(StoreError::BadLogin);
                }
                let idle_us = now_us.saturating_sub(self.0.sessions.idle_us);
                sql(DROP_SESSIONS)
                    .bind(int(now_us))
                    .bind(int(idle_us))
                    .execute(&mut tx)
                    .await?;
                sql(INSERT_SESSION)
                    .bind(hash)
                    .bind(vault.0)
                    .bind(login.person.0)
                    .bind(login.device.0)
                    .bind(int(now_us))
                    .bind(int(expires_us))
                    .execute(&mut tx)
                    .await?;
                Ok(())
            })
            .await?;
        Ok(session)
    }

    /// The caller behind a token. Person and device are looked up again on every call, so that a
    /// revocation counts at once.
    pub async fn authenticate(&self, token: &[u8; 32]) -> Result<Caller, StoreError> {
        let now_us = self.now_us();
        let hash = sha256(&[token]);
        let session = match self.0.recent_sessions.find(&hash, now_us) {
            Some(session) => session,
            None => self.load_session(hash, now_us).await?,
        };
        let idle_at_us = session.used_us.saturating_add(self.0.sessions.idle_us);
        if now_us >= session.expires_us || now_us >= idle_at_us {
            return Err(StoreError::Unauthenticated);
        }
        Ok(self.caller(session.person, session.device)?)
    }

    /// Reads a session and notes that it is used, unless it has ended.
    async fn load_session(&self, hash: [u8; 32], now_us: u64) -> Result<Session, StoreError> {
        let statement = sql(SELECT_SESSION).bind(hash).bind(self.id().0);
        let row = self.0.db.fetch_optional("find_session", statement).await?;
        let row = row.ok_or(StoreError::Unauthenticated)?;
        let session = Session {
            person: PersonId(row.column("person")?),
            device: DeviceKid(row.column("device")?),
            used_us: row.column("used_us")?,
            expires_us: row.column("expires_us")?,
            read_us: now_us,
        };
        let idle_at_us = session.used_us.saturating_add(self.0.sessions.idle_us);
        let touch_at_us = session.used_us.saturating_add(TOUCH_US);
        if (touch_at_us..idle_at_us.min(session.expires_us)).contains(&now_us) {
            self.touch_session(hash, now_us).await?;
        }
        self.0.recent_sessions.remember(hash, session);
        Ok(session)
    }

    async fn touch_session(&self, hash: [u8; 32], now_us: u64) -> Result<(), StoreError> {
        let vault = self.id();
        let touch = move |mut tx| async move {
            let touch = sql(TOUCH_SESSION)
                .bind(hash)
                .bind(vault.0)
                .bind(int(now_us));
            touch.execute(&mut tx).await
        };
        let touched = self.0.db.write("touch_session", touch).await;
        touched.map(drop).map_err(StoreError::Sql)
    }

    /// Ends a session; one that has ended already is no error.
    pub async fn log_out(&self, token: &[u8; 32]) -> Result<(), StoreError> {
        let (vault, hash) = (self.id(), sha256(&[token]));
        let drop_session = move |mut tx| async move {
            let statement = sql(DROP_SESSION).bind(hash).bind(vault.0);
            statement.execute(&mut tx).await
        };
        let dropped = self.0.db.write("log_out", drop_session).await;
        self.0.recent_sessions.forget(&hash);
        dropped.map(drop).map_err(StoreError::Sql)
    }

    /// Checks the bootstrap code's secret; [`StoreError::Unauthenticated`] when it is wrong or the
    /// vault is founded.
    pub async fn check_bootstrap(&self, secret: &[u8]) -> Result<(), StoreError> {
        let statement = sql(SELECT_BOOTSTRAP).bind(self.id().0);
        let row = self
            .0
            .db
            .fetch_optional("find_bootstrap", statement)
            .await?;
        let row = row.ok_or(StoreError::Unauthenticated)?;
        // Hashes are compared: their timing shows nothing of a secret of 128 random bits.
        if row.column::<Option<[u8; 32]>>("bootstrap_hash")? == Some(sha256(&[secret])) {
            Ok(())
        } else {
            Err(StoreError::Unauthenticated)
        }
    }

    fn check_login(
        &self,
        login: &Login,
        signature: &[u8; 64],
        now_us: u64,
    ) -> Result<(), StoreError> {
        let directory = self.directory();
        let device = directory.device(login.device).ok_or(StoreError::BadLogin)?;
        let here = login.vault == self.id() && login.origin == self.origin();
        if !here || now_us > login.expires_us || device.person != login.person {
            return Err(StoreError::BadLogin);
        }
        let public = DevicePublic::parse(&device.public).map_err(|_| StoreError::BadLogin)?;
        DeviceSignature::parse(signature)
            .and_then(|signature| {
                public.verify(
                    Label::new(LOGIN_LABEL),
                    login.message().as_bytes(),
                    &signature,
                )
            })
            .map_err(|_| StoreError::BadLogin)
    }
}
