//! Making a backup; the server may be running.

use std::io::Write as _;
use std::path::Path;

use obhut_sql::{Engine, Value};
use obhut_store::cut::{Page, Piece, TABLES, Table, read_cut};
use obhut_store::{Store, Tiles};

use super::capsules::{Capsule, copy_capsules};
use super::error::file_error;
use super::folder::{self, Hashed};
use super::manifest::{
    CONFIG, INVENTORY, Manifest, ManifestFile, ManifestLog, ManifestVault, OBJECTS, table_file,
};
use super::rows::{RowsOut, for_each_row};
use super::{BackupError, gate, hex};
use crate::ServerError;
use crate::clock::now_us;
use crate::config::Config;
use crate::objects::Objects;
use crate::progress::Progress;

/// A backup that was made.
#[derive(Debug, serde::Serialize)]
pub struct Made {
    /// Its vaults.
    pub vaults: usize,
    /// Rows of all tables.
    pub rows: u64,
    /// Capsules in the inventory.
    pub objects: u64,
    /// Their bytes.
    pub object_bytes: u64,
    /// Whether the capsules are in the backup.
    pub with_objects: bool,
    /// Shares of the gatekeeper in the server's process; none where another operator runs it.
    pub shares: Option<u64>,
    /// When the cut was begun, microseconds UTC.
    pub made_us: u64,
}

/// Cuts a backup of a data folder's database into a new folder, without any key.
pub async fn make(
    config: &Config,
    data: &Path,
    to: &Path,
    with_objects: bool,
) -> Result<Made, ServerError> {
    let db = config.database.open(data).await?;
    let found = db.schema_version().await.map_err(BackupError::from)?;
    let known = Store::newest_schema();
    if found != known {
        let next = "use the obhut-server that serves this database".to_owned();
        return Err(BackupError::Schema { found, known, next }.into());
    }
    folder::begin(to)?;
    let gatekeeper = gate::begin(config, data, to).await?;
    let engine = match db.engine() {
        Engine::Postgres => "postgres",
        Engine::Sqlite => "sqlite",
    };
    let mut manifest = Manifest::new(known, engine, now_us(), with_objects);
    // Before the cut: what was published until now must be in it.
    let tiles = Tiles::new(data.join(&config.tiles));
    let published = published_before(&Store::open(db.clone()).await?, &tiles).await?;
    cut(&db, to, &mut manifest).await?;
    db.close().await;
    let shares = gate::finish(gatekeeper, to, &mut manifest).await?;
    describe_vaults(to, &mut manifest, &published)?;
    let capsules = write_inventory(to, &mut manifest)?;
    write_config(config, to, &mut manifest)?;
    if with_objects {
        copy_objects(config, data, to, &capsules).await?;
    }
    manifest.write(to)?;
    folder::end(to)?;
    Ok(Made {
        vaults: manifest.vaults.len(),
        rows: manifest.rows.values().sum(),
        objects: manifest.objects,
        object_bytes: manifest.object_bytes,
        with_objects,
        shares,
        made_us: manifest.made_us,
    })
}

/// Origin and note of every checkpoint in the folder of the tiles.
pub(super) async fn published_before(
    store: &Store,
    tiles: &Tiles,
) -> Result<Vec<(String, String)>, ServerError> {
    let mut published = Vec::new();
    for origin in store.origins().await? {
        let note = tiles.find(&format!("{origin}/checkpoint"));
        let note = note.and_then(|note| String::from_utf8(note).ok());
        published.extend(note.map(|note| (origin, note)));
    }
    Ok(published)
}

/// The rows of all tables at one moment, a file each.
async fn cut(db: &obhut_sql::Db, to: &Path, manifest: &mut Manifest) -> Result<(), BackupError> {
    let mut files: Vec<ManifestFile> = Vec::new();
    let mut rows = std::collections::BTreeMap::new();
    let mut open: Option<RowsOut> = None;
    let mut left = TABLES.iter();
    let mut progress = Progress::start();
    let mut close = |open: &mut Option<RowsOut>, files: &mut Vec<ManifestFile>| {
        let Some(out) = open.take() else {
            return Ok(());
        };
        let path = table_file(out.table.name);
        let name = out.table.name.to_owned();
        let written = out.finish().map_err(file_error(&to.join(&path)))?;
        rows.insert(name, written.rows);
        files.push(ManifestFile {
            path,
            bytes: written.bytes,
            sha256: written.sha256,
        });
        Ok::<_, BackupError>(())
    };
    let taken = read_cut(db, |piece| {
        match piece {
            Piece::Begin => {
                files.clear();
                open = None;
                left = TABLES.iter();
            }
            Piece::Rows(Page { table, rows }) => {
                // Tables without rows get a file as well.
                while open.as_ref().is_none_or(|out| out.table.name != table.name) {
                    close(&mut open, &mut files)?;
                    let next = left.next().unwrap_or(table);
                    open = Some(RowsOut::create(to, next)?);
                }
                if let Some(out) = &mut open {
                    out.write(&rows).map_err(file_error(to))?;
                }
                progress.say(|| format!("reading {}", table.name));
            }
        }
        Ok::<_, BackupError>(())
    });
    taken.await?;
    close(&mut open, &mut files)?;
    for table in left {
        open = Some(RowsOut::create(to, table)?);
        close(&mut open, &mut files)?;
    }
    folder::sync_folder(&to.join(super::manifest::TABLES))?;
    manifest.files = files;
    manifest.rows = rows;
    Ok(())
}

