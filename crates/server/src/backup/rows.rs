//! Rows of a table in a file: a line that names the columns, then the values one after the other, each with its kind.
//!
//! `obhut-rows 1 TABLE COLUMN:KIND …\n`, then for every row `R` and its values, then `E` and the number of rows. A value
//! is `0` for NULL, `1` with 8 bytes, `2` (text) or `3` (bytes) with a length of 4 bytes; numbers are big-endian.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use obhut_sql::{Kind, Value};
use obhut_store::cut::{Page, TABLES, Table};

use super::BackupError;
use super::error::file_error;
use super::folder::Hashed;
use super::manifest::table_file;

const ROW: u8 = b'R';
const END: u8 = b'E';
/// Rows handed on at a time.
const PAGE: usize = 500;
/// No value of the vault comes near this.
const LONGEST_VALUE: u32 = 256 << 20;

fn heading(table: &Table) -> String {
    let columns = table.columns.iter().map(|(name, kind)| {
        let kind = match kind {
            Kind::Int => "int",
            Kind::Text => "text",
            Kind::Blob => "blob",
        };
        format!(" {name}:{kind}")
    });
    format!(
        "obhut-rows 1 {}{}\n",
        table.name,
        columns.collect::<String>()
    )
}

/// A table's file being written.
pub(super) struct RowsOut {
    pub(super) table: &'static Table,
    file: Hashed,
    rows: u64,
}

/// What was written.
pub(super) struct Written {
    pub(super) rows: u64,
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl RowsOut {
    pub(super) fn create(folder: &Path, table: &'static Table) -> Result<Self, BackupError> {
        let path = folder.join(table_file(table.name));
        let mut file = Hashed::create(&path)?;
        let written = file.write_all(heading(table).as_bytes());
        written.map_err(file_error(&path))?;
        Ok(Self {
            table,
            file,
            rows: 0,
        })
    }

    pub(super) fn write(&mut self, rows: &[Vec<Value>]) -> io::Result<()> {
        for row in rows {
            self.file.write_all(&[ROW])?;
            for value in row {
                write_value(&mut self.file, value)?;
            }
        }
        self.rows += rows.len() as u64;
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<Written> {
        self.file.write_all(&[END])?;
        self.file.write_all(&self.rows.to_be_bytes())?;
        let (bytes, sha256) = self.file.finish()?;
        Ok(Written {
            rows: self.rows,
            bytes,
            sha256,
        })
    }
}

fn write_value(out: &mut impl Write, value: &Value) -> io::Result<()> {
    let (kind, bytes) = match value {
        Value::Null => return out.write_all(&[0]),
        Value::Int(int) => {
            out.write_all(&[1])?;
            return out.write_all(&int.to_be_bytes());
        }
        Value::Text(text) => (2, text.as_bytes()),
        Value::Blob(bytes) => (3, bytes.as_slice()),
    };
    let len = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    out.write_all(&[kind])?;
    out.write_all(&len.to_be_bytes())?;
    out.write_all(bytes)
}

/// A table's file being read.
pub(super) struct RowsIn {
    folder: PathBuf,
    table: &'static Table,
    file: BufReader<File>,
    rows: u64,
    ended: bool,
}

impl RowsIn {
    pub(super) fn open(folder: &Path, table: &'static Table) -> Result<Self, BackupError> {
        let path = folder.join(table_file(table.name));
        let file = File::open(&path).map_err(file_error(&path))?;
        let mut file = BufReader::with_capacity(1 << 18, file);
        let expected = heading(table);
        let mut found = Vec::new();
        let limit = expected.len() as u64;
        let read = file.by_ref().take(limit).read_until(b'\n', &mut found);
        read.map_err(file_error(&path))?;
        if found != expected.as_bytes() {
            let what = format!(
                "{} has other columns than this program knows",
                table_file(table.name)
            );
            return Err(BackupError::damaged(folder, what));
        }
        Ok(Self {
            folder: folder.to_owned(),
            table,
            file,
            rows: 0,
            ended: false,
        })
    }

    /// Further rows; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Page>, BackupError> {
        let mut rows = Vec::new();
        while !self.ended && rows.len() < PAGE {
            match self.read_row() {
                Ok(Some(row)) => rows.push(row),
                Ok(None) => self.ended = true,
                Err(error) => {
                    let what = format!("{}: {error}", table_file(self.table.name));
                    return Err(BackupError::damaged(&self.folder, what));
                }
            }
        }
        self.rows += rows.len() as u64;
        let table = self.table;
        Ok((!rows.is_empty()).then_some(Page { table, rows }))
    }

    fn read_row(&mut self) -> io::Result<Option<Vec<Value>>> {
        match take::<1>(&mut self.file)? {
            [ROW] => {
                let columns = self.table.columns.iter();
                let values = columns.map(|(_, kind)| read_value(&mut self.file, *kind));
                values.collect::<io::Result<_>>().map(Some)
            }
            [END] => {
                take::<8>(&mut self.file)?;
                if self.file.fill_buf()?.is_empty() {
                    Ok(None)
                } else {
                    Err(io::Error::other("something stands behind its end"))
                }
            }
            _ => Err(io::Error::other("a row cannot be read")),
        }
    }
}

fn take<const N: usize>(file: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    file.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn read_value(file: &mut impl Read, kind: Kind) -> io::Result<Value> {
    let [tag] = take::<1>(file)?;
    match (tag, kind) {
        (0, _) => Ok(Value::Null),
        (1, Kind::Int) => Ok(Value::Int(i64::from_be_bytes(take::<8>(file)?))),
        (2, Kind::Text) => String::from_utf8(read_bytes(file)?)
            .map(Value::Text)
            .map_err(io::Error::other),
        (3, Kind::Blob) => Ok(Value::Blob(read_bytes(file)?)),
        _ => Err(io::Error::other(
            "a value is of another kind than its column",
        )),
    }
}

fn read_bytes(file: &mut impl Read) -> io::Result<Vec<u8>> {
    let len = u32::from_be_bytes(take::<4>(file)?);
    if len > LONGEST_VALUE {
        return Err(io::Error::other("a value is too long"));
    }
    let mut bytes = Vec::new();
    let read = file.by_ref().take(len.into()).read_to_end(&mut bytes)?;
    if read as u64 == u64::from(len) {
        Ok(bytes)
    } else {
        Err(io::ErrorKind::UnexpectedEof.into())
    }
}

/// All tables of a backup, one after the other.
pub(super) struct FilePages {
    folder: PathBuf,
    left: std::slice::Iter<'static, Table>,
    open: Option<RowsIn>,
}

impl FilePages {
    pub(super) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            left: TABLES.iter(),
            open: None,
        }
    }
}

