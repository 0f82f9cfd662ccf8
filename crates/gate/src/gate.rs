//! The gatekeeper: opened once, asked by many tasks, in bytes.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use obhut_format::gate_link::PartyKey;
use obhut_format::release::{GateRequest, GateResponse};
use obhut_format::{Cbor, VaultId};
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::keys::{SigningKey, StorageKeys, prepare_folders};
use crate::link::LinkKey;
use crate::replay::VaultState;
use crate::stores::Stores;
use crate::{Edge, GateConfig, GateError, Refusal, persist, vaults};

/// The gatekeeper of any number of vaults.
///
/// Requests for one vault wait for each other; what one of them decided is durable before the next
/// begins. Requests for different vaults run side by side.
pub struct Gate {
    pub(crate) stores: Stores,
    pub(crate) storage: StorageKeys,
    pub(crate) signing: SigningKey,
    pub(crate) edge: Edge,
    pub(crate) storage_key_days: u32,
    vaults: RwLock<HashMap<VaultId, Arc<Mutex<VaultState>>>>,
}

impl Gate {
    /// Opens stores and keys, and resumes the replay of every enrolled vault. Makes what is missing
    /// at the first start.
    pub async fn open(config: GateConfig, edge: Edge) -> Result<Self, GateError> {
        prepare_folders(&config)?;
        let mut rng = edge.rng();
        let stores = Stores::open(&config).await?;
        let storage = StorageKeys::load(&config.key_folder)?;
        let now_us = edge.now_us();
        persist::verify_storage_keys(&stores.first, &storage, now_us, &mut rng).await?;
        let known = vaults::load_all(&stores.first).await?;
        let path = config.signing_key();
        if !known.is_empty() && !path.exists() {
            return Err(GateError::KeyDamaged(path));
        }
        let signing = SigningKey::load_or_generate(&path, &mut rng)?;
        let mut vaults = HashMap::new();
        for enrolled in known {
            let vault = enrolled.vault;
            let resumed = persist::resume(&stores.first, enrolled).await;
            let state = resumed.map_err(|source| GateError::Replay {
                vault: vault.to_string(),
                source,
            })?;
            vaults.insert(vault, Arc::new(Mutex::new(state)));
        }
        Ok(Self {
            stores,
            storage,
            signing,
            edge,
            storage_key_days: config.storage_key_days,
            vaults: RwLock::new(vaults),
        })
    }

    /// The Ed25519 key of its receipts, deposit keys and cosignatures: what the vault card pins.
    pub fn public_key(&self) -> [u8; 32] {
        self.signing.public()
    }

    /// As [`Gate::public_key`], as operators read it out.
    pub fn party_key(&self) -> PartyKey {
        PartyKey(self.public_key())
    }

    /// What it proves on connections: the same key.
    pub fn link_key(&self) -> Result<LinkKey, GateError> {
        self.signing.link_key()
    }

    /// Answers one canonical [`GateRequest`] with one canonical [`GateResponse`]; whatever cannot
    /// be done comes back as `Refused`.
    pub async fn handle(&self, request: &[u8]) -> Vec<u8> {
        let answer = match GateRequest::from_bytes(request) {
            // Boxed: the largest request's state should not lie in every caller's.
            Ok(request) => Box::pin(self.answer(request)).await,
            Err(_) => Err(Refusal::BadBytes),
        };
        into_bytes(answer)
    }

    /// As [`Gate::handle`] for a connection whose other end proved to hold the key of `server`:
    /// it speaks for the vaults that were enrolled over it, and learns nothing of others (F06).
    pub async fn handle_from(&self, server: [u8; 32], request: &[u8]) -> Vec<u8> {
        let answer = match GateRequest::from_bytes(request) {
            Ok(request) => Box::pin(self.answer_from(server, request)).await,
            Err(_) => Err(Refusal::BadBytes),
        };
        into_bytes(answer)
    }

    async fn answer_from(
        &self,
        server: [u8; 32],
        request: GateRequest,
    ) -> Result<GateResponse, Refusal> {
        match request {
            GateRequest::Enrol(_) => Err(Refusal::EnrolNeedsCode),
            GateRequest::EnrolByCode(coded) => {
                let key = self.enrol_by_code(coded, server).await?;
                Ok(GateResponse::Enrolled(key))
            }
            request => {
                let state = self.find_vault(request.vault())?;
                if state.lock().await.enrolled.server != Some(server) {
                    return Err(Refusal::VaultUnknown);
                }
                self.answer(request).await
            }
        }
    }

