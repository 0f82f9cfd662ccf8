use obhut_format::act::ActRequest;
use obhut_format::card::VaultCard;
use obhut_format::gate_link::CodedEnrolment;
use obhut_format::mutation::{Committed, Mutation};
use obhut_format::reading::{AccessLogAnswer, OwnKeys, RecordsPage};
use obhut_format::release::{ReleaseAnswer, ReleasedCase, SignedDepositKey, SignedDepositReceipt};
use obhut_format::session::Login;
use obhut_format::share::SignedDeposit;
use obhut_format::{CaseId, Cbor, DeviceKid, Hash, PersonId, VaultId};
use obhut_log::tile::TilePath;
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use zeroize::Zeroizing;

use super::encoding::{array_from_b64, bytes_to_b64, from_b64, to_b64};
use super::endpoint::{Endpoint, Retry};
use super::problem::TLS_REQUIRED;
use crate::ClientError;

/// A hash tile has at most 256 hashes.
const MAX_TILE_BYTES: usize = 256 * 32;

/// Where a mutation goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MutationRoute {
    /// Enrolments and invitations.
    People,
    /// Devices, rotation, revocation.
    Identity,
    /// First activation by a device nobody knows yet.
    Activations,
    /// Appointments.
    Appointments,
    /// Units.
    Units,
    /// Agency recovery.
    Recovery,
    /// New cases.
    Cases,
    /// Changes of one case.
    CaseChanges(CaseId),
    /// Registration of documents.
    Documents,
    /// Grants.
    Grants,
    /// Revoked grants.
    GrantRevocations,
}

impl MutationRoute {
    fn path(self) -> String {
        match self {
            Self::People => "/people".into(),
            Self::Identity => "/identity".into(),
            Self::Activations => "/activations".into(),
            Self::Appointments => "/appointments".into(),
            Self::Units => "/units".into(),
            Self::Recovery => "/recovery".into(),
            Self::Cases => "/cases".into(),
            Self::CaseChanges(case) => format!("/cases/{case}/changes"),
            Self::Documents => "/documents".into(),
            Self::Grants => "/grants".into(),
            Self::GrantRevocations => "/grants/revocations".into(),
        }
    }
}

/// A vault as its server lists it.
#[derive(Clone, Debug, Deserialize)]
pub struct VaultSummary {
    /// The vault, printed form.
    pub vault: String,
    /// Name of the agency; empty before founding.
    #[serde(default)]
    pub name: String,
    /// Log origin prefix.
    pub origin: String,
    /// Whether an agency root has signed its card.
    pub founded: bool,
}

/// What a vault says about itself before anything is proved.
pub struct AboutVault {
    /// The vault.
    pub vault: VaultId,
    /// Log origin prefix.
    pub origin: String,
    /// Whether it is founded.
    pub founded: bool,
    /// Its card, once founded.
    pub card: Option<VaultCard>,
    /// Records key.
    pub records_key: [u8; 32],
    /// Access key.
    pub access_key: [u8; 32],
    /// Gatekeeper's key.
    pub gate_key: [u8; 32],
    /// Whether the server says that another operator runs the gatekeeper.
    pub gate_elsewhere: bool,
    /// The server's clock, microseconds UTC.
    pub server_time_us: u64,
}

#[derive(Deserialize)]
struct AboutAnswer {
    vault: String,
    origin: String,
    founded: bool,
    card_b64: Option<String>,
    records_key: String,
    access_key: String,
    gate_key: String,
    #[serde(default)]
    gate_elsewhere: bool,
    server_time_us: u64,
}

/// A login challenge.
pub struct Challenge {
    /// 32 random bytes of the server.
    pub challenge: [u8; 32],
    /// When it ends, microseconds UTC.
    pub expires_us: u64,
}

/// A session.
pub struct Session {
    /// The bearer token.
    pub token: Zeroizing<String>,
    /// When it ends at the latest, microseconds UTC.
    pub expires_us: u64,
}

/// What founding answers.
pub type Founded = Committed;

impl Endpoint {
    /// All vaults of the server.
    pub async fn vaults(&self) -> Result<Vec<VaultSummary>, ClientError> {
        self.json(self.root_request("/v1/vaults"), Retry::Idempotent)
            .await
    }

