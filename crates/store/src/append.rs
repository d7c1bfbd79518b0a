//! Appending: a batch of entries, and what is sealed beside them, in one durable step.

use ledger::{Hash, leaf_hash};
use rusqlite::{Connection, ErrorCode, OptionalExtension};

use crate::sql::to_sql;
use crate::store::{Transaction, read_head, write_head};
use crate::subjects::{self, Filed};
use crate::{BlobKey, Head, Result, Store, StoreError, SubjectKey};

/// Longest entry in bytes, as in C2SP `tlog-tiles`, where a length has 16 bits.
pub const MAX_ENTRY: usize = 65_535;
/// Longest blob in bytes.
pub const MAX_BLOB: usize = 1 << 20;
/// Most entries, and most blobs, in one batch.
pub const MAX_BATCH: usize = 10_000;
/// Most bytes of entries and blobs in one batch.
pub const MAX_BATCH_BYTES: usize = 64 << 20;
/// Most subjects of one entry.
pub const MAX_SUBJECTS: usize = 64;
/// Longest kind, owner or purpose in bytes.
pub const MAX_LABEL: usize = 64;

/// An entry to be appended.
#[derive(Debug, Clone, Copy)]
pub struct NewEntry<'a> {
    /// The leaf, byte for byte; at most [`MAX_ENTRY`].
    pub bytes: &'a [u8],
    /// Microseconds UTC; never before the previous entry's.
    pub time_us: i64,
    /// What it is filed under for [`Reader::by_kind`](crate::Reader::by_kind); at most [`MAX_LABEL`] bytes.
    pub kind: &'a str,
    /// What it is filed under for [`Reader::by_subject`](crate::Reader::by_subject); at most [`MAX_SUBJECTS`]. One named
    /// twice counts once.
    pub subjects: &'a [SubjectKey],
}

/// Sealed bytes to be kept beside the log, bound to it by whatever its entries say of them.
#[derive(Clone, Copy)]
pub struct Beside<'a> {
    /// What it is called, once and for ever.
    pub key: BlobKey,
    /// Whose it is, for [`Reader::blobs_of`](crate::Reader::blobs_of); at most [`MAX_LABEL`] bytes.
    pub owner: &'a str,
    /// What it is for; at most [`MAX_LABEL`] bytes.
    pub purpose: &'a str,
    /// At most [`MAX_BLOB`].
    pub bytes: &'a [u8],
}

/// The bytes are sealed, yet nobody needs them in a log.
impl std::fmt::Debug for Beside<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Beside { key, owner, purpose, bytes } = self;
        write!(f, "Beside {{ key: {key}, owner: {owner:?}, purpose: {purpose:?}, bytes: {} }}", bytes.len())
    }
}

/// What an append gave: the entries' places, their leaves, and the head after them. Durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Place of the first entry of the batch; the others follow.
    pub first: u64,
    /// Leaf hash of each entry, in order.
    pub leaves: Vec<Hash>,
    /// The head after the batch.
    pub head: Head,
}

impl Store {
    /// Appends `entries`, with `beside`, as one: when this returns `Ok`, all of them survive a power cut; otherwise
    /// none is there (except after [`StoreError::Unsure`]). `expected_head` is the size the caller decided on.
    ///
    /// # Errors
    /// [`StoreError::HeadMoved`]; [`StoreError::TooLarge`], [`StoreError::TooSmall`] (a batch without entries, an
    /// empty label), [`StoreError::TimeWentBack`], [`StoreError::BlobTaken`]; [`StoreError::Full`],
    /// [`StoreError::Sql`], [`StoreError::Unsure`], [`StoreError::Poisoned`].
    pub fn append(&mut self, expected_head: u64, entries: &[NewEntry<'_>], beside: &[Beside<'_>]) -> Result<Appended> {
        self.refuse_if_poisoned()?;
        if expected_head != self.head.size() {
            return Err(StoreError::HeadMoved { expected: expected_head, actual: self.head.size() });
        }
        check_limits(entries, beside)?;
        let grown = Grown::by(&self.head, entries)?;
        let filed = self.durably(|transaction| {
            insert_entries(transaction, &grown, entries)?;
            let filed = transaction.recent.file(transaction.connection, grown.first, entries)?;
            insert_blobs(transaction, beside)?;
            write_head(transaction.connection, &grown.head)?;
            Ok(filed)
        })?;
        if filed == Filed::OnDisk {
            self.recent.forget_all();
        }
        self.head = grown.head.clone();
        Ok(Appended { first: grown.first, leaves: grown.leaves, head: grown.head })
    }
}

/// The tree with a batch on it, before any of it is written.
struct Grown {
    first: u64,
    leaves: Vec<Hash>,
    /// For each entry, the hashes of the nodes it completes, one after the other.
    nodes: Vec<Vec<u8>>,
    head: Head,
}

