//! Which entries are about what: an index on disk, written now and then, and a small one in memory before it.
//!
//! Every subject has its own place in the index on disk, so filing a batch at once would touch a page for each: more than
//! the batch itself. An entry's row holds its subjects; from there they are indexed some thousands at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rusqlite::{Connection, OptionalExtension};

use crate::reader::{page_limit, read_entry};
use crate::sql::{damaged, from_sql, to_sql};
use crate::store::read_head;
use crate::{Entry, MIN_PREFIX, NewEntry, Order, Reader, Result, StoreError, SubjectKey};

impl Reader {
    /// The entries about `subject` in `range`; at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] if `limit` is over [`MAX_PAGE`](crate::MAX_PAGE), and those of any read.
    pub fn by_subject(
        &self,
        subject: &SubjectKey,
        range: Range<u64>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        page_limit(limit)?;
        // INVARIANT: the memory is read before the disk. What is moved from one to the other in between is seen twice,
        // never missed.
        let recent = self.recent(|recent| recent.about(subject, &range))?;
        self.at_one_moment(|connection| {
            let size = read_head(connection)?.size();
            let mut seqs: BTreeSet<u64> = recent.into_iter().filter(|seq| *seq < size).collect();
            seqs.extend(indexed(connection, subject, &range, order, limit)?);
            match order {
                Order::OldestFirst => fetch(connection, seqs.into_iter().take(limit)),
                Order::NewestFirst => fetch(connection, seqs.into_iter().rev().take(limit)),
            }
        })
    }

    /// The entries about `subject` of one kind in `range`; at most `limit`. Looks at no bytes of the others.
    ///
    /// # Errors
    /// As [`Reader::by_subject`].
    pub fn by_subject_and_kind(
        &self,
        (subject, kind): (&SubjectKey, &str),
        range: Range<u64>,
        order: Order,
        limit: usize,
    ) -> Result<Vec<Entry>> {
        page_limit(limit)?;
        let recent = self.recent(|recent| recent.about(subject, &range))?;
        self.at_one_moment(|connection| {
            let size = read_head(connection)?.size();
            let mut seqs: BTreeSet<u64> = recent.into_iter().filter(|seq| *seq < size).collect();
            seqs.extend(indexed(connection, subject, &range, order, usize::MAX)?);
            match order {
                Order::OldestFirst => fetch_of_kind(connection, kind, seqs.into_iter(), limit),
                Order::NewestFirst => fetch_of_kind(connection, kind, seqs.into_iter().rev(), limit),
            }
        })
    }

    /// The subjects that begin with `prefix`, in order; at most `limit`. For completing an id.
    ///
    /// # Errors
    /// [`StoreError::TooSmall`] under [`MIN_PREFIX`] bytes, [`StoreError::TooLarge`] if `limit` is over
    /// [`MAX_PAGE`](crate::MAX_PAGE), and those of any read.
    pub fn find_prefix(&self, prefix: &[u8], limit: usize) -> Result<Vec<SubjectKey>> {
        page_limit(limit)?;
        if prefix.len() < MIN_PREFIX {
            let len = prefix.len() as u64;
            return Err(StoreError::TooSmall { what: "prefix in bytes", len, min: MIN_PREFIX as u64 });
        }
        let recent = self.recent(|recent| recent.beginning_with(prefix))?;
        self.at_one_moment(|connection| {
            let size = read_head(connection)?.size();
            let mut found: BTreeSet<SubjectKey> =
                recent.into_iter().filter(|(_, first)| *first < size).map(|(key, _)| key).collect();
            found.extend(indexed_prefix(connection, prefix, limit)?);
            Ok(found.into_iter().take(limit).collect())
        })
    }

    fn recent<T>(&self, ask: impl FnOnce(&Recent) -> T) -> Result<T> {
        match &self.recent {
            Some(shared) => Ok(ask(&shared.read())),
            None => self.at_one_moment(|connection| Ok(ask(&Recent::load(connection)?))),
        }
    }
}

/// What the writer remembers of the entries whose subjects are not yet in the index on disk.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    seqs: BTreeMap<SubjectKey, Vec<u64>>,
    postings: usize,
}

impl Recent {
    /// From the rows of the entries that the index does not reach.
    pub(crate) fn load(connection: &Connection) -> Result<Recent> {
        let mut recent = Recent::default();
        let mut select = connection.prepare_cached("SELECT seq, subjects FROM entry WHERE seq >= ?1 ORDER BY seq")?;
        let mut rows = select.query([indexed_upto(connection)?])?;
        while let Some(row) = rows.next()? {
            let seq = from_sql(row.get(0)?)?;
            for key in decode(row.get_ref(1)?.as_blob().unwrap_or_default())? {
                recent.add(key, seq);
            }
        }
        Ok(recent)
    }

