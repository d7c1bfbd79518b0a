//! The readers' side: a bounded pool of read-only connections, and the questions one can ask.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use ledger::{ConsistencyProof, InclusionProof, MultiProof, Nodes};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::append::at_most;
use crate::nodes::StoredNodes;
use crate::sql::{from_sql, to_sql};
use crate::store::read_head;
use crate::subjects::SharedRecent;
use crate::{Fault, Head, Result, StoreError, directory, schema};

/// Most rows that one question returns.
pub const MAX_PAGE: usize = 1_000;
/// Fewest bytes by which [`Reader::find_prefix`] looks.
pub const MIN_PREFIX: usize = 6;

/// An entry as it was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place, from 0.
    pub seq: u64,
    /// The time it was appended with, microseconds UTC.
    pub time_us: i64,
    /// The leaf, byte for byte.
    pub bytes: Vec<u8>,
}

/// Which end of a range comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Ascending places.
    OldestFirst,
    /// Descending places.
    NewestFirst,
}

/// A handle for reading, cheap to clone, for any number of threads. Never waits for the writer, and sees whole batches.
///
/// All clones together use at most eight connections; a question that finds none free waits for one.
#[derive(Debug, Clone)]
pub struct Reader {
    pool: Arc<Pool>,
    /// The writer's memory; a reader without a writer reads it from the disk.
    pub(crate) recent: Option<SharedRecent>,
}

impl Reader {
    pub(crate) fn new(path: PathBuf, recent: Option<SharedRecent>) -> Reader {
        Reader { pool: Arc::new(Pool { path, slots: Mutex::default(), freed: Condvar::new() }), recent }
    }

    /// Opens the ledger in `dir` for reading only, beside a writer or without one, and without the checks that
    /// [`Store::open`](crate::Store::open) makes: for verifying, and for looking at a damaged one.
    ///
    /// # Errors
    /// [`StoreError::NewerSchema`], [`StoreError::NotALedger`], and those of any read.
    pub fn open(dir: impl AsRef<Path>) -> Result<Reader> {
        let dir = dir.as_ref();
        let path = dir.canonicalize().map_err(directory::at(dir))?.join(directory::DATABASE);
        let reader = Reader::new(path, None);
        reader.with(schema::check_readable)?;
        Ok(reader)
    }

    /// Where the ledger stands.
    ///
    /// # Errors
    /// Those of any read: [`StoreError::Damaged`], [`StoreError::Io`], [`StoreError::Sql`].
    pub fn head(&self) -> Result<Head> {
        self.with(read_head)
    }

    /// The entry at `seq`, `None` at or beyond the head.
    ///
    /// # Errors
    /// Those of any read.
    pub fn entry(&self, seq: u64) -> Result<Option<Entry>> {
        self.with(|connection| {
            let mut select = connection.prepare_cached("SELECT seq, time_us, bytes FROM entry WHERE seq = ?1")?;
            let mut rows = select.query([to_sql(seq)])?;
            rows.next()?.map(read_entry).transpose()
        })
    }

    /// The entries of `range`, in order, up to the head. Fetched in pages, so it may run for long and holds up nobody;
    /// what is appended meanwhile is seen if `range` reaches so far.
    #[must_use]
    pub fn read(&self, range: Range<u64>) -> Entries {
        Entries { reader: self.clone(), range, page: VecDeque::new() }
    }

    /// The entries of a kind in `range`; at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] if `limit` is over [`MAX_PAGE`], and those of any read.
    pub fn by_kind(&self, kind: &str, range: Range<u64>, order: Order, limit: usize) -> Result<Vec<Entry>> {
        let limit = page_limit(limit)?;
        self.with(|connection| {
            let mut select = connection.prepare_cached(match order {
                Order::OldestFirst => {
                    "SELECT seq, time_us, bytes FROM entry
                     WHERE kind = (SELECT id FROM kind WHERE name = ?1) AND seq >= ?2 AND seq < ?3 ORDER BY seq LIMIT ?4"
                }
                Order::NewestFirst => {
                    "SELECT seq, time_us, bytes FROM entry WHERE kind = (SELECT id FROM kind WHERE name = ?1)
                     AND seq >= ?2 AND seq < ?3 ORDER BY seq DESC LIMIT ?4"
                }
            })?;
            let rows = select.query((kind, to_sql(range.start), to_sql(range.end), limit))?;
            read_entries(rows)
        })
    }

    /// The places of the entries whose time lies in `times` (microseconds UTC, end excluded). As times never go back,
    /// they are one range.
    ///
    /// # Errors
    /// Those of any read.
    pub fn by_time(&self, times: Range<i64>) -> Result<Range<u64>> {
        self.with(|connection| {
            let size = read_head(connection)?.size();
            let start = first_not_before(connection, times.start, 0..size)?;
            Ok(start..first_not_before(connection, times.end, start..size)?)
        })
    }

    /// Proof that the entry at `seq` is in the tree of the first `size` entries.
    ///
    /// # Errors
    /// [`StoreError::BeyondHead`], [`StoreError::Proof`], and those of any read.
    pub fn inclusion(&self, seq: u64, size: u64) -> Result<InclusionProof> {
        self.prove(size, |nodes| InclusionProof::make(nodes, seq, size))
    }

    /// Proof that the entries at `seqs` (strictly rising) are in the tree of the first `size` entries.
    ///
    /// # Errors
    /// As [`Reader::inclusion`].
    pub fn multi_proof(&self, seqs: &[u64], size: u64) -> Result<MultiProof> {
        self.prove(size, |nodes| MultiProof::make(nodes, seqs, size))
    }

