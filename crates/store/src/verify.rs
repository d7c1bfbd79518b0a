//! Checking a whole ledger against itself and against every head that was signed: the first fault is named.
//!
//! Which subjects an entry was filed under is not checked: only the fold knows.

use std::ops::Range;

use ledger::{Frontier, Hash, SignedCheckpoint, TreeHead, leaf_hash};
use rusqlite::{Connection, Row};

use crate::reader::MAX_PAGE;
use crate::sql::{from_sql, to_sql};
use crate::store::{entry_outside, read_head};
use crate::{Fault, Head, Reader, Result, StoreError, checkpoints};

/// What a full check found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Verdict {
    /// Entries, tree, head and stored checkpoints agree. Whether the checkpoints were signed by the right key, and
    /// whether they agree with those that others hold, is for the caller to see.
    Sound(TreeHead),
    /// They do not; this is the first fault.
    Broken(Fault),
}

impl Reader {
    /// Hashes every entry again, rebuilds the tree, and compares. Runs beside the writer, up to the head as it was when
    /// this began. `progress` gets entries done and entries in all, about every thousand.
    ///
    /// # Errors
    /// [`StoreError::Io`], [`StoreError::Sql`], if the check itself could not be made. Damage is a [`Verdict`].
    pub fn verify_all(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<Verdict> {
        match self.find_fault(progress) {
            Ok(head) => Ok(Verdict::Sound(head)),
            Err(StoreError::Damaged(fault)) => Ok(Verdict::Broken(fault)),
            Err(error) => Err(error),
        }
    }

    fn find_fault(&self, progress: &mut dyn FnMut(u64, u64)) -> Result<TreeHead> {
        let (head, checkpoints) =
            self.at_one_moment(|connection| Ok((read_head(connection)?, load_checkpoints(connection)?)))?;
        let size = head.size();
        let mut walk = Walk::new(checkpoints);
        while walk.frontier.size() < size {
            let page = walk.frontier.size()..size.min(walk.frontier.size() + MAX_PAGE as u64);
            self.with(|connection| walk.over(connection, page))?;
            progress(walk.frontier.size(), size);
        }
        walk.finish(&head)?;
        self.at_one_moment(nothing_outside)?;
        self.with(file_is_whole)?;
        Ok(head.frontier.head())
    }
}

/// The tree as the entries give it, and what did not fit on the way.
struct Walk {
    frontier: Frontier,
    last_time_us: Option<i64>,
    /// Stored hashes that contradict the entries. What is wrong, the entry or the stored hash, shows at the end: the
    /// root, and the checkpoints, were computed from the right ones.
    suspect: Option<Suspect>,
    checkpoints: std::iter::Peekable<std::vec::IntoIter<SignedCheckpoint>>,
    good: u64,
    disagreeing: Option<u64>,
}

enum Suspect {
    Leaf { seq: u64 },
    Node { level: u8, index: u64, first: u64, last: u64 },
}

impl Walk {
    fn new(checkpoints: Vec<SignedCheckpoint>) -> Walk {
        let checkpoints = checkpoints.into_iter().peekable();
        let frontier = Frontier::new();
        Walk { frontier, last_time_us: None, suspect: None, checkpoints, good: 0, disagreeing: None }
    }

    fn over(&mut self, connection: &Connection, page: Range<u64>) -> Result<()> {
        let mut select = connection
            .prepare_cached("SELECT seq, time_us, nodes, bytes FROM entry WHERE seq >= ?1 AND seq < ?2 ORDER BY seq")?;
        let mut rows = select.query((to_sql(page.start), to_sql(page.end)))?;
        while let Some(row) = rows.next().map_err(|error| self.unreadable(error))? {
            self.step(row)?;
        }
        if self.frontier.size() < page.end { Err(missing(self.frontier.size())) } else { Ok(()) }
    }

    fn step(&mut self, row: &Row<'_>) -> Result<()> {
        let seq = self.frontier.size();
        if from_sql(row.get(0)?)? != seq {
            return Err(missing(seq));
        }
        self.check_checkpoints();
        let time = row.get(1)?;
        if self.last_time_us.replace(time).is_some_and(|last| time < last) {
            return Err(StoreError::Damaged(Fault::TimeGoesBack { seq }));
        }
        let bytes = row.get_ref(3)?.as_blob().unwrap_or_default();
        self.compare(leaf_hash(bytes), row.get_ref(2)?.as_blob().unwrap_or_default())
    }

