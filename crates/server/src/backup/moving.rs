//! Moving the vaults of a data folder to the database and object store of another: everything is copied and compared, the
//! old side stays as it is and is marked.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use obhut_format::context::sha256;
use obhut_sql::{Db, Engine};
use obhut_store::cut::{DatabasePages, Page, Pages, ProvedVault, count_rows, fill};
use obhut_store::{Store, StoreError, Tiles};

use super::capsules::{Capsule, copy_capsules, inspect_capsules};
use super::keys::{check_keys, copy_key_files};
use super::make::{capsule_of, published_before};
use super::proof::{Shown, registered};
use super::unfinished::{Unfinished, moved_to, refuse_unfinished};
use super::{BackupError, hex};
use crate::ServerError;
use crate::clock::now_us;
use crate::config::{CONFIG_FILE, Config, GatePlace, clean_path};
use crate::data::lock;
use crate::objects::Objects;
use crate::progress::Progress;

/// One side of the move.
struct Side {
    data: PathBuf,
    config: Config,
    target: String,
    db: Db,
    objects: Objects,
}

/// What is to be moved, or was.
#[derive(Debug, serde::Serialize)]
pub struct Moved {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// The database that is moved to, without its password.
    pub database: String,
    /// The new data folder.
    pub data: PathBuf,
    /// The vaults, each with its logs.
    pub vaults: Vec<Shown>,
    /// Rows of each table.
    pub rows: Vec<(&'static str, u64)>,
    /// Capsules in all.
    pub objects: u64,
    /// Their bytes.
    pub object_bytes: u64,
    /// Capsules that this run copied; the others were there.
    pub objects_copied: u64,
}

/// How to move.
#[derive(Clone, Copy, Debug)]
pub struct MoveOptions {
    /// Only count and compare; change nothing.
    pub dry_run: bool,
    /// Read every byte of the capsules back from the new store at the end.
    pub read_objects: bool,
}

/// Moves everything; run again after an interruption it goes on.
pub async fn move_to(
    old: &Path,
    config: &Path,
    options: MoveOptions,
) -> Result<Moved, ServerError> {
    let old = clean_path(Path::new(""), old)?;
    let new = data_of(config)?;
    let new_config = Config::load(&new)?;
    let old_config = Config::load(&old)?;
    if old == new {
        return Err(ServerError::Config(
            "the new configuration lies in a data folder of its own, not in the one that is moved"
                .to_owned(),
        ));
    }
    check_gatekeeper((&old, &old_config), (&new, &new_config))?;
    if moved_to(&old)?.is_none_or(|to| to != new) {
        refuse_unfinished(&old)?;
    }
    let _locks = (lock(&old)?, lock(&new)?);
    let from = Side::open(old, old_config).await?;
    from.check_source().await?;
    let to = Side::open(new, new_config).await?;
    if to.db.engine() == Engine::Sqlite && to.target == from.target {
        return Err(ServerError::Config(
            "both configurations name the same database".to_owned(),
        ));
    }
    let source = Store::open(from.db.clone()).await?;
    let proved = prove(&from, &source).await?;
    let capsules = read_capsules(&from.db).await?;
    let mut moved = Moved {
        dry_run: options.dry_run,
        database: to.target.clone(),
        data: to.data.clone(),
        vaults: proved.iter().map(Shown::of).collect(),
        rows: count_rows(&from.db).await.map_err(BackupError::from)?,
        objects: capsules.len() as u64,
        object_bytes: capsules.iter().map(|capsule| capsule.object_bytes).sum(),
        objects_copied: 0,
    };
    let begun = Unfinished {
        command: format!(
            "obhut-server migrate-to {} --data {}",
            to.data.join(CONFIG_FILE).display(),
            from.data.display()
        ),
        brings: fingerprint(&proved),
    };
    if !begun.was_begun(&to.data)? {
        refuse_unfinished(&from.data)?;
    }
    to.refuse_used(&begun).await?;
    if !options.dry_run {
        begun.begin(&to.data)?;
        moved.objects_copied = bring_everything(&from, &to, &proved, &capsules).await?;
        compare(&from, &to, &proved, options.read_objects).await?;
        Unfinished::mark_moved(&from.data, &to.data)?;
        Unfinished::end(&to.data)?;
    }
    from.db.close().await;
    to.db.close().await;
    Ok(moved)
}

impl Side {
    async fn open(data: PathBuf, config: Config) -> Result<Self, ServerError> {
        Ok(Self {
            target: config.database.find_configured(&data)?.to_string(),
            db: config.database.open_configured(&data).await?,
            objects: Objects::open_beside(&config.objects, &data)?,
            config,
            data,
        })
    }

