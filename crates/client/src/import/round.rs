//! Rounds of deposit and registration: up to 1,024 uploaded documents at once, of one case or many.

use std::collections::HashMap;

use obhut_crypto::{CheckedDepositKey, seal_deposit, verify_deposit_receipt};
use obhut_format::mutation::{Committed, Mutation};
use obhut_format::share::{DepositReceipt, MAX_BATCH, SignedDeposit};
use obhut_format::{BatchId, Blob, Cbor, UnitId};

use super::journal_record::{DepositRecord, JournalRecord, SourceId, Stage, StageRecord};
use super::scan::SkipReason;
use super::seal::SealedRevision;
use super::work::SharedJournal;
use crate::ClientError;
use crate::clock::{now_us, random_bytes, system_rng};
use crate::register::{FiledDocument, Unfiled, batch_act};
use crate::transport::MutationRoute;
use crate::vault::Vault;

/// Most documents of a round.
pub(super) const ROUND: usize = MAX_BATCH;

/// So many registered documents are confirmed at once.
const CONFIRM_AT: usize = 4 * ROUND;
/// A deposit that must be registered sooner than this is not waited for.
const REGISTER_US: u64 = 3_600 * 1_000_000;

/// Which deposit holds a source's share, and until when it may be registered.
#[derive(Clone, Copy)]
struct Deposited {
    batch: BatchId,
    register_by_us: u64,
    /// Binds the manifest that was deposited.
    manifest_hash: [u8; 32],
}

/// Deposits that the gatekeeper confirmed, of this run or an interrupted one, by source.
#[derive(Default)]
struct KnownDeposits(HashMap<SourceId, Deposited>);

/// Committed, not yet confirmed.
struct Registered {
    committed: Committed,
    mutation: Mutation,
    documents: Vec<SealedRevision>,
}

/// Documents the vault would not register, and why.
type Refused = Vec<(SealedRevision, SkipReason)>;

/// What an attempt to register came to.
type Attempt = (Vec<Registered>, Refused);

/// Of which sources, which deposit, and what the gatekeeper said.
type Receipted = (Vec<SourceId>, SignedDeposit, DepositReceipt);

/// How a round ended for each of its documents.
#[derive(Default)]
pub(super) struct RoundResult {
    pub(super) stored: Vec<SealedRevision>,
    pub(super) refused: Refused,
}

/// Deposits, registers and confirms.
pub(super) struct Rounds<'a> {
    pub(super) vault: &'a mut Vault,
    pub(super) journal: SharedJournal,
    pub(super) unit: UnitId,
    known: KnownDeposits,
    /// The round before: it is registered while the next one is deposited.
    deposited: Vec<SealedRevision>,
    unconfirmed: Vec<Registered>,
}

impl<'a> Rounds<'a> {
    /// No round yet.
    pub(super) fn new(vault: &'a mut Vault, journal: SharedJournal, unit: UnitId) -> Self {
        Self {
            vault,
            journal,
            unit,
            known: KnownDeposits::default(),
            deposited: Vec::new(),
            unconfirmed: Vec::new(),
        }
    }

    /// Sends the deposits of an interrupted run once more, byte for byte: the gatekeeper gives the same
    /// receipts. What it does not take any more, or what cannot be registered in time, is deposited under
    /// new keys.
    pub(super) async fn repeat_deposits(&mut self) -> Result<(), ClientError> {
        let open = self
            .journal
            .with(|journal| journal.open_deposits().to_vec());
        for record in open {
            let deposit = SignedDeposit::from_bytes(&record.deposit.0)?;
            let answer = self.vault.endpoint().deposit(&deposit).await;
            let receipt = match answer {
                Ok(receipt) => receipt,
                Err(failed) if is_refusal(&failed) => {
                    self.give_up(&record.sources);
                    continue;
                }
                Err(failed) => return Err(failed),
            };
            let gate = self.vault.gate_key()?;
            let receipt = verify_deposit_receipt(&receipt, &gate, &deposit.deposit)?;
            if receipt.register_by_us < now_us() + REGISTER_US {
                self.give_up(&record.sources);
            } else {
                self.known.remember(&record.sources, &deposit, &receipt);
            }
        }
        Ok(())
    }

