//! The writer's side: opening, the head, and the one way in which anything becomes durable.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use ledger::{Frontier, Hash};
use rusqlite::{Connection, ErrorCode, OptionalExtension};

use crate::directory::Lock;
use crate::nodes::StoredNodes;
use crate::sql::{damaged, from_sql, to_sql};
use crate::subjects::{Recent, SharedRecent};
use crate::{Fault, Reader, Result, Snapshots, StoreError, directory, schema};

/// Where the ledger stands: how many entries, the right edge of the tree over them, and the time of the last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Right edge of the tree; its size is the number of entries, and the next entry's place.
    pub frontier: Frontier,
    /// Time of the last entry in microseconds UTC, `None` while there is no entry.
    pub last_time_us: Option<i64>,
}

impl Head {
    /// Number of entries.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// RFC 6962 tree hash over all entries.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }
}

/// How much room a store may take on the disk and in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Pages (of 4 KiB) in the write-ahead log after which they are copied into the database. More means fewer stops
    /// and a larger log.
    pub wal_pages: u32,
    /// Most pages (of 4 KiB) of the database; over it appending fails with [`StoreError::Full`]. `None` for SQLite's
    /// own limit, beyond any disk.
    pub max_pages: Option<u32>,
    /// Pairs of entry and subject remembered, about 100 bytes each, before they are written into the index together.
    /// More means faster appends and a slower start.
    pub index_every: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options { wal_pages: 4096, max_pages: None, index_every: 65_536 }
    }
}

/// The one writer of a ledger. Owned by one thread; blocking.
#[derive(Debug)]
pub struct Store {
    pub(crate) connection: Connection,
    pub(crate) head: Head,
    pub(crate) kinds: HashMap<String, i64>,
    pub(crate) recent: SharedRecent,
    usable: Usable,
    reader: Reader,
    dir: PathBuf,
    /// Last, so that it is held until the database is closed.
    _lock: Lock,
}

#[derive(Debug, PartialEq, Eq)]
enum Usable {
    Yes,
    NotSinceUnsureCommit,
}

impl Store {
    /// Opens the ledger in `dir`, which is made if it is not there (its parent must be). Whatever an earlier writer
    /// left half done is undone, and whatever this returns as the head is durable.
    ///
    /// Seen to hold before it returns: the stored tree, root, head and the newest 256 entries agree. The whole
    /// ledger is checked by [`Reader::verify_all`].
    ///
    /// # Errors
    /// [`StoreError::InUse`], [`StoreError::OpenToOthers`], [`StoreError::NotALedger`], [`StoreError::NewerSchema`],
    /// [`StoreError::Damaged`], [`StoreError::Full`], [`StoreError::Io`], [`StoreError::Sql`].
    pub fn open(dir: impl AsRef<Path>) -> Result<(Store, Reader)> {
        Store::open_with(dir, &Options::default())
    }

    /// Like [`Store::open`], with limits of one's own.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_with(dir: impl AsRef<Path>, options: &Options) -> Result<(Store, Reader)> {
        let (dir, lock) = directory::prepare(dir.as_ref())?;
        let path = dir.join(directory::DATABASE);
        let mut connection = schema::open_writer(&path, options)?;
        schema::migrate(&mut connection)?;
        settle(&connection)?;
        // The names of the files, too.
        directory::sync_dir(&dir)?;
        let head = read_head(&connection)?;
        check_head(&connection, &head)?;
        let recent = SharedRecent::new(Recent::load(&connection)?, options.index_every);
        let reader = Reader::new(path, Some(recent.clone()));
        let store = Store {
            connection,
            head,
            kinds: HashMap::new(),
            recent,
            usable: Usable::Yes,
            reader: reader.clone(),
            dir,
            _lock: lock,
        };
        Ok((store, reader))
    }

    /// Where the ledger stands. All of it is durable.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// A handle for reading, which outlives this one.
    #[must_use]
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// The snapshots beside this ledger.
    #[must_use]
    pub fn snapshots(&self) -> Snapshots {
        Snapshots::new(self.dir.join(directory::SNAPSHOTS), self.reader())
    }

    /// Runs `write` in one transaction. When this returns `Ok`, all of it is durable; otherwise none of it is there,
    /// except after [`StoreError::Unsure`].
    pub(crate) fn durably<T>(&mut self, write: impl FnOnce(&mut Transaction<'_>) -> Result<T>) -> Result<T> {
        self.refuse_if_poisoned()?;
        self.connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let mut transaction =
            Transaction { connection: &self.connection, kinds: &mut self.kinds, recent: &self.recent };
        let failure = match write(&mut transaction) {
            Ok(done) => match self.commit() {
                Ok(()) => return Ok(done),
                Err(error) => error,
            },
            Err(error) => error,
        };
        self.roll_back(&failure);
        Err(failure)
    }

    pub(crate) fn refuse_if_poisoned(&self) -> Result<()> {
        if self.usable == Usable::Yes { Ok(()) } else { Err(StoreError::Poisoned) }
    }

    /// Only a full disk is known to have stopped the commit record itself: SQLite writes that record last and as a
    /// whole, and syncs after it. After any other failure, a restart may find the record or not.
    fn commit(&self) -> Result<()> {
        let commit = self.connection.prepare_cached("COMMIT").and_then(|mut commit| commit.execute([]));
        match commit {
            Ok(_) => Ok(()),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DiskFull) => Err(StoreError::Full),
            Err(error) => Err(StoreError::Unsure(error)),
        }
    }

    fn roll_back(&mut self, failure: &StoreError) {
        self.kinds.clear();
        self.recent.forget_from(self.head.size());
        let open = !self.connection.is_autocommit();
        let undone = !open || self.connection.execute_batch("ROLLBACK").is_ok();
        let as_before = undone && read_head(&self.connection).is_ok_and(|head| head == self.head);
        if !as_before || matches!(failure, StoreError::Unsure(_)) {
            self.usable = Usable::NotSinceUnsureCommit;
        }
    }

    /// Copies the write-ahead log into the database and empties it.
    pub(crate) fn empty_the_log(&self) -> Result<LogEmptied> {
        empty_the_log(&self.connection)
    }
}

