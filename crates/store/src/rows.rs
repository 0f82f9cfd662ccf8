//! Writing the rows of a mutation, inside the transaction that commits its records.

use obhut_format::batch::{BatchKind, RecordPayload};
use obhut_format::context::sha256;
use obhut_format::mutation::Mutation;
use obhut_format::statement::{Event, Statement};
use obhut_format::tree::{Tree, leaf_hash};
use obhut_format::{Blob, Cbor, Hash, VaultId};
use obhut_log::replay::Directory;
use obhut_sql::{Batch, Kind, SqlError, Tx, Value, sql};

use crate::columns::{blob, int};
use crate::statements::{batches, statements};

statements! {
    AMEND_CARD = "UPDATE documents SET card = $4, card_no = $5 WHERE vault = $1 AND document = $2 AND revision = $3";
    REWRAP_LOG_KEY = "INSERT INTO log_keys (vault, log_key, recipient, person, origin, body) \
        VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING";
    SELECT_LOG_KEY = "SELECT body FROM log_keys WHERE vault = $1 AND log_key = $2 AND recipient = $3";
    DROP_LOG_KEY = "DELETE FROM log_keys WHERE vault = $1 AND log_key = $2 AND recipient = $3";
    DROP_LAMBDA_WRAP = "DELETE FROM lambda_wraps WHERE vault = $1 AND person = $2 AND recipient = $3";
    DROP_OLD_GRANTS = "DELETE FROM grants WHERE vault = $1 AND case_id = $2 AND recipient = $3 AND number = $4 \
        AND COALESCE(document, case_id) = $5";
    FOUND_VAULT = "UPDATE vaults SET founded_us = $2, bootstrap_hash = NULL, name = $3 WHERE vault = $1 AND founded_us IS NULL";
}

batches! {
    INSERT_MEMBERSHIPS: 5 = Batch::insert("memberships", [("vault", Kind::Blob), ("unit", Kind::Blob),
        ("epoch", Kind::Int), ("member", Kind::Blob), ("body", Kind::Blob)]);
    INSERT_UNIT_LINKS: 4 = Batch::insert("unit_links", [("vault", Kind::Blob), ("unit", Kind::Blob),
        ("epoch", Kind::Int), ("sealed", Kind::Blob)]);
    INSERT_CASE_GRANTS: 4 = Batch::insert("case_grants", [("vault", Kind::Blob), ("case_id", Kind::Blob),
        ("epoch", Kind::Int), ("body", Kind::Blob)]);
    INSERT_CASE_LINKS: 4 = Batch::insert("case_links", [("vault", Kind::Blob), ("case_id", Kind::Blob),
        ("epoch", Kind::Int), ("sealed", Kind::Blob)]);
    INSERT_BLIND_INDEX: 5 = Batch::insert("blind_index", [("vault", Kind::Blob), ("unit", Kind::Blob),
        ("case_id", Kind::Blob), ("unit_epoch", Kind::Int), ("tag", Kind::Blob)])
        .tail("ON CONFLICT (vault, unit, case_id) DO UPDATE SET unit_epoch = excluded.unit_epoch, tag = excluded.tag");
    INSERT_LAMBDA_WRAPS: 4 = Batch::insert("lambda_wraps", [("vault", Kind::Blob), ("person", Kind::Blob),
        ("recipient", Kind::Blob), ("body", Kind::Blob)]).tail("ON CONFLICT DO NOTHING");
    INSERT_DOCUMENTS: 9 = Batch::insert("documents", [("vault", Kind::Blob), ("document", Kind::Blob),
        ("revision", Kind::Int), ("case_id", Kind::Blob), ("object", Kind::Blob), ("wrap", Kind::Blob),
        ("info", Kind::Blob), ("card", Kind::Blob), ("card_no", Kind::Int)]);
    INSERT_GRANTS: 10 = Batch::insert("grants", [("vault", Kind::Blob), ("grant_hash", Kind::Blob),
        ("case_id", Kind::Blob), ("document", Kind::Blob), ("number", Kind::Int), ("recipient", Kind::Blob),
        ("batch", Kind::Blob), ("place", Kind::Int), ("path", Kind::Blob), ("body", Kind::Blob)])
        .tail("ON CONFLICT DO NOTHING");
}