    fn give_up(&self, sources: &[SourceId]) {
        self.journal
            .with(|journal| journal.give_up_deposit(sources));
    }

    /// One round: deposits these and registers those of the round before. What is registered counts as stored once it is
    /// confirmed, which is done for several rounds at once; gives what was confirmed or refused by now.
    pub(super) async fn run(
        &mut self,
        mut documents: Vec<SealedRevision>,
    ) -> Result<RoundResult, ClientError> {
        documents.sort_by_key(|document| document.manifest.case);
        let before = std::mem::take(&mut self.deposited);
        let (deposited, registered) =
            tokio::try_join!(self.deposit(&mut documents), self.register(before))?;
        if let Some((sources, deposit, receipt)) = deposited {
            self.known.remember(&sources, &deposit, &receipt);
        }
        self.deposited = documents;
        let refused = self.take_registered(registered);
        let waiting: usize = self.unconfirmed.iter().map(|one| one.documents.len()).sum();
        let mut result = RoundResult::default();
        if waiting >= CONFIRM_AT {
            result = self.confirm_registered().await?;
        }
        result.refused.extend(refused);
        Ok(result)
    }

    /// Registers what is deposited and confirms all: it stands in the log with quorum, and the journal knows.
    pub(super) async fn confirm(&mut self) -> Result<RoundResult, ClientError> {
        let deposited = std::mem::take(&mut self.deposited);
        let registered = self.register(deposited).await?;
        let refused = self.take_registered(registered);
        let mut result = self.confirm_registered().await?;
        result.refused.extend(refused);
        Ok(result)
    }

    async fn confirm_registered(&mut self) -> Result<RoundResult, ClientError> {
        let registered = std::mem::take(&mut self.unconfirmed);
        let mutations: Vec<_> = registered
            .iter()
            .map(|one| (&one.committed, &one.mutation))
            .collect();
        self.vault.confirm(&mutations).await?;
        let mut result = RoundResult::default();
        for one in registered {
            result.stored.extend(one.documents);
        }
        let sources = result.stored.iter().map(|stored| stored.source).collect();
        self.note(Stage::Stored, sources)?;
        Ok(result)
    }

    fn take_registered(&mut self, (done, refused): Attempt) -> Refused {
        self.unconfirmed.extend(done);
        refused
    }

    /// Notes that sources have reached a stage.
    pub(super) fn note(&self, stage: Stage, sources: Vec<SourceId>) -> Result<(), ClientError> {
        if sources.is_empty() {
            return Ok(());
        }
        let record = JournalRecord::Stage(StageRecord { stage, sources });
        let rng = &mut system_rng();
        Ok(self
            .journal
            .with(|journal| journal.append(vec![record], &[], rng))?)
    }

    /// Deposits the shares of those that have no deposit yet; `None` if all have.
    async fn deposit(
        &self,
        documents: &mut [SealedRevision],
    ) -> Result<Option<Receipted>, ClientError> {
        let (mut sources, mut shares) = (Vec::new(), Vec::new());
        for document in documents {
            if self.known.find(document).is_none() {
                sources.push(document.source);
                shares.extend(document.share.take());
            }
        }
        if shares.is_empty() {
            return Ok(None);
        }
        let gate = self.vault.gate_key()?;
        let signed = self.vault.endpoint().deposit_key().await?;
        let key = CheckedDepositKey::check(&signed, &gate, self.vault.id(), now_us())?;
        let unlocked = self.vault.unlocked();
        let deposit = seal_deposit(
            &key,
            BatchId(random_bytes()),
            unlocked.kid(),
            now_us(),
            &shares,
            &unlocked.device,
            &mut system_rng(),
        )?;
        self.note_deposit(&deposit, sources.clone())?;
        let receipt = self.vault.endpoint().deposit(&deposit).await?;
        let receipt = verify_deposit_receipt(&receipt, &gate, &deposit.deposit)?;
        self.note(Stage::Deposited, sources.clone())?;
        Ok(Some((sources, deposit, receipt)))
    }

