//! A vault on a server that does not write its logs: what the leader committed and published, read
//! from the database before every answer that rests on it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use obhut_log::replay::Directory;
use obhut_log::tile::TileWriter;
use obhut_log::{Core, Leaf, Recs, SignedCheckpoint};
use obhut_sql::{Db, sql};
use tokio::sync::watch;

use crate::columns::int;
use crate::publisher::Published;
use crate::sequencer::{Head, LogState, Replica, SeenHeads};
use crate::statements::statements;
use crate::tiles::Tiles;
use crate::{StoreError, VaultRow};

statements! {
    SELECT_CHECKPOINT = "SELECT note FROM checkpoints WHERE log = $1";
    SELECT_LEAVES = "SELECT core, recs FROM leaves WHERE log = $1 AND idx >= $2 AND idx < $3 ORDER BY idx";
}

/// Tiles are written to their folder this often.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// Leaves read at a time.
const PAGE: u64 = 1_024;

/// Follows the logs of one vault.
pub(crate) struct Follower {
    db: Db,
    row: VaultRow,
    tiles: Tiles,
    directory: watch::Sender<Arc<Directory>>,
    published: watch::Sender<Published>,
    replica: Replica,
    /// By origin: the tiles written here, and the number of the checkpoint they lead to.
    written: HashMap<String, (TileWriter, i64)>,
    /// Since when there are heads that the folder of the tiles does not show yet.
    unsaved: Option<Instant>,
    /// When the reading began that the state is as new as.
    read: Option<Instant>,
}

impl Follower {
    pub(crate) fn new(
        db: Db,
        row: VaultRow,
        tiles: Tiles,
        (directory, published): (watch::Sender<Arc<Directory>>, watch::Sender<Published>),
        seen: SeenHeads,
    ) -> Self {
        Self {
            db,
            replica: Replica::new(&row, seen),
            row,
            tiles,
            directory,
            published,
            written: HashMap::new(),
            unsaved: None,
            read: None,
        }
    }

    /// Makes sure that everything is seen that was committed and published before `since`.
    pub(crate) async fn catch_up(&mut self, since: Instant) -> Result<(), StoreError> {
        if self.read.is_some_and(|read| read >= since) {
            return Ok(());
        }
        let began = Instant::now();
        let heads = self.read_logs().await?;
        for head in &heads {
            self.take_checkpoint(head).await?;
        }
        if self
            .unsaved
            .is_some_and(|since| since.elapsed() > SAVE_EVERY)
        {
            self.save().await?;
        }
        self.read = Some(began);
        Ok(())
    }

    /// Reads what was committed.
    async fn read_logs(&mut self) -> Result<Vec<Head>, StoreError> {
        let before = self.replica.directory.size();
        // A reading that is broken off leaves half a step behind: then all is read again.
        let mut replica = self.take_replica();
        let heads = replica.catch_up(&self.db, &self.row).await?;
        if replica.directory.size() != before || self.directory.borrow().size() != before {
            let directory = Arc::new(replica.directory.clone());
            self.directory.send_replace(directory);
        }
        self.replica = replica;
        Ok(heads)
    }

    /// Brings the folder of the tiles up to what was published.
    async fn save(&mut self) -> Result<(), StoreError> {
        let (tiles, origins) = (self.tiles.clone(), self.written.keys().cloned());
        let origins: Vec<String> = origins.collect();
        let saving = tokio::task::spawn_blocking(move || {
            origins.iter().try_for_each(|origin| tiles.save(origin))
        });
        let saved = saving.await.map_err(|_| StoreError::Stopped)?;
        saved.map_err(StoreError::Tiles)?;
        self.unsaved = None;
        Ok(())
    }

    fn take_replica(&mut self) -> Replica {
        self.read = None;
        let empty = Replica::new(&self.row, SeenHeads::new());
        std::mem::replace(&mut self.replica, empty)
    }

    /// Derives everything from the first leaf once more; it has to lead to these heads.
    pub(crate) fn begin_again(&mut self, seen: SeenHeads) {
        self.read = None;
        self.replica = Replica::new(&self.row, seen);
    }

    /// What was read, for the one that writes from now on; this follower begins from nothing then.
    pub(crate) async fn hand_over(&mut self) -> Result<(Directory, Vec<LogState>), StoreError> {
        self.save().await?;
        self.read_logs().await?;
        let replica = self.take_replica();
        self.written.clear();
        Ok((replica.directory, replica.logs))
    }

    /// Writes the tiles up to the newest checkpoint and makes it known.
    async fn take_checkpoint(&mut self, head: &Head) -> Result<(), StoreError> {
        let known = self.written.get(&head.origin);
        if head.published == 0 || known.is_some_and(|(_, serial)| *serial == head.published) {
            return Ok(());
        }
        let statement = sql(SELECT_CHECKPOINT).bind(head.log);
        let row = self.db.fetch_optional("find_checkpoint", statement).await?;
        let note: String = row.ok_or(StoreError::NotFound)?.column("note")?;
        let signed: SignedCheckpoint = note.parse()?;
        let here = signed.unverified().clone();
        let mut writer = match self.written.remove(&head.origin) {
            Some((writer, _)) => writer,
            None => self.resume(&head.origin, here.size),
        };
        while writer.size() < here.size {
            let end = here.size.min(writer.size() + PAGE);
            self.read_tiles(head.log, end, &mut writer).await?;
            let files = writer.flush();
            self.tiles
                .write(&head.origin, files)
                .map_err(StoreError::Tiles)?;
        }
        if writer.size() == here.size && writer.root() != here.root {
            return Err(StoreError::Damaged(
                "the log is not the one that was published",
            ));
        }
        self.tiles.publish(&head.origin, note);
        self.unsaved.get_or_insert_with(Instant::now);
        let serial = head.published;
        self.written.insert(head.origin.clone(), (writer, serial));
        self.published.send_modify(|published| {
            published.logs.insert(head.origin.clone(), Arc::new(signed));
        });
        Ok(())
    }

    /// Goes on behind the tiles that lie here, or begins with the first leaf.
    fn resume(&self, origin: &str, size: u64) -> TileWriter {
        let earlier = self.tiles.read_checkpoint(origin);
        let earlier = earlier.filter(|earlier| earlier.size <= size);
        let resumed = earlier.and_then(|earlier| {
            let read = |tile| self.tiles.read(origin, tile);
            TileWriter::resume(earlier.size, &earlier.root, read).ok()
        });
        resumed.unwrap_or_default()
    }

    async fn read_tiles(
        &self,
        log: i64,
        end: u64,
        writer: &mut TileWriter,
    ) -> Result<(), StoreError> {
        let first = writer.size();
        let statement = sql(SELECT_LEAVES).bind(log).bind(int(first)).bind(int(end));
        let rows = self.db.fetch_all("read_tiles", statement).await?;
        if rows.len() as u64 != end - first {
            return Err(StoreError::Damaged("leaves are missing"));
        }
        for row in rows {
            let core = Core::parse(&row.column::<Vec<u8>>("core")?)?;
            let recs = Recs::parse(&row.column::<Vec<u8>>("recs")?)?;
            writer.append(&Leaf::new(core, &recs).to_bytes())?;
        }
        Ok(())
    }
}