    /// Adds the leaf as the entry gives it, and notes the first stored hash that says otherwise.
    fn compare(&mut self, leaf: Hash, stored: &[u8]) -> Result<()> {
        let seq = self.frontier.size();
        let (stored, rest) = stored.as_chunks::<{ Hash::SIZE }>();
        if !rest.is_empty() || stored.len() != ledger::nodes_completed_by(seq).count() {
            return Err(StoreError::Damaged(Fault::EntriesReplaced { first: seq, last: seq }));
        }
        let suspect = &mut self.suspect;
        self.frontier.append_noting(leaf, |level, index, hash| {
            if suspect.is_none() && stored.get(usize::from(level)) != Some(hash.as_bytes()) {
                *suspect = Some(match level {
                    0 => Suspect::Leaf { seq },
                    _ => Suspect::Node { level, index, first: index << level, last: seq },
                });
            }
        });
        Ok(())
    }

    fn check_checkpoints(&mut self) {
        let size = self.frontier.size();
        while let Some(checkpoint) = self.checkpoints.next_if(|checkpoint| checkpoint.claimed().size == size) {
            match self.disagreeing {
                None if checkpoint.claimed().root == self.frontier.root() => self.good = size,
                None => self.disagreeing = Some(size),
                Some(_) => {}
            }
        }
    }

    fn finish(mut self, head: &Head) -> Result<()> {
        self.check_checkpoints();
        let size = head.size();
        let entries_fit = self.frontier == head.frontier && self.disagreeing.is_none();
        let fault = match (self.suspect, self.disagreeing, self.checkpoints.next()) {
            (Some(Suspect::Leaf { seq }), _, _) if entries_fit => Fault::NodeChanged { level: 0, index: seq },
            (Some(Suspect::Leaf { seq }), _, _) => Fault::EntryChanged { seq },
            (Some(Suspect::Node { level, index, .. }), _, _) if entries_fit => Fault::NodeChanged { level, index },
            (Some(Suspect::Node { first, last, .. }), _, _) => Fault::EntriesReplaced { first, last },
            (None, Some(size), _) => Fault::CheckpointDisagrees { size, good: self.good },
            (None, None, Some(beyond)) => Fault::Truncated { size, checkpoint: beyond.claimed().size },
            (None, None, None) if entries_fit && self.last_time_us == head.last_time_us => return Ok(()),
            (None, None, None) => Fault::HeadChanged { size },
        };
        Err(StoreError::Damaged(fault))
    }

    fn unreadable(&self, error: rusqlite::Error) -> StoreError {
        match StoreError::from(error) {
            StoreError::Damaged(fault) => {
                let (seq, why) = (self.frontier.size(), fault.to_string());
                StoreError::Damaged(Fault::EntryUnreadable { seq, why })
            }
            other => other,
        }
    }
}

fn missing(seq: u64) -> StoreError {
    StoreError::Damaged(Fault::EntryMissing { seq })
}

fn load_checkpoints(connection: &Connection) -> Result<Vec<SignedCheckpoint>> {
    let mut select = connection.prepare("SELECT size, note FROM checkpoint ORDER BY size")?;
    let mut rows = select.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let note: Vec<u8> = row.get(1)?;
        found.push(checkpoints::parse(from_sql(row.get(0)?)?, &note)?);
    }
    Ok(found)
}

fn nothing_outside(connection: &Connection) -> Result<()> {
    let size = read_head(connection)?.size();
    match entry_outside(connection, size)? {
        Some(seq) => Err(StoreError::Damaged(Fault::EntryOutsideHead { seq, size })),
        None => Ok(()),
    }
}

/// SQLite's own check: pages, and that each index has exactly the rows of its table.
fn file_is_whole(connection: &Connection) -> Result<()> {
    let why: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if why == "ok" { Ok(()) } else { Err(StoreError::Damaged(Fault::FileDamaged { why })) }
}
