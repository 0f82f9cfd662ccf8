//! Witnesses elsewhere: asked for every checkpoint over C2SP tlog-witness, each remembered by how far it has come.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use obhut_format::Hash;
use obhut_log::{AddCheckpoint, SignedCheckpoint, VerifierKey};
use tokio::time::Instant;

use crate::tiles::Tiles;

type Asking = Pin<Box<dyn Future<Output = Option<WitnessAnswer>> + Send>>;

/// How long one witness may take for an answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// A witness that failed is left alone for so long, so that it does not slow down the others.
const PAUSE: Duration = Duration::from_secs(2);

/// What a witness answered to `add-checkpoint`.
#[derive(Clone, Debug)]
pub struct WitnessAnswer {
    /// HTTP status.
    pub status: u16,
    /// Body: cosignature lines, or a size.
    pub body: String,
}

/// A witness and the way to it.
#[derive(Clone)]
pub struct Witness {
    key: VerifierKey,
    ask: Arc<dyn Fn(String) -> Asking + Send + Sync>,
}

impl Witness {
    /// `ask` posts a body to the witness's `add-checkpoint` and gives its answer, or `None` when it cannot be reached.
    pub fn new<F, Fut>(key: VerifierKey, ask: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Option<WitnessAnswer>> + Send + 'static,
    {
        Self {
            key,
            ask: Arc::new(move |body| Box::pin(ask(body))),
        }
    }
}

impl Witness {
    /// How far the witness has cosigned the log of this note; 0 for a log it does not know, nothing when it does not answer.
    /// Shows it nothing but a head that was published before.
    pub(crate) async fn find_size(&self, published: &SignedCheckpoint) -> Option<u64> {
        let size = published.unverified().size;
        let request = AddCheckpoint {
            old_size: size,
            proof: Vec::new(),
            checkpoint: published.clone(),
        };
        let asked = tokio::time::timeout(PATIENCE, (self.ask)(request.to_string()));
        let answer = asked.await.ok()??;
        match answer.status {
            200 => Some(size),
            409 => answer.body.trim_end().parse().ok(),
            403 | 404 => Some(0),
            _ => None,
        }
    }
}

/// The witnesses of one vault, with what is known of each.
pub(crate) struct Witnesses(Vec<Known>);

struct Known {
    witness: Witness,
    /// Size each log had when it was cosigned last.
    sizes: HashMap<String, u64>,
    quiet_until: Option<Instant>,
    failing: bool,
}

impl Witnesses {
    pub(crate) fn new(witnesses: Vec<Witness>) -> Self {
        let known = |witness| Known {
            witness,
            sizes: HashMap::new(),
            quiet_until: None,
            failing: false,
        };
        Self(witnesses.into_iter().map(known).collect())
    }

    /// Adds the cosignatures of all witnesses that give one in time. Whether they suffice, the card's quorum says.
    pub(crate) async fn cosign(&mut self, signed: &mut SignedCheckpoint, tiles: &Tiles) {
        let mut asked = Vec::with_capacity(self.0.len());
        for known in &mut self.0 {
            asked.push(known.cosign(signed.clone(), tiles));
        }
        for cosigned in join_all(asked).await.into_iter().flatten() {
            // The text is the same, so merging cannot fail.
            let _ = signed.merge(&cosigned);
        }
    }
}

/// All of them at once; the order stays.
async fn join_all<T>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = futures
        .into_iter()
        .map(|next| (Box::pin(next), None))
        .collect();
    std::future::poll_fn(|context| {
        let mut open = false;
        for (next, done) in &mut waiting {
            if done.is_none() {
                match next.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *done = Some(value),
                    std::task::Poll::Pending => open = true,
                }
            }
        }
        if open {
            std::task::Poll::Pending
        } else {
            std::task::Poll::Ready(())
        }
    })
    .await;
    waiting.into_iter().filter_map(|(_, done)| done).collect()
}

impl Known {
    async fn cosign(
        &mut self,
        signed: SignedCheckpoint,
        tiles: &Tiles,
    ) -> Option<SignedCheckpoint> {
        if self.quiet_until.is_some_and(|until| Instant::now() < until) {
            return None;
        }
        let answered = tokio::time::timeout(PATIENCE, self.ask(&signed, tiles)).await;
        let cosigned = answered.unwrap_or(Err("it did not answer in time"));
        let name = self.witness.key.name();
        match &cosigned {
            Ok(_) if self.failing => tracing::info!(origin = name, "a witness answers again"),
            Err(error) if !self.failing => {
                tracing::warn!(origin = name, error, "a witness does not cosign");
            }
            _ => {}
        }
        self.failing = cosigned.is_err();
        self.quiet_until = self.failing.then(|| Instant::now() + PAUSE);
        cosigned.ok()
    }

    async fn ask(
        &mut self,
        signed: &SignedCheckpoint,
        tiles: &Tiles,
    ) -> Result<SignedCheckpoint, &'static str> {
        let origin = signed.unverified().origin.clone();
        let known = self.sizes.get(&origin).copied().unwrap_or(0);
        let mut answer = self.ask_from(known, signed, tiles).await?;
        if answer.status == 409 {
            // It stands elsewhere: this process is new, or an answer got lost.
            let size = answer.body.trim_end().parse::<u64>();
            let size = size.map_err(|_| "it answered a conflict without a size")?;
            if size == known || size > signed.unverified().size {
                return Err("it has cosigned another log under this name than the one here");
            }
            answer = self.ask_from(size, signed, tiles).await?;
        }
        match answer.status {
            200 => {}
            403 => {
                return Err(
                    "it does not accept the log's signature: give its operator the log's key",
                );
            }
            404 => return Err("it does not know this log: give its operator the log's key"),
            409 | 422 => {
                return Err("it has cosigned another log under this name than the one here");
            }
            _ => return Err("it refused"),
        }
        let cosigned = self.read(signed, &answer.body)?;
        self.sizes.insert(origin, signed.unverified().size);
        Ok(cosigned)
    }

    async fn ask_from(
        &self,
        old_size: u64,
        signed: &SignedCheckpoint,
        tiles: &Tiles,
    ) -> Result<WitnessAnswer, &'static str> {
        let head = signed.unverified();
        let proof: Vec<Hash> = tiles
            .consistency_path(&head.origin, old_size, head.size)
            .map_err(|_| "a tile is missing for its proof")?;
        let request = AddCheckpoint {
            old_size,
            proof,
            checkpoint: signed.clone(),
        };
        let answer = (self.witness.ask)(request.to_string()).await;
        answer.ok_or("it cannot be reached")
    }

    /// Takes this witness's own line and no other.
    fn read(
        &self,
        signed: &SignedCheckpoint,
        lines: &str,
    ) -> Result<SignedCheckpoint, &'static str> {
        let text = format!("{signed}{}\n", lines.trim_end());
        let cosigned: SignedCheckpoint = text.parse().map_err(|_| "its answer cannot be read")?;
        match cosigned.note().cosigned_at(&self.witness.key) {
            Ok(Some(_)) => Ok(cosigned),
            _ => Err("its cosignature is not by the key of the vault card"),
        }
    }
}
