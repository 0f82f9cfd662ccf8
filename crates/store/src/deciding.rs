//! The way of an act: verified, decided, logged.

use std::sync::Arc;

use obhut_format::Cbor;
use obhut_format::act::{Act, ActRequest};
use obhut_format::mutation::Committed;
use obhut_log::replay::RecordLabel;
use obhut_model::action::{Action, Mutate, ReadLog, Release};
use obhut_model::policy::{decide, decide_founding};
use obhut_model::{Caller, Facts, Grant, Refusal, Request};
use tokio::sync::oneshot;

use crate::act::{ActError, VerifiedAct};
use crate::facts::{caller_facts, mutation_facts, release_facts};
use crate::proposal::{Proposal, find_repeat, propose};
use crate::sequencer::{EntryWork, LoggedAct, MutationWork, Work, mutation_labels};
use crate::{Logged, StoreError, Vault};

impl Vault {
    /// Checks that the caller's device signed this act, for this vault, just now.
    pub fn verify_act(
        &self,
        caller: &Caller,
        request: ActRequest,
    ) -> Result<VerifiedAct, ActError> {
        let directory = self.directory();
        let device = directory
            .device(caller.device())
            .ok_or(ActError::Signature)?;
        let now_us = self.now_us();
        let takes = |shard: &str| directory.takes_entries(shard, now_us);
        VerifiedAct::verify(request, &device.public, self.id(), takes, now_us)
    }

    /// Parses a mutation, checks its rows and tries its records on a copy of the directory.
    pub async fn propose(&self, mutation: &[u8]) -> Result<Proposal, StoreError> {
        let now_us = self.now_us();
        propose(&self.0.db, self.directory(), &self.0.row, mutation, now_us).await
    }

    /// As [`verify_act`](Self::verify_act) where the device comes into being with the mutation
    /// itself: founding and activation.
    pub fn verify_act_of(
        &self,
        proposal: &Proposal,
        request: ActRequest,
    ) -> Result<(Caller, VerifiedAct), StoreError> {
        let after = proposal.after();
        let act = Act::from_bytes(&request.signed.act.0).map_err(|_| ActError::Malformed)?;
        let caller = Caller::new(caller_facts(after, act.person, act.device), self.now_us())?;
        let device = after.device(act.device).ok_or(ActError::Signature)?;
        let now_us = self.now_us();
        let takes = |shard: &str| after.takes_entries(shard, now_us);
        let act = VerifiedAct::verify(request, &device.public, self.id(), takes, now_us)?;
        Ok((caller, act))
    }

    /// Decides an act that reads documents or cases.
    pub async fn authorise_release(
        &self,
        caller: &Caller,
        act: &VerifiedAct,
    ) -> Result<Grant<Release>, StoreError> {
        let directory = self.directory();
        let granted = self.all_granted(caller, act, &directory).await?;
        let facts = release_facts(&directory, act.objects(), granted);
        Ok(decide(
            caller,
            &Request::new(act.act(), act.hash(), &facts),
        )?)
    }

    /// Decides an act that reads the access log.
    pub fn authorise_reading(
        &self,
        caller: &Caller,
        act: &VerifiedAct,
    ) -> Result<Grant<ReadLog>, Refusal> {
        let facts = Facts::default();
        decide(caller, &Request::new(act.act(), act.hash(), &facts))
    }

    /// Decides an act that writes records. The act must name this very mutation.
    pub fn authorise_mutation(
        &self,
        caller: &Caller,
        act: &VerifiedAct,
        proposal: &Proposal,
    ) -> Result<Grant<Mutate>, Refusal> {
        if act.act().payload_hash != Some(proposal.hash()) {
            return Err(Refusal::ChangeNotOfThisAct);
        }
        let (before, after) = (&proposal.before, &proposal.after);
        // Whoever replaces their keys grants to the new ones.
        let kid = after.person(caller.person()).and_then(|own| own.current());
        let kid = kid.map_or(caller.kid(), |key| key.kid);
        let facts = mutation_facts(before, after, &proposal.mutation, kid);
        decide(caller, &Request::new(act.act(), act.hash(), &facts))
    }

