//! Direct grants: what a person may read without being of the unit.

use obhut_format::act::ObjectRef;
use obhut_format::context::sha256;
use obhut_format::key::{Grant, GrantKind};
use obhut_format::release::GrantProof;
use obhut_format::statement::Role;
use obhut_format::{Cbor, Hash, Kid};
use obhut_log::replay::Directory;
use obhut_model::Caller;
use obhut_sql::{Row, sql};

use crate::act::VerifiedAct;
use crate::statements::statements;
use crate::{StoreError, Vault};

statements! {
    SELECT_GRANTS = "SELECT body, batch, place, path FROM grants WHERE vault = $1 AND recipient = $2 ORDER BY batch, place";
}

impl Vault {
    /// Every grant to this bundle, with its place in the batch that signs it; also those that have
    /// ended.
    pub(crate) async fn grants_to(&self, kid: Kid) -> Result<Vec<GrantProof>, StoreError> {
        let statement = sql(SELECT_GRANTS).bind(self.id().0).bind(kid.0);
        let rows = self.0.db.fetch_all("grants_to", statement).await?;
        rows.iter().map(read_grant).collect()
    }

    /// Whether living grants to the caller cover every object. Asked only for those who act for
    /// themselves.
    pub(crate) async fn all_granted(
        &self,
        caller: &Caller,
        act: &VerifiedAct,
        directory: &Directory,
    ) -> Result<bool, StoreError> {
        if act.act().role != Role::Citizen || act.objects().is_empty() {
            return Ok(false);
        }
        let grants = self.grants_to(caller.kid()).await?;
        let now_us = self.now_us();
        Ok(act.objects().iter().all(|object| {
            let mut grants = grants.iter();
            grants.any(|proof| covers(&proof.grant, object, directory, now_us))
        }))
    }
}

/// The living grant that covers an object.
pub(crate) fn find_covering<'a>(
    grants: &'a [GrantProof],
    object: &ObjectRef,
    directory: &Directory,
    now_us: u64,
) -> Option<&'a GrantProof> {
    let mut grants = grants.iter();
    grants.find(|proof| covers(&proof.grant, object, directory, now_us))
}

fn covers(grant: &Grant, object: &ObjectRef, directory: &Directory, now_us: u64) -> bool {
    if grant.case != object.case || grant.not_after_us.is_some_and(|until| now_us >= until) {
        return false;
    }
    if directory.is_grant_revoked(grant.case, &sha256(&[&grant.to_bytes()])) {
        return false;
    }
    let document = object
        .document
        .and_then(|document| directory.document(document));
    let Some(revision) = document.and_then(|found| found.find_revision(object.revision)) else {
        return false;
    };
    match grant.kind {
        GrantKind::Document => {
            grant.document == object.document && grant.number == revision.revision
        }
        // A case key of a later epoch leads to the earlier ones.
        GrantKind::Case => revision.parse_manifest().is_ok_and(|manifest| {
            manifest.case_epoch > 0 && u64::from(manifest.case_epoch) <= grant.number
        }),
    }
}

fn read_grant(row: &Row) -> Result<GrantProof, StoreError> {
    let damaged = || StoreError::Damaged("a grant does not parse");
    let body: Vec<u8> = row.column("body")?;
    let path: Vec<u8> = row.column("path")?;
    let (hashes, rest) = path.as_chunks::<32>();
    if !rest.is_empty() {
        return Err(damaged());
    }
    Ok(GrantProof {
        grant: Grant::from_bytes(&body).map_err(|_| damaged())?,
        batch: row.column::<Hash>("batch")?,
        index: row.column("place")?,
        path: hashes.to_vec(),
    })
}