impl Grown {
    fn by(head: &Head, entries: &[NewEntry<'_>]) -> Result<Grown> {
        let mut head = head.clone();
        let first = head.size();
        let (mut leaves, mut nodes) = (Vec::with_capacity(entries.len()), Vec::with_capacity(entries.len()));
        for entry in entries {
            head.last_time_us = Some(not_back(&head, entry.time_us)?);
            let leaf = leaf_hash(entry.bytes);
            let mut completed = Vec::with_capacity(2 * Hash::SIZE);
            head.frontier.append_noting(leaf, |_, _, hash| completed.extend_from_slice(hash.as_ref()));
            leaves.push(leaf);
            nodes.push(completed);
        }
        Ok(Grown { first, leaves, nodes, head })
    }
}

fn not_back(head: &Head, given: i64) -> Result<i64> {
    match head.last_time_us {
        Some(last) if given < last => Err(StoreError::TimeWentBack { seq: head.size(), given, last }),
        _ => Ok(given),
    }
}

fn check_limits(entries: &[NewEntry<'_>], beside: &[Beside<'_>]) -> Result<()> {
    at_least_one("entries of a batch", entries.len())?;
    at_most("entries of a batch", entries.len(), MAX_BATCH)?;
    at_most("blobs of a batch", beside.len(), MAX_BATCH)?;
    for entry in entries {
        at_most("entry in bytes", entry.bytes.len(), MAX_ENTRY)?;
        at_most("subjects of an entry", entry.subjects.len(), MAX_SUBJECTS)?;
        check_label("kind in bytes", entry.kind)?;
    }
    for blob in beside {
        at_most("blob in bytes", blob.bytes.len(), MAX_BLOB)?;
        check_label("owner in bytes", blob.owner)?;
        check_label("purpose in bytes", blob.purpose)?;
    }
    let bytes = entries.iter().map(|entry| entry.bytes.len()).chain(beside.iter().map(|blob| blob.bytes.len())).sum();
    at_most("bytes of a batch", bytes, MAX_BATCH_BYTES)
}

fn check_label(what: &'static str, label: &str) -> Result<()> {
    at_least_one(what, label.len())?;
    at_most(what, label.len(), MAX_LABEL)
}

fn at_least_one(what: &'static str, len: usize) -> Result<()> {
    if len == 0 { Err(StoreError::TooSmall { what, len: 0, min: 1 }) } else { Ok(()) }
}

pub(crate) fn at_most(what: &'static str, len: usize, max: usize) -> Result<()> {
    if len > max { Err(StoreError::TooLarge { what, len: len as u64, max: max as u64 }) } else { Ok(()) }
}

fn insert_entries(transaction: &mut Transaction<'_>, grown: &Grown, entries: &[NewEntry<'_>]) -> Result<()> {
    let mut insert = transaction.connection.prepare_cached(
        "INSERT INTO entry (seq, time_us, kind, nodes, subjects, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for ((seq, entry), nodes) in (grown.first..).zip(entries).zip(&grown.nodes) {
        let kind = kind_id(transaction, entry.kind)?;
        insert
            .execute((to_sql(seq), entry.time_us, kind, nodes, subjects::encode(entry.subjects), entry.bytes))
            .map_err(|error| place_taken(transaction.connection, grown.first, error))?;
    }
    Ok(())
}

/// A writer who got past the lock, e.g. because its file was removed, still cannot take a place twice.
fn place_taken(connection: &Connection, expected: u64, error: rusqlite::Error) -> StoreError {
    if error.sqlite_error_code() != Some(ErrorCode::ConstraintViolation) {
        return error.into();
    }
    match read_head(connection) {
        Ok(head) => StoreError::HeadMoved { expected, actual: head.size() },
        Err(error) => error,
    }
}

/// Few kinds, many entries: entries hold a number, and the numbers are remembered until a transaction fails.
fn kind_id(transaction: &mut Transaction<'_>, name: &str) -> Result<i64> {
    if let Some(id) = transaction.kinds.get(name) {
        return Ok(*id);
    }
    let mut select = transaction.connection.prepare_cached("SELECT id FROM kind WHERE name = ?1")?;
    let id = match select.query_row([name], |row| row.get(0)).optional()? {
        Some(id) => id,
        None => {
            transaction.connection.prepare_cached("INSERT INTO kind (name) VALUES (?1)")?.execute([name])?;
            transaction.connection.last_insert_rowid()
        }
    };
    transaction.kinds.insert(name.to_owned(), id);
    Ok(id)
}

fn insert_blobs(transaction: &Transaction<'_>, beside: &[Beside<'_>]) -> Result<()> {
    let mut insert = transaction.connection.prepare_cached(
        "INSERT INTO blob (key, owner, purpose, erased, bytes) VALUES (?1, ?2, ?3, 0, ?4) ON CONFLICT (key) DO NOTHING",
    )?;
    for blob in beside {
        if insert.execute((blob.key.as_bytes(), blob.owner, blob.purpose, blob.bytes))? == 0 {
            return Err(StoreError::BlobTaken { key: blob.key.to_string() });
        }
    }
    Ok(())
}