    /// What the vault says about itself.
    pub async fn about(&self) -> Result<AboutVault, ClientError> {
        let request = self.request(Method::GET, "");
        let answer: AboutAnswer = self.json(request, Retry::Idempotent).await?;
        Ok(AboutVault {
            vault: answer.vault.parse()?,
            origin: answer.origin,
            founded: answer.founded,
            card: answer.card_b64.as_deref().map(from_b64).transpose()?,
            records_key: array_from_b64(&answer.records_key)?,
            access_key: array_from_b64(&answer.access_key)?,
            gate_key: array_from_b64(&answer.gate_key)?,
            gate_elsewhere: answer.gate_elsewhere,
            server_time_us: answer.server_time_us,
        })
    }

    /// Founds the vault.
    pub async fn found(
        &self,
        code: &str,
        request: &ActRequest,
        mutation: &Mutation,
    ) -> Result<Founded, ClientError> {
        let body = json!({
            "code": code,
            "request": to_b64(request),
            "mutation": to_b64(mutation),
        });
        self.committed("/founding", &body).await
    }

    /// Asks for a login challenge.
    pub async fn challenge(
        &self,
        person: PersonId,
        device: DeviceKid,
    ) -> Result<Challenge, ClientError> {
        #[derive(Deserialize)]
        struct Answer {
            challenge: String,
            expires_us: u64,
        }
        let body = json!({"person": person.to_string(), "device": device.to_string()});
        let answer: Answer = self
            .post("/sessions/challenges", &body, Retry::Idempotent)
            .await?;
        Ok(Challenge {
            challenge: array_from_b64(&answer.challenge)?,
            expires_us: answer.expires_us,
        })
    }

    /// Opens a session with a signed challenge.
    pub async fn log_in(
        &self,
        login: &Login,
        signature: &[u8; 64],
    ) -> Result<Session, ClientError> {
        #[derive(Deserialize)]
        struct Answer {
            token: String,
            expires_us: u64,
        }
        let body = json!({"login": to_b64(login), "signature": bytes_to_b64(signature)});
        let answer: Answer = self.post("/sessions", &body, Retry::Unsent).await?;
        Ok(Session {
            token: Zeroizing::new(answer.token),
            expires_us: answer.expires_us,
        })
    }

    /// Ends the session.
    pub async fn log_out(&self) -> Result<(), ClientError> {
        let request = self.request(Method::DELETE, "/sessions/current");
        self.send(request, Retry::Idempotent).await.map(drop)
    }

    /// The gatekeeper's deposit key in force; the caller checks its signature.
    pub async fn deposit_key(&self) -> Result<SignedDepositKey, ClientError> {
        self.find_b64("/deposit-key", "key").await
    }

    /// Makes the vault known to another operator's gatekeeper; its key.
    pub async fn enrol_at_gate(&self, coded: &CodedEnrolment) -> Result<[u8; 32], ClientError> {
        #[derive(Deserialize)]
        struct Answer {
            gate_key: String,
        }
        let body = json!({"enrolment": to_b64(coded)});
        let answer: Answer = self
            .post("/gate-enrolments", &body, Retry::Idempotent)
            .await?;
        array_from_b64(&answer.gate_key)
    }

    /// Deposits shares; an identical repeat gets the same receipt.
    pub async fn deposit(
        &self,
        deposit: &SignedDeposit,
    ) -> Result<SignedDepositReceipt, ClientError> {
        let body = json!({"deposit": to_b64(deposit)});
        self.post_b64("/deposits", &body, "receipt", Retry::Idempotent)
            .await
    }

    /// Commits a mutation; a repeat of the same records answers the same.
    pub async fn mutate(
        &self,
        route: MutationRoute,
        request: &ActRequest,
        mutation: &Mutation,
    ) -> Result<Committed, ClientError> {
        let body = json!({"request": to_b64(request), "mutation": to_b64(mutation)});
        self.committed(&route.path(), &body).await
    }

    async fn committed(
        &self,
        path: &str,
        body: &serde_json::Value,
    ) -> Result<Committed, ClientError> {
        self.post_b64(path, body, "committed", Retry::Idempotent)
            .await
    }

    /// Asks for a release. The vault counts an act once, and answers the very same one again.
    pub async fn release(&self, request: &ActRequest) -> Result<ReleaseAnswer, ClientError> {
        let body = json!({"request": to_b64(request)});
        self.post_b64("/releases", &body, "answer", Retry::Release)
            .await
    }

