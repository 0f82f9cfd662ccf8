//! Searching for cases by blind tags: an act, whether it finds something or not.

use obhut_format::act::lookup_hash;
use obhut_format::entry::Outcome;
use obhut_format::{CaseId, Hash, UnitId};
use obhut_log::replay::RecordLabel;
use obhut_model::action::Lookup;
use obhut_model::policy::decide_lookup;
use obhut_model::{Caller, Facts, Grant, Refusal, Request};
use obhut_sql::sql;

use crate::act::VerifiedAct;
use crate::columns::ids;
use crate::statements::statements;
use crate::{StoreError, Vault};

statements! {
    SELECT_TAG = "SELECT case_id FROM blind_index WHERE vault = $1 AND unit = $2 AND tag = $3 ORDER BY case_id";
}

impl Vault {
    /// Decides a search. The act must name just these tags.
    pub fn authorise_lookup(
        &self,
        caller: &Caller,
        act: &VerifiedAct,
        tags: &[Hash],
    ) -> Result<Grant<Lookup>, Refusal> {
        if act.act().payload_hash != Some(lookup_hash(tags)) {
            return Err(Refusal::ObjectsUnfit);
        }
        let facts = Facts::default();
        decide_lookup(caller, &Request::new(act.act(), act.hash(), &facts))
    }

    /// Ids of the unit's cases under these blind tags, once the search is logged under the labels of
    /// what it found. Reading their register entries is another act.
    pub async fn look_up(
        &self,
        grant: Grant<Lookup>,
        act: VerifiedAct,
        tags: &[Hash],
    ) -> Result<Vec<CaseId>, StoreError> {
        let unit = act.act().unit.ok_or(StoreError::NotFound)?;
        let found = self.find_tagged(unit, tags).await?;
        let about = found.iter().copied().map(RecordLabel::of_case).collect();
        let logged = self.log(grant, act, about).await?;
        logged.complete(Outcome::Done);
        Ok(found)
    }

    async fn find_tagged(&self, unit: UnitId, tags: &[Hash]) -> Result<Vec<CaseId>, StoreError> {
        let mut cases = Vec::new();
        for tag in tags {
            let statement = sql(SELECT_TAG).bind(self.id().0).bind(unit.0).bind(*tag);
            let rows = self.0.db.fetch_all("lookup", statement).await?;
            cases.extend(ids::<CaseId>(&rows, "case_id")?);
        }
        cases.sort_unstable();
        cases.dedup();
        Ok(cases)
    }
}