/// Writes every row of a checked mutation. `after` is the directory with its records applied.
pub(crate) async fn write_rows(
    tx: &mut Tx,
    vault: VaultId,
    mutation: &Mutation,
    after: &Directory,
    now_us: u64,
) -> Result<(), SqlError> {
    write_keys(tx, vault, mutation).await?;
    write_documents(tx, vault, mutation, after).await?;
    write_grants(tx, vault, mutation, after).await?;
    for record in &mutation.records {
        if let RecordPayload::Statement(signed) = &record.payload {
            let Ok(statement) = Statement::from_bytes(&signed.statement.0) else {
                continue;
            };
            let sealed = record.sealed.as_ref();
            write_event(tx, vault, mutation, &statement.event, sealed, now_us).await?;
        }
    }
    Ok(())
}

async fn write_keys(tx: &mut Tx, vault: VaultId, mutation: &Mutation) -> Result<(), SqlError> {
    let id = || blob(&vault.0);
    let rows = mutation.memberships.iter().map(|row| {
        let epoch = Value::from(row.epoch);
        [
            id(),
            blob(&row.unit.0),
            epoch,
            blob(&row.member.0),
            row.to_bytes().into(),
        ]
    });
    INSERT_MEMBERSHIPS.execute(tx, rows).await?;
    let rows = mutation.unit_links.iter().map(|row| {
        [
            id(),
            blob(&row.unit.0),
            row.epoch.into(),
            blob(&row.sealed.0),
        ]
    });
    INSERT_UNIT_LINKS.execute(tx, rows).await?;
    let rows = mutation.case_grants.iter().map(|row| {
        [
            id(),
            blob(&row.case.0),
            int(row.number),
            row.to_bytes().into(),
        ]
    });
    INSERT_CASE_GRANTS.execute(tx, rows).await?;
    let rows = mutation.case_links.iter().map(|row| {
        [
            id(),
            blob(&row.case.0),
            row.epoch.into(),
            blob(&row.sealed.0),
        ]
    });
    INSERT_CASE_LINKS.execute(tx, rows).await?;
    let rows = mutation.blind_indexes.iter().map(|row| {
        let epoch = Value::from(row.unit_epoch);
        [
            id(),
            blob(&row.unit.0),
            blob(&row.case.0),
            epoch,
            blob(&row.tag),
        ]
    });
    INSERT_BLIND_INDEX.execute(tx, rows).await?;
    let rows = mutation.lambda_wraps.iter().map(|row| {
        [
            id(),
            blob(&row.person.0),
            blob(&row.recipient.0),
            row.to_bytes().into(),
        ]
    });
    INSERT_LAMBDA_WRAPS.execute(tx, rows).await?;
    Ok(())
}

async fn write_documents(
    tx: &mut Tx,
    vault: VaultId,
    mutation: &Mutation,
    after: &Directory,
) -> Result<(), SqlError> {
    let rows = mutation.documents.iter().map(|row| {
        let case = after.document(row.document).map(|document| document.case.0);
        [
            blob(&vault.0),
            blob(&row.document.0),
            int(row.revision),
            case.into(),
            blob(&row.object.0),
            row.wrap.as_ref().map(|wrap| wrap.0.clone()).into(),
            blob(&row.info.0),
            blob(&row.card.0),
            Value::Int(1),
        ]
    });
    INSERT_DOCUMENTS.execute(tx, rows).await?;
    Ok(())
}