    fn add(&mut self, key: SubjectKey, seq: u64) {
        let seqs = self.seqs.entry(key).or_default();
        if seqs.last() != Some(&seq) {
            seqs.push(seq);
            self.postings += 1;
        }
    }

    fn forget_from(&mut self, seq: u64) {
        for seqs in self.seqs.values_mut() {
            let kept = seqs.partition_point(|filed| *filed < seq);
            self.postings -= seqs.len() - kept;
            seqs.truncate(kept);
        }
        self.seqs.retain(|_, seqs| !seqs.is_empty());
    }

    fn about(&self, subject: &SubjectKey, range: &Range<u64>) -> Vec<u64> {
        let seqs = self.seqs.get(subject).map_or(&[][..], Vec::as_slice);
        seqs.iter().copied().filter(|seq| range.contains(seq)).collect()
    }

    /// With each subject, the place of its first entry.
    fn beginning_with(&self, prefix: &[u8]) -> Vec<(SubjectKey, u64)> {
        let Ok(from) = SubjectKey::new(prefix) else { return Vec::new() };
        let run = self.seqs.range(from..).take_while(|(key, _)| key.as_bytes().starts_with(prefix));
        run.filter_map(|(key, seqs)| Some((*key, *seqs.first()?))).collect()
    }
}

/// The writer's memory, which its readers look into.
#[derive(Debug, Clone)]
pub(crate) struct SharedRecent {
    recent: Arc<RwLock<Recent>>,
    index_every: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Filed {
    InMemory,
    OnDisk,
}

impl SharedRecent {
    pub(crate) fn new(recent: Recent, index_every: usize) -> SharedRecent {
        SharedRecent { recent: Arc::new(RwLock::new(recent)), index_every }
    }