    /// Ids of cases under the blind index tags that the act names.
    pub async fn look_up(
        &self,
        request: &ActRequest,
        tags: &[Hash],
    ) -> Result<Vec<CaseId>, ClientError> {
        #[derive(Deserialize)]
        struct Answer {
            cases: Vec<String>,
        }
        let tags: Vec<_> = tags.iter().map(|tag| bytes_to_b64(tag)).collect();
        let body = json!({"request": to_b64(request), "tags": tags});
        let answer: Answer = self.post("/lookups", &body, Retry::Unsent).await?;
        let cases = answer.cases.iter().map(|id| id.parse());
        Ok(cases.collect::<Result<_, _>>()?)
    }

    /// Records from index `from` on, at most a page.
    pub async fn records(&self, from: u64) -> Result<RecordsPage, ClientError> {
        self.find_b64(&format!("/records?from={from}"), "page")
            .await
    }

    /// Proof that a records leaf stands under a checkpoint with quorum (tlog-proof text).
    pub async fn receipt(&self, leaf: u64, wait_ms: u64) -> Result<String, ClientError> {
        #[derive(Deserialize)]
        struct Answer {
            proof: String,
        }
        let path = format!("/receipts/{leaf}?wait_ms={wait_ms}");
        let request = self.request(Method::GET, &path);
        let answer: Answer = self.json(request, Retry::Idempotent).await?;
        Ok(answer.proof)
    }

    /// Key rows of the caller.
    pub async fn own_keys(&self) -> Result<OwnKeys, ClientError> {
        self.find_b64("/keys", "keys").await
    }

    /// Keys and links of a case, for writers.
    pub async fn case_keys(&self, case: CaseId) -> Result<ReleasedCase, ClientError> {
        self.find_b64(&format!("/keys/cases/{case}"), "case").await
    }

    /// Access entries about oneself, one answer per shard.
    pub async fn log_entries(
        &self,
        request: &ActRequest,
    ) -> Result<Vec<AccessLogAnswer>, ClientError> {
        #[derive(Deserialize)]
        struct Answer {
            answers: Vec<String>,
        }
        let body = json!({"request": to_b64(request)});
        let answer: Answer = self.post("/log/entries", &body, Retry::Unsent).await?;
        answer.answers.iter().map(|text| from_b64(text)).collect()
    }

    /// The latest cosigned checkpoint of the records log.
    pub async fn records_checkpoint(&self) -> Result<String, ClientError> {
        self.text(self.request(Method::GET, "/checkpoints/records"))
            .await
    }

    /// The latest cosigned checkpoint of the access shard in use.
    pub async fn access_checkpoint(&self) -> Result<String, ClientError> {
        self.text(self.request(Method::GET, "/checkpoints/access"))
            .await
    }

    /// The cosigned checkpoint published last for a shard of the access log, in use or not.
    pub async fn shard_checkpoint(&self, origin: &str) -> Result<String, ClientError> {
        self.text(self.root_request(&format!("/tiles/{origin}/checkpoint")))
            .await
    }

    /// A tile of a log with this origin.
    pub async fn tile(&self, origin: &str, tile: TilePath) -> Result<Vec<u8>, ClientError> {
        let request = self.root_request(&format!("/tiles/{origin}/{tile}"));
        let response = self.send(request, Retry::Idempotent).await?;
        Ok(self.read_body(response, MAX_TILE_BYTES).await?.into())
    }

    /// True when the server says it is ready to work.
    pub async fn is_ready(&self) -> Result<bool, ClientError> {
        match self.send_once(self.root_request("/readyz")).await {
            Ok(_) => Ok(true),
            Err(ClientError::Problem(problem)) if problem.code() != TLS_REQUIRED => Ok(false),
            Err(failed) => Err(failed),
        }
    }

    async fn find_b64<T: Cbor>(&self, path: &str, field: &str) -> Result<T, ClientError> {
        let request = self.request(Method::GET, path);
        let answer = self.json(request, Retry::Idempotent).await?;
        b64_field(&answer, field)
    }

    async fn post_b64<T: Cbor>(
        &self,
        path: &str,
        body: &serde_json::Value,
        field: &str,
        retry: Retry,
    ) -> Result<T, ClientError> {
        b64_field(&self.post(path, body, retry).await?, field)
    }
}

fn b64_field<T: Cbor>(answer: &serde_json::Value, field: &str) -> Result<T, ClientError> {
    let text = answer.get(field).and_then(serde_json::Value::as_str);
    from_b64(text.ok_or_else(|| {
        ClientError::integrity(format!("the vault's answer has no field {field}"))
    })?)
}
