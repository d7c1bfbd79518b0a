//! The append-only log, what is sealed beside it, and snapshots: the only SQL. Knows no event and no policy.
//!
//! One [`Store`] writes, any number of [`Reader`]s read. [`Store::append`] is the only way in which a fact comes to be:
//! when it returns, the whole batch survives a crash and a power cut; when it fails, none of it is there. What is
//! sealed beside the log ([`Beside`]) comes with the batch that speaks of it and can be erased; snapshots
//! ([`Snapshots`]) can be thrown away and made again.
//!
//! On disk: `ledger.db` (SQLite in WAL mode, with `-wal` and `-shm`), `ledger.lock`, `snapshots/`, in a directory that
//! only its owner can enter. The nodes of the tree that an entry completes are kept in the entry's own row, so that a
//! row is a leaf, its proof material and its bytes.

mod append;
mod blobs;
mod checkpoints;
mod directory;
mod error;
mod key;
mod nodes;
mod reader;
mod schema;
mod snapshots;
mod sql;
mod store;
mod subjects;
mod verify;

pub use append::{
    Appended, Beside, MAX_BATCH, MAX_BATCH_BYTES, MAX_BLOB, MAX_ENTRY, MAX_LABEL, MAX_SUBJECTS, NewEntry,
};
pub use blobs::{Blob, BlobInfo, Erasure};
pub use checkpoints::KEEP_NEWEST;
pub use error::{Fault, StoreError};
pub use key::{BlobKey, ShortKey, SubjectKey};
pub use reader::{Entries, Entry, MAX_PAGE, MIN_PREFIX, Order, Reader};
pub use snapshots::{MAX_SNAPSHOT, PassedOver, Snapshot, SnapshotSearch, Snapshots};
pub use store::{Head, Options, Store};
pub use verify::Verdict;

/// What the operations of this crate return.
pub type Result<T> = std::result::Result<T, StoreError>;