fn describe_vaults(
    to: &Path,
    manifest: &mut Manifest,
    published: &[(String, String)],
) -> Result<(), BackupError> {
    let mut notes: std::collections::BTreeMap<String, String> = published.iter().cloned().collect();
    let mut vaults = Vec::new();
    each_row(to, "vaults", |table, row| {
        vaults.push(ManifestVault {
            vault: id_of(table, row, "vault"),
            origin: text_of(table, row, "origin"),
            logs: Vec::new(),
        });
    })?;
    // On PostgreSQL the newest checkpoints are in the cut itself.
    let mut kept = std::collections::BTreeMap::new();
    each_row(to, "checkpoints", |table, row| {
        kept.insert(int_of(table, row, "log"), text_of(table, row, "note"));
    })?;
    each_row(to, "logs", |table, row| {
        let origin = text_of(table, row, "origin");
        let note = kept.get(&int_of(table, row, "log")).cloned();
        let log = ManifestLog {
            size: u64::try_from(int_of(table, row, "size")).unwrap_or_default(),
            root: hex(blob_of(table, row, "root")),
            checkpoint: note.or_else(|| notes.remove(&origin)),
            origin,
        };
        let vault = id_of(table, row, "vault");
        if let Some(vault) = vaults.iter_mut().find(|here| here.vault == vault) {
            vault.logs.push(log);
        }
    })?;
    manifest.vaults = vaults;
    Ok(())
}

/// One line a capsule: vault, object, bytes, root. It lists what was uploaded, registered or not.
fn write_inventory(to: &Path, manifest: &mut Manifest) -> Result<Vec<Capsule>, BackupError> {
    let path = to.join(INVENTORY);
    let mut file = Hashed::create(&path)?;
    let mut capsules = Vec::new();
    let mut written = Ok(());
    each_row(to, "objects", |table, row| {
        let Some(capsule) = capsule_of(table, row) else {
            written = Err(std::io::Error::other("a row of objects"));
            return;
        };
        let line = format!(
            "{}\t{}\t{}\t{}\n",
            capsule.vault,
            capsule.object,
            capsule.object_bytes,
            hex(&capsule.content_root)
        );
        if written.is_ok() {
            written = file.write_all(line.as_bytes());
        }
        manifest.objects += 1;
        manifest.object_bytes += capsule.object_bytes;
        capsules.push(capsule);
    })?;
    written.map_err(file_error(&path))?;
    let (bytes, sha256) = file.finish().map_err(file_error(&path))?;
    manifest.files.push(ManifestFile {
        path: INVENTORY.to_owned(),
        bytes,
        sha256,
    });
    Ok(capsules)
}

fn write_config(config: &Config, to: &Path, manifest: &mut Manifest) -> Result<(), ServerError> {
    let text = config.to_toml()?;
    folder::write_whole(&to.join(CONFIG), text.as_bytes())?;
    let (bytes, sha256) = folder::hash_of(&to.join(CONFIG))?;
    manifest.files.push(ManifestFile {
        path: CONFIG.to_owned(),
        bytes,
        sha256,
    });
    Ok(())
}

/// All of the inventory; a capsule that was uploaded and never registered may be gone.
async fn copy_objects(
    config: &Config,
    data: &Path,
    to: &Path,
    capsules: &[Capsule],
) -> Result<(), ServerError> {
    let from = Objects::open_beside(&config.objects, data)?;
    let target = Objects::open_dir(&to.join(OBJECTS)).map_err(BackupError::from)?;
    let copied = copy_capsules(&from, &target, capsules, &mut Progress::start()).await?;
    match copied.complaint() {
        None => Ok(()),
        Some(text) => Err(BackupError::Objectionable(text).into()),
    }
}

pub(super) fn capsule_of(table: &Table, row: &[Value]) -> Option<Capsule> {
    let bytes = u64::try_from(int_of(table, row, "object_bytes")).ok()?;
    Some(Capsule {
        vault: obhut_format::VaultId(blob_of(table, row, "vault").try_into().ok()?),
        object: obhut_format::ObjectId(blob_of(table, row, "object").try_into().ok()?),
        content_root: blob_of(table, row, "content_root").try_into().ok()?,
        object_bytes: bytes,
    })
}

fn each_row(
    folder: &Path,
    name: &str,
    mut take: impl FnMut(&Table, &[Value]),
) -> Result<(), BackupError> {
    let Some(table) = Table::find(name) else {
        return Ok(());
    };
    for_each_row(folder, table, |row| {
        take(table, row);
        Ok(())
    })
}

fn text_of(table: &Table, row: &[Value], name: &str) -> String {
    match table.value(row, name) {
        Some(Value::Text(text)) => text.clone(),
        _ => String::new(),
    }
}

fn int_of(table: &Table, row: &[Value], name: &str) -> i64 {
    match table.value(row, name) {
        Some(Value::Int(int)) => *int,
        _ => 0,
    }
}

fn blob_of<'row>(table: &Table, row: &'row [Value], name: &str) -> &'row [u8] {
    match table.value(row, name) {
        Some(Value::Blob(bytes)) => bytes,
        _ => &[],
    }
}

fn id_of(table: &Table, row: &[Value], name: &str) -> String {
    let id = blob_of(table, row, name)
        .try_into()
        .map(obhut_format::VaultId);
    id.map(|id| id.to_string()).unwrap_or_default()
}