    /// Decides the founding. The bootstrap code must have been checked by
    /// [`check_bootstrap`](Self::check_bootstrap).
    pub fn authorise_founding(
        &self,
        caller: &Caller,
        act: &VerifiedAct,
        proposal: &Proposal,
    ) -> Result<Grant<Mutate>, Refusal> {
        let empty = proposal.before.size() == 0 || proposal.repeat.is_some();
        if !empty || act.act().payload_hash != Some(proposal.hash()) {
            return Err(Refusal::ChangeNotOfThisAct);
        }
        let (before, after) = (&proposal.before, &proposal.after);
        let facts = mutation_facts(before, after, &proposal.mutation, caller.kid());
        decide_founding(caller, &Request::new(act.act(), act.hash(), &facts))
    }

    /// Logs an act that asks for shares; the answer comes once its entry is committed. One that was
    /// logged some minutes ago and is sent again, because its answer was lost, keeps the entry it has.
    pub async fn log_release(
        &self,
        grant: Grant<Release>,
        act: VerifiedAct,
    ) -> Result<Logged<Release>, StoreError> {
        match self.log(grant, act.clone(), Vec::new()).await {
            Err(StoreError::ActSeen) => {
                let entry = self.find_kept(&act).await?.ok_or(StoreError::ActSeen)?;
                Ok(Logged::again(act, entry, &self.queue()?))
            }
            logged => logged,
        }
    }

    /// Logs the reading of the log.
    pub async fn log_reading(
        &self,
        grant: Grant<ReadLog>,
        act: VerifiedAct,
    ) -> Result<Logged<ReadLog>, StoreError> {
        self.log(grant, act, Vec::new()).await
    }

    /// Logs a refused act. Nothing to do before the founding, when there is no shard yet.
    pub async fn log_refusal(&self, act: VerifiedAct, refusal: Refusal) -> Result<(), StoreError> {
        if !self.is_founded() {
            return Ok(());
        }
        self.log_refused(act, Vec::new(), refusal).await
    }

    /// As [`log_refusal`](Self::log_refusal) for an act that would have written these records: the
    /// entry also stands under the labels of what they are about.
    pub async fn log_refused_change(
        &self,
        act: VerifiedAct,
        refusal: Refusal,
        proposal: &Proposal,
    ) -> Result<(), StoreError> {
        if !self.is_founded() {
            return Ok(());
        }
        let about = mutation_labels(&proposal.mutation, &self.directory());
        self.log_refused(act, about, refusal).await
    }

    /// A refused act that is sent again is refused again; its entry stands.
    async fn log_refused(
        &self,
        act: VerifiedAct,
        about: Vec<RecordLabel>,
        refusal: Refusal,
    ) -> Result<(), StoreError> {
        match self.log_entry(act, about, Some(refusal)).await {
            Ok(_) | Err(StoreError::ActSeen) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Commits records, rows, entry and CLOSE in one transaction. Records committed before are
    /// answered as they were, and not logged again.
    pub async fn commit(
        &self,
        grant: Grant<Mutate>,
        act: VerifiedAct,
        proposal: Proposal,
    ) -> Result<Committed, StoreError> {
        if grant.act() != act.hash() {
            return Err(StoreError::OtherAct);
        }
        if let Some(committed) = proposal.repeat {
            return Ok(committed);
        }
        let (mutation, hash) = (Arc::clone(&proposal.mutation), proposal.hash);
        let (reply, answer) = oneshot::channel();
        self.enqueue(Work::Mutation(Box::new(MutationWork {
            act,
            proposal,
            reply,
        })))?;
        match answer.await.map_err(|_| StoreError::Stopped)? {
            // The same request came twice at once, and the other one was first.
            Err(StoreError::ActSeen) => find_repeat(&self.0.db, self.id(), &mutation, &hash)
                .await?
                .ok_or(StoreError::ActSeen),
            answer => answer,
        }
    }

    /// Logs an allowed act; `about` says what it is about beyond what it names.
    pub(crate) async fn log<A: Action>(
        &self,
        grant: Grant<A>,
        act: VerifiedAct,
        about: Vec<RecordLabel>,
    ) -> Result<Logged<A>, StoreError> {
        if grant.act() != act.hash() {
            return Err(StoreError::OtherAct);
        }
        let queue = self.queue()?;
        let entry = self.log_entry(act.clone(), about, None).await?;
        Ok(Logged::new(act, entry, &queue))
    }

    async fn log_entry(
        &self,
        act: VerifiedAct,
        about: Vec<RecordLabel>,
        refusal: Option<Refusal>,
    ) -> Result<LoggedAct, StoreError> {
        let (reply, answer) = oneshot::channel();
        self.enqueue(Work::Entry(Box::new(EntryWork {
            act,
            about,
            refusal,
            reply,
        })))?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }
}