    /// Proof that the first `old` entries are the beginning of the first `new`.
    ///
    /// # Errors
    /// As [`Reader::inclusion`].
    pub fn consistency(&self, old: u64, new: u64) -> Result<ConsistencyProof> {
        self.prove(new, |nodes| ConsistencyProof::make(nodes, old, new))
    }

    fn prove<T>(&self, size: u64, make: impl FnOnce(&dyn Nodes) -> ledger::Result<T>) -> Result<T> {
        self.with(|connection| {
            let head = read_head(connection)?.size();
            if size > head {
                return Err(StoreError::BeyondHead { asked: size, head });
            }
            StoredNodes::new(connection).answer(make)
        })
    }

    /// Runs `ask` on a connection of the pool; all its statements see the same moment.
    pub(crate) fn at_one_moment<T>(&self, ask: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.with(|connection| {
            let moment = connection.unchecked_transaction()?;
            let answer = ask(&moment)?;
            moment.finish()?;
            Ok(answer)
        })
    }

    /// Runs `ask` on a connection of the pool. Each statement sees one moment; two statements may see two.
    pub(crate) fn with<T>(&self, ask: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let lent = self.pool.take()?;
        ask(lent.connection.as_ref().expect("it is there until the loan ends"))
    }
}

/// The entries of a range, a page at a time. Ends at the first error.
#[derive(Debug)]
pub struct Entries {
    reader: Reader,
    range: Range<u64>,
    page: VecDeque<Entry>,
}

impl Iterator for Entries {
    type Item = Result<Entry>;

    fn next(&mut self) -> Option<Result<Entry>> {
        if self.page.is_empty() && !self.range.is_empty() {
            match self.reader.with(|connection| read_page(connection, self.range.clone())) {
                Ok(page) => self.page = page,
                Err(error) => return Some(self.end_with(error)),
            }
        }
        let entry = self.page.pop_front()?;
        if entry.seq != self.range.start {
            let fault = Fault::EntryMissing { seq: self.range.start };
            return Some(self.end_with(StoreError::Damaged(fault)));
        }
        self.range.start += 1;
        Some(Ok(entry))
    }
}

impl Entries {
    fn end_with(&mut self, error: StoreError) -> Result<Entry> {
        self.page.clear();
        self.range = 0..0;
        Err(error)
    }
}

impl std::iter::FusedIterator for Entries {}

fn read_page(connection: &Connection, range: Range<u64>) -> Result<VecDeque<Entry>> {
    let mut select = connection
        .prepare_cached("SELECT seq, time_us, bytes FROM entry WHERE seq >= ?1 AND seq < ?2 ORDER BY seq LIMIT ?3")?;
    let mut rows = select.query((to_sql(range.start), to_sql(range.end), MAX_PAGE as i64))?;
    let (mut page, mut bytes) = (VecDeque::new(), 0);
    while bytes < PAGE_BYTES
        && let Some(row) = rows.next()?
    {
        let entry = read_entry(row)?;
        bytes += entry.bytes.len();
        page.push_back(entry);
    }
    Ok(page)
}

fn read_entries(mut rows: rusqlite::Rows<'_>) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    while let Some(row) = rows.next()? {
        entries.push(read_entry(row)?);
    }
    Ok(entries)
}

pub(crate) fn read_entry(row: &Row<'_>) -> Result<Entry> {
    Ok(Entry { seq: from_sql(row.get(0)?)?, time_us: row.get(1)?, bytes: row.get(2)? })
}

/// First place in `range` whose entry's time is not before `time`, or the range's end.
fn first_not_before(connection: &Connection, time: i64, mut range: Range<u64>) -> Result<u64> {
    let mut select = connection.prepare_cached("SELECT time_us FROM entry WHERE seq = ?1")?;
    while !range.is_empty() {
        let middle = range.start + (range.end - range.start) / 2;
        let found: Option<i64> = select.query_row([to_sql(middle)], |row| row.get(0)).optional()?;
        match found {
            None => return Err(StoreError::Damaged(Fault::EntryMissing { seq: middle })),
            Some(found) if found < time => range.start = middle + 1,
            Some(_) => range.end = middle,
        }
    }
    Ok(range.start)
}

pub(crate) fn page_limit(limit: usize) -> Result<i64> {
    at_most("rows of a page", limit, MAX_PAGE)?;
    Ok(limit as i64)
}

#[derive(Debug)]
struct Pool {
    path: PathBuf,
    slots: Mutex<Slots>,
    freed: Condvar,
}

#[derive(Debug, Default)]
struct Slots {
    idle: Vec<Connection>,
    lent: usize,
}

impl Pool {
    fn take(&self) -> Result<Lent<'_>> {
        let mut slots = self.slots();
        while slots.lent == MAX_CONNECTIONS {
            slots = self.freed.wait(slots).unwrap_or_else(PoisonError::into_inner);
        }
        slots.lent += 1;
        let idle = slots.idle.pop();
        drop(slots);
        let mut lent = Lent { pool: self, connection: idle };
        if lent.connection.is_none() {
            lent.connection = Some(schema::open_reader(&self.path)?);
        }
        Ok(lent)
    }

    /// Nothing that could panic runs under the lock, so what a poisoned one guards is whole.
    fn slots(&self) -> MutexGuard<'_, Slots> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection on loan; it goes back when this is dropped.
struct Lent<'a> {
    pool: &'a Pool,
    connection: Option<Connection>,
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut slots = self.pool.slots();
        slots.lent -= 1;
        slots.idle.extend(self.connection.take());
        drop(slots);
        self.pool.freed.notify_one();
    }
}

const MAX_CONNECTIONS: usize = 8;
const PAGE_BYTES: usize = 1 << 20;