    fn note_deposit(
        &self,
        deposit: &SignedDeposit,
        sources: Vec<SourceId>,
    ) -> Result<(), ClientError> {
        let items = deposit.deposit.items.iter();
        let record = JournalRecord::Deposit(DepositRecord {
            batch: deposit.deposit.batch,
            deposit: Blob(deposit.to_bytes()),
            sources,
            manifests: items.map(|item| item.binding.manifest_hash).collect(),
        });
        let rng = &mut system_rng();
        Ok(self
            .journal
            .with(|journal| journal.append(vec![record], &[], rng))?)
    }

    fn filed(&self, document: &SealedRevision) -> Result<FiledDocument, ClientError> {
        let deposited = self.known.find(document).ok_or_else(|| {
            ClientError::integrity("a document was not deposited before its registration")
        })?;
        let unfiled = Unfiled {
            manifest: document.manifest,
            card_hash: document.card_hash,
            row: document.row.clone(),
        };
        let Deposited {
            batch,
            register_by_us,
            ..
        } = deposited;
        Ok(FiledDocument::new(unfiled, batch, register_by_us))
    }

    /// Registers all at once; if the vault refuses, case by case, so that one closed case stops no other.
    async fn register(&self, mut documents: Vec<SealedRevision>) -> Result<Attempt, ClientError> {
        if documents.is_empty() {
            return Ok(Attempt::default());
        }
        let failed = match self.commit(&documents).await {
            Ok(committed) => {
                let registered = Registered::new(committed, documents);
                return Ok((vec![registered], Vec::new()));
            }
            Err(failed) => failed,
        };
        if !is_refusal(&failed) {
            return Err(failed);
        }
        let (mut registered, mut refused) = Attempt::default();
        while let Some(first) = documents.first() {
            let case = first.manifest.case;
            let others = documents.partition_point(|document| document.manifest.case == case);
            let rest = documents.split_off(others);
            let documents_of_case = std::mem::replace(&mut documents, rest);
            match self.commit(&documents_of_case).await {
                Ok(committed) => registered.push(Registered::new(committed, documents_of_case)),
                Err(failed) if is_refusal(&failed) => {
                    let why = SkipReason::Refused(failed.to_string());
                    let all = documents_of_case.into_iter();
                    refused.extend(all.map(|document| (document, why.clone())));
                }
                Err(failed) => return Err(failed),
            }
        }
        Ok((registered, refused))
    }

    async fn commit(
        &self,
        documents: &[SealedRevision],
    ) -> Result<(Committed, Mutation), ClientError> {
        let filed: Vec<_> = documents
            .iter()
            .map(|document| self.filed(document))
            .collect::<Result<_, _>>()?;
        let filed: Vec<_> = filed.iter().collect();
        let mutation = self.vault.batch_registration(&filed)?;
        let draft = batch_act(self.unit, &filed);
        let route = MutationRoute::Documents;
        let committed = self.vault.commit(route, draft, &mutation).await?;
        Ok((committed, mutation))
    }
}

impl Registered {
    fn new((committed, mutation): (Committed, Mutation), documents: Vec<SealedRevision>) -> Self {
        Self {
            committed,
            mutation,
            documents,
        }
    }
}

impl KnownDeposits {
    fn remember(
        &mut self,
        sources: &[SourceId],
        deposit: &SignedDeposit,
        receipt: &DepositReceipt,
    ) {
        for (source, item) in sources.iter().zip(&deposit.deposit.items) {
            let deposited = Deposited {
                batch: receipt.batch,
                register_by_us: receipt.register_by_us,
                manifest_hash: item.binding.manifest_hash,
            };
            self.0.insert(*source, deposited);
        }
    }

    /// The deposit of exactly this manifest.
    fn find(&self, document: &SealedRevision) -> Option<Deposited> {
        let found = self.0.get(&document.source).copied();
        found.filter(|deposited| deposited.manifest_hash == document.manifest.hash())
    }
}

fn is_refusal(failed: &ClientError) -> bool {
    matches!(failed, ClientError::Problem(problem)
        if (400..500).contains(&problem.status) && !matches!(problem.status, 401 | 408 | 429))
}
