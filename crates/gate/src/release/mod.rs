//! Releasing shares: every check of the design, then one encapsulation to the act's key.

mod act;
mod answer;
mod authority;
mod leaves;
mod objects;

use std::collections::{BTreeSet, HashMap};

use obhut_format::act::{Act, ActKind, ObjectRef};
use obhut_format::context::{Context, sha256};
use obhut_format::release::{Release, ReleaseOrder};
use obhut_format::{Cbor, Hash, PersonId, ShareId};
use obhut_log::Label;
use obhut_log::replay::Directory;

use crate::replay::VaultState;
use crate::rows::ShareRow;
use crate::{Gate, Refusal, registrations, seen};
use leaves::Part;
use objects::Resolved;

pub(crate) use leaves::QUORUM_AGE_S;

impl Gate {
    /// Hands the shares of an act out, or refuses.
    pub(crate) async fn release(
        &self,
        state: &mut VaultState,
        order: ReleaseOrder,
    ) -> Result<Release, Refusal> {
        let now_us = self.edge.now_us();
        let act = Act::from_bytes(&order.signed.act.0).map_err(|_| Refusal::BadBytes)?;
        let (act_hash, order_hash) = (order.signed.hash(), identity_of(&order));
        let db = &self.stores.first;
        if let Some(known) = seen::find_act(db, order.vault, &act_hash).await? {
            return known.repeat(&order_hash, now_us);
        }
        state.verify_compared(state.records_origin())?;
        state.verify_compared(&act.shard)?;
        let directory = state.directory().clone();
        let recipient = act::verify_act(&act, &order, &directory, now_us)?;
        let witnessed = state.load_witnessed(now_us)?;
        let cosigner = state.cosigner(self.signing.public())?;
        let parts = leaves::verify_leaves(&order, &act, &directory, &cosigner, now_us)?;
        let asked = parts.iter().flat_map(|part| part.objects.iter().cloned());
        let objects = objects::resolve(&directory, &act, asked)?;
        authority::authorise(&directory, &act, &objects, &order.grants, now_us)?;
        if witnessed.size() < directory.size() {
            verify_witnessed(&witnessed, &act, &order, &objects, now_us)?;
        }
        for part in &parts {
            self.verify_labels(state, &directory, &act, part).await?;
        }
        let shares = self.load_shares(order.vault, &objects).await?;
        let sealed = self.seal_shares(&act, act_hash, &recipient, &objects, &shares)?;
        self.sign_release(state, act_hash, order_hash, sealed, now_us)
            .await
    }

    /// F01, F02, F22: the entry stands under the actor, each case, each person the case is about
    /// now, and each document that is opened; and it commits to as many persons.
    async fn verify_labels(
        &self,
        state: &mut VaultState,
        directory: &Directory,
        act: &Act,
        part: &Part,
    ) -> Result<(), Refusal> {
        let shard = act.shard.as_str();
        let mut persons: BTreeSet<PersonId> = BTreeSet::new();
        let mut wanted = Vec::new();
        for object in &part.objects {
            let case = directory.case(object.case).ok_or(Refusal::ObjectUnknown)?;
            persons.extend(&case.subjects);
            wanted.push(Label::of_case(shard, &object.case.0));
            wanted.extend(document_label(act.kind, shard, object));
        }
        if part.subjects != persons.len() {
            return Err(Refusal::SubjectCount);
        }
        let actor = self.load_labels(state, shard, act.person).await?;
        wanted.push(Label::from_bytes(actor.actor));
        for person in persons {
            let labels = self.load_labels(state, shard, person).await?;
            wanted.push(Label::from_bytes(labels.subject));
        }
        if wanted.iter().all(|label| part.labels.contains(label)) {
            Ok(())
        } else {
            Err(Refusal::LabelMissing)
        }
    }

    /// F06, F25: only living shares that this vault's records log registers for exactly this object.
    async fn load_shares(
        &self,
        vault: obhut_format::VaultId,
        objects: &[Resolved<'_>],
    ) -> Result<HashMap<ShareId, ShareRow>, Refusal> {
        let wanted = objects.iter().map(|object| object.share_id);
        let shares = registrations::living_shares(&self.stores.first, vault, wanted).await?;
        for object in objects {
            let fits = |share: &ShareRow| {
                share.vault == vault
                    && share.kind == object.kind()
                    && share.case == Some(object.case.case)
                    && share.object == object.share_object()
                    && share.revision == object.revision_number()
            };
            if !shares.get(&object.share_id).is_some_and(fits) {
                return Err(Refusal::ShareUnregistered);
            }
        }
        Ok(shares)
    }
}

/// What was fed since the last quorum may have taken rights away, which counts; it gives none yet:
/// device, authority and shares must be the same before it. The next quorum settles the rest.
fn verify_witnessed(
    witnessed: &Directory,
    act: &Act,
    order: &ReleaseOrder,
    objects: &[Resolved<'_>],
    now_us: u64,
) -> Result<(), Refusal> {
    let stale = |_| Refusal::RecordsStale;
    act::verify_signer(act, order, witnessed).map_err(stale)?;
    let asked = objects.iter().map(|object| object.object.clone());
    let before = objects::resolve(witnessed, act, asked).map_err(stale)?;
    authority::authorise(witnessed, act, &before, &order.grants, now_us).map_err(stale)?;
    let same = |(a, b): (&Resolved<'_>, &Resolved<'_>)| a.share_id == b.share_id;
    if before.iter().zip(objects).all(same) {
        Ok(())
    } else {
        Err(Refusal::RecordsStale)
    }
}

fn document_label(kind: ActKind, shard: &str, object: &ObjectRef) -> Option<Label> {
    let opens = matches!(kind, ActKind::OpenDocument | ActKind::ExportCase);
    let document = object.document.filter(|_| opens)?;
    Some(Label::of_document(shard, &document.0))
}

/// What makes two orders the same release: act, key, entries. Proofs may be newer the second time.
fn identity_of(order: &ReleaseOrder) -> Hash {
    let mut context = Context::new("obhut/gate-order/v1")
        .field(&order.vault.0)
        .field(&sha256(&[&order.signed.to_bytes()]))
        .field(&sha256(&[&order.epk.0]))
        .number(order.leaves.len() as u64);
    for leaf in &order.leaves {
        context = context.number(leaf.index).field(&sha256(&[&leaf.core.0]));
    }
    context.hash()
}