impl obhut_store::cut::Pages for FilePages {
    type Error = BackupError;

    async fn next(&mut self) -> Result<Option<Page>, BackupError> {
        loop {
            if let Some(open) = &mut self.open
                && let Some(page) = open.next()?
            {
                return Ok(Some(page));
            }
            let Some(table) = self.left.next() else {
                return Ok(None);
            };
            self.open = Some(RowsIn::open(&self.folder, table)?);
        }
    }
}

/// Every row of a table of a backup, one after the other.
pub(super) fn for_each_row(
    folder: &Path,
    table: &'static Table,
    mut take: impl FnMut(&[Value]) -> Result<(), BackupError>,
) -> Result<(), BackupError> {
    let mut rows = RowsIn::open(folder, table)?;
    while let Some(page) = rows.next()? {
        for row in &page.rows {
            take(row)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn written(folder: &Path) -> Vec<Vec<Value>> {
        std::fs::create_dir_all(folder.join("tables")).unwrap();
        let table = Table::find("logs").unwrap();
        let row = |number: i64| {
            vec![
                Value::Int(number),
                Value::Blob(vec![number.to_be_bytes()[7]; 16]),
                Value::Text("ä/records".to_owned()),
                Value::Text(String::new()),
                Value::Int(i64::MIN),
                Value::Blob(Vec::new()),
                Value::Null,
                Value::Int(-1),
            ]
        };
        let rows: Vec<_> = (0..1_234).map(row).collect();
        let mut out = RowsOut::create(folder, table).unwrap();
        out.write(&rows).unwrap();
        assert_eq!(out.finish().unwrap().rows, 1_234);
        rows
    }

    #[test]
    fn rows_come_back_as_they_went_in() {
        let folder = tempfile::tempdir().unwrap();
        let rows = written(folder.path());
        let mut read = Vec::new();
        let table = Table::find("logs").unwrap();
        for_each_row(folder.path(), table, |row| {
            read.push(row.to_vec());
            Ok(())
        })
        .unwrap();
        assert_eq!(read, rows);
    }

    #[test]
    fn refuses_rows_that_end_early_go_on_or_are_of_another_kind() {
        let folder = tempfile::tempdir().unwrap();
        written(folder.path());
        let table = Table::find("logs").unwrap();
        let path = folder.path().join(table_file("logs"));
        let whole = std::fs::read(&path).unwrap();
        let heading = heading(table).len();
        let mut longer = whole.clone();
        longer.push(b'R');
        let mut other = whole.clone();
        other[heading + 1] = 2;
        let mut columns = whole.clone();
        columns[heading - 3] ^= 1;
        for broken in [
            &whole[..whole.len() - 1],
            &whole[..heading + 5],
            &longer,
            &other,
            &columns,
        ] {
            std::fs::write(&path, broken).unwrap();
            let read = for_each_row(folder.path(), table, |_| Ok(()));
            assert!(
                matches!(read, Err(BackupError::Damaged { .. })),
                "{}",
                broken.len()
            );
        }
    }
}
