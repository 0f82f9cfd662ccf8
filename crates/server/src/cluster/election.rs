//! Standing for leader, again and again, until it succeeds.

use std::time::Duration;

use obhut_sql::Engine;
use obhut_store::{Leadership, Lease, StoreError};

use crate::ServerError;
use crate::app::{App, Tenant};
use crate::clock::now_us;

/// How often a follower tries to lead and asks who does.
const TRY_EVERY: Duration = Duration::from_secs(1);
/// How long a server that has its database to itself waits for its predecessor to let go.
const PREDECESSOR: Duration = Duration::from_secs(5);

/// Tries once to lead, and otherwise learns who does. A server on SQLite must succeed.
pub(crate) async fn campaign(app: &App) -> Result<(), ServerError> {
    let alone = app.engine() == Engine::Sqlite;
    let started = std::time::Instant::now();
    loop {
        if try_once(app).await? || !alone {
            return Ok(());
        }
        if started.elapsed() > PREDECESSOR {
            return Err(ServerError::InUse(app.folder().to_owned()));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Tries until it leads, then ends when that is over. Gives an error when it won and could not lead: then a vault's data
/// is not sound.
pub(crate) async fn stand(app: &App) -> Result<(), ServerError> {
    loop {
        if let Some(lease) = app.cluster().lease() {
            lease.lost().await;
            return Ok(());
        }
        tokio::time::sleep(TRY_EVERY).await;
        match try_once(app).await {
            Ok(_) => {}
            Err(ServerError::Store(error)) if is_passing(&error) => {
                tracing::warn!(%error, "the database does not answer");
            }
            Err(error) => return Err(error),
        }
    }
}

fn is_passing(error: &StoreError) -> bool {
    use obhut_sql::SqlError;
    matches!(
        error,
        StoreError::Sql(
            SqlError::Unavailable(_)
                | SqlError::Undecided(_)
                | SqlError::Conflict(_)
                | SqlError::ReadOnly(_)
        ) | StoreError::Fenced
            | StoreError::NotLeading
    )
}

async fn try_once(app: &App) -> Result<bool, ServerError> {
    let cluster = app.cluster();
    if cluster.may_lead() {
        let address = cluster.advertise.as_deref();
        if let Some(leadership) = app.store().try_lead(address, now_us()).await? {
            let led = lead(app, &leadership).await;
            if led.is_err() {
                for tenant in app.tenants() {
                    tenant.vault.shut_down().await;
                }
                leadership.resign().await;
                return led.map(|()| false);
            }
            let term = leadership.lease().term().unwrap_or_default();
            cluster.lead(leadership);
            tracing::info!(term, "this server leads");
            return Ok(true);
        }
    }
    let leader = app.store().find_leader().await?;
    cluster.follow(leader.and_then(|leader| leader.address));
    Ok(false)
}

async fn lead(app: &App, leadership: &Leadership) -> Result<(), ServerError> {
    app.gatekeeper().start().await?;
    // Vaults that were added meanwhile are led like the others.
    app.open_new_vaults().await?;
    for tenant in app.tenants() {
        lead_one(app, &tenant, leadership.lease()).await?;
    }
    app.refuse_to_serve_nothing()
}

/// Leads a vault. One that cannot be led does not keep the others from it: it is not served any more, or, when it was
/// restored and somebody has still to answer, waits. False where it is not led.
pub(crate) async fn lead_one(
    app: &App,
    tenant: &Tenant,
    lease: Lease,
) -> Result<bool, ServerError> {
    match tenant.lead(app.gatekeeper(), lease).await {
        Ok(()) => Ok(true),
        Err(ServerError::Store(StoreError::Uncompared(who))) => {
            tenant.wait_for(who);
            Ok(false)
        }
        Err(error) if error.is_about_one_vault() => {
            tenant.vault.shut_down().await;
            app.hold(tenant.row.vault, &error);
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
