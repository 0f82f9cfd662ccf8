//! Acts that were answered: each gets its shares once, and the same bytes again for ten minutes.

use obhut_format::release::{Release, ReleaseReceipt};
use obhut_format::{Cbor, Hash, VaultId};
use obhut_sql::{Db, SqlError, sql};

use crate::Refusal;
use crate::rows::int;

/// For how long an identical repeat gets the same bytes, in microseconds.
const REPEAT_US: u64 = 600 * 1_000_000;
/// For how long an act is remembered, in microseconds: long after it has expired by itself.
const REMEMBER_US: u64 = 24 * 3_600 * 1_000_000;

const FIND: &str =
    "SELECT order_hash, seen_us, answer FROM seen_acts WHERE vault = $1 AND act = $2";
const INSERT_ACT: &str = "INSERT INTO seen_acts (vault, act, order_hash, seen_us, answer)
    VALUES ($1, $2, $3, $4, $5)";
const INSERT_RECEIPT: &str =
    "INSERT INTO receipts (vault, seq, head, receipt) VALUES ($1, $2, $3, $4)";
const CHAIN: &str = "SELECT seq, head FROM receipts WHERE vault = $1 ORDER BY seq DESC LIMIT 1";
const DROP_ANSWERS: &str =
    "UPDATE seen_acts SET answer = NULL WHERE seen_us < $1 AND answer IS NOT NULL";
const FORGET: &str = "DELETE FROM seen_acts WHERE seen_us < $1";

/// An act that was answered before.
pub(crate) struct SeenAct {
    order_hash: Hash,
    seen_us: u64,
    answer: Option<Vec<u8>>,
}

impl SeenAct {
    /// The answer it had, for an identical order in time.
    pub(crate) fn repeat(self, order_hash: &Hash, now_us: u64) -> Result<Release, Refusal> {
        let in_time = now_us.saturating_sub(self.seen_us) <= REPEAT_US;
        match self.answer {
            Some(answer) if in_time && self.order_hash == *order_hash => {
                Release::from_bytes(&answer).map_err(|_| Refusal::ActSeen)
            }
            _ => Err(Refusal::ActSeen),
        }
    }
}

/// The act of this hash, when it was answered before.
pub(crate) async fn find_act(
    db: &Db,
    vault: VaultId,
    act: &Hash,
) -> Result<Option<SeenAct>, SqlError> {
    let statement = sql(FIND).bind(vault.0).bind(act);
    let Some(row) = db.fetch_optional("gate_find_act", statement).await? else {
        return Ok(None);
    };
    Ok(Some(SeenAct {
        order_hash: row.column("order_hash")?,
        seen_us: row.column("seen_us")?,
        answer: row.column("answer")?,
    }))
}

/// Act, receipt and answer, in one transaction.
pub(crate) async fn keep_release(
    db: &Db,
    receipt: &ReleaseReceipt,
    order_hash: &Hash,
    release: &Release,
) -> Result<(), SqlError> {
    let answer = release.to_bytes();
    db.write("gate_keep_release", async |mut tx| {
        sql(INSERT_ACT)
            .bind(receipt.vault.0)
            .bind(receipt.act)
            .bind(order_hash)
            .bind(int(receipt.time_us))
            .bind(answer.as_slice())
            .execute(&mut tx)
            .await?;
        sql(INSERT_RECEIPT)
            .bind(receipt.vault.0)
            .bind(int(receipt.seq))
            .bind(receipt.head)
            .bind(release.receipt.0.as_slice())
            .execute(&mut tx)
            .await
            .map(drop)
    })
    .await
}

/// Number and head of the chain of receipts.
pub(crate) async fn load_chain(db: &Db, vault: VaultId) -> Result<(u64, Hash), SqlError> {
    let statement = sql(CHAIN).bind(vault.0);
    match db.fetch_optional("gate_load_chain", statement).await? {
        Some(row) => Ok((row.column("seq")?, row.column("head")?)),
        None => Ok((0, obhut_format::release::gate_chain_start(vault))),
    }
}

/// Drops answers after ten minutes and acts after a day.
pub(crate) async fn forget_old(db: &Db, now_us: u64) -> Result<(), SqlError> {
    db.write("gate_forget_acts", async |mut tx| {
        let answers = int(now_us.saturating_sub(REPEAT_US));
        sql(DROP_ANSWERS).bind(answers).execute(&mut tx).await?;
        let acts = int(now_us.saturating_sub(REMEMBER_US));
        sql(FORGET).bind(acts).execute(&mut tx).await.map(drop)
    })
    .await
}