    /// Before the commit, so that whoever sees the batch finds it by subject; until then readers pass over what lies
    /// beyond their head.
    pub(crate) fn file(&self, connection: &Connection, first: u64, entries: &[NewEntry<'_>]) -> Result<Filed> {
        let mut recent = self.write();
        for (seq, entry) in (first..).zip(entries) {
            entry.subjects.iter().for_each(|key| recent.add(*key, seq));
        }
        drop(recent);
        let recent = self.read();
        if recent.postings < self.index_every {
            return Ok(Filed::InMemory);
        }
        write_index(connection, &recent, first + entries.len() as u64)?;
        Ok(Filed::OnDisk)
    }

    pub(crate) fn forget_from(&self, seq: u64) {
        self.write().forget_from(seq);
    }

    pub(crate) fn forget_all(&self) {
        *self.write() = Recent::default();
    }

    fn read(&self) -> RwLockReadGuard<'_, Recent> {
        self.recent.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Recent> {
        self.recent.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The form in which an entry's row holds its subjects: a byte of length and the key, one after the other.
pub(crate) fn encode(subjects: &[SubjectKey]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(subjects.iter().map(|key| 1 + key.as_bytes().len()).sum());
    for key in subjects {
        bytes.push(key.as_bytes().len() as u8);
        bytes.extend_from_slice(key.as_bytes());
    }
    bytes
}

fn decode(mut bytes: &[u8]) -> Result<Vec<SubjectKey>> {
    let mut subjects = Vec::new();
    while let Some((len, rest)) = bytes.split_first() {
        let key = rest.split_at_checked(usize::from(*len)).and_then(|(key, rest)| {
            bytes = rest;
            SubjectKey::new(key).ok()
        });
        subjects.push(key.ok_or_else(|| damaged("an entry's subjects cannot be read"))?);
    }
    Ok(subjects)
}

/// One row for each subject: few rows, and in order, so that it walks the index once from left to right.
fn write_index(connection: &Connection, recent: &Recent, upto: u64) -> Result<()> {
    let mut insert = connection.prepare_cached("INSERT INTO subject (key, first, seqs) VALUES (?1, ?2, ?3)")?;
    for (key, seqs) in &recent.seqs {
        let bytes: Vec<u8> = seqs.iter().flat_map(|seq| seq.to_be_bytes()).collect();
        insert.execute((key.as_bytes(), seqs.first().map(|first| to_sql(*first)), bytes))?;
    }
    connection.execute("INSERT OR REPLACE INTO subject_upto (one, seq) VALUES (1, ?1)", [to_sql(upto)])?;
    Ok(())
}

fn indexed_upto(connection: &Connection) -> Result<i64> {
    let mut select = connection.prepare_cached("SELECT seq FROM subject_upto")?;
    Ok(select.query_row([], |row| row.get(0)).optional()?.unwrap_or(0))
}

/// At most `limit` places from that end of `range` which `order` names.
fn indexed(
    connection: &Connection,
    subject: &SubjectKey,
    range: &Range<u64>,
    order: Order,
    limit: usize,
) -> Result<Vec<u64>> {
    // The row that begins before the range may reach into it.
    let mut select = connection.prepare_cached(match order {
        Order::OldestFirst => {
            "SELECT seqs FROM subject WHERE key = ?1 AND first < ?3 AND first >=
             coalesce((SELECT max(first) FROM subject WHERE key = ?1 AND first <= ?2), 0) ORDER BY first"
        }
        Order::NewestFirst => {
            "SELECT seqs FROM subject WHERE key = ?1 AND first < ?3 AND first >=
             coalesce((SELECT max(first) FROM subject WHERE key = ?1 AND first <= ?2), 0) ORDER BY first DESC"
        }
    })?;
    let mut rows = select.query((subject.as_bytes(), to_sql(range.start), to_sql(range.end)))?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(row) = rows.next()?
    {
        let (run, rest) = row.get_ref(0)?.as_blob().unwrap_or_default().as_chunks();
        if !rest.is_empty() {
            return Err(damaged("a subject's entries cannot be read"));
        }
        found.extend(run.iter().map(|seq| u64::from_be_bytes(*seq)).filter(|seq| range.contains(seq)));
    }
    Ok(found)
}

fn fetch(connection: &Connection, seqs: impl Iterator<Item = u64>) -> Result<Vec<Entry>> {
    let mut select = connection.prepare_cached("SELECT seq, time_us, bytes FROM entry WHERE seq = ?1")?;
    let missing = |seq| StoreError::Damaged(crate::Fault::EntryMissing { seq });
    let mut one = |seq| {
        let mut rows = select.query([to_sql(seq)])?;
        rows.next()?.ok_or_else(|| missing(seq)).and_then(read_entry)
    };
    seqs.map(&mut one).collect()
}

fn fetch_of_kind(
    connection: &Connection,
    kind: &str,
    mut seqs: impl Iterator<Item = u64>,
    limit: usize,
) -> Result<Vec<Entry>> {
    let mut select = connection.prepare_cached(
        "SELECT seq, time_us, bytes FROM entry WHERE seq = ?1 AND kind = (SELECT id FROM kind WHERE name = ?2)",
    )?;
    let mut found = Vec::new();
    while found.len() < limit
        && let Some(seq) = seqs.next()
    {
        let mut rows = select.query((to_sql(seq), kind))?;
        if let Some(row) = rows.next()? {
            found.push(read_entry(row)?);
        }
    }
    Ok(found)
}

fn indexed_prefix(connection: &Connection, prefix: &[u8], limit: usize) -> Result<Vec<SubjectKey>> {
    let mut found: Vec<SubjectKey> = Vec::new();
    while found.len() < limit {
        match next_subject(connection, prefix, found.last())? {
            Some(subject) => found.push(subject),
            None => break,
        }
    }
    Ok(found)
}

/// One step from subject to subject, however many entries each has.
fn next_subject(connection: &Connection, prefix: &[u8], last: Option<&SubjectKey>) -> Result<Option<SubjectKey>> {
    let (sql, from) = match last {
        None => ("SELECT key FROM subject WHERE key >= ?1 ORDER BY key LIMIT 1", prefix),
        Some(last) => ("SELECT key FROM subject WHERE key > ?1 ORDER BY key LIMIT 1", last.as_bytes()),
    };
    let found = connection.prepare_cached(sql)?.query_row([from], |row| row.get::<_, Vec<u8>>(0)).optional()?;
    let found = found.filter(|key| key.starts_with(prefix)).map(SubjectKey::new).transpose();
    found.map_err(|_| damaged("a subject has a length no subject has"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> SubjectKey {
        SubjectKey::new(text).unwrap()
    }

    #[test]
    fn subjects_read_back_from_a_row_and_a_row_cut_short_is_refused() {
        let subjects = [key("req_1"), SubjectKey::new([0xff; 40]).unwrap(), key("x")];
        let bytes = encode(&subjects);
        assert_eq!(decode(&bytes).unwrap(), subjects);
        assert_eq!(decode(&[]).unwrap(), []);
        decode(&bytes[..bytes.len() - 1]).unwrap_err();
        decode(&[0]).unwrap_err();
        decode(&[41; 42]).unwrap_err();
    }

    #[test]
    fn what_was_rolled_back_is_forgotten_and_the_rest_is_not() {
        let mut recent = Recent::default();
        for (subject, seq) in [("a", 1), ("a", 2), ("b", 2), ("a", 3)] {
            recent.add(key(subject), seq);
        }
        recent.forget_from(2);
        assert_eq!(recent.about(&key("a"), &(0..9)), [1]);
        assert_eq!(recent.about(&key("b"), &(0..9)), []);
        assert_eq!((recent.postings, recent.seqs.len()), (1, 1));
    }

    #[test]
    fn an_entry_that_names_a_subject_twice_is_filed_once() {
        let mut recent = Recent::default();
        recent.add(key("a"), 1);
        recent.add(key("a"), 1);
        assert_eq!((recent.about(&key("a"), &(0..9)), recent.postings), (vec![1], 1));
    }
}
