//! What can go wrong, told apart by what the caller should do about it; and what can be wrong with a ledger on disk.

use std::path::PathBuf;

/// Why a ledger could not be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process, or another part of this one, has the ledger open for writing: stop.
    #[error("ledger in `{}` is in use by another writer", dir.display())]
    InUse {
        /// The ledger's directory.
        dir: PathBuf,
    },
    /// The directory is readable by others: close it (mode 0700) or point elsewhere.
    #[error("`{}` is open to others (mode {mode:o})", path.display())]
    OpenToOthers {
        /// The directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file is no ledger of ours: point elsewhere.
    #[error("`{}` is not a ledger: {why}", path.display())]
    NotALedger {
        /// The database file.
        path: PathBuf,
        /// What it lacks.
        why: &'static str,
    },
    /// The ledger was written by a newer version: upgrade, do not touch it.
    #[error("ledger has schema {found}, this version knows schemas up to {known}")]
    NewerSchema {
        /// Version found in the file.
        found: i64,
        /// Newest version this build can read.
        known: i64,
    },
    /// What is on disk contradicts itself: stop writing, verify, restore.
    #[error("ledger is damaged: {0}")]
    Damaged(Fault),
    /// Somebody appended in between: decide again on the head that is.
    #[error("head is at {actual}, not at {expected}")]
    HeadMoved {
        /// Head the caller decided on.
        expected: u64,
        /// Head that is.
        actual: u64,
    },
    /// The caller broke a limit of the interface; nothing was written.
    #[error("{what} of {len} is over its limit of {max}")]
    TooLarge {
        /// What was measured, with its unit.
        what: &'static str,
        /// What was given.
        len: u64,
        /// The most that is accepted.
        max: u64,
    },
    /// The caller gave too little to act on; nothing was written.
    #[error("{what} of {len} is under its limit of {min}")]
    TooSmall {
        /// What was measured, with its unit.
        what: &'static str,
        /// What was given.
        len: u64,
        /// The least that is accepted.
        min: u64,
    },
    /// An entry's time lies before its predecessor's; nothing was written.
    #[error("entry {seq} has time {given} µs, its predecessor {last} µs")]
    TimeWentBack {
        /// Place the entry would have taken.
        seq: u64,
        /// Its time.
        given: i64,
        /// The time it must not precede.
        last: i64,
    },
    /// A blob of that key is or was there; nothing was written.
    #[error("blob `{key}` exists or was erased")]
    BlobTaken {
        /// The key, as it prints.
        key: String,
    },
    /// Something was asked about entries that do not exist yet.
    #[error("{asked} is beyond the head at {head}")]
    BeyondHead {
        /// Size asked for.
        asked: u64,
        /// Size of the ledger.
        head: u64,
    },
    /// A checkpoint older than the newest one, and of a size that has none.
    #[error("checkpoint at {size} comes after the one at {latest}")]
    CheckpointBehind {
        /// Size of the checkpoint offered.
        size: u64,
        /// Size of the newest one.
        latest: u64,
    },
    /// A checkpoint says something else of the ledger than the ledger does: it was not made from this head.
    #[error("checkpoint at {size} has another root than the ledger has there")]
    CheckpointUnfit {
        /// Size of the checkpoint offered.
        size: u64,
    },
    /// No room: nothing was written, and appending works again once there is room.
    #[error("no room left for the ledger")]
    Full,
    /// A commit failed in a way that leaves open whether it is on disk: open the store again to learn it. Until then
    /// it refuses to write.
    #[error("commit failed, and whether it is on disk is not known")]
    Unsure(#[source] rusqlite::Error),
    /// An earlier call ended in [`StoreError::Unsure`]: open the store again.
    #[error("store refuses to write since an earlier commit failed")]
    Poisoned,
    /// Blobs are overwritten, but a reader still holds copies in the write-ahead log: erase again.
    #[error("old copies of erased blobs remain until a reader ends")]
    ErasureUnfinished,
    /// The stored tree did not yield a proof.
    #[error("proof could not be made")]
    Proof(#[from] ledger::Error),
    /// A file or directory could not be used.
    #[error("`{}` could not be used", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// SQLite failed otherwise; nothing was written.
    #[error("ledger database failed")]
    Sql(#[source] rusqlite::Error),
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        use rusqlite::ErrorCode::{DatabaseCorrupt, DiskFull, NotADatabase};
        match error.sqlite_error_code() {
            Some(DiskFull) => StoreError::Full,
            Some(DatabaseCorrupt | NotADatabase) => StoreError::Damaged(Fault::FileDamaged { why: error.to_string() }),
            _ => StoreError::Sql(error),
        }
    }
}

/// What is wrong with a ledger on disk. The first one found is named.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// An entry below the head is not there.
    #[error("entry {seq} is missing")]
    EntryMissing {
        /// Its place.
        seq: u64,
    },
    /// The bytes of an entry are not those that were appended.
    #[error("entry {seq} was changed")]
    EntryChanged {
        /// Its place.
        seq: u64,
    },
    /// Entries were removed, inserted, reordered or replaced, and their own hashes made to fit.
    #[error("entries {first} to {last} are not those that were appended there")]
    EntriesReplaced {
        /// First place that may be wrong.
        first: u64,
        /// Last place that may be wrong.
        last: u64,
    },
    /// The entries are right, a stored node of the tree is not. It can be computed again.
    #[error("stored tree node {index} at level {level} was changed, the entries under it were not")]
    NodeChanged {
        /// Height above the leaves.
        level: u8,
        /// Position within the level.
        index: u64,
    },
    /// The stored head is not the head of the stored entries.
    #[error("stored head at {size} does not match the entries")]
    HeadChanged {
        /// Size the head claims.
        size: u64,
    },
    /// There are entries that the head does not count.
    #[error("entry {seq} lies outside the head at {size}")]
    EntryOutsideHead {
        /// Place of such an entry.
        seq: i64,
        /// Size of the head.
        size: u64,
    },
    /// A checkpoint covers more entries than there are.
    #[error("ledger ends at {size}, yet a checkpoint covers {checkpoint} entries")]
    Truncated {
        /// Size of the ledger.
        size: u64,
        /// Size of the checkpoint.
        checkpoint: u64,
    },
    /// Entries, tree and head agree with each other, but not with what was once signed.
    #[error("the first {size} entries are not those of the checkpoint at {size}; those up to {good} are")]
    CheckpointDisagrees {
        /// Size of the checkpoint.
        size: u64,
        /// Size of the last checkpoint that agrees, 0 if none does.
        good: u64,
    },
    /// A stored checkpoint does not read as one.
    #[error("stored checkpoint at {size} is malformed")]
    CheckpointMalformed {
        /// Size it is filed under.
        size: u64,
    },
    /// The recorded time of an entry lies before its predecessor's.
    #[error("entry {seq} is filed before the time of its predecessor")]
    TimeGoesBack {
        /// Its place.
        seq: u64,
    },
    /// The file cannot be read at this place.
    #[error("entry {seq} cannot be read: {why}")]
    EntryUnreadable {
        /// First place that cannot be read.
        seq: u64,
        /// What SQLite said.
        why: String,
    },
    /// The database file breaks its own format.
    #[error("database file is damaged: {why}")]
    FileDamaged {
        /// What SQLite said.
        why: String,
    },
}