    async fn check_source(&self) -> Result<(), ServerError> {
        if self.db.engine() != Engine::Sqlite {
            return Err(ServerError::Config(
                "migrate-to moves from SQLite; between PostgreSQL servers use PostgreSQL's own tools, or `obhut-server \
                 backup` and `restore`"
                    .to_owned(),
            ));
        }
        let found = self.db.schema_version().await.map_err(BackupError::from)?;
        let known = Store::newest_schema();
        if found == known {
            return Ok(());
        }
        let next =
            "start and stop the server of this version on the old data folder once".to_owned();
        Err(BackupError::Schema { found, known, next }.into())
    }

    /// A database that holds vaults is refused, unless this very move was broken off there.
    async fn refuse_used(&self, begun: &Unfinished) -> Result<(), ServerError> {
        let version = self.db.schema_version().await.map_err(BackupError::from)?;
        if version == 0 || begun.was_begun(&self.data)? {
            return Ok(());
        }
        if Store::pending_migrations(&self.db).await? > 0
            || !Store::open(self.db.clone())
                .await?
                .vaults()
                .await?
                .is_empty()
        {
            return Err(BackupError::NotEmpty(self.target.clone()).into());
        }
        Ok(())
    }
}

fn data_of(config: &Path) -> Result<PathBuf, ServerError> {
    let path = clean_path(Path::new(""), config)?;
    if path.is_dir() {
        return Ok(path);
    }
    match (path.file_name(), path.parent()) {
        (Some(name), Some(folder)) if name == CONFIG_FILE => Ok(folder.to_owned()),
        _ => Err(ServerError::Config(format!(
            "{} is no {CONFIG_FILE}: write the new configuration to a file of this name in the new data folder",
            config.display()
        ))),
    }
}

/// Its shares are not moved: it must be the same one before and after.
fn check_gatekeeper(old: (&Path, &Config), new: (&Path, &Config)) -> Result<(), ServerError> {
    let (before, after) = (old.1.gate.place()?, new.1.gate.place()?);
    if let (GatePlace::InProcess { keys: was }, GatePlace::InProcess { keys: is }) =
        (&before, &after)
    {
        let places = |(data, config): (&Path, &Config), keys: &Path| {
            let gate = &config.gate;
            let database = gate.database.as_ref().map(|target| target.below(data));
            let mirror = gate.mirror.as_ref().map(|target| target.below(data));
            let folder = clean_path(data, &gate.folder)?;
            Ok::<_, ServerError>((folder, clean_path(data, keys)?, database, mirror))
        };
        let (before, after) = (places(old, was)?, places(new, is)?);
        if before == after {
            return Ok(());
        }
        return Err(ServerError::Config(format!(
            "the gatekeeper stays where it is; in the new configuration write under [gate]:\n    folder = \"{}\"\n    keys = \"{}\"\n  \
             and the same database and mirror as before",
            before.0.display(),
            before.1.display()
        )));
    }
    if before == after {
        return Ok(());
    }
    Err(ServerError::Config(
        "the new configuration names another gatekeeper; a vault keeps the one of its card"
            .to_owned(),
    ))
}

/// The old side itself is proved first: what is not whole is not moved.
async fn prove(side: &Side, store: &Store) -> Result<Vec<ProvedVault>, ServerError> {
    let tiles = Tiles::new(side.data.join(&side.config.tiles));
    let notes = published_before(store, &tiles).await?;
    let mut proved = Vec::new();
    for row in store.vaults().await? {
        let own = notes
            .iter()
            .filter(|(origin, _)| origin.starts_with(&format!("{}/", row.origin)));
        let own: Vec<String> = own.map(|(_, note)| note.clone()).collect();
        proved.push(store.prove_vault(&row, &own).await?);
    }
    let rows: Vec<_> = proved.iter().map(|vault| vault.row.clone()).collect();
    check_keys(&side.data, &rows)?;
    Ok(proved)
}

async fn read_capsules(db: &Db) -> Result<Vec<Capsule>, ServerError> {
    let mut pages = DatabasePages::of("objects", db);
    let mut capsules = Vec::new();
    while let Some(Page { table, rows }) = pages.next().await? {
        for row in &rows {
            let capsule = capsule_of(table, row);
            capsules.push(capsule.ok_or(StoreError::Damaged("a row of objects"))?);
        }
    }
    Ok(capsules)
}

/// Keys, capsules, rows, published heads, in this order; how many capsules were copied.
async fn bring_everything(
    from: &Side,
    to: &Side,
    proved: &[ProvedVault],
    capsules: &[Capsule],
) -> Result<u64, ServerError> {
    let keys = crate::keys::KEYS_FOLDER;
    copy_key_files(&from.data.join(keys), &to.data.join(keys))?;
    let mut progress = Progress::start();
    let mut copied = copy_capsules(&from.objects, &to.objects, capsules, &mut progress).await?;
    // What was uploaded and never registered may be gone.
    let must: BTreeSet<_> = registered(proved)
        .iter()
        .map(|capsule| (capsule.vault, capsule.object))
        .collect();
    for list in [&mut copied.missing, &mut copied.damaged] {
        list.retain(|capsule| must.contains(&(capsule.vault, capsule.object)));
    }
    if let Some(text) = copied.complaint() {
        return Err(BackupError::Objectionable(text).into());
    }
    Store::open(to.db.clone()).await?;
    fill(&to.db, || Ok(DatabasePages::new(&from.db)), None, now_us()).await?;
    let old = Tiles::new(from.data.join(&from.config.tiles));
    let new = Tiles::new(to.data.join(&to.config.tiles));
    let store = Store::open(from.db.clone()).await?;
    for (origin, note) in published_before(&store, &old).await? {
        new.keep_checkpoint(&origin, &note)
            .map_err(StoreError::Tiles)?;
    }
    Ok(copied.copied)
}

/// Rows by count, logs by derivation, capsules by length and root.
async fn compare(
    from: &Side,
    to: &Side,
    proved: &[ProvedVault],
    read_objects: bool,
) -> Result<(), ServerError> {
    let differs = |what: String| BackupError::damaged(&to.data, what);
    let before = count_rows(&from.db).await.map_err(BackupError::from)?;
    let after = count_rows(&to.db).await.map_err(BackupError::from)?;
    if let Some(((table, was), (_, is))) = before.iter().zip(&after).find(|(was, is)| was != is) {
        return Err(differs(format!("{table} has {is} rows, not {was}")).into());
    }
    let there = prove(to, &Store::open(to.db.clone()).await?).await?;
    let shape = |vaults: &[ProvedVault]| -> Vec<_> {
        let vaults = vaults.iter();
        vaults
            .map(|vault| (vault.row.clone(), vault.card, vault.logs.clone()))
            .collect()
    };
    if shape(&there) != shape(proved) {
        return Err(differs("its logs are not those of the old side".to_owned()).into());
    }
    let mut progress = Progress::start();
    let capsules = registered(&there);
    let found = inspect_capsules(&to.objects, &capsules, read_objects, &mut progress).await?;
    match found.complaint() {
        Some(text) => Err(BackupError::Objectionable(text).into()),
        None => Ok(()),
    }
}

/// Tells one state of the old side from another.
fn fingerprint(proved: &[ProvedVault]) -> String {
    let logs = proved.iter().flat_map(|vault| &vault.logs);
    let parts = logs.map(|log| format!("{} {} {}\n", log.origin, log.size, hex(&log.root)));
    hex(&sha256(&[parts.collect::<String>().as_bytes()]))
}
