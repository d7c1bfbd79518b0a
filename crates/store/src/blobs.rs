//! What is sealed beside the log: found by key or owner, and erased for good.

use rusqlite::{Connection, OptionalExtension};

use crate::sql::from_sql;
use crate::store::LogEmptied;
use crate::{BlobKey, Reader, Result, Store, StoreError};

/// What is there under a key.
#[derive(Clone, PartialEq, Eq)]
pub enum Blob {
    /// The bytes as they were put.
    Sealed(Vec<u8>),
    /// There were bytes; they were erased.
    Erased,
}

/// The bytes are sealed, yet nobody needs them in a log.
impl std::fmt::Debug for Blob {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Blob::Sealed(bytes) => write!(f, "Sealed({} bytes)", bytes.len()),
            Blob::Erased => f.write_str("Erased"),
        }
    }
}

/// What is known of a blob without reading it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlobInfo {
    /// What it is called.
    pub key: BlobKey,
    /// What it is for.
    pub purpose: String,
    /// Its length in bytes, also after it was erased.
    pub len: u64,
    /// Whether it was erased.
    pub erased: bool,
}

/// What came of an erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erasure {
    /// Blobs that were there and are gone now.
    pub erased: u64,
    /// Blobs that were gone before, or never there.
    pub not_there: u64,
}

impl Store {
    /// Erases blobs: their bytes are overwritten with zeros in the database file, and the write-ahead log, which may
    /// hold older copies, is emptied. Their keys stay taken. Safe to run again, and where a crash came in between,
    /// opening the store finishes the work.
    ///
    /// What the file system or the disk itself keeps of overwritten blocks and truncated files is out of reach.
    ///
    /// # Errors
    /// [`StoreError::ErasureUnfinished`] if a reader stood in the way for seconds: erased for every reader to come,
    /// but call again to have the log emptied. And those of any write.
    pub fn erase_blobs(&mut self, keys: &[BlobKey]) -> Result<Erasure> {
        let erased = self.durably(|transaction| overwrite(transaction.connection, keys))?;
        match self.empty_the_log()? {
            LogEmptied::Yes => Ok(Erasure { erased, not_there: keys.len() as u64 - erased }),
            LogEmptied::ReaderInTheWay => Err(StoreError::ErasureUnfinished),
        }
    }
}

impl Reader {
    /// What is there under `key`, `None` if nothing ever was.
    ///
    /// # Errors
    /// Those of any read.
    pub fn blob(&self, key: &BlobKey) -> Result<Option<Blob>> {
        self.with(|connection| {
            let mut select = connection
                .prepare_cached("SELECT erased, CASE erased WHEN 0 THEN bytes END FROM blob WHERE key = ?1")?;
            let found = select.query_row([key.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            Ok(found.map(|found| match found {
                (false, Some(bytes)) => Blob::Sealed(bytes),
                _ => Blob::Erased,
            }))
        })
    }

    /// The blobs of an owner, in the order they came; at most `limit` of those after `after`.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] if `limit` is over [`MAX_PAGE`](crate::MAX_PAGE), and those of any read.
    pub fn blobs_of(&self, owner: &str, after: Option<&BlobKey>, limit: usize) -> Result<Vec<BlobInfo>> {
        let limit = crate::reader::page_limit(limit)?;
        self.with(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT key, purpose, length(bytes), erased FROM blob WHERE owner = ?1
                 AND n > coalesce((SELECT n FROM blob WHERE key = ?2), 0) ORDER BY n LIMIT ?3",
            )?;
            let mut rows = select.query((owner, after.map(BlobKey::as_bytes), limit))?;
            let mut blobs = Vec::new();
            while let Some(row) = rows.next()? {
                let key = BlobKey::new(row.get::<_, Vec<u8>>(0)?)?;
                let len = from_sql(row.get(2)?)?;
                blobs.push(BlobInfo { key, purpose: row.get(1)?, len, erased: row.get(3)? });
            }
            Ok(blobs)
        })
    }
}

/// INVARIANT: the new row has the length of the old one, so SQLite writes it into the old one's place. Deleting it
/// instead could leave copies of its neighbours, erased later, in the slack of pages that were rebuilt.
fn overwrite(connection: &Connection, keys: &[BlobKey]) -> Result<u64> {
    let mut update = connection
        .prepare_cached("UPDATE blob SET bytes = zeroblob(length(bytes)), erased = 1 WHERE key = ?1 AND erased = 0")?;
    keys.iter().try_fold(0, |erased, key| Ok(erased + update.execute([key.as_bytes()])? as u64))
}
