//! Signed heads: kept as they were signed, thinned out with age.

use ledger::SignedCheckpoint;
use rusqlite::{Connection, OptionalExtension};

use crate::nodes::StoredNodes;
use crate::reader::page_limit;
use crate::sql::{damaged, from_sql, to_sql};
use crate::{Fault, Reader, Result, Store, StoreError};

/// How many of the newest checkpoints are all kept. Of those before them, the last of each hour is.
pub const KEEP_NEWEST: u32 = 1_000;

impl Store {
    /// Keeps a signed head, durably. One of a size that is already kept takes its place, e.g. with more cosignatures;
    /// otherwise it must be larger than all that are kept. Signatures are not verified here.
    ///
    /// The newest [`KEEP_NEWEST`] are kept. When a checkpoint leaves them, it stays for good if it is the last of its
    /// hour (by the UTC time of the last entry it covers), and is dropped otherwise.
    ///
    /// # Errors
    /// [`StoreError::BeyondHead`], [`StoreError::CheckpointUnfit`] if it has another root than the ledger,
    /// [`StoreError::CheckpointBehind`], and those of any write.
    pub fn put_checkpoint(&mut self, checkpoint: &SignedCheckpoint) -> Result<()> {
        self.refuse_if_poisoned()?;
        let claimed = checkpoint.claimed().head();
        if claimed.size > self.head.size() {
            return Err(StoreError::BeyondHead { asked: claimed.size, head: self.head.size() });
        }
        let note = checkpoint.to_string();
        self.durably(|transaction| {
            let connection = transaction.connection;
            let root = StoredNodes::new(connection).answer(|nodes| ledger::root_of(nodes, claimed.size))?;
            if root != claimed.root {
                return Err(StoreError::CheckpointUnfit { size: claimed.size });
            }
            refuse_older(connection, claimed.size)?;
            connection
                .prepare_cached("INSERT OR REPLACE INTO checkpoint (size, time_us, note) VALUES (?1, ?2, ?3)")?
                .execute((to_sql(claimed.size), time_of_last(connection, claimed.size)?, note.as_bytes()))?;
            drop_the_superseded(connection)
        })
    }
}

impl Reader {
    /// The newest checkpoint.
    ///
    /// # Errors
    /// Those of any read.
    pub fn latest_checkpoint(&self) -> Result<Option<SignedCheckpoint>> {
        self.checkpoint("SELECT size, note FROM checkpoint WHERE size >= ?1 ORDER BY size DESC LIMIT 1", 0)
    }

    /// The smallest checkpoint that covers the first `size` entries, if one does.
    ///
    /// # Errors
    /// Those of any read.
    pub fn checkpoint_at_least(&self, size: u64) -> Result<Option<SignedCheckpoint>> {
        self.checkpoint("SELECT size, note FROM checkpoint WHERE size >= ?1 ORDER BY size LIMIT 1", size)
    }

    /// The checkpoints whose sizes lie in `sizes`, smallest first; at most `limit`.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`] if `limit` is over [`MAX_PAGE`](crate::MAX_PAGE), and those of any read.
    pub fn checkpoints(&self, sizes: std::ops::Range<u64>, limit: usize) -> Result<Vec<SignedCheckpoint>> {
        let limit = page_limit(limit)?;
        self.with(|connection| {
            let mut select = connection.prepare_cached(
                "SELECT size, note FROM checkpoint WHERE size >= ?1 AND size < ?2 ORDER BY size LIMIT ?3",
            )?;
            let mut rows = select.query((to_sql(sizes.start), to_sql(sizes.end), limit))?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let note: Vec<u8> = row.get(1)?;
                found.push(parse(from_sql(row.get(0)?)?, &note)?);
            }
            Ok(found)
        })
    }

    fn checkpoint(&self, sql: &str, size: u64) -> Result<Option<SignedCheckpoint>> {
        self.with(|connection| {
            let mut select = connection.prepare_cached(sql)?;
            let found = select.query_row([to_sql(size)], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
            found.map(|(size, note): (i64, Vec<u8>)| parse(from_sql(size)?, &note)).transpose()
        })
    }
}

/// Reads a note that is filed under `size`.
pub(crate) fn parse(size: u64, note: &[u8]) -> Result<SignedCheckpoint> {
    SignedCheckpoint::parse(note)
        .ok()
        .filter(|checkpoint| checkpoint.claimed().size == size)
        .ok_or(StoreError::Damaged(Fault::CheckpointMalformed { size }))
}

fn refuse_older(connection: &Connection, size: u64) -> Result<()> {
    let latest: Option<i64> = connection.query_row("SELECT max(size) FROM checkpoint", [], |row| row.get(0))?;
    match latest.map(from_sql).transpose()? {
        Some(latest) if size < latest && !is_kept(connection, size)? => {
            Err(StoreError::CheckpointBehind { size, latest })
        }
        _ => Ok(()),
    }
}

fn is_kept(connection: &Connection, size: u64) -> Result<bool> {
    let mut select = connection.prepare_cached("SELECT 1 FROM checkpoint WHERE size = ?1")?;
    Ok(select.exists([to_sql(size)])?)
}

/// Time of the last entry that a checkpoint of this size covers; 0 for that of the empty ledger.
fn time_of_last(connection: &Connection, size: u64) -> Result<i64> {
    let Some(seq) = size.checked_sub(1) else { return Ok(0) };
    let mut select = connection.prepare_cached("SELECT time_us FROM entry WHERE seq = ?1")?;
    let time = select.query_row([to_sql(seq)], |row| row.get(0)).optional()?;
    time.ok_or_else(|| damaged(format!("no time for entry {seq}")))
}

/// At most one checkpoint leaves the newest with each that comes.
fn drop_the_superseded(connection: &Connection) -> Result<()> {
    let mut select =
        connection.prepare_cached("SELECT size, time_us FROM checkpoint ORDER BY size DESC LIMIT 2 OFFSET ?1")?;
    let marks = select.query_map([KEEP_NEWEST - 1], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
    let marks: Vec<(i64, i64)> = marks.collect::<rusqlite::Result<_>>()?;
    if let [(_, newer), (leaving, time)] = marks[..]
        && !outlives(time, newer)
    {
        connection.prepare_cached("DELETE FROM checkpoint WHERE size = ?1")?.execute([leaving])?;
    }
    Ok(())
}

/// Whether a checkpoint that leaves the newest stays for good, given its time and that of the next newer one.
fn outlives(time_us: i64, newer_us: i64) -> bool {
    time_us.div_euclid(HOUR_US) != newer_us.div_euclid(HOUR_US)
}

const HOUR_US: i64 = 3_600_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_each_hour_outlives_the_newest() {
        let at = |hour: i64, minute: i64| hour * HOUR_US + minute * 60_000_000;
        assert!(!outlives(at(9, 0), at(9, 59)));
        assert!(outlives(at(9, 59), at(10, 0)));
        assert!(outlives(at(9, 59), at(13, 0)));
        assert!(!outlives(at(9, 30), at(9, 30)));
        assert!(outlives(-1, 0), "also before 1970");
        assert!(!outlives(-2, -1));
    }
}