/// What may be written to while a transaction is open.
pub(crate) struct Transaction<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) kinds: &'a mut HashMap<String, i64>,
    pub(crate) recent: &'a SharedRecent,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum LogEmptied {
    Yes,
    ReaderInTheWay,
}

pub(crate) fn read_head(connection: &Connection) -> Result<Head> {
    let mut select = connection.prepare_cached("SELECT frontier, root, last_time_us FROM head")?;
    let row = select.query_row([], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?, row.get(2)?)));
    let Some((frontier, root, last_time_us)) = row.optional()? else {
        return Ok(Head { frontier: Frontier::new(), last_time_us: None });
    };
    let frontier = Frontier::from_bytes(&frontier).map_err(|error| damaged(format!("stored head: {error}")))?;
    if frontier.root().as_ref() != root {
        return Err(StoreError::Damaged(Fault::HeadChanged { size: frontier.size() }));
    }
    Ok(Head { frontier, last_time_us })
}

pub(crate) fn write_head(connection: &Connection, head: &Head) -> Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO head (one, frontier, root, last_time_us) VALUES (1, ?1, ?2, ?3)")?
        .execute((head.frontier.to_bytes(), head.root().as_ref(), head.last_time_us))?;
    Ok(())
}

/// After a crash the write-ahead log may hold a batch that was written but never synced. It is about to be shown, so it
/// is made durable first; the same goes for a log whose sync once failed.
fn settle(connection: &Connection) -> Result<()> {
    match empty_the_log(connection)? {
        LogEmptied::Yes => Ok(()),
        LogEmptied::ReaderInTheWay => Err(StoreError::Sql(rusqlite::Error::SqliteFailure(
            rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY),
            Some("a reader of another process holds up recovery".into()),
        ))),
    }
}

fn empty_the_log(connection: &Connection) -> Result<LogEmptied> {
    let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
    Ok(if busy == 0 { LogEmptied::Yes } else { LogEmptied::ReaderInTheWay })
}

fn check_head(connection: &Connection, head: &Head) -> Result<()> {
    let size = head.size();
    let changed = || StoreError::Damaged(Fault::HeadChanged { size });
    if let Some(seq) = entry_outside(connection, size)? {
        return Err(StoreError::Damaged(Fault::EntryOutsideHead { seq, size }));
    }
    let nodes = StoredNodes::new(connection);
    let edge = nodes.answer(|nodes| Frontier::of(nodes, size));
    match edge {
        Ok(edge) if edge == head.frontier => check_tail(connection, head),
        Ok(_) | Err(StoreError::Proof(_)) => Err(first_missing(connection, size)?.unwrap_or_else(changed)),
        Err(error) => Err(error),
    }
}

/// An entry that the head does not count, if there is one.
pub(crate) fn entry_outside(connection: &Connection, size: u64) -> Result<Option<i64>> {
    let beyond = "SELECT seq FROM entry WHERE seq >= ?1 ORDER BY seq LIMIT 1";
    let below = "SELECT seq FROM entry WHERE seq < 0 LIMIT 1";
    let found = connection.query_row(beyond, [to_sql(size)], |row| row.get(0)).optional()?;
    Ok(if found.is_some() { found } else { connection.query_row(below, [], |row| row.get(0)).optional()? })
}

/// The end of a ledger is where a cut or a lost tail shows: name it, where that is cheap.
fn first_missing(connection: &Connection, size: u64) -> Result<Option<StoreError>> {
    let last: Option<i64> = connection.query_row("SELECT max(seq) FROM entry", [], |row| row.get(0))?;
    let end = last.map_or(Ok(0), |last| from_sql(last).map(|last| last + 1))?;
    Ok((end < size).then_some(StoreError::Damaged(Fault::EntryMissing { seq: end })))
}

fn check_tail(connection: &Connection, head: &Head) -> Result<()> {
    let (size, mut last_time) = (head.size(), None);
    let mut select = connection
        .prepare("SELECT seq, substr(nodes, 1, 32), bytes, time_us FROM entry WHERE seq >= ?1 ORDER BY seq")?;
    let mut rows = select.query([to_sql(size.saturating_sub(CHECKED_ON_OPEN))])?;
    let mut expected = size.saturating_sub(CHECKED_ON_OPEN);
    while let Some(row) = rows.next()? {
        let seq = from_sql(row.get(0)?)?;
        if seq != expected {
            return Err(StoreError::Damaged(Fault::EntryMissing { seq: expected }));
        }
        if ledger::leaf_hash(row.get_ref(2)?.as_blob().unwrap_or_default()).as_ref() != row.get::<_, Vec<u8>>(1)? {
            return Err(StoreError::Damaged(Fault::EntryChanged { seq }));
        }
        last_time = Some(row.get(3)?);
        expected += 1;
    }
    if expected == size && last_time == head.last_time_us {
        Ok(())
    } else {
        Err(StoreError::Damaged(Fault::HeadChanged { size }))
    }
}

const CHECKED_ON_OPEN: u64 = 256;
