//! Releases whose answer was lost: the signed act, sent again, finds its entry and gets the same release without a
//! second one.
//!
//! The leaves stand in the log, but not what opens them for the gatekeeper and the reader. That is kept for ten
//! minutes, sealed under a key from the salt of the act's reason: who signed the act sends it again with the act,
//! and the database alone opens nothing.

use obhut_format::context::Context;
use obhut_format::release::ActLeaf;
use obhut_format::{Blob, Cbor, Hash, record};
use obhut_log::entry::EntryOpenings;
use obhut_log::{Core, LogError, Recs};
use obhut_sql::sql;
use obhut_suite::{Secret, hkdf_expand_secret, open, seal};
use rand_core::CryptoRng;

use crate::act::VerifiedAct;
use crate::sequencer::{LoggedAct, LoggedLeaf};
use crate::statements::statements;
use crate::{StoreError, Vault};

statements! {
    SELECT_KEPT = "SELECT sealed FROM kept_entries WHERE vault = $1 AND act = $2";
}

record! {
    /// An act's entry with its openings.
    KeptEntry {
        /// Origin of the shard.
        1 => shard: String,
        /// Its leaves, without paths.
        2 => leaves: Vec<ActLeaf>,
    }
}

/// Seals an act's entry for whoever sends the act again.
pub(crate) fn seal_entry(
    act: &VerifiedAct,
    entry: &LoggedAct,
    rng: &mut impl CryptoRng,
) -> Result<Vec<u8>, StoreError> {
    let kept = KeptEntry {
        shard: entry.shard.clone(),
        leaves: entry
            .leaves
            .iter()
            .map(|leaf| leaf.to_act_leaf(Vec::new()))
            .collect(),
    };
    let sealed = seal(
        &key(act),
        context(&act.hash()).as_bytes(),
        &kept.to_bytes(),
        rng,
    );
    sealed.map_err(|_| StoreError::Damaged("an entry cannot be sealed"))
}

impl Vault {
    /// The entry of an act that was allowed and logged some minutes ago.
    pub(crate) async fn find_kept(
        &self,
        act: &VerifiedAct,
    ) -> Result<Option<LoggedAct>, StoreError> {
        let statement = sql(SELECT_KEPT).bind(self.id().0).bind(act.hash());
        let Some(row) = self.0.db.fetch_optional("find_kept", statement).await? else {
            return Ok(None);
        };
        let sealed: Vec<u8> = row.column("sealed")?;
        let damaged = || StoreError::Damaged("a kept entry does not open");
        let opened = open(&key(act), context(&act.hash()).as_bytes(), &sealed);
        let opened = opened.map_err(|_| damaged())?;
        // EXPOSE: parsed here; its openings go to the gatekeeper and to who signed the act.
        let kept = KeptEntry::from_bytes(opened.expose()).map_err(|_| damaged())?;
        let leaves = kept.leaves.into_iter().map(LoggedLeaf::from_act_leaf);
        Ok(Some(LoggedAct {
            shard: kept.shard,
            leaves: leaves.collect::<Result<_, _>>()?,
        }))
    }
}

impl LoggedLeaf {
    /// The leaf as gatekeeper and reader get it.
    pub(crate) fn to_act_leaf(&self, path: Vec<Hash>) -> ActLeaf {
        ActLeaf {
            index: self.index,
            core: Blob(self.core.to_bytes().to_vec()),
            labels: self.recs.to_records(),
            a1: self.openings.a1.clone(),
            a2: self.openings.a2.clone(),
            d: self.openings.d.clone(),
            r: self.openings.r.clone(),
            subject_commitments: self.openings.subject_commitments.clone(),
            w_commitment: self.openings.w_commitment,
            path,
        }
    }

    fn from_act_leaf(leaf: ActLeaf) -> Result<Self, LogError> {
        Ok(Self {
            index: leaf.index,
            core: Core::parse(&leaf.core.0)?,
            recs: Recs::from_records(&leaf.labels)?,
            openings: EntryOpenings {
                a1: leaf.a1,
                a2: leaf.a2,
                d: leaf.d,
                r: leaf.r,
                subject_commitments: leaf.subject_commitments,
                w_commitment: leaf.w_commitment,
            },
        })
    }
}

fn key(act: &VerifiedAct) -> Secret<32> {
    let context = context(&act.hash());
    hkdf_expand_secret(&act.request().reason_salt, &[context.as_bytes()])
}

fn context(act: &Hash) -> Context {
    Context::new("obhut/kept-entry/v1").field(act)
}
