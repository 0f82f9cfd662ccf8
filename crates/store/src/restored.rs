//! What others know of a vault's logs, and a vault whose rows came from a backup: nothing is signed before all of them
//! have said how far they know each log.

use obhut_format::VaultId;
use obhut_format::release::{GateRequest, GateResponse, VaultOnly};
use obhut_log::SignedCheckpoint;
use obhut_sql::{Db, sql};

use crate::columns::int;
use crate::sequencer::{SeenHead, SeenHeads};
use crate::statements::statements;
use crate::witness::Witness;
use crate::{Notary, StoreError, Tiles};

statements! {
    SELECT_ORIGINS = "SELECT origin FROM logs WHERE vault = $1 ORDER BY log";
    IS_UNCOMPARED = "SELECT cut_us FROM restores WHERE vault = $1 AND compared_us IS NULL";
    NOTE_COMPARED = "UPDATE restores SET compared_us = $2 WHERE vault = $1 AND compared_us IS NULL";
}

/// Heads of a vault's logs as others have seen them.
pub(crate) struct Heads {
    vault: VaultId,
    pub(crate) seen: SeenHeads,
    /// The newest published head of each log, signed.
    notes: Vec<SignedCheckpoint>,
    /// What the gatekeeper answered; nothing where it was not asked.
    answered: Option<Result<(), StoreError>>,
}

impl Heads {
    /// What the published tiles show.
    pub(crate) async fn published(
        db: &Db,
        vault: VaultId,
        tiles: &Tiles,
    ) -> Result<Self, StoreError> {
        let mut heads = Self {
            vault,
            seen: SeenHeads::new(),
            notes: Vec::new(),
            answered: None,
        };
        let rows = db.fetch_all("seen_heads", sql(SELECT_ORIGINS).bind(vault.0));
        for row in rows.await? {
            let origin: String = row.column("origin")?;
            let note = tiles.read_signed_checkpoint(&origin);
            let seen = heads.seen.entry(origin).or_default();
            seen.extend(note.as_ref().map(|note| SeenHead {
                size: note.unverified().size,
                root: Some(note.unverified().root),
                by: "the published tiles",
            }));
            heads.notes.extend(note);
        }
        Ok(heads)
    }

    /// Also what the gatekeeper has replayed. One that does not answer now compares when it is fed: it follows no other log
    /// than the one it knows.
    pub(crate) async fn and_of_gatekeeper(mut self, notary: Option<&Notary>) -> Self {
        let Some(notary) = notary else {
            return self;
        };
        let status = GateRequest::Status(VaultOnly { vault: self.vault });
        self.answered = Some(match notary.ask(&status).await {
            Ok(GateResponse::Status(status)) => {
                for log in status.logs.into_iter().filter(|log| log.size > 0) {
                    self.seen.entry(log.origin).or_default().push(SeenHead {
                        size: log.size,
                        root: Some(log.root),
                        by: "the gatekeeper",
                    });
                }
                Ok(())
            }
            Ok(_) => Err(StoreError::GateUnavailable),
            Err(error) => Err(error),
        });
        if let Some(Err(error)) = &self.answered {
            tracing::warn!(
                vault = %self.vault,
                %error,
                "the gatekeeper could not be asked how far it followed the logs"
            );
        }
        self
    }

    /// For a restored vault: the gatekeeper must have answered, and every witness says how far it knows each log.
    pub(crate) async fn demand_all(
        &mut self,
        witnesses: &[Witness],
        founded: bool,
    ) -> Result<(), StoreError> {
        match &self.answered {
            Some(Ok(())) => {}
            // Before the founding another operator's gatekeeper does not know the vault, and nothing is confirmed.
            Some(Err(StoreError::GateRefused { code, .. }))
                if code == "vault-unknown" && !founded => {}
            _ => return Err(StoreError::Uncompared("the gatekeeper")),
        }
        for witness in witnesses {
            for note in &self.notes {
                let size = witness.find_size(note).await;
                let size = size.ok_or(StoreError::Uncompared("a witness"))?;
                let origin = note.unverified().origin.clone();
                self.seen.entry(origin).or_default().push(SeenHead {
                    size,
                    root: None,
                    by: "a witness",
                });
            }
        }
        Ok(())
    }
}

/// Whether the rows came from a backup and were not compared yet.
pub(crate) async fn is_uncompared(db: &Db, vault: VaultId) -> Result<bool, StoreError> {
    let found = db.fetch_optional("is_uncompared", sql(IS_UNCOMPARED).bind(vault.0));
    Ok(found.await?.is_some())
}

/// Everybody has answered and the rows lead to what they know.
pub(crate) async fn note_compared(db: &Db, vault: VaultId, now_us: u64) -> Result<(), StoreError> {
    db.write("note_compared", move |mut tx| async move {
        let note = sql(NOTE_COMPARED).bind(vault.0).bind(int(now_us));
        note.execute(&mut tx).await?;
        Ok(())
    })
    .await
}
