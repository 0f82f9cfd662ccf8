//! Writing: statements, deposits, mutations, and the proof that they stand in the log.

use obhut_crypto::{
    CheckedDepositKey, ShareToDeposit, seal_deposit, sign_statement, verify_deposit_receipt,
};
use obhut_format::act::ActRequest;
use obhut_format::batch::RecordPayload;
use obhut_format::mutation::{Committed, Mutation, MutationRecord};
use obhut_format::share::DepositReceipt;
use obhut_format::statement::{Event, PersonSigner, Signer, Statement};
use obhut_format::{BatchId, Cbor};
use obhut_log::TlogProof;

use crate::ClientError;
use crate::act::ActDraft;
use crate::clock::{now_us, random_bytes, system_rng};
use crate::transport::MutationRoute;
use crate::vault::Vault;

/// How long the vault may take to get a new entry cosigned.
const CONFIRM_WAIT_MS: u64 = 15_000;

impl Vault {
    /// A statement signed by this profile's person, with its sealed part.
    pub fn state(
        &self,
        event: Event,
        sealed: Option<Vec<u8>>,
    ) -> Result<MutationRecord, ClientError> {
        let statement = Statement {
            vault: self.id(),
            signer: Signer::Person(PersonSigner {
                person: self.person(),
                kid: self.unlocked().kid(),
            }),
            time_us: now_us(),
            nonce: random_bytes(),
            event,
        };
        let signed = sign_statement(&statement, &self.unlocked().identity)?;
        Ok(MutationRecord {
            payload: RecordPayload::Statement(signed),
            sealed: sealed.map(Into::into),
        })
    }

    /// Signs an act that names this mutation.
    pub fn sign_mutation(
        &self,
        draft: ActDraft,
        mutation: &Mutation,
    ) -> Result<ActRequest, ClientError> {
        let hash = Mutation::hash(&mutation.to_bytes());
        self.act_signer()?.sign(draft, Some(hash), None)
    }

    /// Commits a mutation and waits until it stands in the records log with quorum: only then it counts.
    pub async fn submit(
        &mut self,
        route: MutationRoute,
        draft: ActDraft,
        mutation: &Mutation,
    ) -> Result<Committed, ClientError> {
        let committed = self.commit(route, draft, mutation).await?;
        self.confirm(&[(&committed, mutation)]).await?;
        Ok(committed)
    }

    /// Commits a mutation; it counts only after [`Self::confirm`].
    pub(crate) async fn commit(
        &self,
        route: MutationRoute,
        draft: ActDraft,
        mutation: &Mutation,
    ) -> Result<Committed, ClientError> {
        let request = self.sign_mutation(draft, mutation)?;
        let sent = self.endpoint().mutate(route, &request, mutation).await;
        match sent {
            Err(ClientError::Problem(problem)) if problem.code() == "act-invalid" => {
                self.check_clock().await?;
                Err(ClientError::Problem(problem))
            }
            other => other,
        }
    }

    /// Waits for the quorum of committed mutations, replays them and finds every record of them.
    pub async fn confirm(
        &mut self,
        mutations: &[(&Committed, &Mutation)],
    ) -> Result<(), ClientError> {
        let end =
            |(committed, _): &(&Committed, &Mutation)| committed.first_record + committed.records;
        let Some(last) = mutations.iter().map(end).max() else {
            return Ok(());
        };
        let last = last.saturating_sub(1);
        let proof = self.endpoint().receipt(last, CONFIRM_WAIT_MS).await?;
        let proof: TlogProof = proof.parse()?;
        if proof.index != last {
            return Err(ClientError::integrity("the receipt is for another record"));
        }
        self.sync().await?;
        for (committed, mutation) in mutations {
            if self.directory().size() < committed.records_size {
                return Err(ClientError::integrity(
                    "the vault says it wrote records that its confirmed log does not hold",
                ));
            }
            for record in &mutation.records {
                self.find_record(&record.payload)?;
            }
        }
        Ok(())
    }

    /// The replayed log must hold exactly what was signed, not just something of that size.
    fn find_record(&self, payload: &RecordPayload) -> Result<(), ClientError> {
        let found = match payload {
            RecordPayload::Statement(signed) => {
                let statement = Statement::from_bytes(&signed.statement.0)?;
                self.directory().has_nonce(&statement.nonce)
            }
            RecordPayload::Batch(signed) => self.directory().batch(&signed.hash()).is_some(),
            RecordPayload::Document(item) => self.directory().batch(&item.batch).is_some(),
        };
        if found {
            Ok(())
        } else {
            Err(ClientError::integrity(
                "the vault acknowledged a record that its log does not hold",
            ))
        }
    }

    /// Deposits up to 1,024 shares with the gatekeeper and checks its receipt.
    pub async fn deposit(
        &self,
        shares: &[ShareToDeposit],
    ) -> Result<(BatchId, DepositReceipt), ClientError> {
        let gate = self.gate_key()?;
        let signed = self.endpoint().deposit_key().await?;
        let key = CheckedDepositKey::check(&signed, &gate, self.id(), now_us())?;
        let batch = BatchId(random_bytes());
        let deposit = seal_deposit(
            &key,
            batch,
            self.unlocked().kid(),
            now_us(),
            shares,
            &self.unlocked().device,
            &mut system_rng(),
        )?;
        let receipt = self.endpoint().deposit(&deposit).await?;
        let receipt = verify_deposit_receipt(&receipt, &gate, &deposit.deposit)?;
        Ok((batch, receipt))
    }
}