/// Grants in the order of the batches, each with its path in the batch tree.
async fn write_grants(
    tx: &mut Tx,
    vault: VaultId,
    mutation: &Mutation,
    after: &Directory,
) -> Result<(), SqlError> {
    let mut left = mutation.grants.iter();
    for record in &mutation.records {
        let RecordPayload::Batch(signed) = &record.payload else {
            continue;
        };
        let Ok(header) = signed.parse_header() else {
            continue;
        };
        if header.kind != BatchKind::Grants {
            continue;
        }
        let count = usize::try_from(header.count).unwrap_or(usize::MAX);
        let grants: Vec<_> = left.by_ref().take(count).collect();
        let bodies: Vec<Vec<u8>> = grants.iter().map(|grant| grant.to_bytes()).collect();
        let tree = Tree::new(bodies.iter().map(|body| leaf_hash(body)).collect());
        let batch = signed.hash();
        let mut rows = Vec::with_capacity(bodies.len());
        for ((grant, body), place) in grants.iter().zip(bodies).zip(0_u64..) {
            drop_superseded(tx, vault, grant, after).await?;
            let path = tree.inclusion_path(place).unwrap_or_default();
            rows.push([
                blob(&vault.0),
                blob(&sha256(&[&body])),
                blob(&grant.case.0),
                grant.document.map(|document| document.0).into(),
                int(grant.number),
                blob(&grant.recipient.0),
                blob(&batch),
                int(place),
                path.concat().into(),
                body.into(),
            ]);
        }
        INSERT_GRANTS.execute(tx, rows).await?;
    }
    Ok(())
}

/// A grant to somebody's new bundle replaces those of the same key to their earlier ones.
async fn drop_superseded(
    tx: &mut Tx,
    vault: VaultId,
    grant: &obhut_format::key::Grant,
    after: &Directory,
) -> Result<(), SqlError> {
    let Some(holder) = after.current_holder(grant.recipient) else {
        return Ok(());
    };
    for key in holder.keys.iter().filter(|key| key.kid != grant.recipient) {
        let object = grant.document.map_or(grant.case.0, |document| document.0);
        sql(DROP_OLD_GRANTS)
            .bind(vault.0)
            .bind(grant.case.0)
            .bind(key.kid.0)
            .bind(int(grant.number))
            .bind(object)
            .execute(tx)
            .await?;
    }
    Ok(())
}

async fn write_event(
    tx: &mut Tx,
    vault: VaultId,
    mutation: &Mutation,
    event: &Event,
    sealed: Option<&Blob>,
    now_us: u64,
) -> Result<(), SqlError> {
    match (event, sealed) {
        (Event::Card(card), _) => {
            sql(FOUND_VAULT)
                .bind(vault.0)
                .bind(int(now_us))
                .bind(card.name.as_str())
                .execute(tx)
                .await?;
        }
        (Event::CardAmended(event), Some(card)) => {
            sql(AMEND_CARD)
                .bind(vault.0)
                .bind(event.document.0)
                .bind(int(event.revision))
                .bind(card.0.as_slice())
                .bind(int(event.card_no))
                .execute(tx)
                .await?;
        }
        (Event::BundleRotated(event), _) => {
            let (from, to) = (event.from.0, event.bundle.kid().0);
            rewrap_log_keys(tx, vault, mutation, from, to).await?;
            let replaced = mutation.lambda_wraps.iter();
            if replaced
                .clone()
                .any(|wrap| wrap.person == event.person && wrap.recipient.0 == to)
            {
                let drop = sql(DROP_LAMBDA_WRAP).bind(vault.0).bind(event.person.0);
                drop.bind(from).execute(tx).await?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// Log keys the reader re-sealed to their new bundle; the rows of the old bundle go.
async fn rewrap_log_keys(
    tx: &mut Tx,
    vault: VaultId,
    mutation: &Mutation,
    from: Hash,
    to: Hash,
) -> Result<(), SqlError> {
    for rewrap in mutation
        .log_key_rewraps
        .iter()
        .filter(|rewrap| rewrap.recipient.0 == to)
    {
        let found = sql(SELECT_LOG_KEY).bind(vault.0).bind(rewrap.id).bind(from);
        let Some(row) = found.fetch_optional(tx).await? else {
            continue;
        };
        let body: Vec<u8> = row.column("body")?;
        let Ok(mut key) = obhut_format::entry::LogKey::from_bytes(&body) else {
            continue;
        };
        key.recipient = rewrap.recipient;
        key.sealed = rewrap.sealed.clone();
        sql(REWRAP_LOG_KEY)
            .bind(vault.0)
            .bind(rewrap.id)
            .bind(to)
            .bind(key.person.map(|person| person.0))
            .bind(key.origin.as_str())
            .bind(key.to_bytes())
            .execute(tx)
            .await?;
        let drop = sql(DROP_LOG_KEY).bind(vault.0).bind(rewrap.id);
        drop.bind(from).execute(tx).await?;
    }
    Ok(())
}