    async fn answer(&self, request: GateRequest) -> Result<GateResponse, Refusal> {
        match request {
            GateRequest::Enrol(enrol) => {
                let key = self.enrol(enrol).await?;
                Ok(GateResponse::Enrolled(key))
            }
            GateRequest::DepositKey(only) => {
                self.find_vault(only.vault)?;
                let key = self.hand_out_deposit_key(only.vault).await?;
                Ok(GateResponse::DepositKey(key))
            }
            GateRequest::Deposit(signed) => {
                let state = self.lock_vault(signed.deposit.vault).await?;
                let receipt = self.take_deposit(&state, signed).await?;
                Ok(GateResponse::Deposited(receipt))
            }
            GateRequest::Labels(query) => {
                let mut state = self.lock_vault(query.vault).await?;
                let labels = self.answer_labels(&mut state, &query).await?;
                Ok(GateResponse::Labels(labels))
            }
            GateRequest::Feed(feed) => {
                let mut state = self.lock_vault(feed.vault).await?;
                let size = self.replay_feed(&mut state, feed).await?;
                Ok(GateResponse::Fed(size))
            }
            other => self.answer_more(other).await,
        }
    }

    async fn answer_more(&self, request: GateRequest) -> Result<GateResponse, Refusal> {
        match request {
            GateRequest::Cosign(order) => {
                let mut state = self.lock_vault(order.vault).await?;
                let line = self.cosign(&mut state, &order).await?;
                Ok(GateResponse::Cosigned(line))
            }
            GateRequest::Release(order) => {
                let mut state = self.lock_vault(order.vault).await?;
                let release = self.release(&mut state, order).await?;
                Ok(GateResponse::Released(release))
            }
            GateRequest::Destroy(order) => {
                let mut state = self.lock_vault(order.vault).await?;
                let count = self.destroy_ordered(&mut state, &order).await?;
                Ok(GateResponse::Destroyed(count))
            }
            GateRequest::Status(only) => {
                let state = self.lock_vault(only.vault).await?;
                let status = self.status(&state).await?;
                Ok(GateResponse::Status(status))
            }
            _ => Err(Refusal::BadBytes),
        }
    }

    /// What is due with time: old deposit keys and answers go, and shares that were never registered
    /// end after thirty days where the records replay is fresh. Call it about once an hour; tells
    /// how many shares were destroyed.
    pub async fn sweep(&self) -> Result<u64, Refusal> {
        self.erase_deposit_keys().await?;
        crate::seen::forget_old(&self.stores.first, self.edge.now_us()).await?;
        self.tend_storage_keys().await?;
        let vaults: Vec<_> = self.read_vaults().keys().copied().collect();
        let mut destroyed = 0;
        for vault in vaults {
            let mut state = self.lock_vault(vault).await?;
            destroyed += self.sweep_unregistered(&mut state).await?;
        }
        Ok(destroyed)
    }

    /// Waits for what is under way and closes both stores.
    pub async fn close(&self) {
        self.stores.close().await;
    }

    /// The vault's state, alone. Whoever held it before may have gone away between writing and
    /// taking over what was written: then the database says what is so.
    async fn lock_vault(&self, vault: VaultId) -> Result<OwnedMutexGuard<VaultState>, Refusal> {
        let mut state = self.find_vault(vault)?.lock_owned().await;
        if state.in_doubt {
            persist::wait_for_writer(&self.stores.first, vault).await?;
            *state = persist::resume(&self.stores.first, state.enrolled.clone()).await?;
        }
        Ok(state)
    }

    pub(crate) fn find_vault(&self, vault: VaultId) -> Result<Arc<Mutex<VaultState>>, Refusal> {
        let vaults = self.read_vaults();
        vaults.get(&vault).cloned().ok_or(Refusal::VaultUnknown)
    }

    fn read_vaults(
        &self,
    ) -> std::sync::RwLockReadGuard<'_, HashMap<VaultId, Arc<Mutex<VaultState>>>> {
        self.vaults.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn insert_vault(&self, state: VaultState) {
        let mut vaults = self.vaults.write().unwrap_or_else(PoisonError::into_inner);
        vaults
            .entry(state.vault)
            .or_insert_with(|| Arc::new(Mutex::new(state)));
    }
}

fn into_bytes(answer: Result<GateResponse, Refusal>) -> Vec<u8> {
    let response = answer.unwrap_or_else(|refusal| {
        if let Refusal::Unavailable(error) = &refusal {
            tracing::error!(error = %error, "the gatekeeper's database failed");
        }
        GateResponse::Refused(refusal.to_message())
    });
    response.to_bytes()
}
